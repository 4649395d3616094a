"""Who may do what: the one table of roles and routes, and the principal a request comes from.

A role holds all that the roles before it hold. A route that is not in the table does not exist: the
app refuses to start with one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Role = Literal["reader", "analyst", "architect", "admin"]
ROLES: tuple[Role, ...] = ("reader", "analyst", "architect", "admin")
"""Each with what it is for in docs/service.md; lowest first."""

# (method, path) → the lowest role that may; None: everybody who can connect.
NEEDS: Mapping[tuple[str, str], Role | None] = {
    ("GET", "/healthz"): None,
    ("GET", "/readyz"): None,
    ("GET", "/openapi.json"): None,
    ("GET", "/metrics"): "reader",
    ("GET", "/v1/me"): "reader",
    ("POST", "/v1/classify"): "reader",
    ("POST", "/v1/decide"): "reader",
    ("POST", "/v1/redact"): "reader",
    ("GET", "/v1/packs"): "reader",
    ("GET", "/v1/packs/{pack_id}"): "reader",
    ("GET", "/v1/policies"): "reader",
    ("GET", "/v1/policies/{policy_id}"): "reader",
    ("GET", "/v1/findings"): "analyst",
    ("GET", "/v1/violations"): "analyst",
    ("GET", "/v1/violations/{violation_id}"): "analyst",
    ("GET", "/v1/sweeps"): "analyst",
    ("GET", "/v1/sweeps/{run_id}"): "analyst",
    ("POST", "/v1/check-policy"): "architect",
    ("GET", "/v1/keys"): "admin",
    ("POST", "/v1/keys"): "admin",
    ("DELETE", "/v1/keys/{key_id}"): "admin",
    ("GET", "/v1/audit"): "admin",
    # The console
    ("GET", "/console"): "reader",
    ("GET", "/console/login"): None,
    ("POST", "/console/login"): None,
    ("POST", "/console/logout"): None,
    ("GET", "/console/static/{name}"): None,
    ("GET", "/console/violations"): "analyst",
    ("GET", "/console/violations/{violation_id}"): "analyst",
    ("POST", "/console/violations/{violation_id}"): "analyst",
    ("GET", "/console/triage"): "analyst",
    ("POST", "/console/triage"): "analyst",
    ("GET", "/console/sweeps"): "analyst",
    ("GET", "/console/sweeps/{run_id}"): "analyst",
    ("GET", "/console/inventory"): "analyst",
    ("POST", "/console/inventory"): "architect",
    ("GET", "/console/delivery"): "analyst",
    ("POST", "/console/delivery"): "admin",
    ("GET", "/console/audit"): "admin",
    ("GET", "/console/workbench"): "reader",
    ("POST", "/console/workbench"): "reader",
    ("POST", "/console/workbench/sit"): "architect",
    ("GET", "/console/packs"): "architect",
    ("POST", "/console/packs"): "architect",
    ("GET", "/console/packs/{name}"): "architect",
    ("POST", "/console/packs/{name}/publish"): "architect",
    ("GET", "/console/compare"): "architect",
    ("GET", "/console/curves"): "architect",
    # Presidio's; a client of it knows no roles
    ("GET", "/health"): None,
    ("POST", "/analyze"): "reader",
    ("GET", "/recognizers"): "reader",
    ("GET", "/supportedentities"): "reader",
    ("POST", "/anonymize"): "reader",
    ("POST", "/deanonymize"): "reader",
    ("GET", "/anonymizers"): "reader",
    ("GET", "/deanonymizers"): "reader",
}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. id: as the audit log names it (`key:…`, `entra:…`, `local`); tenant_id: whose data."""

    id: str
    name: str
    role: Role
    tenant_id: str

    def may(self, needed: Role | None) -> bool:
        """Whether the role suffices."""
        return needed is None or ROLES.index(self.role) >= ROLES.index(needed)


def highest(names: frozenset[str] | set[str]) -> Role | None:
    """The highest role among names; None when none of them is a role."""
    return next((role for role in reversed(ROLES) if role in names), None)
