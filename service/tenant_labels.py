"""The labels of a tenant, asked of Graph and kept on disk, so that work goes on without a network.

A file with the key `graph` says where and how to ask; it stands wherever a file of labels may stand.
What was fetched is used until it is older than max_age_hours. When Graph cannot be asked then, the
copy at hand is used and its age is told: labels change seldom, and a sweep must not wait for them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol, cast

from dlpagent.connectors._azure import AUTHS, Login
from dlpagent.connectors.tenant import APIS, Api, Tenant
from dlpagent.errors import DlpAgentError, Problem, ProblemsError
from dlpagent.labels.taxonomy import Taxonomy
from dlpagent.labels.taxonomy_files import parse_taxonomy
from dlpagent.yaml_reader import Reader, read_yaml

DEFAULT_MAX_AGE_HOURS: Final = 24
_GRAPH: Final = "https://graph.microsoft.com"
_LOGIN_KEYS: Final = (
    "auth", "tenant_id", "client_id", "certificate_file", "secret_env", "authority", "ca_file",
)  # fmt: skip
_KEYS: Final = (
    "target", "api", "user_id", "allowed_hosts", "timeout_s", "max_age_hours", *_LOGIN_KEYS,
)  # fmt: skip
_IS_GRAPH = re.compile(rb"^graph\s*:", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class GraphSettings:
    """How to ask a tenant. max_age_hours: how old labels may be before they are asked for again."""

    file: str
    login: Login
    target: str = _GRAPH
    api: Api = "v1.0"
    user_id: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    max_age_hours: int = DEFAULT_MAX_AGE_HOURS

    @property
    def identity(self) -> str:
        """Names whose labels these are, and as seen by whom."""
        parts = (self.target, self.api, self.user_id, self.login.tenant_id, self.login.client_id)
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    def open(self) -> Tenant:
        """Raises ConfigurationError for settings that cannot work."""
        return Tenant(self.target, self.login, allowed_hosts=self.allowed_hosts)


class Asked(Protocol):
    """What is asked for labels; closed afterwards."""

    def labels(self, api: Api = "v1.0", user_id: str | None = None) -> dict[str, Any]: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class TenantLabels:
    """Labels and when they were fetched. problem: why they could not be fetched again; "" if none."""

    taxonomy: Taxonomy
    fetched_at: datetime
    problem: str = ""


def is_graph_file(path: Path) -> bool:
    """Whether a file says how to ask a tenant, rather than hold labels."""
    try:
        return path.suffix.lower() in (".yaml", ".yml") and bool(
            _IS_GRAPH.search(path.read_bytes())
        )
    except OSError:
        return False


def read_graph_file(path: Path) -> GraphSettings:
    """The settings of a file with the key `graph`. Raises ProblemsError with every problem of it."""
    problems: list[Problem] = []
    root = read_yaml(path, problems)
    keys = root.mapping(("graph",), required=("graph",)) if root else {}
    found = _settings(keys["graph"], path) if "graph" in keys else None
    if problems or found is None:
        raise ProblemsError(problems, f"{len(problems)} problem(s) in {path}")
    return found


def _settings(node: Reader, path: Path) -> GraphSettings:
    keys = node.mapping(_KEYS)
    login: dict[str, Any] = {name: keys[name].text() for name in _LOGIN_KEYS if name in keys}
    if "auth" in keys:
        login["auth"] = keys["auth"].choice(AUTHS, AUTHS[0])
    for name in ("certificate_file", "ca_file"):
        if login.get(name):
            login[name] = str(path.absolute().parent / login[name])
    if "timeout_s" in keys:
        login["timeout_s"] = float(keys["timeout_s"].integer(30, low=1, high=600))
    return GraphSettings(
        file=str(path),
        login=Login(**login),
        target=keys["target"].text(_GRAPH) if "target" in keys else _GRAPH,
        api=cast("Api", keys["api"].choice(APIS, "v1.0") if "api" in keys else "v1.0"),
        user_id=keys["user_id"].text() if "user_id" in keys else None,
        allowed_hosts=keys["allowed_hosts"].texts() if "allowed_hosts" in keys else (),
        max_age_hours=keys["max_age_hours"].integer(DEFAULT_MAX_AGE_HOURS, low=0)
        if "max_age_hours" in keys
        else DEFAULT_MAX_AGE_HOURS,
    )


def tenant_labels(
    settings: GraphSettings,
    cache: Path,
    *,
    refresh: bool = False,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ask: Callable[[GraphSettings], Asked] = GraphSettings.open,
) -> TenantLabels:
    """The tenant's labels: the copy at hand while it is young enough, else fetched.

    cache: the folder of copies. refresh: fetch whatever its age, and never fall back. Raises
    SourceError when nothing can be fetched and there is no copy, ProblemsError when what came is no
    taxonomy.
    """
    file = cache / f"labels-{settings.identity}.json"
    kept = _kept(file)
    if kept and not refresh and _is_young(kept, settings, now()):
        return _read(kept, settings)
    try:
        fetched = _fetched(settings, ask, now())
    except ProblemsError:
        raise
    except DlpAgentError as error:
        if kept is None or refresh:
            raise
        return _stale(_read(kept, settings), settings, error, now())
    found = _read(fetched, settings)
    _keep(file, fetched)
    return found


def age_in_words(since: datetime, now: datetime) -> str:
    """How long ago, as a person says it: "3 days", "5 hours", "less than a minute"."""
    seconds = max(0, int((now - since).total_seconds()))
    for name, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        many = seconds // size
        if many:
            return f"{many} {name}{'s' if many > 1 else ''}"
    return "less than a minute"


def _fetched(
    settings: GraphSettings, ask: Callable[[GraphSettings], Asked], now: datetime
) -> dict[str, Any]:
    tenant = ask(settings)
    try:
        content = tenant.labels(settings.api, settings.user_id)
    finally:
        tenant.close()
    return {"v": 1, "fetched_at": now.isoformat(timespec="seconds"), "content": content}


def _read(kept: Mapping[str, Any], settings: GraphSettings) -> TenantLabels:
    taxonomy = parse_taxonomy(
        json.dumps(kept["content"]), settings.file, tenant=settings.login.tenant_id
    )
    return TenantLabels(taxonomy, datetime.fromisoformat(kept["fetched_at"]))


def _is_young(kept: Mapping[str, Any], settings: GraphSettings, now: datetime) -> bool:
    """A copy from the future was made by a clock that was wrong: it is not young."""
    age = now - datetime.fromisoformat(kept["fetched_at"])
    return timedelta(0) <= age < timedelta(hours=settings.max_age_hours)


def _stale(
    found: TenantLabels, settings: GraphSettings, error: DlpAgentError, now: datetime
) -> TenantLabels:
    age = age_in_words(found.fetched_at, now)
    warning = Problem(
        settings.file,
        1,
        f"the tenant could not be asked for its labels; those of {age} ago are used",
        f"labels of at most {settings.max_age_hours} hours",
        error.found or error.what,
        "Check with: dlpagent label taxonomy --refresh",
        severity="warning",
    )
    warned = replace(found.taxonomy, warnings=(*found.taxonomy.warnings, warning))
    return TenantLabels(warned, found.fetched_at, error.found or error.what)


def _kept(file: Path) -> dict[str, Any] | None:
    """The copy at hand; None when there is none, or it is not whole."""
    try:
        kept = json.loads(file.read_bytes())
        moment = datetime.fromisoformat(kept["fetched_at"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return kept if kept.get("v") == 1 and "content" in kept and moment.tzinfo else None


def _keep(file: Path, kept: Mapping[str, Any]) -> None:
    """Whole or not there, and for this user only. A copy that cannot be kept is asked for again."""
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            json.dump(kept, out)
        draft.replace(file)
    except OSError:
        draft.unlink(missing_ok=True)
