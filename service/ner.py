"""Whether SITs that need a language model are looked for: `--ner off|auto|on`, and with what budget.

off: not looked for, but those a policy names. auto: looked for when the extra is installed. on: looked
for; an error names the extra that is missing. SITs that are not looked for stay in the pack without
patterns, so that they can be named, listed and counted.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal, cast, get_args

from dlpagent.classifiers.detectors import NEED_MODEL, sits_with_detectors, unavailable
from dlpagent.classifiers.pack_values import with_hash
from dlpagent.classifiers.sit import Detector, Pack
from dlpagent.errors import ConfigurationError

Ner = Literal["off", "auto", "on"]
MODES = get_args(Ner)

BUDGET_VARIABLE = "DLPAGENT_NER_BUDGET"
"""How the budget reaches worker processes, which inherit the environment."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A pack with what is looked for in it, and the SITs that are not, by id."""

    pack: Pack
    left_out: frozenset[str] = frozenset()


def needing_model(pack: Pack) -> frozenset[str]:
    """The SITs of a pack that need a language model and have patterns."""
    asking = sits_with_detectors(pack, NEED_MODEL)
    return frozenset(ident for ident in asking if pack.sits[ident].patterns)


def choose(pack: Pack, mode: Ner, named: Collection[str] = ()) -> Chosen:
    """The pack as the mode has it. named: the ids a policy names; they are looked for in any case.

    Raises ConfigurationError when something must be looked for and the extra is missing.
    """
    asking = needing_model(pack)
    wanted = asking & frozenset(named)
    if mode == "on" or (mode == "auto" and not missing(pack)):
        wanted = asking
    if wanted and (why := missing(pack)):
        names = ", ".join(sorted(pack.sits[ident].name for ident in wanted)[:3])
        raise ConfigurationError(
            f"named entities cannot be looked for ({why})",
            where="--ner",
            expected=f"the extra ner, for {names}",
            found="it is not installed",
            remedy="Run: pip install 'dlpagent[ner]', or leave these types out.",
        )
    return Chosen(without(pack, asking - wanted), asking - wanted)


def missing(pack: Pack) -> str:
    """Why the language models of a pack cannot be used; empty when they can."""
    reasons = (
        unavailable(item)
        for item in pack.elements.values()
        if isinstance(item, Detector) and item.kind in NEED_MODEL
    )
    return next((reason for reason in reasons if reason), "")


def without(pack: Pack, sits: Collection[str]) -> Pack:
    """The pack with these SITs in it by name only."""
    if not sits:
        return pack
    changed = {
        ident: replace(sit, patterns=()) if ident in sits else sit
        for ident, sit in pack.sits.items()
    }
    return with_hash(replace(pack, sits=changed))


def set_budget(seconds: float | None) -> None:
    """Give language models a budget of CPU seconds in this process and in its workers."""
    if seconds is None:
        return
    os.environ[BUDGET_VARIABLE] = f"{seconds:g}"
    from dlpagent.classifiers.entities import set_budget as begin_to_count

    begin_to_count(seconds)


def sentence_of(left_out: Collection[str]) -> str:
    """What a summary says of SITs that were not looked for; empty when there are none."""
    if not left_out:
        return ""
    return (
        f"{len(left_out)} type(s) that need a language model were not looked for; "
        "look for them with --ner on (sweep file: ner: on)"
    )


def parse(text: str) -> Ner:
    """A mode. Raises ConfigurationError."""
    if text not in MODES:
        raise ConfigurationError(
            "this is not a choice", where="--ner", expected="one of " + ", ".join(MODES), found=text
        )
    return cast("Ner", text)
