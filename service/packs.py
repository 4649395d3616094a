"""Packs by name: the built-in one, folders, SIT files, rule package XML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dlpagent.classifiers.pack import BUILTIN, load_pack
from dlpagent.classifiers.pack_cache import kept_pack
from dlpagent.classifiers.pack_values import merge, with_hash
from dlpagent.classifiers.sit import Pack, Profile
from dlpagent.service.ner import Ner, choose

BUILTIN_NAME = "builtin"


def load_packs(
    names: Sequence[str], profile: Profile, cache: Path | None = None, ner: Ner = "off"
) -> Pack:
    """The packs named (`builtin`, folders, SIT files, rule package XML) as one.

    cache: a folder in which the built-in pack is kept as read, so that it loads at once next time.
    ner: whether SITs that need a language model keep their patterns (service/ner.py).
    """
    return choose(whole_packs(names, profile, cache), ner).pack


def whole_packs(names: Sequence[str], profile: Profile, cache: Path | None = None) -> Pack:
    """The packs named as one, with what needs a language model."""
    base = (
        kept_pack(BUILTIN, cache, profile=profile) if cache else load_pack(BUILTIN, profile=profile)
    )
    packs = [base if name == BUILTIN_NAME else _load_one(Path(name), base) for name in names]
    return packs[0] if len(packs) == 1 else merge(packs)


def _load_one(path: Path, base: Pack) -> Pack:
    if path.suffix.lower() == ".xml":
        from dlpagent.classifiers.rulepackage_xml import read_rule_package

        return read_rule_package(path, base).pack
    # a pack of the user's is used as it is written: strict is about what we added to Purview's
    return load_pack(path, profile="extended", base=base)


def above(pack: Pack, confidence: int) -> Pack:
    """The pack without the patterns that lie below a confidence."""
    sits = {
        ident: replace(
            sit, patterns=tuple(item for item in sit.patterns if item.confidence >= confidence)
        )
        for ident, sit in pack.sits.items()
    }
    return with_hash(replace(pack, sits=sits))
