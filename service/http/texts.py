"""/v1/classify, /v1/decide and /v1/redact: what is asked of texts that come with the request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import msgspec
import pyarrow as pa
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from dlpagent.findings import FINDING_SCHEMA, level_of
from dlpagent.records import Asset, ItemLevel
from dlpagent.service.http import values
from dlpagent.service.http.classifying import Found, TextIn
from dlpagent.service.http.examples import (
    CLASSIFY_ASKED,
    CLASSIFY_TOLD,
    DECIDE_ASKED,
    DECIDE_TOLD,
    REDACT_ASKED,
    REDACT_TOLD,
)
from dlpagent.service.http.gate import media_type
from dlpagent.service.http.problems import Refusal, not_found
from dlpagent.service.http.routes import Answer, Call, Route, json_answer
from dlpagent.service.http.service import Service, Tenant
from dlpagent.service.http.streams import Line, StreamedLines, first_of, groups_of
from dlpagent.service.http.uploads import classify_upload
from dlpagent.tallies import tallies_of
from dlpagent.violations import Decision, FiredRule, Item, Tally

NDJSON = "application/x-ndjson"
MULTIPART = "multipart/form-data"


async def classify(call: Call) -> Response:
    """JSON, an uploaded file, or a stream of lines: by its content type."""
    kind = media_type(call.request)
    if kind == MULTIPART:
        return await classify_upload(call)
    if kind == NDJSON:
        groups = groups_of(call.request, call.service.settings.limits.file_bytes)
        return StreamedLines(_told_lines(call, await first_of(groups), groups), NDJSON)
    asked: values.ClassifyRequest = call.body
    items = items_of(asked.text, asked.texts)
    found = await classified(call, [text_of(item) for item in items])
    results = [
        result_of(call.tenant, item, one, asked.min_confidence)
        for item, one in zip(items, found, strict=True)
    ]
    return json_answer(
        values.ClassifyResponse(results=results, pack=values.pack_of(call.service.pack))
    )


async def _told_lines(
    call: Call, first: list[Line], groups: AsyncIterator[list[Line]]
) -> AsyncIterator[bytes]:
    """A result per line, in order, while lines still come in. What is wrong with a line is told in
    its place; the stream goes on."""
    number = 0
    group: list[Line] | None = first
    while group is not None:
        items = [line for line in group if isinstance(line, values.TextItem)]
        try:
            found = iter(await classified(call, [text_of(item) for item in items]))
        except Refusal as refusal:
            yield msgspec.json.encode(refusal.problem) + b"\n"
            return
        for line in group:
            number += 1
            told: object = (
                result_of(call.tenant, line, next(found), 1)
                if isinstance(line, values.TextItem)
                else {**msgspec.to_builtins(line.problem), "line": number}
            )
            yield msgspec.json.encode(told) + b"\n"
        group = await anext(groups, None)


async def classified(call: Call, texts: Sequence[TextIn]) -> list[Found]:
    """What is in texts, counted."""
    found = await call.tenant.lanes.classify(texts)
    call.request.app.state.metrics.classified(sum(len(text.text) for text in texts), found)
    return found


def items_of(text: str | None, texts: Iterable[str | values.TextItem]) -> list[values.TextItem]:
    """What was asked, as items in order."""
    items = [] if text is None else [values.TextItem(text=text)]
    items += [values.TextItem(text=each) if isinstance(each, str) else each for each in texts]
    return items


def text_of(item: values.TextItem) -> TextIn:
    """An item as the workers take it."""
    return TextIn(item.text, item.context)


def result_of(
    tenant: Tenant, item: values.TextItem, found: Found, min_confidence: int
) -> values.TextResult:
    """What is told of one text."""
    names = tenant.classifier.sit_names
    return values.TextResult(
        id=item.id,
        findings=[
            values.Found(
                start=row["start"],
                end=row["end"],
                sit=values.Sit(id=row["sit_id"], name=names[row["sit_id"]]),
                confidence=row["confidence"],
                level=level_of(row["confidence"]),
                masked=row["masked"],
                key=row["key"],
            )
            for row in found.matches
            if row["confidence"] >= min_confidence
        ],
        complete=not found.unchecked,
        unchecked=[
            values.Unchecked(
                sit=values.Sit(id=sit, name=names.get(sit, sit)) if sit else None, reason=reason
            )
            for sit, reason in found.unchecked
        ],
    )


# --- decisions ------------------------------------------------------------------------------------


async def decide(call: Call) -> Response:
    """The label each item should carry, and the rules it violates."""
    asked: values.DecideRequest = call.body
    policy_id = policy_named(call.tenant, asked.policy)
    texts = [(item, items_of(None, item.texts)) for item in asked.items]
    found = iter(await classified(call, [text_of(text) for _, group in texts for text in group]))
    results = [
        decided(call.tenant, policy_id, item, [next(found) for _ in group]) for item, group in texts
    ]
    ref = call.tenant.policies[policy_id].ref()
    policy = values.Policy(id=ref.id, name=ref.name, version=ref.version)
    return json_answer(
        values.DecideResponse(
            results=results, policy=policy, pack=values.pack_of(call.service.pack)
        )
    )


def policy_named(tenant: Tenant, wanted: str | None) -> str:
    """The id of a tenant's policy by id or name; of the first when none is wanted."""
    for ident, policy in tenant.policies.items():
        if wanted is None or wanted in {ident, policy.name}:
            return ident
    raise not_found("policy", "policy")


