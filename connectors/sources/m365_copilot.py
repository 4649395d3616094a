"""Microsoft 365 Copilot interactions saved from Microsoft Graph: pages, and change notifications.

Source of the shapes: the aiInteraction resource of Microsoft Graph (getAllEnterpriseInteractions).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from dlpagent.connectors.sources._ai_interaction import APP, ROLES, Known, interaction
from dlpagent.connectors.sources._json_split import MAX_RECORD_BYTES
from dlpagent.connectors.sources._log_fields import dict_at, list_at, text_at
from dlpagent.connectors.sources._log_heads import head_records
from dlpagent.connectors.sources._log_reader import LogFile, LogRecord, generic_record
from dlpagent.connectors.sources._notification import Opener, notified, opener
from dlpagent.connectors.sources._text_settings import names_in
from dlpagent.connectors.sources._touched_labels import TouchedLabels, touched_labels
from dlpagent.records import Asset, Checkpoint


class M365Copilot:
    """Each interaction (a prompt or an answer) is a record, named by its id."""

    name = "m365-copilot"

    def __init__(
        self,
        target: str,
        *,
        batch_rows: int = 2000,
        max_record_bytes: int = MAX_RECORD_BYTES,
        key_file: str = "",
        audit: str = "",
    ) -> None:
        """max_record_bytes: larger pages are reported unread, so that memory stays bounded.

        key_file: PEM with the private key that notifications were encrypted for; by default the one
        that the environment variable DLPAGENT_NOTIFICATION_KEY names. Raises ConfigurationError
        when it cannot be used. audit: files of audit records that tell which labels were touched,
        separated by commas.
        """
        self._log = LogFile(Path(target), self.name, APP, batch_rows, max_record_bytes)
        opener(key_file)  # a key that cannot be used is said now; it is not kept in memory
        self._key_file = key_file
        self._audit = names_in(audit)

    @staticmethod
    def recognises(path: Path) -> bool:
        """By interactions, or notifications about them, bare or in `value`."""
        for head in head_records(path):
            for value in (head, *list_at(head, "value")[:3]):
                if text_at(value, "interactionType") in ROLES and "requestId" in value:
                    return True
                if "subscriptionId" in dict_at(value) and _is_ours(value):
                    return True
        return False

    def discover(self) -> Iterator[Asset]:
        asset = self._log.asset()
        yield replace(asset, change_key=f"{asset.change_key}{self._touched.key}")

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Resumes behind any interaction."""
        opens, touched = opener(self._key_file), self._touched
        return self._log.read(
            asset, after, lambda value, identity: records_of(value, identity, opens, touched)
        )

    @cached_property
    def _touched(self) -> TouchedLabels:
        return touched_labels(self._audit)


def records_of(
    value: Any, identity: str, opens: Opener | None, touched: TouchedLabels
) -> Iterator[LogRecord]:
    """The interactions in a page, an array of them, or one alone."""
    if isinstance(value, dict) and isinstance(value.get("value"), list):
        found = value["value"]
        rest = {key: one for key, one in value.items() if not key.startswith("@odata")}
        del rest["value"]
        if rest:
            yield generic_record(rest, f"{identity}#page")
        context = text_at(value, "@odata.context") or text_at(value, "@odata.nextLink") or ""
    else:
        found, context = [value], ""
    known = Known(found, context, labels=touched.of)
    for place, one in enumerate(found):
        yield from _entry(one, identity if len(found) == 1 else f"{identity}.{place}", known, opens)


def _is_ours(notification: object) -> bool:
    """A notification about an interaction, or about the subscription itself."""
    kind = text_at(notification, "resourceData", "@odata.type") or ""
    about = f"{text_at(notification, 'resource') or ''} {kind}".lower()
    return "interaction" in about or "lifecycleEvent" in dict_at(notification)


def _entry(value: Any, identity: str, known: Known, opens: Opener | None) -> Iterator[LogRecord]:
    if not isinstance(value, dict):
        yield generic_record(value, identity)
    elif "subscriptionId" in value and "body" not in value:
        yield from notified(value, identity, opens, known.labels)
    else:
        yield interaction(value, identity, known)
