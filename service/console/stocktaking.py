"""The inventory: AI apps, stores, datasets and packs with owner, state, label and trend."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from dlpagent.errors import ConfigurationError, StateError
from dlpagent.service.console.forms import fields, seen
from dlpagent.service.console.rendering import page
from dlpagent.service.http.routes import Call, Route
from dlpagent.service.inventory import rows
from dlpagent.service.session import load_taxonomy
from dlpagent.state.register import KINDS, STATES, TREND_DAYS, say

SHOWN = 200


async def inventory(call: Call) -> Response:
    """The register; filters in the query."""
    return await _inventory(call)


async def _inventory(call: Call, problem: str = "", status: int = 200) -> Response:
    query = call.request.query_params
    kind = query.get("kind", "") if query.get("kind") in KINDS else ""
    state = query.get("state", "") if query.get("state") in STATES else ""
    words = query.get("q", "")

    def read() -> list[dict[str, Any]]:
        taxonomy = load_taxonomy(call.tenant.labels)
        found = rows(call.tenant.state, taxonomy, [kind] if kind else (), [state] if state else ())
        wanted = words.casefold().split()
        kept = [
            row
            for row in found
            if all(word in f"{row['name']} {row['owner']}".casefold() for word in wanted)
        ]
        return sorted(
            kept, key=lambda row: (-row["high"], -row["medium"], -row["low"], row["name"])
        )

    found = await run_in_threadpool(read)
    return page(
        call, "inventory.html", status, rows=found[:SHOWN], many=len(found), kinds=KINDS,
        states=STATES, kind=kind, state=state, words=words, problem=problem,
        days=TREND_DAYS, pack_id=call.service.pack.ref.id, pack_name=call.service.pack.name,
        said=query.get("said", ""),
    )  # fmt: skip


async def change(call: Call) -> Response:
    """Owner, purpose and state of one entry."""
    form = await fields(call)
    state = form.get("state", "")

    def act() -> str:
        if state and state not in STATES:
            raise ConfigurationError(
                "this is not a state", expected=", ".join(STATES), found=state[:40]
            )
        entry = say(
            call.tenant.state.database, call.who.id, form.get("id", ""),
            owner=form.get("owner"), purpose=form.get("purpose"),
            state=state or None,
            receipt=form.get("receipt", "").strip(),
        )  # fmt: skip
        return f"{entry.name} is changed."

    try:
        said = await run_in_threadpool(act)
    except (StateError, ConfigurationError) as error:
        return await _inventory(call, error.render(), 400)
    return seen("/console/inventory", said=said)


ROUTES = (
    Route("GET", "/console/inventory", inventory, style="page", is_documented=False),
    Route("POST", "/console/inventory", change, style="page", is_documented=False),
)
