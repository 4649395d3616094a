"""Graph on the loopback: content activities, processContent, protection scopes, label evaluation,
paged lists (labels, policy files, Copilot interactions), $batch.

Every request is checked strictly against the OpenAPI slice of its version, and against the rules
the documentation states in words. Answers are those the slice describes.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dlpagent.connectors.testing.microsoft.faults import Fault
from dlpagent.connectors.testing.microsoft.received import Received
from dlpagent.connectors.testing.microsoft.slices import VERSIONS, faults_of, template_of
from dlpagent.connectors.testing.microsoft.wire import Answer, Request, json_answer, refusal

MAX_BATCH = 20  # requests in a $batch
MAX_ASYNC = 64  # items in a processContentAsync
MAX_REQUEST_BYTES = int(3.7 * 1024 * 1024)
_TYPE = "@odata.type"


class Graph:
    """Answers and keeps what it took. origin: where it stands, for nextLink.

    scopes: the protection scopes of every user; change them with set_scopes(), which also changes
    the ETag. actions: the policyActions of every verdict. lists: path below the version, in lower
    case → values, given in pages. opinion: the result of every label evaluation. received.ids are
    contentEntries[].identifier.
    """

    def __init__(self, origin: Callable[[], str], *, page_size: int = 100) -> None:
        self._origin, self._page_size = origin, page_size
        self._lock = threading.Lock()
        self._version = 1
        self.scopes: list[dict[str, Any]] = []
        self.actions: list[dict[str, Any]] = []
        self.lists: dict[str, Sequence[Any]] = {}
        self.opinion: dict[str, Any] | None = None
        self.evaluations = Received()
        self.activities = Received()
        self.contents = Received()
        self.computed = 0
        self.refused: frozenset[str] = frozenset()  # identifiers it will not have
        self.strangers: frozenset[str] = frozenset()  # users it does not know

    @property
    def etag(self) -> str:
        """The state of the protection scopes, quoted."""
        return f'"scopes-{self._version}"'

    def set_scopes(self, *modes: tuple[str, str]) -> None:
        """Let (activities, executionMode) pairs be the protection scopes, for every location."""
        with self._lock:
            self.scopes = [
                {
                    "activities": activities,
                    "executionMode": mode,
                    "locations": [],
                    "policyActions": [],
                }
                for activities, mode in modes
            ]
            self._version += 1

    def answer(self, request: Request, fault: Fault) -> Answer | None:
        """The answer to a request; None when its path is not below a version of Graph."""
        _, version, *_ = [*request.path.split("/", 2), ""]
        if version not in VERSIONS:
            return None
        rest = request.path[len(version) + 1 :]
        if len(request.body) > MAX_REQUEST_BYTES:
            return refusal(413, "RequestEntityTooLarge", "the request is too large")
        if rest == "/$batch" and request.method == "POST":
            return self._batch(version, request, fault)
        return self._one(version, replace(request, path=rest))

    def _batch(self, version: str, request: Request, fault: Fault) -> Answer:
        parts = _parsed(request.body)
        steps = parts.get("requests") if isinstance(parts, dict) else None
        if not isinstance(steps, list) or not 1 <= len(steps) <= MAX_BATCH:
            return refusal(400, "BadRequest", f"a batch has 1 to {MAX_BATCH} requests")
        ids = [step.get("id") for step in steps]
        if len(set(ids)) != len(ids) or not all(isinstance(ident, str) for ident in ids):
            return refusal(400, "BadRequest", "every request of a batch has an id of its own")
        answers = []
        for index, step in enumerate(steps):
            if fault.kind == "batch_item" and fault.item % len(steps) == index:
                again = {"Retry_After": fault.retry_after} if fault.retry_after else {}
                answer = refusal(fault.status, "Throttled", "on demand", **again)
            else:
                answer = self._one(version, _step(step))
            answers.append(_step_answer(step["id"], answer))
        # The order of the answers is not the order of the requests.
        return json_answer(200, {"responses": answers[::-1]})

    def _one(self, version: str, request: Request) -> Answer:
        found = template_of(version, request.method, request.path)
        if found is None:
            return refusal(404, "UnknownError", "there is no such resource")
        template, named = found
        if named.get("user-id") in self.strangers:
            return refusal(404, "Request_ResourceNotFound", "there is no such user")
        body = _parsed(request.body) if request.method == "POST" else None
        faults = faults_of(version, request.method, template, body)
        if faults:
            return refusal(400, "BadRequest", "; ".join(faults[:5]))
        if template.endswith("/contentActivities"):
            return self._activity(version, body, named)
        if template.endswith("/compute"):
            return self._compute(version, template)
        if template.endswith("/processContent"):
            return self._process(request, body)
        if template.endswith("/processContentAsync"):
            return self._process_async(body)
        if template.endswith("/evaluate"):
            return self._evaluate(version, body)
        return self._page(version, request)

    def _evaluate(self, version: str, body: Any) -> Answer:
        """What the tenant's own auto-labelling says of what was found; kept as it was asked."""
        self.evaluations.add(str(uuid.uuid4()), body)
        kind = f"https://graph.microsoft.com/{version}/$metadata#microsoft.graph"
        done = {"status": "completed", "type": "evaluateLabel", "result": self.opinion}
        return json_answer(200, {"@odata.context": f"{kind}.evaluateLabelJobResponse", **done})

    def _activity(self, version: str, body: Any, named: Mapping[str, str]) -> Answer:
        fault = self._fault(body.get("contentMetadata"), wants_content=False)
        if fault or not body.get("userId"):
            return refusal(400, "BadRequest", fault or "userId is required")
        if named.get("user-id") and named["user-id"] != body["userId"]:
            return refusal(400, "BadRequest", "userId is not the user of the path")
        made = {**body, "id": str(uuid.uuid4())}
        for entry in body["contentMetadata"]["contentEntries"]:
            self.activities.add(entry["identifier"], body)
        kind = f"https://graph.microsoft.com/{version}/$metadata#contentActivities/$entity"
        return json_answer(201, {"@odata.context": kind, **made})

    def _compute(self, version: str, template: str) -> Answer:
        with self._lock:
            self.computed += 1
            scopes, etag = list(self.scopes), self.etag
        kind = "policyUserScope" if template.startswith("/users") else "policyTenantScope"
        context = (
            f"https://graph.microsoft.com/{version}/$metadata#Collection(microsoft.graph.{kind})"
        )
        return json_answer(200, {"@odata.context": context, "value": scopes}, ETag=etag)

    def _process(self, request: Request, body: Any) -> Answer:
        content = body.get("contentToProcess")
        fault = self._fault(content, wants_content=True)
        if fault:
            return refusal(400, "BadRequest", fault)
        self._keep(content)
        known = request.headers.get("if-none-match")
        return json_answer(200, self._verdict(known), ETag=self.etag)

    def _process_async(self, body: Any) -> Answer:
        items = body.get("processContentRequests") or []
        if not 1 <= len(items) <= MAX_ASYNC:
            return refusal(400, "BadRequest", f"1 to {MAX_ASYNC} items are allowed")
        for item in items:
            fault = self._fault(item.get("contentToProcess"), wants_content=True)
            if fault or not item.get("userId") or not item.get("requestId"):
                return refusal(400, "BadRequest", fault or "userId and requestId are required")
        for item in items:
            self._keep(item["contentToProcess"])
        return Answer(204)

    def _fault(self, content: Any, *, wants_content: bool) -> str:
        fault = entries_fault(content, wants_content=wants_content)
        if not fault and any(e["identifier"] in self.refused for e in content["contentEntries"]):
            return "an entry is not wanted"
        return fault

    def _keep(self, content: Mapping[str, Any]) -> None:
        for entry in content["contentEntries"]:
            self.contents.add(entry["identifier"], content)

    def _verdict(self, known_etag: str | None) -> dict[str, Any]:
        same = known_etag in (None, self.etag)
        return {
            "protectionScopeState": "notModified" if same else "modified",
            "policyActions": self.actions,
            "processingErrors": [],
        }

    def _page(self, version: str, request: Request) -> Answer:
        """A page of a list; the page token is a position, and good on this host only. Sublabels are
        a navigation property: they come when they are asked for."""
        values = self.lists.get(request.path.lower().removesuffix("()"), ())
        expand = request.query.get("$expand", "")
        start, size = int(request.query.get("$skiptoken", 0)), self._page_size
        size = min(size, int(request.query.get("$top", size)))
        page = values[start : start + size]
        body: dict[str, Any] = {"value": [_shown(value, expand) for value in page]}
        if start + size < len(values):
            link = f"{self._origin()}/{version}{request.path}?$top={size}&$skiptoken={start + size}"
            body["@odata.nextLink"] = link + (f"&$expand={expand}" if expand else "")
        return json_answer(200, body)


