"""A typed client of the service: Client, and AsyncClient for an event loop.

    from dlpagent.service.client import Client

    with Client("https://dlp.example.org", key="dlpa_…") as client:
        for result in client.classify(["my credit card is 4111 1111 1111 1111"]).results:
            print([finding.sit.name for finding in result.findings])

What comes back is checked against the types of dlpagent.service.http.values; what the service
refuses is raised as ServiceError with the four parts of its problem.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from dlpagent.errors import DlpAgentError
from dlpagent.service.http import values

T = TypeVar("T")
Texts = Sequence[str | values.TextItem]
TIMEOUT_S = 60.0
_LINES = "application/x-ndjson"


class ServiceError(DlpAgentError):
    """The service refused, or could not be reached. status: of HTTP; 0 when there was no answer.

    kind: the problem's stable word, such as too-many. retry_after_s: how long to wait, if told.
    """

    def __init__(
        self, what: str, *, status: int = 0, kind: str = "", retry_after_s: float | None = None,
        **parts: str,
    ) -> None:  # fmt: skip
        self.status, self.kind, self.retry_after_s = status, kind, retry_after_s
        super().__init__(what, **parts)


@dataclass(frozen=True, slots=True)
class _Asked(Generic[T]):
    """A request, and the type of its answer."""

    method: str
    path: str
    answer: type[T]
    body: Any = None
    query: dict[str, Any] | None = None


class Client:
    """The service over HTTP. One connection pool; safe to share between threads.

    key: an API key or a token of Entra ID. transport: another one of httpx, for tests.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        transport: httpx.BaseTransport | None = None,
        verify: Any = True,
    ) -> None:
        self._http = httpx.Client(
            base_url=url, headers=_headers(key), timeout=timeout_s, transport=transport,
            verify=verify,
        )  # fmt: skip

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()

    def classify(self, texts: Texts, min_confidence: int = 1) -> values.ClassifyResponse:
        """What is in texts, in order."""
        return self._ask(_classify(texts, min_confidence))

    def classify_lines(self, items: Iterable[values.TextItem]) -> Iterator[values.TextResult]:
        """Results while items are still being sent. Raises ServiceError at a line that is refused."""
        body = (msgspec.json.encode(item) + b"\n" for item in items)
        try:
            with self._http.stream(
                "POST", "/v1/classify", content=body, headers={"Content-Type": _LINES}
            ) as answer:
                if answer.is_error:
                    answer.read()
                    raise _refused(answer)
                for line in answer.iter_lines():
                    yield _line(line)
        except httpx.HTTPError as error:
            raise _unreachable(error) from None

    def classify_file(self, path: Path) -> values.FileResponse:
        """What is in a file, read by the source that knows its shape."""
        with path.open("rb") as file:
            try:
                answer = self._http.post("/v1/classify", files={"file": (path.name, file)})
            except httpx.HTTPError as error:
                raise _unreachable(error) from None
        return _told(answer, values.FileResponse)

    def decide(
        self, items: Sequence[values.DecideItem], policy: str | None = None
    ) -> values.DecideResponse:
        """The label each item should carry, and the rules it violates."""
        return self._ask(_decide(items, policy))

    def redact(
        self,
        texts: Texts,
        operator: values.Operator = "mask",
        sits: Mapping[str, values.Operator] | None = None,
        min_confidence: int = 1,
    ) -> values.RedactResponse:
        """Texts with marks in place of what was found."""
        return self._ask(_redact(texts, operator, sits, min_confidence))

    def packs(self) -> list[values.Pack]:
        """The pack in use."""
        return self._ask(_packs())

    def pack(self, ident: str) -> values.PackDetail:
        """A pack and its SITs."""
        return self._ask(_pack(ident))

    def policies(self) -> list[values.Policy]:
        """The policies."""
        return self._ask(_policies())

    def policy(self, ident: str) -> values.PolicyDetail:
        """A policy, its rules and labels."""
        return self._ask(_policy(ident))

    def check_policy(self, yaml: str, *, simulate: bool = False) -> values.PolicyChecked:
        """What is wrong with a policy, and what it would do."""
        return self._ask(_check(yaml, simulate))

    def findings(self, **query: Any) -> Iterator[dict[str, Any]]:
        """Newest findings of every asset; asset, sit, min_confidence and limit narrow them."""
        return self._pages("/v1/findings", query)

    def violations(self, **query: Any) -> Iterator[dict[str, Any]]:
        """Violations by id; asset and limit narrow them."""
        return self._pages("/v1/violations", query)

    def sweeps(self, **query: Any) -> list[dict[str, Any]]:
        """Runs, the newest first."""
        return self._ask(_page("/v1/sweeps", query)).items

    def api_keys(self) -> list[values.Key]:
        """API keys, without the keys."""
        return self._ask(_keys()).items

    def create_key(self, name: str, role: Any, days: int | None = None) -> values.KeyMade:
        """A new key, shown this once."""
        return self._ask(_new_key(name, role, days))

    def revoke_key(self, ident: str) -> None:
        """End a key."""
        self._ask(_end_key(ident))

    def is_ready(self) -> bool:
        """Whether the service can work. False also when it does not answer."""
        try:
            return self._http.get("/readyz").is_success
        except httpx.HTTPError:
            return False

    def _pages(self, path: str, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
        after: str | None = None
        while True:
            more = query if after is None else {**query, "after": after}
            page = self._ask(_page(path, more))
            yield from page.items
            if (after := page.next) is None:
                return

    def _ask(self, asked: _Asked[T]) -> T:
        try:
            answer = self._http.request(**_parts(asked))
        except httpx.HTTPError as error:
            raise _unreachable(error) from None
        return _told(answer, asked.answer)


class AsyncClient:
    """The same for an event loop, but for streams and files."""

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        transport: httpx.AsyncBaseTransport | None = None,
        verify: Any = True,
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=url, headers=_headers(key), timeout=timeout_s, transport=transport,
            verify=verify,
        )  # fmt: skip

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.aclose()

    async def classify(self, texts: Texts, min_confidence: int = 1) -> values.ClassifyResponse:
        """See Client.classify."""
        return await self._ask(_classify(texts, min_confidence))

    async def decide(
        self, items: Sequence[values.DecideItem], policy: str | None = None
    ) -> values.DecideResponse:
        """See Client.decide."""
        return await self._ask(_decide(items, policy))

    async def redact(
        self,
        texts: Texts,
        operator: values.Operator = "mask",
        sits: Mapping[str, values.Operator] | None = None,
        min_confidence: int = 1,
    ) -> values.RedactResponse:
        """See Client.redact."""
        return await self._ask(_redact(texts, operator, sits, min_confidence))

    async def packs(self) -> list[values.Pack]:
        """See Client.packs."""
        return await self._ask(_packs())

    async def pack(self, ident: str) -> values.PackDetail:
        """See Client.pack."""
        return await self._ask(_pack(ident))

    async def policies(self) -> list[values.Policy]:
        """See Client.policies."""
        return await self._ask(_policies())

    async def policy(self, ident: str) -> values.PolicyDetail:
        """See Client.policy."""
        return await self._ask(_policy(ident))

    async def check_policy(self, yaml: str, *, simulate: bool = False) -> values.PolicyChecked:
        """See Client.check_policy."""
        return await self._ask(_check(yaml, simulate))

    async def sweeps(self, **query: Any) -> list[dict[str, Any]]:
        """See Client.sweeps."""
        return (await self._ask(_page("/v1/sweeps", query))).items

    async def api_keys(self) -> list[values.Key]:
        """See Client.api_keys."""
        return (await self._ask(_keys())).items

    async def create_key(self, name: str, role: Any, days: int | None = None) -> values.KeyMade:
        """See Client.create_key."""
        return await self._ask(_new_key(name, role, days))

    async def revoke_key(self, ident: str) -> None:
        """See Client.revoke_key."""
        await self._ask(_end_key(ident))

    async def violations(self, **query: Any) -> AsyncIterator[dict[str, Any]]:
        """See Client.violations."""
        async for item in self._pages("/v1/violations", query):
            yield item

    async def findings(self, **query: Any) -> AsyncIterator[dict[str, Any]]:
        """See Client.findings."""
        async for item in self._pages("/v1/findings", query):
            yield item

    async def is_ready(self) -> bool:
        """See Client.is_ready."""
        try:
            return (await self._http.get("/readyz")).is_success
        except httpx.HTTPError:
            return False

    async def _pages(self, path: str, query: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        after: str | None = None
        while True:
            more = query if after is None else {**query, "after": after}
            page = await self._ask(_page(path, more))
            for item in page.items:
                yield item
            if (after := page.next) is None:
                return

    async def _ask(self, asked: _Asked[T]) -> T:
        try:
            answer = await self._http.request(**_parts(asked))
        except httpx.HTTPError as error:
            raise _unreachable(error) from None
        return _told(answer, asked.answer)


# --- what both say and understand -----------------------------------------------------------------


def _classify(texts: Texts, min_confidence: int) -> _Asked[values.ClassifyResponse]:
    body = values.ClassifyRequest(texts=list(texts), min_confidence=min_confidence)
    return _Asked("POST", "/v1/classify", values.ClassifyResponse, body)


def _decide(
    items: Sequence[values.DecideItem], policy: str | None
) -> _Asked[values.DecideResponse]:
    body = values.DecideRequest(items=list(items), policy=policy)
    return _Asked("POST", "/v1/decide", values.DecideResponse, body)


def _redact(
    texts: Texts,
    operator: values.Operator,
    sits: Mapping[str, values.Operator] | None,
    min_confidence: int,
) -> _Asked[values.RedactResponse]:
    body = values.RedactRequest(
        texts=list(texts), operator=operator, sits=dict(sits or {}), min_confidence=min_confidence
    )
    return _Asked("POST", "/v1/redact", values.RedactResponse, body)


def _packs() -> _Asked[list[values.Pack]]:
    return _Asked("GET", "/v1/packs", list[values.Pack])


def _pack(ident: str) -> _Asked[values.PackDetail]:
    return _Asked("GET", f"/v1/packs/{quote(ident, safe='')}", values.PackDetail)


def _policies() -> _Asked[list[values.Policy]]:
    return _Asked("GET", "/v1/policies", list[values.Policy])


def _policy(ident: str) -> _Asked[values.PolicyDetail]:
    return _Asked("GET", f"/v1/policies/{quote(ident, safe='')}", values.PolicyDetail)


def _check(yaml: str, simulate: bool) -> _Asked[values.PolicyChecked]:
    body = values.PolicyText(yaml=yaml, simulate=simulate)
    return _Asked("POST", "/v1/check-policy", values.PolicyChecked, body)


def _page(path: str, query: dict[str, Any]) -> _Asked[values.Page]:
    return _Asked("GET", path, values.Page, query=query)


def _keys() -> _Asked[values.Keys]:
    return _Asked("GET", "/v1/keys", values.Keys)


def _new_key(name: str, role: Any, days: int | None) -> _Asked[values.KeyMade]:
    body = values.KeyRequest(name=name, role=role, days=days)
    return _Asked("POST", "/v1/keys", values.KeyMade, body)


def _end_key(ident: str) -> _Asked[None]:
    return _Asked("DELETE", f"/v1/keys/{quote(ident, safe='')}", type(None))


def _headers(key: str | None) -> dict[str, str]:
    return {"Accept": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})


