"""A part of a pack: some of its SITs with all they reach, and what each of them means.

A SIT's findings depend on the SIT, the elements and filters it reaches, and nothing else of its
pack; tests/classifiers/test_sub_pack.py holds a part to what the whole finds.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from dlpagent.classifiers.pack_values import with_hash
from dlpagent.classifiers.sit import Pack, Sit, elements_of, filter_refs


def only(pack: Pack, sit_ids: Collection[str]) -> Pack:
    """The pack with these SITs alone, and the elements and filters they reach."""
    sits = {ident: sit for ident, sit in pack.sits.items() if ident in sit_ids}
    names: set[str] = set()
    for sit in sits.values():
        names |= reached(pack, sit)
    return with_hash(
        replace(
            pack,
            sits=sits,
            elements={name: item for name, item in pack.elements.items() if name in names},
            filters={name: item for name, item in pack.filters.items() if name in names},
        )
    )


def reached(pack: Pack, sit: Sit) -> set[str]:
    """The ids of the elements and filters that decide on a SIT's findings."""
    return {*filter_refs(sit), *elements_of(pack, sit)}


def differing(before: Pack, after: Pack) -> frozenset[str]:
    """The ids of SITs whose findings may differ: changed, added, removed, or changed in what they reach.

    Names, descriptions, examples and recommended confidences change no finding and do not count.
    """
    both = before.sits.keys() & after.sits.keys()
    alone = before.sits.keys() ^ after.sits.keys()
    return frozenset(alone) | {
        ident for ident in both if _meaning(before, ident) != _meaning(after, ident)
    }


def _meaning(pack: Pack, ident: str) -> object:
    """Everything that a SIT's findings depend on, comparable."""
    sit = pack.sits[ident]
    names = reached(pack, sit)
    return (
        sit.patterns,
        sit.proximity,
        sit.value,
        sit.filters,
        {name: item for name, item in pack.elements.items() if name in names},
        {name: item for name, item in pack.filters.items() if name in names},
        sorted(names),
    )
