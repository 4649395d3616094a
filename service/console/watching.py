"""Violations, sweeps, delivery and the audit log: what the tenant's state holds, as pages."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from dlpagent.errors import StateError
from dlpagent.service.console.forms import fields, seen
from dlpagent.service.console.rendering import page
from dlpagent.service.http.problems import not_found
from dlpagent.service.http.routes import Call, Route
from dlpagent.service.http.service import Tenant
from dlpagent.state.audit import load_audit_key, record_act
from dlpagent.state.audit_verify import stored_acts, verify
from dlpagent.state.exempting import (
    call_false_positive,
    exemptions_of,
    override,
    parsed_end,
    reopen,
)
from dlpagent.state.life import history_of
from dlpagent.state.model import StoredViolation
from dlpagent.violations import OPEN_STATUSES

SHOWN = 200
_SEVERITIES = ("high", "medium", "low")
_STANDINGS = ("open", "new", "repeated", "changed", "reopened", "overridden", "false_positive",
              "resolved", "any")  # fmt: skip


# --- violations ---------------------------------------------------------------------------------


async def violations(call: Call) -> Response:
    """Violations, the severest first; filters in the query."""
    query = call.request.query_params
    standing = query.get("standing", "open")
    if standing not in _STANDINGS:
        standing = "open"
    severity = query.get("severity", "")
    words = query.get("q", "").casefold().split()

    def read() -> tuple[list[StoredViolation], int, Counter[str]]:
        statuses: Any = {"open": OPEN_STATUSES, "any": ()}.get(standing, (standing,))
        found = []
        counts: Counter[str] = Counter()
        for one in call.tenant.state.violations(statuses=statuses):
            it = one.violation
            said = f"{it.asset_uri} {it.record_id} {it.rule_name} {it.actor_id or ''}".casefold()
            if not all(word in said for word in words):
                continue
            counts[it.severity] += 1
            if not severity or it.severity == severity:
                found.append(one)
        found.sort(key=lambda one: one.last_seen, reverse=True)
        found.sort(key=lambda one: _SEVERITIES.index(one.violation.severity))
        return found[:SHOWN], len(found), counts

    shown, many, counts = await run_in_threadpool(read)
    return page(
        call, "violations.html", violations=shown, many=many, counts=counts, standing=standing,
        severity=severity, words=query.get("q", ""), standings=_STANDINGS, severities=_SEVERITIES,
    )  # fmt: skip


async def violation(call: Call) -> Response:
    """One violation, its places, its life and what may be done with it."""
    return await _one_violation(call, call.request.path_params["violation_id"])


async def _one_violation(call: Call, ident: str, problem: str = "", status: int = 200) -> Response:
    def read() -> tuple[StoredViolation, Any, Any]:
        one = _violation(call.tenant, ident)
        database = call.tenant.state.database
        return one, history_of(database, ident), exemptions_of(database, ident)

    stored, history, exemptions = await run_in_threadpool(read)
    return page(
        call, "violation.html", status, stored=stored, it=stored.violation, history=history,
        exemptions=exemptions, problem=problem, is_open=stored.status in OPEN_STATUSES,
    )  # fmt: skip


def _violation(tenant: Tenant, ident: str) -> StoredViolation:
    for each in tenant.state.violations(after=ident[:-1]):
        if each.violation.id == ident:
            return each
        if each.violation.id > ident:
            break
    raise not_found("violation", "path")


async def decide(call: Call) -> Response:
    """Override a violation, call it a false positive, or take that back."""
    ident = call.request.path_params["violation_id"]
    form = await fields(call)
    what, reason, until = (form.get(name, "").strip() for name in ("what", "reason", "until"))
    database, actor = call.tenant.state.database, call.who.id

    def act() -> None:
        _violation(call.tenant, ident)
        if what == "override":
            override(database, actor, ident, reason, until=parsed_end(until) if until else None)
        elif what == "false_positive":
            call_false_positive(database, actor, ident, reason)
        elif what == "reopen":
            reopen(database, actor, ident, reason)

    try:
        await run_in_threadpool(act)
    except StateError as error:
        return await _one_violation(call, ident, error.render(), 400)
    return seen(f"/console/violations/{ident}")


# --- sweeps -------------------------------------------------------------------------------------


async def sweeps(call: Call) -> Response:
    """Runs, the newest first."""
    runs = await run_in_threadpool(call.tenant.state.runs, 100)
    return page(call, "sweeps.html", runs=runs)


async def sweep(call: Call) -> Response:
    """One run: its totals and its assets."""
    ident = call.request.path_params["run_id"]
    state = call.tenant.state

    def read() -> tuple[Any, list[Any], list[Any]]:
        run = state.run_of(ident)
        assets = sorted(state.progress(ident), key=lambda one: one.asset_uri)
        return run, assets, list(islice(state.problems(ident), SHOWN))

    try:
        run, assets, problems = await run_in_threadpool(read)
    except StateError:
        raise not_found("sweep", "path") from None
    return page(
        call, "sweep.html", run=run, assets=assets[:SHOWN], many=len(assets), problems=problems,
        names=call.tenant.classifier.sit_names,
    )  # fmt: skip


# --- delivery -----------------------------------------------------------------------------------


async def delivery(call: Call) -> Response:
    """Every sink: what waits, what was sent, what no sink will take."""
    state = call.tenant.state

    def read() -> tuple[Any, Any]:
        return state.outbox_lag(), state.dead_letters(limit=SHOWN)

    lag, dead = await run_in_threadpool(read)
    return page(
        call, "delivery.html", lag=lag, dead=dead, again=call.request.query_params.get("again", "")
    )


async def try_again(call: Call) -> Response:
    """Dead letters of a sink back into the outbox."""
    sink = (await fields(call)).get("sink", "")
    state = call.tenant.state

    def act() -> int:
        many = state.requeue_dead(sink or None)
        with state.database.write() as connection:
            record_act(
                connection, call.who.id, "outbox.retry", sink or "every sink", {"events": many}
            )
        return many

    many = await run_in_threadpool(act)
    return seen("/console/delivery", again=str(many))


# --- the audit log ------------------------------------------------------------------------------


async def audit(call: Call) -> Response:
    """Acts, the newest first, and whether the chain holds."""

    def read() -> tuple[Any, Any]:
        with call.tenant.state.database.read() as connection:
            acts = stored_acts(connection, SHOWN)[::-1]
            return acts, verify(connection, [load_audit_key()])

    acts, verdict = await run_in_threadpool(read)
    return page(call, "audit.html", acts=acts, verdict=verdict)


ROUTES = (
    Route("GET", "/console/violations", violations, style="page", is_documented=False),
    Route(
        "GET", "/console/violations/{violation_id}", violation, style="page", is_documented=False
    ),
    Route("POST", "/console/violations/{violation_id}", decide, style="page", is_documented=False),
    Route("GET", "/console/sweeps", sweeps, style="page", is_documented=False),
    Route("GET", "/console/sweeps/{run_id}", sweep, style="page", is_documented=False),
    Route("GET", "/console/delivery", delivery, style="page", is_documented=False),
    Route("POST", "/console/delivery", try_again, style="page", is_documented=False),
    Route("GET", "/console/audit", audit, style="page", is_documented=False),
)
