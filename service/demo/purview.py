"""The round trip of the quickstart: violations sent to a Microsoft on this machine, and read back there.

Nothing leaves the machine. The credentials are those of azure-identity, the requests those that
Graph and Sentinel would get, checked against their published descriptions.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlpagent.connectors.sinks._sentinel_row import COLUMNS, ID_COLUMN, STREAM, TABLE
from dlpagent.connectors.testing.microsoft.entra import CLIENT_ID, CLIENT_SECRET, TENANT
from dlpagent.connectors.testing.microsoft.ingestion import RULE_ID
from dlpagent.connectors.testing.microsoft.server import Microsoft
from dlpagent.service.sink_spec import SinkSpec

_SECRET_ENV = "DLPAGENT_QUICKSTART_SECRET"  # the name of a variable

# A user that stands for the sweep; data at rest has none of its own.
_USER = "7f1f3c52-6f2c-4f2b-9a42-0a6f3f1d2b10"


@dataclass(frozen=True, slots=True)
class There:
    """A Microsoft that is running, the sinks that lead to it, and where its takings are written."""

    microsoft: Microsoft
    sinks: tuple[SinkSpec, ...]
    out: Path

    def told(self) -> Iterator[str]:
        """What arrived, in a few lines; all of it lies in two files below out."""
        activities, rows = self.microsoft.graph.activities, self.microsoft.ingestion.received
        _write(self.out / "purview-activities.jsonl", activities.values())
        _write(self.out / "sentinel-rows.jsonl", rows.values())
        severities = Counter(row["Severity"] for row in rows.values())
        counted = ", ".join(f"{many} {name.lower()}" for name, many in sorted(severities.items()))
        yield f"Purview   {activities.total} content activities taken by Graph on this machine"
        yield f"          {self.out / 'purview-activities.jsonl'}"
        yield f"Sentinel  {rows.total} rows of {TABLE} taken ({counted})"
        yield f"          {self.out / 'sentinel-rows.jsonl'}"


@contextmanager
def purview_there(out: Path) -> Iterator[There]:
    """A Microsoft on this machine while the context lasts. Raises ConfigurationError naming the extra."""
    before = os.environ.get(_SECRET_ENV)
    with tempfile.TemporaryDirectory(prefix="dlpagent-") as folder:
        microsoft = Microsoft(Path(folder), streams={STREAM: COLUMNS}, id_column=ID_COLUMN)
        os.environ[_SECRET_ENV] = CLIENT_SECRET
        try:
            with microsoft:
                yield There(microsoft, _sinks(microsoft), out)
        finally:
            if before is None:
                del os.environ[_SECRET_ENV]
            else:
                os.environ[_SECRET_ENV] = before


def _sinks(microsoft: Microsoft) -> tuple[SinkSpec, ...]:
    login: dict[str, Any] = {
        "auth": "secret",
        "tenant_id": TENANT,
        "client_id": CLIENT_ID,
        "secret_env": _SECRET_ENV,
        "authority": microsoft.url,
        "ca_file": str(microsoft.ca_file),
        "allowed_hosts": ["localhost"],
    }
    url = microsoft.url
    return (
        SinkSpec("purview", url, "purview", {**login, "user_id": _USER, "app_id": CLIENT_ID}),
        SinkSpec("sentinel", url, "sentinel", {**login, "rule_id": RULE_ID}),
    )


def _write(path: Path, values: list[Any]) -> None:
    path.write_text("".join(json.dumps(value) + "\n" for value in values), "utf-8")
