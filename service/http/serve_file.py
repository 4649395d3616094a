"""The file of `dlpagent serve --config`: tenants, Entra ID, limits. docs/service.md has every key."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from pathlib import Path

from dlpagent.errors import Problem, ProblemsError
from dlpagent.service.http.settings import EntraSettings, Limits, TenantSettings
from dlpagent.service.session import EXAMPLE_NAME
from dlpagent.violations import ZERO_TENANT
from dlpagent.yaml_reader import Reader, read_yaml

KEYS = ("tenants", "entra", "limits")
TENANT_KEYS = ("id", "state", "key_file", "policies", "labels")
ENTRA_KEYS = ("audience", "authority")
LIMIT_KEYS = tuple(each.name for each in fields(Limits))
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True)
class ServeFile:
    """What a file says; what it does not say is as by default."""

    tenants: tuple[TenantSettings, ...] = (TenantSettings(),)
    entra: EntraSettings | None = None
    limits: Limits = field(default_factory=Limits)


def read_serve_file(path: Path) -> ServeFile:
    """Read the file. Raises ProblemsError with every problem and its line."""
    problems: list[Problem] = []
    root = read_yaml(path, problems)
    found = _read(root, path.absolute().parent) if root else None
    if problems or found is None:
        raise ProblemsError(problems, f"{len(problems)} problem(s) in {path}")
    return found


def _read(root: Reader, folder: Path) -> ServeFile:
    keys = root.mapping(KEYS)
    tenants = (
        tuple(_tenant(each, folder) for each in keys["tenants"].items())
        if "tenants" in keys
        else (TenantSettings(),)
    )
    if not tenants:
        keys["tenants"].problem("the list is empty", "at least one tenant", "none")
    entra = _entra(keys["entra"]) if "entra" in keys else None
    return ServeFile(tenants, entra, _limits(keys["limits"]) if "limits" in keys else Limits())


def _tenant(reader: Reader, folder: Path) -> TenantSettings:
    keys = reader.mapping(TENANT_KEYS, required=("id",))
    ident = keys["id"].text().lower() if "id" in keys else ZERO_TENANT
    if not _GUID.fullmatch(ident):
        keys["id"].problem("this is not the id of a tenant", "a GUID", ident[:40])
    state = keys["state"].text() if "state" in keys else None
    labels = keys["labels"].text() if "labels" in keys else None
    policies = keys["policies"].texts() if "policies" in keys else (EXAMPLE_NAME,)
    return TenantSettings(
        id=ident,
        state=state if state is None or "://" in state else str(folder / state),
        key_file=folder / keys["key_file"].text() if "key_file" in keys else None,
        policies=tuple(name if name == EXAMPLE_NAME else str(folder / name) for name in policies),
        labels=str(folder / labels) if labels else None,
    )


def _entra(reader: Reader) -> EntraSettings:
    keys = reader.mapping(ENTRA_KEYS, required=("audience",))
    audience = tuple(keys["audience"].texts()) if "audience" in keys else ()
    if "authority" not in keys:
        return EntraSettings(audience)
    authority = keys["authority"].text()
    if not authority.startswith("https://"):
        keys["authority"].problem("this is not an authority", "an https:// address", authority[:60])
    return EntraSettings(audience, authority)


def _limits(reader: Reader) -> Limits:
    keys = reader.mapping(LIMIT_KEYS)
    numbers = {name: each.integer(1, low=0) for name, each in keys.items()}
    return Limits(**numbers)
