"""What the agent says: one JSON object per line on standard error. Places, counts and ids only."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

_FIELDS = "dlpagent_fields"
_log = logging.getLogger("dlpagent.agent")


class JsonLines(logging.Formatter):
    """time, level, event (a fixed word) or message, and the fields that go with it."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {"time": at, "level": record.levelname.lower()}
        fields = getattr(record, _FIELDS, None)
        if fields is None:
            line |= {"event": "log", "logger": record.name, "message": record.getMessage()}
        else:
            line |= {"event": record.getMessage(), **fields}
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__  # what it says may hold content
        return json.dumps(line, ensure_ascii=False, default=str)


def set_up_json_logging(verbose: int = 0) -> None:
    """All logging of this process goes to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if verbose > 1 else logging.WARNING)
    logging.getLogger("dlpagent").setLevel(logging.DEBUG if verbose else logging.INFO)


def say(event: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """Log an event: a fixed word, with fields that hold no content."""
    _log.log(level, event, extra={_FIELDS: fields})
