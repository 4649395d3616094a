"""The triage queue: values by how often they were found, and verdicts on them."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from dlpagent.errors import DlpAgentError
from dlpagent.service.console.forms import fields, seen
from dlpagent.service.console.rendering import page
from dlpagent.service.http.routes import Call, Route
from dlpagent.service.session import parse_level
from dlpagent.service.triage import (
    STANDINGS,
    Decision,
    ValueGroup,
    decide,
    expiry,
    find_groups,
    value_groups,
    withdraw,
)

SHOWN = 100


async def queue(call: Call) -> Response:
    """Values, those with most open findings first."""
    return await _queue(call)


async def _queue(call: Call, problem: str = "", status: int = 200) -> Response:
    query = call.request.query_params
    standing = query.get("standing", "open")
    standing = standing if standing in STANDINGS else "open"
    level = query.get("level", "medium")
    level = level if level in ("low", "medium", "high") else "medium"
    words = query.get("q", "")
    names = call.tenant.classifier.sit_names

    def read() -> list[ValueGroup]:
        groups = value_groups(
            call.tenant.state,
            standing=standing,
            min_confidence=parse_level(level),
        )
        wanted = words.casefold().split()
        return [
            group
            for group in groups
            if all(
                word in f"{names.get(group.sit_id, '')} {' '.join(group.asset_findings)}".casefold()
                for word in wanted
            )
        ]

    groups = await run_in_threadpool(read)
    return page(
        call, "triage.html", status, groups=groups[:SHOWN], many=len(groups), names=names,
        standing=standing, standings=STANDINGS, level=level, words=words, problem=problem,
        said=query.get("said", ""), open_findings=sum(group.open_findings for group in groups),
    )  # fmt: skip


async def judge(call: Call) -> Response:
    """A verdict on one value, or all verdicts on it taken back."""
    form = await fields(call)
    ruling, reason = form.get("ruling", ""), form.get("reason", "")
    names = call.tenant.classifier.sit_names

    def act() -> str:
        state = call.tenant.state
        every = value_groups(state, sit_ids=[form.get("sit", "")], standing="any")
        groups = find_groups(every, [form.get("key", "")], names)
        if ruling == "withdraw":
            withdraw(state, call.who.id, groups, reason)
            return "The verdict is taken back."
        until = form.get("until", "").strip()
        decide(
            state, call.who.id, groups,
            Decision(
                ruling,  # type: ignore[arg-type]
                reason, form.get("owner", ""), form.get("scope", "").strip() or "*",
                expiry(until) if until else None,
            ),
            key_id=call.tenant.evidence.key_id(), names=names,
        )  # fmt: skip
        return f"The value is decided on: {ruling}."

    try:
        said = await run_in_threadpool(act)
    except DlpAgentError as error:
        return await _queue(call, error.render(), 400)
    return seen(
        "/console/triage", said=said, standing=form.get("standing", ""), level=form.get("level", "")
    )


ROUTES = (
    Route("GET", "/console/triage", queue, style="page", is_documented=False),
    Route("POST", "/console/triage", judge, style="page", is_documented=False),
)
