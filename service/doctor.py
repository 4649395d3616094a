"""What `dlpagent doctor` looks at: this installation, and the sweeps it is to run.

Looking changes nothing: no key is made, no state is upgraded, nothing is written to a sink. Sinks
and sources are opened as a sweep would, and addresses of the net are knocked at.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import socket
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dlpagent import __version__
from dlpagent.errors import DlpAgentError, ExitCode
from dlpagent.service.settings import Home
from dlpagent.service.sink_spec import SinkSpec
from dlpagent.service.sweep_file import SweepFile, read_sweep_file
from dlpagent.service.wiring import Unreachable, open_sources

Verdict = Literal["ok", "note", "wrong"]
# Whom a wrong check concerns, which is what the exit code says.
Kind = Literal["setup", "source", "sink"]

KNOCK_S = 5.0
_LOW_DISK = 1 << 30
_PORTS = {"https": 443, "http": 80, "postgresql": 5432, "postgres": 5432, "redis": 6379,
          "rediss": 6379, "qdrant": 6333, "milvus": 19530, "chroma": 8000,
          "elasticsearch": 9200, "opensearch": 9200, "weaviate": 8080}  # fmt: skip

# The module that shows an extra to be there.
EXTRAS: dict[str, tuple[str, ...]] = {
    "agent": ("watchdog", "cronsim"),
    "azure": ("adlfs",),
    "dlt": ("dlt",),
    "documents": ("pypdfium2", "olefile"),
    "gcs": ("gcsfs",),
    "langchain": ("langchain_core",),
    "lancedb": ("lancedb",),
    "mcp": ("mcp",),
    "milvus": ("pymilvus",),
    "ner": ("presidio_analyzer", "spacy"),
    "otel": ("opentelemetry",),
    "pgvector": ("psycopg",),
    "postgres": ("psycopg",),
    "purview": ("azure.identity", "jsonschema"),
    "ray": ("ray",),
    "redact": ("cryptography",),
    "redis": ("redis",),
    "s3": ("s3fs",),
    "service": ("starlette", "uvicorn"),
    "spark": ("pyspark",),
    "tfrecord": ("google_crc32c",),
    "tokens": ("tokenizers",),
}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. found says how it is, remedy what to do when it is not right."""

    name: str
    verdict: Verdict
    found: str
    remedy: str = ""
    kind: Kind = "setup"


def examine(files: Sequence[Path]) -> list[Check]:
    """Everything of this installation, then every sweep file."""
    home = Home.of_environment()
    checks = [
        _program(), _engine(), _clock(), _zones(), _home(home), *_keys(home), _cache(home),
        _disk(home), _extras(), *_watches(),
    ]  # fmt: skip
    for file in files:
        checks += _sweep(file)
    return checks


def exit_code(checks: Sequence[Check]) -> ExitCode:
    """2 when the set-up is wrong, else 3 for a source, 4 for a sink, 0 when all is well."""
    wrong = {check.kind for check in checks if check.verdict == "wrong"}
    if "setup" in wrong:
        return ExitCode.USAGE
    if "source" in wrong:
        return ExitCode.INCOMPLETE
    return ExitCode.DELIVERY if wrong else ExitCode.CLEAN


# --- this installation ----------------------------------------------------------------------------


def _program() -> Check:
    python = ".".join(map(str, sys.version_info[:3]))
    return Check("program", "ok", f"dlpagent {__version__}, Python {python} on {sys.platform}")


def _engine() -> Check:
    from dlpagent.classifiers.detecting import SCANNER_VARIABLE

    asked = os.environ.get(SCANNER_VARIABLE) == "re2"
    if not asked and _is_there("hyperscan"):
        return Check("engine", "ok", f"Hyperscan, package {_release('hyperscan')}")
    why = "as DLPAGENT_SCANNER asks" if asked else "as there is no Hyperscan here"
    return Check("engine", "note", f"sets of RE2, {why}: same findings, slower",
                 "" if asked else "Run: pip install hyperscan, where there is a wheel of it.")  # fmt: skip


def _clock() -> Check:
    """A clock before this release was made, or far off, makes wrong times, waits and schedules."""
    now = datetime.now(UTC)
    if now < datetime(2026, 1, 1, tzinfo=UTC):
        return Check("clock", "wrong", f"it says {now:%Y-%m-%d %H:%M} UTC, which is past",
                     "Set the clock, better: let NTP do so.")  # fmt: skip
    if _is_synchronised() is False:
        return Check("clock", "note", f"{now:%Y-%m-%d %H:%M:%S} UTC, not synchronised",
                     "Let NTP set it: timedatectl set-ntp true")  # fmt: skip
    return Check("clock", "ok", f"{now:%Y-%m-%d %H:%M:%S} UTC")


def _is_synchronised() -> bool | None:
    """What systemd-timesyncd has left behind; None where it is not used."""
    if not Path("/run/systemd/timesync").is_dir():
        return None
    return Path("/run/systemd/timesync/synchronized").exists()


