"""Two scans held against each other: states, files of findings, exports of Purview.

Values are compared by key, so a moved line is the same finding. Where a side has no keys (Purview), an
item and a type are compared as a whole: found or not, and at which level.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from dlpagent.classifiers.comparison import Tally
from dlpagent.classifiers.diff import Change
from dlpagent.classifiers.evaluation import wilson
from dlpagent.classifiers.sit import Pack
from dlpagent.errors import ConfigurationError
from dlpagent.findings import level_of
from dlpagent.service.documents import is_state
from dlpagent.service.purview_results import is_purview, read_purview
from dlpagent.state import open_state
from dlpagent.state.readings import latest_readings

ValueAt = tuple[str, str, str]
"""Asset, SIT id, key of a value ("" where there are none)."""


@dataclass(slots=True)
class Side:
    """One scan. found: value → its confidences, the highest first. whole: asset → whether it was read
    whole, None when the side does not say what it read. change_keys: asset → version of its content."""

    name: str
    found: dict[ValueAt, list[int]] = field(default_factory=dict)
    whole: dict[str, bool] | None = None
    change_keys: dict[str, str | None] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    packs: set[str] = field(default_factory=set)
    has_keys: bool = True

    def add(self, asset: str, sit: str, key: str, confidence: int) -> None:
        """Count one finding."""
        self.found.setdefault((asset, sit, key), []).append(confidence)

    def is_whole(self, asset: str) -> bool:
        """Whether findings that are not there would have been found."""
        return self.whole is None or self.whole.get(asset, False)


@dataclass(slots=True)
class ScanComparison:
    """tallies: (SIT id, asset) → counts. reasons: asset → why it cannot be compared.

    causes: SIT id → rule changes, as far as packs were given; else it is said of each SIT and asset
    whether the content changed (content_changed). by_item: values had no keys on one side.
    """

    before: str
    after: str
    tallies: dict[tuple[str, str], Tally]
    reasons: dict[str, str]
    names: dict[str, str]
    by_item: bool
    content_changed: set[str]
    packs: tuple[str, str]
    causes: Mapping[str, tuple[Change, ...]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def total(self) -> Tally:
        """Everything together."""
        return sum(self.tallies.values(), Tally())

    def by_sit(self) -> dict[str, Tally]:
        """SIT id → counts over all assets."""
        found: dict[str, Tally] = {}
        for (sit, _), tally in self.tallies.items():
            found[sit] = found.get(sit, Tally()) + tally
        return found


def agreement(tally: Tally) -> dict[str, Any]:
    """The second scan's precision and recall, taking the first for the truth, with 95 % intervals."""
    both = tally.same + tally.level_changed
    return {
        "both": both,
        "precision": both / (both + tally.new) if both + tally.new else 0.0,
        "precision_95": wilson(both, both + tally.new),
        "recall": both / (both + tally.lost) if both + tally.lost else 0.0,
        "recall_95": wilson(both, both + tally.lost),
    }


def is_scan(target: str) -> bool:
    """Whether a target is something that findings can be read from."""
    place = target.split("#", 1)[0]
    return is_state(place) or (
        Path(place).is_file()
        and Path(place).suffix.lower() in (".jsonl", ".ndjson", ".json", ".csv")
    )


def read_side(target: str, pack: Pack) -> Side:
    """A scan from a state (PATH#RUN: that run, else the newest findings), a file or an export.

    pack: gives SITs their names and ids. Raises ConfigurationError.
    """
    place, _, run = target.partition("#")
    if is_state(place):
        return _of_state(target, place, run, pack)
    path = Path(place)
    if is_purview(path):
        return _of_purview(path, pack)
    side = Side(place)
    for number, row in _rows(path):
        try:
            sit = row["sit"]
            side.add(row["asset"], sit["id"], row["key"], int(row["confidence"]))
            side.names[sit["id"]] = sit["name"]
            side.packs.add("{id} {version}".format(**row["pack"]))
        except (KeyError, TypeError, ValueError):
            raise ConfigurationError(
                "this is no finding", where=f"{path}:{number}",
                expected="findings of: dlpagent scan --format jsonl, json or csv",
            ) from None  # fmt: skip
    return side


def _of_state(target: str, place: str, run: str, pack: Pack) -> Side:
    side = Side(target, whole={}, names=pack.sit_names)
    with open_state(place) as state:
        if run:
            run = state.run_of(run).id
            progress = {item.asset_uri: item for item in state.progress(run)}
        else:
            progress = {item.asset.uri: item.progress for item in latest_readings(state.database)}
        for uri, item in progress.items():
            side.whole[uri] = item.status in ("done", "skipped")  # type: ignore[index]
            side.change_keys[uri] = item.change_key
        skipped = [uri for uri, item in progress.items() if run and item.status == "skipped"]
        batches = [state.findings(run) if run else state.latest_findings(),
                   *(state.latest_findings(uri) for uri in skipped)]  # fmt: skip
        for batch in (one for many in batches for one in many):
            side.packs.add(f"{batch.pack.id} {batch.pack.version} {batch.pack.hash}")
            columns = (
                batch.rows.column(name).to_pylist() for name in ("sit_id", "key", "confidence")
            )
            for sit, key, confidence in zip(*columns, strict=True):
                side.add(batch.asset_uri, sit, key, confidence)
    return side


