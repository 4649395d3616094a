"""Comparisons as tables for people and JSON for programs. No value is in either."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from dlpagent.classifiers.comparison import KINDS, Outcome, Tally
from dlpagent.classifiers.diff import Change
from dlpagent.service.comparing import Comparison
from dlpagent.service.comparing_scans import ScanComparison, agreement

SHOWN = 20
"""Findings listed of each kind in a table."""


def comparison_json(found: Comparison, listed: int | None = None) -> dict[str, Any]:
    """Two packs compared, as plain JSON values, version 1 (docs/diff.md).

    listed: at most so many findings that changed; None: all of them.
    """
    changed = [item for item in found.outcomes if item.kind != "same"]
    return {
        "v": 1,
        "before": asdict(found.before),
        "after": asdict(found.after),
        "documents": found.documents,
        "evaluated_sits": found.saved.evaluated,
        "all_sits": found.saved.sits,
        "seconds": round(found.saved.seconds, 3),
        "total": asdict(found.total),
        "sits": [
            {
                "id": sit,
                "name": found.names.get(sit, sit),
                "causes": [change_json(item) for item in found.causes.get(sit, ())],
                "total": asdict(total),
                "sources": {source: asdict(tally) for source, tally in sources},
            }
            for sit, total, sources in _by_sit(found.tallies)
        ],
        "unaffected": [
            {"id": sit, "name": found.names.get(sit, sit),
             "causes": [change_json(item) for item in found.causes.get(sit, ())]}
            for sit in sorted(found.changed - {name for name, _ in found.tallies})
        ],
        "changes": [_outcome_json(found, item) for item in changed[:listed]],
        "changes_total": len(changed),
    }  # fmt: skip


def change_json(change: Change) -> dict[str, str]:
    """A change of a rule, with the sentence a person reads."""
    return {"kind": change.kind, "what": change.what, "at": change.at, "text": str(change)}


def _outcome_json(found: Comparison, item: Outcome) -> dict[str, Any]:
    return {**asdict(item), "sit": found.names.get(item.sit_id, item.sit_id),
            "masked": found.shape(item)}  # fmt: skip


def _by_sit(
    tallies: Mapping[tuple[str, str], Tally],
) -> list[tuple[str, Tally, list[tuple[str, Tally]]]]:
    """SITs with most changes first, each with its sources."""
    groups: dict[str, list[tuple[str, Tally]]] = {}
    for (sit, source), tally in tallies.items():
        groups.setdefault(sit, []).append((source, tally))
    rows = [
        (sit, sum((tally for _, tally in sources), Tally()), sorted(sources, key=lambda s: s[0]))
        for sit, sources in groups.items()
    ]
    return sorted(rows, key=lambda row: (-row[1].changes, -row[1].incomparable, row[0]))


HEAD = ("new", "right", "wrong", "lost", "right", "wrong", "level", "same", "incomp.")


def _cells(tally: Tally) -> tuple[str, ...]:
    def known(right: int, wrong: int) -> tuple[str, str]:
        return (str(right), str(wrong)) if right or wrong else ("–", "–")

    return (
        str(tally.new), *known(tally.new_right, tally.new_wrong),
        str(tally.lost), *known(tally.lost_right, tally.lost_wrong),
        str(tally.level_changed), str(tally.same), str(tally.incomparable),
    )  # fmt: skip


def comparison_text(found: Comparison) -> str:
    """Two packs compared, as a person reads it."""
    return "\n".join(_comparison_lines(found)) + "\n"


def _comparison_lines(found: Comparison) -> Iterator[str]:
    saved = found.saved
    yield (
        f"{found.before.id} {found.before.version} → {found.after.id} {found.after.version}: "
        f"{found.documents} texts; {saved.evaluated} of {saved.sits} SITs can have changed and were "
        f"evaluated, in {saved.seconds:.1f} s"
    )
    if not found.changed:
        yield "No rule changed that a finding depends on."
        return
    yield ""
    rows: list[tuple[str, Tally]] = []
    for sit, total, sources in _by_sit(found.tallies):
        rows.append((found.names.get(sit, sit), total))
        if len(sources) > 1:
            rows += [(f"  {source}", tally) for source, tally in sources]
    if len(rows) > 1:
        rows.append(("all", found.total))
    yield from _table(rows)
    yield ""
    for sit in sorted(found.changed, key=lambda name: found.names.get(name, name)):
        yield f"{found.names.get(sit, sit)}, because of"
        yield from (f"  {item}" for item in found.causes.get(sit, ()))
    for kind in KINDS:
        items = [item for item in found.outcomes if item.kind == kind]
        if kind != "same" and items:
            yield ""
            yield f"{kind.capitalize()}: {len(items)}"
            yield from (_outcome_line(found, item) for item in _spread(items))
            if len(items) > SHOWN:
                yield f"  … and {len(items) - SHOWN} more (--format json)"


def _spread(items: Sequence[Outcome]) -> list[Outcome]:
    """The wrong ones first, then the surest."""
    order = {False: 0, None: 1, True: 2}
    return sorted(items, key=lambda item: (order[item.right], -max(item.after, item.before)))[
        :SHOWN
    ]


def _outcome_line(found: Comparison, item: Outcome) -> str:
    judged = {True: "  right", False: "  wrong", None: ""}[item.right]
    levels = f"{item.before or '–'} → {item.after or '–'}"
    name = found.names.get(item.sit_id, item.sit_id)
    return f"  {item.where} {item.start}–{item.end}  {name}  {levels}  {found.shape(item)}{judged}"


def _table(rows: Sequence[tuple[str, Tally]], head: Sequence[str] = HEAD) -> Iterator[str]:
    table = [("", *head), *((name, *_cells(tally)) for name, tally in rows)]
    yield from aligned(table)


def aligned(table: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows with the first column to the left and the others to the right."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for row in table:
        numbers = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        yield f"  {row[0].ljust(widths[0])}  {'  '.join(numbers)}".rstrip()


# --- scans ---------------------------------------------------------------------------------------


def scans_json(found: ScanComparison) -> dict[str, Any]:
    """Two scans compared, as plain JSON values, version 1 (docs/diff.md)."""
    return {
        "v": 1,
        "before": found.before,
        "after": found.after,
        "packs": list(found.packs),
        "by_item": found.by_item,
        "total": asdict(found.total),
        "sits": [
            {
                "id": sit,
                "name": found.names.get(sit, sit),
                "total": asdict(total),
                **({"agreement": agreement(total)} if found.by_item and _is_known(total) else {}),
                "causes": [change_json(item) for item in found.causes.get(sit, ())],
                "assets": {
                    asset: {**asdict(tally), "content_changed": asset in found.content_changed}
                    for asset, tally in assets
                },
            }
            for sit, total, assets in _by_sit(found.tallies)
        ],
        "incomparable": found.reasons,
        "notes": found.notes,
    }


def scans_text(found: ScanComparison) -> str:
    """Two scans compared, as a person reads it."""
    return "\n".join(_scan_lines(found)) + "\n"


def _scan_lines(found: ScanComparison) -> Iterator[str]:
    unit = "items" if found.by_item else "findings"
    yield f"{found.before} → {found.after} ({unit})"
    if found.packs[0] != found.packs[1]:
        yield f"packs: {found.packs[0] or 'not said'} → {found.packs[1] or 'not said'}"
    yield ""
    head = ("new", "lost", "level", "same", "incomp.", "changed content")
    table: list[tuple[str, ...]] = [("", *head)]
    for sit, total, assets in _by_sit(found.tallies):
        moved = sum(asset in found.content_changed for asset, tally in assets if tally.changes)
        table.append((found.names.get(sit, sit), *_scan_cells(total), str(moved or "–")))
    table.append(("all", *_scan_cells(found.total), str(len(found.content_changed) or "–")))
    yield from aligned(table)
    if found.by_item:
        yield ""
        yield "Agreement with the first, taken for the truth: both, precision, recall"
        for sit, total, _ in _by_sit(found.tallies):
            if not _is_known(total):
                continue
            said = agreement(total)
            yield (
                f"  {found.names.get(sit, sit):<50} {said['both']:>5}  {said['precision']:.3f} "
                f"({_interval(said['precision_95'])})  {said['recall']:.3f} "
                f"({_interval(said['recall_95'])})"
            )
    for sit, changes in sorted(found.causes.items()):
        if changes:
            yield f"{found.names.get(sit, sit)}: rules changed"
            yield from (f"  {item}" for item in changes)
    yield from _some("Not comparable", [f"{uri}: {why}" for uri, why in found.reasons.items()])
    yield from (f"Note: {note}" for note in found.notes)


def _is_known(total: Tally) -> bool:
    """Whether the first side has a type at all; an export holds only the types it was asked for."""
    return total.lost + total.same + total.level_changed > 0


def _scan_cells(tally: Tally) -> tuple[str, ...]:
    return tuple(
        str(many)
        for many in (tally.new, tally.lost, tally.level_changed, tally.same, tally.incomparable)
    )


def _interval(ends: tuple[float, float]) -> str:
    return "–".join(f"{end:.2f}".removeprefix("0") for end in ends)


def _some(title: str, lines: Iterable[str]) -> Iterator[str]:
    found = list(lines)
    if found:
        yield ""
        yield f"{title}: {len(found)}"
        yield from (f"  {line}" for line in found[:SHOWN])
