"""/v1/findings, /v1/violations and /v1/sweeps: what the tenant's state holds, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from typing import Annotated, Any

import msgspec
import pyarrow.compute as pc
from msgspec import Meta
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from dlpagent.errors import StateError
from dlpagent.findings import finding_lines
from dlpagent.service.http.problems import not_found
from dlpagent.service.http.routes import Answer, Call, Route, json_answer
from dlpagent.service.http.service import Tenant
from dlpagent.service.http.values import Page
from dlpagent.state.life import history_of
from dlpagent.state.model import StoredViolation
from dlpagent.violations import ViolationStatus

Limit = Annotated[int, Meta(ge=1, le=1000)]
# No control characters: what is asked goes to databases and comes from addresses.
Plain = Annotated[str, Meta(max_length=2000, pattern=r"^[^\x00-\x1f\x7f]*$")]
Guid = Annotated[str, Meta(max_length=100, pattern="^[A-Za-z0-9-]*$")]


class FindingsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """asset: only this one; sit: by id; after: `next` of the page before."""

    asset: Plain | None = None
    sit: Guid | None = None
    min_confidence: Annotated[int, Meta(ge=1, le=100)] = 1
    after: Annotated[int, Meta(ge=0, le=2**53)] = 0
    limit: Limit = 100


class ViolationsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """asset: only this one; status: only such; after: `next` of the page before."""

    asset: Plain | None = None
    status: ViolationStatus | None = None
    after: Guid = ""
    limit: Limit = 100


class SweepsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """job: only of this name."""

    job: Plain | None = None
    limit: Limit = 20


async def findings(call: Call) -> Response:
    """Newest findings of every asset."""
    return json_answer(await run_in_threadpool(_findings, call.tenant, call.query))


def _findings(tenant: Tenant, asked: FindingsQuery) -> Page:
    """A page; its place is how many findings lie before it."""
    place = 0
    items: list[dict[str, Any]] = []
    for batch in tenant.state.latest_findings(asked.asset):
        rows = batch.rows
        if asked.sit is not None:
            rows = rows.filter(pc.equal(rows.column("sit_id"), asked.sit))
        if asked.min_confidence > 1:
            rows = rows.filter(pc.greater_equal(rows.column("confidence"), asked.min_confidence))
        first = max(0, asked.after - place)
        place += rows.num_rows
        if first >= rows.num_rows:
            continue
        taken = rows.slice(first, asked.limit - len(items))
        items += list(
            finding_lines(
                taken,
                asset_uri=batch.asset_uri,
                pack=batch.pack,
                names=tenant.classifier.sit_names,
            )
        )
        if len(items) >= asked.limit:
            return Page(items=items, next=str(max(asked.after, 0) + len(items)))
    return Page(items=items, next=None)


async def violations(call: Call) -> Response:
    """Violations by id."""
    return json_answer(await run_in_threadpool(_violations, call.tenant, call.query))


def _violations(tenant: Tenant, asked: ViolationsQuery) -> Page:
    statuses = (asked.status,) if asked.status else ()
    found = tenant.state.violations(asset=asked.asset, statuses=statuses, after=asked.after)
    items = [violation_body(each) for each in islice(found, asked.limit)]
    more = items[-1]["violation"]["id"] if len(items) == asked.limit else None
    return Page(items=items, next=more)


async def violation(call: Call) -> Response:
    """One violation."""
    ident = call.request.path_params["violation_id"]
    return json_answer(await run_in_threadpool(_violation, call.tenant, ident))


def _violation(tenant: Tenant, ident: str) -> dict[str, Any]:
    for each in tenant.state.violations(after=ident[:-1]):
        if each.violation.id == ident:
            past = [asdict(step) for step in history_of(tenant.state.database, ident)]
            return {**violation_body(each), "history": past}
        if each.violation.id > ident:
            break
    raise not_found("violation", "path")


def violation_body(stored: StoredViolation) -> dict[str, Any]:
    """A violation as JSON: itself, its status, and when it was seen."""
    return asdict(stored)


async def sweeps(call: Call) -> Response:
    """Runs, the newest first."""
    asked: SweepsQuery = call.query

    def runs() -> Page:
        found = call.tenant.state.runs(asked.limit, asked.job)
        return Page(items=[asdict(run) for run in found], next=None)

    return json_answer(await run_in_threadpool(runs))


async def sweep(call: Call) -> Response:
    """One run and its assets."""
    ident = call.request.path_params["run_id"]
    return json_answer(await run_in_threadpool(_sweep, call.tenant, ident))


def _sweep(tenant: Tenant, ident: str) -> dict[str, Any]:
    try:
        run = tenant.state.run_of(ident)
    except StateError:
        raise not_found("sweep", "path") from None
    return {**asdict(run), "assets": list(islice(_assets(tenant, ident), 1000))}


def _assets(tenant: Tenant, ident: str) -> Iterator[dict[str, Any]]:
    for progress in tenant.state.progress(ident):
        yield {
            "asset": progress.asset_uri,
            "status": progress.status,
            "bytes_read": progress.bytes_read,
            "counters": asdict(progress.counters),
            "recommended_label": progress.recommended_label,
            "error": progress.error,
        }


_PAGE = Answer("A page", Page, example={"items": [], "next": None})
_ONE = {200: Answer("It", dict[str, Any], example={}), 404: Answer("There is no such thing")}
ROUTES = (
    Route("GET", "/v1/findings", findings, "Newest findings of every asset", "state",
          query=FindingsQuery, answers={200: _PAGE}),
    Route("GET", "/v1/violations", violations, "Violations by id", "state",
          query=ViolationsQuery, answers={200: _PAGE}),
    Route("GET", "/v1/violations/{violation_id}", violation, "One violation", "state",
          answers=_ONE),
    Route("GET", "/v1/sweeps", sweeps, "Runs, the newest first", "state",
          query=SweepsQuery, answers={200: _PAGE}),
    Route("GET", "/v1/sweeps/{run_id}", sweep, "One run and its assets", "state", answers=_ONE),
)  # fmt: skip
