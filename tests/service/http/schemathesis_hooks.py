"""What schemathesis must know to send JSON lines."""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(_: Any, value: Any) -> bytes:
    """A text as it is."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@schemathesis.hook
def filter_case(_: Any, case: Any) -> bool:
    """Lines may be more than the document's pattern says, so "wrong" ones may be right."""
    if case.media_type != "application/x-ndjson" or case.meta is None:
        return True
    return not case.meta.generation.mode.is_negative