def decided(
    tenant: Tenant, policy_id: str, asked: values.DecideItem, found: Sequence[Found]
) -> values.DecideResult:
    """The decision on what was found in an item's texts."""
    decider = tenant.deciders[policy_id]
    level: ItemLevel = "record" if asked.kind in {"chat_log", "stream", "vector_collection"} else (
        "asset"
    )  # fmt: skip
    asset = Asset(asked.asset, asked.kind, "http", item=level, app=asked.app)
    tallies = tallies_of(_findings(found))
    is_complete = not any(each.unchecked for each in found)
    decisions: dict[ItemLevel, Decision] = {
        each: decider.decide(
            Item(
                asset=asset,
                level=each,
                record_id="",
                tallies=tallies,
                evidence="",
                places_total=sum(len(one.matches) for one in found),
                roles=tuple(sorted(set(asked.roles))),
                labels=tuple(sorted(set(asked.labels))),
                actor_id=asked.actor,
                app=asked.app,
                incomplete=not is_complete,
            )
        )
        for each in {level, *decider.levels(asset)}
    }
    names = tenant.classifier.sit_names
    return values.DecideResult(
        id=asked.id,
        recommended=_recommended(decisions[level]),
        fired=[_fired(rule, names) for each in decisions.values() for rule in each.fired],
        found=[_total(tally, names) for tally in tallies],
        complete=is_complete,
    )


def _findings(found: Sequence[Found]) -> pa.RecordBatch:
    rows = [
        {**dict.fromkeys(FINDING_SCHEMA.names), "record_id": "", "part": str(number), **row}
        for number, one in enumerate(found)
        for row in one.matches
    ]
    return pa.RecordBatch.from_pylist(rows, schema=FINDING_SCHEMA)


def _recommended(decision: Decision) -> values.Recommended | None:
    told = decision.recommendation
    if told is None:
        return None
    return values.Recommended(
        label=_label(told.label),
        existing=_label(told.existing) if told.existing else None,
        reason=told.reason,
    )


def _label(label: Any) -> values.Label:
    return values.Label(id=label.id, name=label.name, priority=label.priority)


def _fired(rule: FiredRule, names: Any) -> values.Fired:
    return values.Fired(
        rule_id=rule.rule_id,
        rule=rule.rule_name,
        severity=rule.severity,
        mode=rule.mode,
        actions=list(rule.actions),
        location=rule.location,
        reason=rule.reason,
        sits=[values.Sit(id=sit, name=names.get(sit, sit)) for sit in rule.sit_ids],
    )


def _total(tally: Tally, names: Any) -> values.SitTotal:
    return values.SitTotal(
        sit=values.Sit(id=tally.sit_id, name=names.get(tally.sit_id, tally.sit_id)),
        confidence=tally.confidence,
        count=tally.count(),
        unique=tally.unique(),
    )


# --- clean copies ---------------------------------------------------------------------------------


async def redact(call: Call) -> Response:
    """Texts with marks in place of what was found; a second time changes nothing."""
    asked: values.RedactRequest = call.body
    items = items_of(asked.text, asked.texts)
    by_name = {sit.name.casefold(): sit.id for sit in call.service.pack.sits.values()}
    operators: dict[str, values.Operator] = {}
    for name, operator in asked.sits.items():
        ident = name if name in call.service.pack.sits else by_name.get(name.casefold())
        if ident is None:
            raise not_found("sensitive information type", "sits")
        operators[ident] = operator
    told = await run_in_threadpool(_redacted, call.tenant, call.service, asked, items, operators)
    return json_answer(told)


def _redacted(
    tenant: Tenant,
    service: Service,
    asked: values.RedactRequest,
    items: Sequence[values.TextItem],
    operators: dict[str, values.Operator],
) -> values.RedactResponse:
    from dlpagent.service.redact.operators import Marks
    from dlpagent.service.redact.plain_text import PlainText
    from dlpagent.service.redact.rewriting import Redactor
    from dlpagent.service.redact.settling import settle

    wants_cipher = "encrypt" in {asked.operator, *operators.values()}
    marks = Marks(tenant.evidence, tenant.cipher(make=wants_cipher))
    redactor = Redactor(
        tenant.waiting, service.pack, marks, asked.operator, operators, asked.min_confidence
    )
    settled = settle([item.text for item in items], PlainText, redactor)
    names = tenant.classifier.sit_names
    counts: dict[str, int] = {}
    for (sit, _), many in redactor.counts.items():
        counts[names[sit]] = counts.get(names[sit], 0) + many
    return values.RedactResponse(
        results=[
            values.RedactResult(
                id=item.id,
                text=done.raw,
                changed=done.raw != item.text,
                complete=done.problem is None,
                problem=done.problem,
            )
            for item, done in zip(items, settled, strict=True)
        ],
        counts=counts,
        pack=values.pack_of(service.pack),
    )


ROUTES = (
    Route("POST", "/v1/classify", classify, "Find sensitive information types in texts", "texts",
          body=values.ClassifyRequest, body_example=CLASSIFY_ASKED,
          media={NDJSON: '{"text": "my SSN is 219-09-9999"}\n', MULTIPART: None},
          answers={200: Answer("One result per text", (values.ClassifyResponse, values.FileResponse),
                               example=CLASSIFY_TOLD, also=NDJSON)}),
    Route("POST", "/v1/decide", decide, "What a policy says of items", "texts",
          body=values.DecideRequest, body_example=DECIDE_ASKED,
          answers={200: Answer("One result per item", values.DecideResponse, example=DECIDE_TOLD),
                   404: Answer("There is no such policy")}),
    Route("POST", "/v1/redact", redact, "Texts without what was found", "texts",
          body=values.RedactRequest, body_example=REDACT_ASKED,
          answers={200: Answer("One result per text", values.RedactResponse, example=REDACT_TOLD),
                   404: Answer("There is no such sensitive information type")}),
)  # fmt: skip
