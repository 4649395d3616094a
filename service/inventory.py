"""The register as people read it: rows with the highest label, found by name, written as CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

from dlpagent.connectors.sinks._csv import safe_cell
from dlpagent.errors import ConfigurationError
from dlpagent.labels.taxonomy import Taxonomy
from dlpagent.state import State
from dlpagent.state.register import Entry, entries

COLUMNS = (
    "kind", "name", "state", "owner", "purpose", "assets", "last_sweep", "whole", "findings",
    "label", "high", "medium", "low", "trend", "retired_at", "seen_since", "first_seen",
    "updated_at", "updated_by", "id",
)  # fmt: skip


def row_of(entry: Entry, taxonomy: Taxonomy) -> dict[str, Any]:
    """An entry as JSON. label: the highest that any of its items calls for."""
    return {
        "v": 1,
        "id": entry.id,
        "kind": entry.kind,
        "name": entry.name,
        "state": entry.state,
        "owner": entry.owner,
        "purpose": entry.purpose,
        "assets": entry.assets,
        "last_sweep": entry.last_sweep,
        "whole": entry.whole,
        "findings": entry.findings,
        "label": highest_label(entry, taxonomy),
        "high": entry.open.get("high", 0),
        "medium": entry.open.get("medium", 0),
        "low": entry.open.get("low", 0),
        "trend": entry.trend,
        "retired_at": entry.retired_at,
        "seen_since": entry.seen_since,
        "first_seen": entry.first_seen,
        "updated_at": entry.updated_at,
        "updated_by": entry.updated_by,
    }


def highest_label(entry: Entry, taxonomy: Taxonomy) -> str | None:
    """The name of the highest label recommended; ids of other tenants stay ids, ranked lowest."""
    known = {label.id: label for label in taxonomy.labels}
    ranked: list[tuple[int, str]] = []
    for ident in entry.labels:
        label = known.get(ident)
        ranked.append((label.priority, taxonomy.path(label)) if label else (-1, ident))
    if entry.label:
        ranked.append((entry.label["priority"], entry.label["name"]))
    return max(ranked)[1] if ranked else None


def rows(
    state: State, taxonomy: Taxonomy, kinds: Sequence[str] = (), states: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """The register, or the part of it asked for."""
    state.end_expired()
    return [
        row_of(entry, taxonomy)
        for entry in entries(state.database)
        if (not kinds or entry.kind in kinds) and (not states or entry.state in states)
    ]


def found_entry(state: State, named: str) -> Entry:
    """The entry with this id, name, kind:name, or beginning of an id. Raises ConfigurationError."""
    every = entries(state.database)
    exact = [each for each in every if named in (each.id, each.name, f"{each.kind}:{each.name}")]
    found = exact or [each for each in every if len(named) >= 4 and each.id.startswith(named)]
    if len(found) == 1:
        return found[0]
    raise ConfigurationError(
        "this names no entry of the register" if not found else "this names several entries",
        where=state.place,
        expected="an id, a name, or kind:name",
        found=named[:80],
        remedy="List them: dlpagent inventory list --state STATE",
    )


def as_csv(found: Sequence[dict[str, Any]]) -> str:
    """Rows as CSV with a header; cells that a spreadsheet would take for formulas are made safe."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for row in found:
        writer.writerow(_cell(row[name]) for name in COLUMNS)
    return out.getvalue()


def as_json(found: Sequence[dict[str, Any]]) -> str:
    """Rows as one JSON document."""
    return json.dumps({"v": 1, "entries": list(found)}, indent=1, ensure_ascii=False) + "\n"


def shown_lines(row: dict[str, Any]) -> Iterator[str]:
    """One entry for people."""
    yield f"{row['kind']} {row['name']}"
    yield f"  {row['state']}, owner {row['owner'] or 'nobody'}, {row['purpose'] or 'no purpose given'}"
    whole = "whole" if row["whole"] else "not whole"
    yield f"  last sweep {row['last_sweep'] or 'never'} ({whole}), {row['assets']} asset(s)"
    yield f"  {row['findings']} finding(s), label {row['label'] or 'none'}"
    yield (
        f"  open violations: {row['high']} high, {row['medium']} medium, {row['low']} low "
        f"({row['trend']:+d} in 30 days)"
    )
    yield f"  first seen {row['first_seen']}, changed {row['updated_at']} by {row['updated_by']}"
    if row["retired_at"]:
        again = "; it was met by a sweep since" if row["seen_since"] else ""
        yield f"  retired {row['retired_at']}{again}"
    yield f"  id {row['id']}"


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return safe_cell(value)
    return "" if value is None else str(value)