def _zones() -> Check:
    try:
        ZoneInfo("Europe/Berlin")
    except (ZoneInfoNotFoundError, OSError):
        return Check("time zones", "note", "none but UTC", "Run: pip install tzdata")
    return Check("time zones", "ok", "there")


def _home(home: Home) -> Check:
    path = home.path
    if not path.exists():
        writable = os.access(next(up for up in path.absolute().parents if up.exists()), os.W_OK)
        if writable:
            return Check("home", "ok", f"{path}: not there yet, made on first use")
        return Check("home", "wrong", f"{path}: cannot be made",
                     "Set DLPAGENT_HOME to a folder that this user may write.")  # fmt: skip
    mode = stat.S_IMODE(path.stat().st_mode)
    if not os.access(path, os.W_OK | os.X_OK):
        return Check("home", "wrong", f"{path}: this user may not write there",
                     "Give it to this user, or set DLPAGENT_HOME.")  # fmt: skip
    if os.name == "posix" and mode & 0o022:
        return Check("home", "wrong", f"{path}: mode {mode:04o}, others may write there",
                     f"Run: chmod 700 {path}")  # fmt: skip
    return Check("home", "ok", f"{path}")


def _keys(home: Home) -> Iterator[Check]:
    """Key files are read by their owner only."""
    found = sorted(home.path.glob("*.key")) if home.path.is_dir() else []
    if home.key_file not in found:
        yield Check("evidence key", "ok", "not there yet, made on first use")
    for path in found:
        yield _key(path)


def _key(path: Path) -> Check:
    name = f"key {path.name}"
    try:
        about = path.stat()
    except OSError as error:
        return Check(name, "wrong", f"{path}: {error.strerror}", "Give it back to this user.")
    mode = stat.S_IMODE(about.st_mode)
    if os.name == "posix" and mode & 0o077:
        return Check(name, "wrong", f"{path}: mode {mode:04o}, others may read it",
                     f"Run: chmod 600 {path}")  # fmt: skip
    if os.name == "posix" and about.st_uid != os.geteuid():
        return Check(name, "wrong", f"{path}: belongs to another user",
                     f"Run as that user, or: chown {os.geteuid()} {path}")  # fmt: skip
    if about.st_size < 16:
        return Check(name, "wrong", f"{path}: {about.st_size} bytes, too short for a key",
                     "Put the key back from its backup; a new one makes all digests new.")  # fmt: skip
    return Check(name, "ok", f"mode {mode:04o}")


def _cache(home: Home) -> Check:
    path = home.path / "cache"
    if not path.is_dir():
        return Check("cache", "ok", "not there yet; the first start compiles the pack")
    files = [each for each in path.rglob("*") if each.is_file()]
    size = sum(each.stat().st_size for each in files)
    if not os.access(path, os.W_OK):
        return Check("cache", "wrong", f"{path}: this user may not write there",
                     f"Run: chmod u+w {path}, or delete it.")  # fmt: skip
    if size > 4 << 30:
        return Check("cache", "note", f"{len(files)} files, {size >> 20} MiB",
                     f"It may be deleted at any time: {path}")  # fmt: skip
    return Check("cache", "ok", f"{len(files)} files, {size >> 20} MiB")


def _disk(home: Home) -> Check:
    place = next(up for up in (home.path, *home.path.absolute().parents) if up.exists())
    free = shutil.disk_usage(place).free
    if free < _LOW_DISK:
        return Check("disk", "wrong", f"{free >> 20} MiB free at {place}", "Make room.")
    return Check("disk", "ok", f"{free >> 30} GiB free")