def _of_purview(path: Path, pack: Pack) -> Side:
    ids = {sit.name.casefold(): sit.id for sit in pack.sits.values()}
    side = Side(str(path), names=pack.sit_names, has_keys=False)
    for item in read_purview(path):
        sit = ids.get(item.sit.casefold(), item.sit)
        side.names.setdefault(sit, item.sit)
        side.add(item.item, sit, "", item.confidence)
    return side


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        text = path.read_text("utf-8")
        if path.suffix.lower() == ".csv":
            for number, row in enumerate(csv.DictReader(text.splitlines()), 2):
                sit = {"id": row.get("sit_id"), "name": row.get("sit_name")}
                pack = {"id": row.get("pack_id"), "version": row.get("pack_version")}
                yield number, {**row, "sit": sit, "pack": pack}
        elif path.suffix.lower() == ".json":
            yield from enumerate(json.loads(text)["findings"], 1)
        else:
            for number, line in enumerate(text.splitlines(), 1):
                if line.strip():
                    yield number, json.loads(line)
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            "these are no findings", where=str(path),
            expected="findings of: dlpagent scan --format jsonl, json or csv, or an export of Purview",
            found=type(error).__name__,
        ) from None  # fmt: skip


def compare_scans(before: Side, after: Side, *, by_name: bool = False) -> ScanComparison:
    """Hold two scans against each other, value by value, or item by item where keys are missing.

    by_name: files are the same when their names are, wherever they lie.
    """
    by_item = not (before.has_keys and after.has_keys)
    left, right = (
        _units(before, by_item, by_name or by_item),
        _units(after, by_item, by_name or by_item),
    )
    reasons = {} if by_name or by_item else dict(_reasons(before, after))
    counts: dict[tuple[str, str], Tally] = {}
    for asset, sit, key in left.keys() | right.keys():
        old, new = left.get((asset, sit, key), []), right.get((asset, sit, key), [])
        tally = (
            Tally(incomparable=max(len(old), len(new))) if asset in reasons else _paired(old, new)
        )
        counts[sit, asset] = counts.get((sit, asset), Tally()) + tally
    moved = {
        uri
        for uri, mark in after.change_keys.items()
        if mark and before.change_keys.get(uri) not in (None, mark)
    }
    found = ScanComparison(
        before.name, after.name, dict(sorted(counts.items())), reasons,
        {**before.names, **after.names}, by_item, moved,
        (", ".join(sorted(before.packs)), ", ".join(sorted(after.packs))),
    )  # fmt: skip
    if not by_item and _strangers(left, right):
        found.notes.append(
            "no key of a value is in both, though both found the same types in the same places: "
            "scans compare under one evidence key only"
        )
    return found


def _units(side: Side, by_item: bool, by_name: bool) -> dict[ValueAt, list[int]]:
    found: dict[ValueAt, list[int]] = {}
    for (asset, sit, key), confidences in side.found.items():
        unit = (_last_name(asset) if by_name else asset, sit, "" if by_item else key)
        found.setdefault(unit, []).extend(confidences)
    return {
        unit: [max(many)] if by_item else sorted(many, reverse=True) for unit, many in found.items()
    }


def _last_name(asset: str) -> str:
    path = unquote(urlsplit(asset).path) if "://" in asset else asset
    return path.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]


def _paired(old: list[int], new: list[int]) -> Tally:
    pairs = min(len(old), len(new))
    levels = Counter(level_of(one) == level_of(other) for one, other in zip(old, new, strict=False))
    return Tally(
        new=len(new) - pairs, lost=len(old) - pairs, same=levels[True], level_changed=levels[False]
    )


def _reasons(before: Side, after: Side) -> Iterator[tuple[str, str]]:
    """Assets that cannot be compared, and why."""
    assets = {asset for side in (before, after) for asset in (side.whole or {})}
    assets |= {asset for side in (before, after) for asset, _, _ in side.found}
    for asset in sorted(assets):
        for side in (before, after):
            if not side.is_whole(asset):
                known = asset in (side.whole or {})
                what = "was not read whole" if known else "was not read"
                yield asset, f"{what} in {side.name}"
                break


def _strangers(left: Iterable[ValueAt], right: Iterable[ValueAt]) -> bool:
    one, other = set(left), set(right)
    places = {item[:2] for item in one} & {item[:2] for item in other}
    keys = {item[2] for item in one} & {item[2] for item in other}
    return bool(places) and not keys