def _parts(asked: _Asked[T]) -> dict[str, Any]:
    parts: dict[str, Any] = {"method": asked.method, "url": asked.path, "params": asked.query}
    if asked.body is not None:
        parts["content"] = msgspec.json.encode(asked.body)
        parts["headers"] = {"Content-Type": "application/json"}
    return parts


def _told(answer: httpx.Response, kind: type[T]) -> T:
    if answer.is_error:
        raise _refused(answer)
    try:
        return msgspec.json.decode(answer.content or b"null", type=kind)
    except msgspec.DecodeError:
        raise ServiceError(
            "the answer is not one of this service", status=answer.status_code,
            where=str(answer.request.url.copy_with(query=None)),
            remedy="See that client and service are of the same version.",
        ) from None  # fmt: skip


def _line(line: str) -> values.TextResult:
    try:
        return msgspec.json.decode(line, type=values.TextResult)
    except msgspec.DecodeError:
        body = msgspec.json.decode(line)
        raise ServiceError(
            body.get("title", "a line was refused"), status=body.get("status", 0),
            kind=body.get("type", ""), where=f"line {body.get('line', '?')}",
            expected=body.get("expected", ""),
        ) from None  # fmt: skip


def _refused(answer: httpx.Response) -> ServiceError:
    try:
        body = answer.json()
    except ValueError:
        body = None
    body = body if isinstance(body, dict) else {}
    wait = answer.headers.get("retry-after", "")
    return ServiceError(
        str(body.get("title") or body.get("error") or answer.reason_phrase),
        status=answer.status_code,
        kind=str(body.get("type", "")),
        retry_after_s=float(wait) if wait.isdigit() else None,
        **{name: str(body.get(name, "")) for name in ("where", "expected", "found", "remedy")},
    )


def _unreachable(error: httpx.HTTPError) -> ServiceError:
    """Its message may name the address only; a query is none of the log's business."""
    try:
        where = str(error.request.url.copy_with(query=None))
    except RuntimeError:
        where = ""
    return ServiceError(
        "the service cannot be reached", where=where, found=type(error).__name__,
        remedy="See that it runs, and that address and certificate are right.",
    )  # fmt: skip
