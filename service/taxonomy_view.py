"""The labels in use, for people and as JSON, with how old those of a tenant are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from dlpagent.errors import ConfigurationError
from dlpagent.labels.taxonomy import Label, Taxonomy
from dlpagent.labels.taxonomy_files import load_taxonomy
from dlpagent.service.settings import Home
from dlpagent.service.tenant_labels import is_graph_file, read_graph_file, tenant_labels


def taxonomy_of(path: str | None, *, refresh: bool = False) -> tuple[Taxonomy, datetime | None]:
    """The labels of --labels, and when those of a tenant were fetched. refresh: ask the tenant now.

    Raises ConfigurationError when there is no tenant to ask.
    """
    if path and is_graph_file(Path(path)):
        cache = Home.of_environment().path / "cache"
        found = tenant_labels(read_graph_file(Path(path)), cache, refresh=refresh)
        return found.taxonomy, found.fetched_at
    if refresh:
        raise ConfigurationError(
            "there is no tenant to ask",
            where="--refresh",
            expected="--labels with a file that says how (key graph, docs/labels.md)",
            found=path or "no --labels",
        )
    return (load_taxonomy(Path(path)) if path else load_taxonomy()), None


def taxonomy_lines(taxonomy: Taxonomy, source: str) -> Iterator[str]:
    """One line per label in rising priority, sublabels below their parents."""
    tenant = f", tenant {taxonomy.tenant}" if taxonomy.tenant else ""
    yield f"{taxonomy.name or 'Labels'} ({source}){tenant}"
    for label in taxonomy.labels:
        place = "    " if label.parent else "  "
        yield f"{place}{label.priority:>4}  {label.display_name}  {label.id}{_notes(label)}"


def taxonomy_json(taxonomy: Taxonomy, fetched_at: datetime | None) -> dict[str, Any]:
    """The same as values."""
    return {
        "v": 1,
        "name": taxonomy.name,
        "tenant": taxonomy.tenant,
        "digest": taxonomy.digest(),
        "fetched_at": fetched_at.isoformat() if fetched_at else None,
        "labels": [
            {
                "id": label.id,
                "path": taxonomy.path(label),
                "priority": label.priority,
                "parent": label.parent,
                "enabled": label.enabled,
                "appliable": label.is_appliable,
            }
            for label in taxonomy.labels
        ],
    }


def _notes(label: Label) -> str:
    notes = ["a heading"] if label.sublabels else []
    notes += [] if label.enabled else ["disabled"]
    return f"  ({', '.join(notes)})" if notes else ""
