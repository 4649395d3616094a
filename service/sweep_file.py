"""The sweep file (sweeps.yaml): what to sweep, with which pack and policy, and where events go.

Paths in it are relative to the file. docs/sweeps.md describes every key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

from dlpagent.classifiers.sit import Profile
from dlpagent.errors import Problem, ProblemsError
from dlpagent.service.agent.cron import Schedule
from dlpagent.service.distributed import ENGINES
from dlpagent.service.ner import MODES, Ner
from dlpagent.service.packs import BUILTIN_NAME
from dlpagent.service.session import EXAMPLE_NAME, Settings
from dlpagent.service.sink_spec import SinkSpec
from dlpagent.service.wiring import SINKS, SOURCES, is_uri
from dlpagent.violations import ZERO_TENANT
from dlpagent.yaml_reader import Reader, read_yaml

STATUSES = ("unread", "protected", "opaque", "no_content", "unchecked")
LEVELS = ("low", "medium", "high", "never")
_KEYS = (
    "name", "state", "packs", "profile", "policy", "labels", "min_confidence", "tenant_id",
    "sources", "sinks", "report", "accept", "full", "fail_on", "workers",
    "ner", "ner_budget",
    "engine", "key_file", "schedule",
)  # fmt: skip
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """One entry of `sources:`."""

    target: str
    connector: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SweepFile:
    """A sweep file read: the settings of its sweep, its sources and its report."""

    settings: Settings
    sources: tuple[SourceSpec, ...]
    report: Path | None = None
    schedule: Schedule | None = None


def read_sweep_file(path: Path) -> SweepFile:
    """Read a sweep file. Raises ProblemsError with every problem and its line."""
    problems: list[Problem] = []
    root = read_yaml(path, problems)
    found = _read(root, path.absolute().parent) if root else None
    if problems or found is None:
        raise ProblemsError(problems, f"{len(problems)} problem(s) in the sweep file {path}")
    return found


def _read(root: Reader, folder: Path) -> SweepFile:
    keys = root.mapping(_KEYS, required=("name", "sources"))
    sources = tuple(_source(item, folder) for item in keys["sources"].items()) if (
        "sources" in keys
    ) else ()  # fmt: skip
    for key in ("sources", "packs"):
        if key in keys and keys[key].is_list() and not list(keys[key].items()):
            keys[key].problem("the list is empty", "at least one entry", "none")
    state = keys["state"].text() if "state" in keys else "dlpagent-state.db"
    settings = Settings(
        job=keys["name"].text() if "name" in keys else "?",
        command="sweep",
        packs=tuple(_pack(name, folder) for name in keys["packs"].texts())
        if "packs" in keys
        else (BUILTIN_NAME,),
        profile=_profile(keys.get("profile")),
        policy=_named(keys.get("policy"), folder, EXAMPLE_NAME),
        labels=_named(keys.get("labels"), folder, ""),
        state=state if "://" in state else str(folder / state),
        key_file=folder / keys["key_file"].text() if "key_file" in keys else None,
        min_confidence=keys["min_confidence"].integer(1, low=1, high=100)
        if "min_confidence" in keys
        else 1,
        sinks=_sinks(keys.get("sinks"), folder),
        tenant_id=_tenant(keys.get("tenant_id")),
        accept=frozenset(item.choice(STATUSES, "") for item in keys["accept"].items())
        if "accept" in keys
        else frozenset(),
        full="full" in keys and keys["full"].boolean(),
        fail_on=keys["fail_on"].choice(LEVELS, "high") if "fail_on" in keys else "high",
        workers=keys["workers"].integer(1, low=1, high=256) if "workers" in keys else 1,
        engine=keys["engine"].choice(ENGINES, "local") if "engine" in keys else "local",
        targets=tuple(_identity(source) for source in sources),
        ner=_ner(keys.get("ner")),
        ner_budget=float(keys["ner_budget"].integer(600, low=0)) if "ner_budget" in keys else None,
    )
    if settings.sinks and settings.policy is None:
        keys["sinks"].problem(
            "sinks take violations, and only a policy makes those", "the key policy", "none",
            "Add policy: FILE, or policy: example.",
        )  # fmt: skip
    report = folder / keys["report"].text() if "report" in keys else None
    schedule = _schedule(keys["schedule"]) if "schedule" in keys else None
    return SweepFile(settings, sources, report, schedule)


def _schedule(reader: Reader) -> Schedule | None:
    """A cron expression, or {cron, timezone}."""
    if reader.is_scalar():
        found = Schedule(reader.text())
    else:
        keys = reader.mapping(("cron", "timezone"), required=("cron",))
        cron = keys["cron"].text() if "cron" in keys else ""
        found = Schedule(cron, keys["timezone"].text() if "timezone" in keys else "UTC")
    wanted = found.problem()
    if wanted:
        reader.problem("not a schedule", wanted, f"{found.cron} ({found.timezone})"[:60])
        return None
    return found


def _source(reader: Reader, folder: Path) -> SourceSpec:
    """A path or URI, or {target, connector, settings}."""
    if reader.is_scalar():
        return SourceSpec(_target(reader.text(), folder))
    keys = reader.mapping(("target", "connector", "settings"), required=("target",))
    connector = None
    if "connector" in keys:
        names = [row.name for row in SOURCES]
        connector = keys["connector"].choice(names, "text")
    settings = keys["settings"].plain() if "settings" in keys else {}
    if not isinstance(settings, dict):
        keys["settings"].problem("wrong shape", "a mapping of settings")
        settings = {}
    target = _target(keys["target"].text(), folder) if "target" in keys else ""
    return SourceSpec(target, connector, settings)


def _identity(source: SourceSpec) -> str:
    """What must be the same for a run to be gone on with: read with other settings, rows differ."""
    settings = json.dumps(source.settings, sort_keys=True, default=str) if source.settings else ""
    return f"{source.connector or ''} {source.target} {settings}".rstrip()


def _target(text: str, folder: Path) -> str:
    return text if is_uri(text) else str(folder / text)


def _pack(name: str, folder: Path) -> str:
    return name if name == BUILTIN_NAME else str(folder / name)


def _named(reader: Reader | None, folder: Path, shipped: str) -> str | None:
    if reader is None:
        return None
    text = reader.text()
    return text if text == shipped else str(folder / text)


def _profile(reader: Reader | None) -> Profile:
    chosen = reader.choice(get_args(Profile), "extended") if reader else "extended"
    return "strict" if chosen == "strict" else "extended"


def _ner(reader: Reader | None) -> Ner:
    return cast("Ner", reader.choice(MODES, "off")) if reader else "off"


def _tenant(reader: Reader | None) -> str:
    if reader is None:
        return ZERO_TENANT
    text = reader.text()
    if not _GUID.fullmatch(text):
        reader.problem("not a tenant id", "a GUID", text)
    return text.lower()


def _sinks(reader: Reader | None, folder: Path) -> tuple[SinkSpec, ...]:
    """A mapping of sink name to its target, or to {sink, target, settings}."""
    if reader is None:
        return ()
    return tuple(_sink(name, child, folder) for name, child in reader.mapping().items())


def _sink(name: str, reader: Reader, folder: Path) -> SinkSpec:
    """The name is the kind of sink as well, unless the key sink says another."""
    kinds = tuple(SINKS)
    if reader.is_scalar():
        if name not in kinds:
            reader.problem("there is no such sink", "one of " + ", ".join(kinds), name)
        return SinkSpec(name, _target(reader.text(), folder), name)
    keys = reader.mapping(("sink", "target", "settings"), required=("target",))
    if "sink" in keys:
        kind = keys["sink"].choice(kinds, "o365")
    else:
        kind = name
        if name not in kinds:
            reader.problem("there is no such sink", "one of " + ", ".join(kinds), name,
                           "Give it a name of its own and say its kind with the key sink.")  # fmt: skip
    settings = keys["settings"].plain() if "settings" in keys else {}
    if not isinstance(settings, dict):
        keys["settings"].problem("wrong shape", "a mapping of settings")
        settings = {}
    target = _target(keys["target"].text(), folder) if "target" in keys else ""
    return SinkSpec(name, target, kind, {k: _beside(k, v, folder) for k, v in settings.items()})


def _beside(name: str, value: Any, folder: Path) -> Any:
    """Settings that name files are relative to the sweep file, as every path in it is."""
    return str(folder / value) if name.endswith("_file") and isinstance(value, str) else value
