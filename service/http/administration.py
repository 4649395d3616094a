"""/v1/keys and /v1/audit: what an admin does, and what was done. Every act goes into the audit log."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import msgspec
from msgspec import Meta
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from dlpagent.service.http import values
from dlpagent.service.http.examples import KEY_ASKED
from dlpagent.service.http.problems import not_found
from dlpagent.service.http.routes import Answer, Call, Route, json_answer
from dlpagent.service.http.service import Tenant
from dlpagent.state.audit import act_from
from dlpagent.state.key_rows import StoredKey
from dlpagent.state.tables import acts


class AuditQuery(msgspec.Struct, forbid_unknown_fields=True):
    """after: `next` of the page before."""

    after: Annotated[int, Meta(ge=0, le=2**53)] = 0
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


async def keys(call: Call) -> Response:
    """The tenant's keys."""
    found = await run_in_threadpool(call.tenant.keys.all)
    return json_answer(values.Keys(items=[_key(each) for each in found]))


async def create(call: Call) -> Response:
    """A new key of the tenant."""
    asked: values.KeyRequest = call.body
    tenant = call.tenant
    expires = tenant.state.database.now() + timedelta(days=asked.days) if asked.days else None
    made = await run_in_threadpool(tenant.keys.create, asked.name, asked.role, call.who.id, expires)
    return json_answer(values.KeyMade(key=made.key, stored=_key(made.stored)), 201)


async def revoke(call: Call) -> Response:
    """A key no longer good."""
    ident = call.request.path_params["key_id"]
    if not await run_in_threadpool(call.tenant.keys.revoke, ident, call.who.id):
        raise not_found("key", "path")
    return Response(status_code=204)


def _key(stored: StoredKey) -> values.Key:
    row = asdict(stored)
    del row["digest"], row["revoked_by"]
    return values.Key(**row)


async def audit(call: Call) -> Response:
    """The tenant's audit log, oldest first."""
    return json_answer(await run_in_threadpool(_acts, call.tenant, call.query))


def _acts(tenant: Tenant, asked: AuditQuery) -> values.Page:
    query = select(acts).where(acts.c.seq > asked.after).order_by(acts.c.seq).limit(asked.limit)
    with tenant.state.database.read() as connection:
        found = [asdict(act_from(row)) for row in connection.execute(query)]
    more = str(found[-1]["seq"]) if len(found) == asked.limit else None
    return values.Page(items=found, next=more)


ROUTES = (
    Route("GET", "/v1/keys", keys, "API keys, without the keys", "administration",
          answers={200: Answer("All of them", values.Keys)}),
    Route("POST", "/v1/keys", create, "Make an API key", "administration",
          body=values.KeyRequest, body_example=KEY_ASKED,
          answers={201: Answer("The key, shown this once", values.KeyMade)}),
    Route("DELETE", "/v1/keys/{key_id}", revoke, "Revoke an API key", "administration",
          answers={204: Answer("It is revoked", media=""),
                   404: Answer("There is no such key")}),
    Route("GET", "/v1/audit", audit, "The audit log", "administration", query=AuditQuery,
          answers={200: Answer("A page", values.Page, example={"items": [], "next": None})}),
)  # fmt: skip