def entries_fault(content: Any, *, wants_content: bool) -> str:
    """What the documentation says in words and no schema holds; "" when all is well."""
    entries = content.get("contentEntries") if isinstance(content, dict) else None
    if not entries:
        return "contentEntries is empty"
    if not (content.get("activityMetadata") and content.get("integratedAppMetadata")):
        return "activityMetadata and integratedAppMetadata are required"
    for entry in entries:
        if not entry.get("identifier") or not entry.get("name"):
            return "identifier and name are required"
        if entry.get("correlationId") and entry.get("sequenceNumber") is None:
            return "sequenceNumber is required with correlationId"
        if bool(entry.get("content")) != wants_content:
            return "content is required" if wants_content else "content is not allowed"
    return ""


def _shown(value: Any, expand: str) -> Any:
    if isinstance(value, dict) and "sublabels" in value and "sublabels" not in expand.split(","):
        return {name: item for name, item in value.items() if name != "sublabels"}
    return value


def _step(step: Mapping[str, Any]) -> Request:
    headers = {name.lower(): str(value) for name, value in (step.get("headers") or {}).items()}
    body = json.dumps(step.get("body")).encode()
    return Request(str(step.get("method")), str(step.get("url")), {}, headers, body)


def _step_answer(ident: str, answer: Answer) -> dict[str, Any]:
    body = json.loads(answer.body) if answer.body else None
    return {"id": ident, "status": answer.status, "headers": dict(answer.headers), "body": body}


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
