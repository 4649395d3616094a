"""What schemathesis must know to send JSON lines."""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(_: Any, value: Any) -> bytes:
    """A text as it is."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
