"""A text as a record of one text."""

from __future__ import annotations

from collections.abc import Sequence

from dlpagent.service.redact.rewriting import Rewritten, Text, apply


class PlainText:
    """A whole text as a record (see settling.Record)."""

    def __init__(self, raw: str) -> None:
        self._raw = raw
        self.texts: list[Text] = [Text(raw)]
        is_broken = any("\ud800" <= char <= "\udfff" for char in raw)
        self.problem = "found bytes that are not of the file's encoding" if is_broken else None

    def edited(self, found: Sequence[Rewritten]) -> str:
        """The text with the edits."""
        return apply(self._raw, found[0].edits)
