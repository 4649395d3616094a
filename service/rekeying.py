"""Verdicts carried over to a new evidence key, by reading the values again where they lie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dlpagent.classifiers.detecting import classifier_of
from dlpagent.classifiers.sit import Pack
from dlpagent.classifiers.sub_pack import only
from dlpagent.evidence import load_evidence
from dlpagent.former_keys import Rotation, drop_former, load_former, rotate
from dlpagent.ports import Source
from dlpagent.service.suppressing import evidence_for, unsuperseded
from dlpagent.state import State
from dlpagent.state.assets import read_all_again
from dlpagent.state.audit import record_act
from dlpagent.state.verdicts import set_verdicts, stored_verdicts
from dlpagent.suppressions import ANY_SIT, Verdict


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """How many verdicts stand under the new key now, and how many still wait for their value."""

    carried: int
    waiting: int


def rotate_key(state: State, actor: str, key_file: Path) -> Rotation:
    """Make a new evidence key; the former stays beside it for the verdicts made under it.

    Recorded in the audit log, with the ids of the keys.
    """
    with state.database.write() as connection:
        rotation = rotate(key_file)
        record_act(
            connection, actor, "evidence_key.rotate", rotation.after, {"before": rotation.before}
        )
    return rotation


def waiting_verdicts(state: State, key_file: Path) -> list[Verdict]:
    """The verdicts that stand under a former key only."""
    former = {item.key_id() for item in load_former(key_file)}
    return [item for item in unsuperseded(stored_verdicts(state.database)) if item.key_id in former]


def rekey(
    state: State, actor: str, key_file: Path, pack: Pack, sources: Iterable[Source],
    cache: Path | None = None,
) -> Rekeyed:  # fmt: skip
    """Read sources and carry the verdicts on values found there over to the present key.

    The former verdicts stay for the findings stored under their keys.
    """
    waiting = waiting_verdicts(state, key_file)
    if not waiting:
        return Rekeyed(0, 0)
    sits = {item.sit_id for item in waiting}
    part = pack if ANY_SIT in sits else only(pack, sits)
    present = load_evidence(key_file)
    found = _pairs(part, sources, key_file, waiting, cache)
    carried = [
        replace(item, key=found[item.key], key_id=present.key_id(), former_key=item.key)
        for item in waiting
        if item.key in found
    ]
    if carried:
        set_verdicts(state.database, actor, carried, act="verdict.rekey", origin=present.key_id())
    return Rekeyed(len(carried), len(waiting) - len(carried))


def _pairs(
    pack: Pack, sources: Iterable[Source], key_file: Path, waiting: list[Verdict],
    cache: Path | None,
) -> Mapping[str, str]:  # fmt: skip
    """Former key → present key, of the values that verdicts wait for."""
    wanted = {item.key for item in waiting}
    before = classifier_of(pack, evidence_for(key_file, waiting), cache)
    after = classifier_of(pack, load_evidence(key_file), cache)
    found: dict[str, str] = {}
    for source in sources:
        for asset in source.discover():
            for batch, _ in source.read(asset):
                old = before.classify(batch).matches.column("key").to_pylist()
                if not wanted.isdisjoint(old):
                    # the same texts and pack give the same matches in the same order
                    new = after.classify(batch).matches.column("key").to_pylist()
                    found |= {
                        one: other for one, other in zip(old, new, strict=True) if one in wanted
                    }
    return found


def forget_former(state: State, actor: str, key_file: Path) -> list[str]:
    """Drop the former keys no verdict waits under any more; returns their ids.

    Findings under a dropped key can no longer be told from others, so the next run reads every asset
    again, also those that did not change.
    """
    keep = {item.key_id for item in waiting_verdicts(state, key_file)}
    with state.database.write() as connection:
        gone = drop_former(key_file, keep)
        for name in gone:
            record_act(connection, actor, "evidence_key.forget", name)
        if gone:
            read_all_again(connection)
    return gone
