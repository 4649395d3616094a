"""What tuning suggests, as a table, as JSON and as a patch of YAML. No value is in either."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import yaml

from dlpagent.service.compare_view import aligned
from dlpagent.service.eval_view import counts_json, floor_name
from dlpagent.service.tuning import Suggestion, Tuning, score


def tuning_json(found: Tuning) -> dict[str, Any]:
    """The suggestions as plain JSON values, version 1 (docs/tune.md)."""
    return {
        "v": 1,
        "sit": {"id": found.sit.id, "name": found.sit.name, "file": found.sit.file},
        "type": found.type,
        "documents": found.documents,
        "groups": found.groups,
        "folds": found.folds,
        "seed": found.seed,
        "min_confidence": found.floor,
        "objective": found.objective,
        "base": counts_json(found.base),
        "tried": found.tried,
        "suggestions": [_suggestion_json(item) for item in found.suggestions],
    }


def _suggestion_json(item: Suggestion) -> dict[str, Any]:
    return {
        "kind": item.kind,
        "text": item.text,
        "gain": item.gain,
        "fold_gains": list(item.fold_gains),
        "before": counts_json(item.before),
        "after": counts_json(item.after),
        "concerns": list(item.concerns),
        "patch": list(item.patch),
    }


def tuning_text(found: Tuning) -> str:
    """The suggestions as a person reads them."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Tuning) -> Iterator[str]:
    base = found.base
    yield (
        f"{found.sit.name}, type {found.type}, from confidence {floor_name(found.floor)}: "
        f"{found.documents} texts ({found.groups} that differ in more than values), "
        f"{found.folds} folds, seed {found.seed}"
    )
    yield (
        f"now: {base.overlapping} of {base.gold} labels found, {base.found - base.overlapping} "
        f"false; precision {base.precision:.3f}, recall {base.recall:.3f}, "
        f"{found.objective} {score(base, found.objective):.3f}"
    )
    if not found.suggestions:
        yield f"{found.tried} changes were tried; none helps on texts it was not chosen by."
        return
    yield f"{found.tried} changes were tried; these help on texts they were not chosen by:"
    yield ""
    head = ("", f"{found.objective} gain", "folds", "right", "false", "P", "R")
    rows = [head, *(_row(item) for item in found.suggestions)]
    yield from aligned(rows)
    shared = [item for item in found.suggestions if item.concerns]
    for item in shared:
        some = ", ".join(item.concerns[:3]) + (", …" if len(item.concerns) > 3 else "")
        yield f"  {item.text}: changes {len(item.concerns)} other type(s), too: {some}"
    yield ""
    yield "Nothing was applied. Each gain is of that change alone."


def _row(item: Suggestion) -> tuple[str, ...]:
    before, after = item.before, item.after
    return (
        item.text,
        f"{item.gain:+.4f}",
        f"{sum(gain > 0 for gain in item.fold_gains)}/{len(item.fold_gains)}",
        f"{after.overlapping - before.overlapping:+d}",
        f"{(after.found - after.overlapping) - (before.found - before.overlapping):+d}",
        f"{before.precision:.3f} → {after.precision:.3f}",
        f"{before.recall:.3f} → {after.recall:.3f}",
    )


def tuning_patch(found: Tuning) -> str:
    """The suggestions as YAML: operations on the SIT's file, each with what it brings."""
    document = [
        {
            "sit": found.sit.id,
            "file": found.sit.file,
            "change": item.text,
            "gain": {found.objective: round(item.gain, 6),
                     "before": _brief(item.before), "after": _brief(item.after)},
            **({"also_changes": list(item.concerns)} if item.concerns else {}),
            "patch": [dict(operation) for operation in item.patch],
        }
        for item in found.suggestions
    ]  # fmt: skip
    title = f"# dlpagent tune: {found.sit.name}; suggestions, not applied (docs/tune.md)\n"
    return title + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)


def _brief(counts: Any) -> dict[str, int]:
    wanted = ("gold", "found", "overlapping")
    return {name: value for name, value in asdict(counts).items() if name in wanted}
