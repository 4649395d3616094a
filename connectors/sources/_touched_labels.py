"""Sensitivity labels that interactions touched, as the audit log tells, for the texts Graph gives.

The audit log knows the labels and no text, Graph the texts and no labels: both name the thread and
the message.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dlpagent.connectors.sources._audit_file import audit_file
from dlpagent.connectors.sources._log_fields import list_at, text_at
from dlpagent.errors import ConfigurationError


@dataclass(slots=True)
class TouchedLabels:
    """Labels by (thread, message). key: changes with the audit files; "" when there are none."""

    key: str = ""
    _labels: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def of(self, interaction: Mapping[str, Any]) -> list[str] | None:
        """The labels one interaction touched, each once; None when none is known."""
        thread, own = text_at(interaction, "sessionId"), text_at(interaction, "id")
        return self._labels.get((thread, own)) if thread and own else None

    def note(self, row: Mapping[str, Any]) -> None:
        """Take the labels of a row of an audit record to the messages it names."""
        told = json.loads(row["metadata"] or "{}")
        for message in (*list_at(told, "prompts"), *list_at(told, "answers")):
            held = self._labels.setdefault((row["conversation_id"], message), [])
            held += [label for label in row["labels"] if label not in held]


def touched_labels(files: Sequence[str]) -> TouchedLabels:
    """The labels told by saved audit files (see purview-audit).

    Raises ConfigurationError for one that does not exist, SourceError for one that cannot be read.
    """
    found = TouchedLabels()
    for name in files:
        if not Path(name).is_file():
            raise ConfigurationError(
                "there is no such audit file",
                where=name,
                expected="a CSV or JSON file of audit records",
                found="nothing",
                remedy="Correct the setting audit.",
            )
        file = audit_file(Path(name), "purview-audit")
        asset = file.log.asset()
        found.key += f"-{asset.change_key}"
        for batch, _ in file.read(asset, None):
            for row in batch.to_pylist():
                if row["seq"] == 0 and row["labels"] and row["conversation_id"]:
                    found.note(row)
    return found