def _extras() -> Check:
    there = [name for name, modules in EXTRAS.items() if all(map(_is_there, modules))]
    lacking = sorted(set(EXTRAS) - set(there))
    return Check("extras", "ok", f"installed: {', '.join(there) or 'none'}",
                 f"Others, when needed: pip install 'dlpagent[{lacking[0]}]' "
                 f"({', '.join(lacking)})" if lacking else "")  # fmt: skip


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _release(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _watches() -> Iterator[Check]:
    """dlpagent watch takes an inotify watch for each folder."""
    try:
        many = int(Path("/proc/sys/fs/inotify/max_user_watches").read_text())
    except (OSError, ValueError):
        return
    if many < 65536:
        yield Check("inotify", "note", f"{many} watches; rescans find what they miss",
                    "Run: sysctl fs.inotify.max_user_watches=524288")  # fmt: skip
    else:
        yield Check("inotify", "ok", f"{many} watches")


# --- a sweep --------------------------------------------------------------------------------------


def _sweep(file: Path) -> Iterator[Check]:
    try:
        plan = read_sweep_file(file)
    except DlpAgentError as error:
        yield Check(
            f"{file}", "wrong", error.render(), "Mend the file: docs/sweeps.md has every key."
        )
        return
    yield Check(f"{file}", "ok", f"sweep {plan.settings.job}, {len(plan.sources)} source(s)")
    yield _tried(f"{file}: pack and policy", lambda: _pack_and_policy(plan))
    yield from _state(file, plan)
    for source in plan.sources:
        name = f"{file}: source {_shown(source.target)}"
        look = partial(_look, source.target, source.connector, source.settings)
        yield _tried(name, look, "source")
    for sink in plan.settings.sinks:
        yield _tried(f"{file}: sink {sink.name}", partial(_knock_at, sink), "sink")


def _tried(name: str, look: Callable[[], str], kind: Kind = "setup") -> Check:
    try:
        return Check(name, "ok", look(), kind=kind)
    except DlpAgentError as error:
        found = "; ".join(each for each in (error.what, error.found) if each)
        return Check(name, "wrong", found, error.remedy or error.expected, kind)
    except OSError as error:
        return Check(name, "wrong", error.strerror or type(error).__name__,
                     "Check address, name resolution, firewall and proxy.", kind)  # fmt: skip


def _pack_and_policy(plan: SweepFile) -> str:
    from dlpagent.service.packs import whole_packs
    from dlpagent.service.session import read_policy

    settings = plan.settings
    pack = whole_packs(settings.packs, settings.profile, Home.of_environment().path / "cache")
    found = f"{len(pack.sits)} types"
    if settings.policy is not None:
        policy = read_policy(settings.policy, pack, settings.labels)
        found += f", policy {policy.name}"
    return found


def _state(file: Path, plan: SweepFile) -> Iterator[Check]:
    """A state that is there: its schema, a clock behind its runs, what waits in its outbox."""
    from dlpagent.state.connection import connect, database_url, reading
    from dlpagent.state.migrate import HEAD, REVISIONS, stored_revision

    place, name = str(plan.settings.state), f"{file}: state"
    if "://" not in place and not Path(place).exists():
        yield Check(name, "ok", "not there yet, made by the first run")
        return
    try:
        engine = connect(database_url(place))
        try:
            with reading(engine) as connection:
                revision = stored_revision(connection)
        finally:
            engine.dispose()
    except DlpAgentError as error:
        yield Check(
            name, "wrong", error.what, error.remedy or "Check the place and the rights to it."
        )
        return
    if revision is not None and revision not in REVISIONS:
        yield Check(name, "wrong", f"schema {revision}, of a newer dlpagent", "Use that version.")
        return
    if revision != HEAD:
        yield Check(name, "note", f"schema {revision or 'none'}; the next run brings it to {HEAD}")
        return
    yield from _standing(name, place, plan)


def _standing(name: str, place: str, plan: SweepFile) -> Iterator[Check]:
    from dlpagent.state import open_state

    with open_state(place) as state:
        runs, lags = state.runs(limit=1, job=plan.settings.job), state.outbox_lag()
    ahead = datetime.now(UTC) + timedelta(minutes=5)
    if runs and datetime.fromisoformat(runs[0].started_at) > ahead:
        yield Check(name, "wrong", f"its last run began at {runs[0].started_at}, in the future",
                    "Set the clock: leases and schedules hang on it.")  # fmt: skip
    else:
        last = f"last run {runs[0].status}, {runs[0].started_at}" if runs else "no runs"
        yield Check(name, "ok", last)
    for lag in lags:
        waiting = f"{lag.sent} sent, {lag.pending} pending, {lag.dead} dead"
        if lag.dead:
            yield Check(f"{name}: outbox {lag.sink}", "wrong", waiting,
                        "See the reasons: dlpagent push FILE --dead-letters", "sink")  # fmt: skip
        else:
            yield Check(f"{name}: outbox {lag.sink}", "ok", waiting, kind="sink")


def _look(target: str, connector: str | None, settings: Mapping[str, Any]) -> str:
    """Open a source as a sweep would; an address of the net is only knocked at."""
    count = 0
    for each in open_sources([target], connector, **settings):
        if isinstance(each, Unreachable):
            raise each.error
        count += 1
        if count >= 1000:
            break
    place = _knock(target)
    return place or f"{count}{' or more' if count >= 1000 else ''} file(s) or store(s)"


def _knock_at(sink: SinkSpec) -> str:
    sink.open().close()
    address = next((str(value) for key, value in sink.settings.items()
                    if key in ("endpoint", "url") and value), sink.target)  # fmt: skip
    if "://" not in address:
        folder = Path(address).absolute().parent
        while not folder.exists():
            folder = folder.parent
        if not os.access(folder, os.W_OK):
            raise PermissionError(13, f"{folder} may not be written")
        return "can be written"
    return _knock(address) or "opened"


def _knock(address: str) -> str:
    """Connect to the host of a URL and hang up; "" for what has none. Raises OSError."""
    if "://" not in address:
        return ""
    parts = urlsplit(address)
    port = parts.port or _PORTS.get(parts.scheme)
    if not parts.hostname or port is None:
        return ""
    with socket.create_connection((parts.hostname, port), timeout=KNOCK_S):
        return f"{parts.hostname}:{port} answers"


def _shown(target: str) -> str:
    """A target without what may be a password."""
    parts = urlsplit(target) if "://" in target else None
    if parts is None or "@" not in parts.netloc:
        return target
    return target.replace(parts.netloc, parts.netloc.rpartition("@")[2])
