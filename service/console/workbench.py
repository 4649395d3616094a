"""The workbench: a text painted by confidence, why each place matched, and a SIT edited against it.

The text lives in the page and in the answer to it, nowhere else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeVar

from anyio import CapacityLimiter, to_thread
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.explain import Trace, explain
from dlpagent.classifiers.sit import Pack, Sit
from dlpagent.errors import ConfigurationError, DlpAgentError, ProblemsError
from dlpagent.evidence import masked
from dlpagent.findings import level_of
from dlpagent.records import without_surrogates
from dlpagent.service.console.forms import fields
from dlpagent.service.console.rendering import page
from dlpagent.service.console.shelf import SERVED, Shelf, compiled, held, tried
from dlpagent.service.http.classifying import TextIn
from dlpagent.service.http.routes import Call, Route
from dlpagent.state.audit import record_act

MAX_CHARS = 20_000
MAX_CONTEXT_CHARS = 500
MAX_YAML_CHARS = 200_000
# Explaining is what the reference evaluator does: a few at once, so that prompts go on.
AT_ONCE = 2
_limiters: dict[int, CapacityLimiter] = {}
EXAMPLE = (
    "Patient intake, 12 March. The card is 4111 1111 1111 1111, expires 09/27.\n"
    "Please transfer to IBAN NL91 ABNA 0417 1643 00. Mail: j.devries@contoso.example\n"
    "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)


T = TypeVar("T")


class Place(NamedTuple):
    """A match that is shown: its trace and the masked shape of its value."""

    number: int
    trace: Trace
    masked: str

    @property
    def level(self) -> str:
        return level_of(self.trace.confidence)


class Piece(NamedTuple):
    """A stretch of the text; without places, nothing is there. level: of the surest place."""

    text: str
    places: tuple[Place, ...] = ()
    level: str = ""


@dataclass(frozen=True, slots=True)
class Looked:
    """What is in a text. tried: places that no pattern made a finding; seconds: of the search."""

    pieces: tuple[Piece, ...]
    found: tuple[Place, ...]
    tried: tuple[Place, ...]
    seconds: float
    unchecked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Edited:
    """A SIT on the bench. before and after: what it finds in the text as it is and as it is edited."""

    text: str
    sit: Sit
    pack: str
    before: tuple[Place, ...] = ()
    after: tuple[Place, ...] = ()
    seconds: float | None = None
    problems: tuple[str, ...] = ()


def shelf_of(call: Call) -> Shelf:
    """The folders of the tenant that asks."""
    home = call.service.home.path
    return Shelf(call.tenant.cipher_key.parent, call.service.pack, home / "cache")


async def bench(call: Call) -> Response:
    """The empty bench, or one for a SIT of a pack (?pack=…&sit=…)."""
    query = call.request.query_params
    return await _bench(
        call, query.get("text", ""), query.get("context", ""), query.get("pack", SERVED),
        query.get("sit", ""),
    )  # fmt: skip


async def look(call: Call) -> Response:
    """A text looked through."""
    form = await fields(call)
    return await _bench(
        call, form.get("text", ""), form.get("context", ""), form.get("pack", SERVED),
        form.get("sit", ""),
    )  # fmt: skip


async def try_sit(call: Call) -> Response:
    """A SIT as it is edited, tried on the text; saved when that was asked."""
    form = await fields(call)
    whole, beside, name = (form.get(key, "") for key in ("text", "context", "pack"))
    text, context = whole[:MAX_CHARS], beside[:MAX_CONTEXT_CHARS]
    shelf, said = shelf_of(call), ""

    def act() -> Edited:
        nonlocal said
        pack = shelf.pack(name)
        yaml = form.get("yaml", "")
        if len(yaml) > MAX_YAML_CHARS:
            raise ConfigurationError(
                "the type is too long to be edited here",
                expected=f"at most {MAX_YAML_CHARS:,} characters",
                found=f"{len(yaml):,}",
                remedy="Edit the file, and import it as a rule package.",
            )
        known = pack.sits.get(form.get("sit", ""))
        try:
            draft, sit = tried(yaml, pack)
        except (ProblemsError, DlpAgentError) as error:
            if known is None:
                raise
            return Edited(yaml, known, name, problems=_told(error))
        before = _places_of(compiled(held(pack)), text, context, [known]) if known else ()
        began = time.perf_counter()
        after = _places_of(CompiledPack(draft), text, context, [sit])
        seconds = time.perf_counter() - began
        if form.get("save") and call.who.may("architect"):
            said = _save(call, shelf, form.get("into", "") or name, yaml, sit)
        return Edited(yaml, sit, name, before, after, seconds)

    try:
        edited = await _explaining(call, act)
    except DlpAgentError as error:
        problem = " ".join(_told(error))
        return await _bench(call, whole, context, name, form.get("sit", ""), problem=problem)
    return await _bench(call, whole, context, name, "", edited=edited, said=said)


async def _explaining(call: Call, act: Callable[[], T]) -> T:
    """What explains texts, in a thread. Raises as it does."""
    limiter = _limiters.setdefault(id(call.service), CapacityLimiter(AT_ONCE))
    return await to_thread.run_sync(act, limiter=limiter)


def _save(call: Call, shelf: Shelf, into: str, yaml: str, sit: Sit) -> str:
    if into not in shelf.names():
        shelf.begin(into, into)
    shelf.save(into, yaml)
    with call.tenant.state.database.write() as connection:
        record_act(connection, call.who.id, "sit.edit", sit.id, {"pack": into, "name": sit.name})
    return f"{sit.name} is saved in the working pack {into}."


async def _bench(
    call: Call, text: str, context: str, name: str, sit: str, *, edited: Edited | None = None,
    problem: str = "", said: str = "",
) -> Response:  # fmt: skip
    shelf = shelf_of(call)
    looked: Looked | None = None
    status = 400 if problem else 200
    context = context[:MAX_CONTEXT_CHARS]
    if len(text) > MAX_CHARS:
        problem, text, status = (
            f"The text is cut at {MAX_CHARS:,} characters.",
            text[:MAX_CHARS],
            200,
        )
    try:
        pack = await run_in_threadpool(shelf.pack, name)
        if text.strip():
            looked = await _looked(call, pack, name, text, context)
        if edited is None and sit:
            edited = await _explaining(call, partial(_open, shelf, pack, name, sit, text, context))
    except DlpAgentError as error:
        problem, status, pack = error.render(), 400, shelf.served
    return page(
        call, "workbench.html", status, text=text, context=context, looked=looked, edited=edited,
        problem=problem, said=said, packs=shelf.names(), name=name, example=EXAMPLE,
        sits=sorted((one.name, one.id) for one in pack.sits.values() if one.patterns),
    )  # fmt: skip


def _open(
    shelf: Shelf, pack: Pack, name: str, ident: str, text: str, context: str
) -> Edited | None:
    sit = pack.sits.get(ident)
    if sit is None:
        return None
    before = _places_of(compiled(held(pack)), text, context, [sit]) if text.strip() else ()
    return Edited(shelf.text(name, sit), sit, name, before, before)


async def _looked(call: Call, pack: Pack, name: str, text: str, context: str) -> Looked:
    clean = without_surrogates(text)
    began = time.perf_counter()
    sits: Sequence[Sit] | None = None
    unchecked: tuple[str, ...] = ()
    if name == SERVED:  # the engine says which types are there, so that only those are traced
        (found,) = await call.tenant.lanes.classify([TextIn(clean, context or None)])
        names = {row["sit_id"] for row in found.matches}
        sits = [pack.sits[ident] for ident in names if ident in pack.sits]
        unchecked = tuple(reason for _, reason in found.unchecked)
    seconds = time.perf_counter() - began
    places = await _explaining(call, lambda: _places_of(compiled(held(pack)), clean, context, sits))
    found_places = tuple(place for place in places if place.trace.confidence)
    rest = tuple(place for place in places if not place.trace.confidence)
    if name != SERVED:
        seconds = time.perf_counter() - began
    return Looked(tuple(pieces_of(clean, found_places)), found_places, rest, seconds, unchecked)


def _places_of(
    pack: CompiledPack, text: str, context: str, sits: Sequence[Sit] | None
) -> tuple[Place, ...]:
    if sits is not None and not sits:
        return ()
    told = explain(pack, without_surrogates(text), context, sits)
    ranked = sorted(told.traces, key=lambda one: (one.start, -one.confidence, one.end, one.sit_id))
    forms = pack.pack.sits
    return tuple(
        Place(number, trace, masked(text[trace.start : trace.end], forms[trace.sit_id].value))
        for number, trace in enumerate(ranked, 1)
    )


def pieces_of(text: str, places: Sequence[Place]) -> Iterator[Piece]:
    """The text cut where places begin and end; those that overlap are one piece."""
    at = 0
    for group in _overlapping(places):
        start = min(place.trace.start for place in group)
        end = max(place.trace.end for place in group)
        if at < start:
            yield Piece(text[at:start])
        best = max(group, key=lambda place: place.trace.confidence)
        yield Piece(text[start:end], tuple(group), best.level)
        at = end
    if at < len(text):
        yield Piece(text[at:])


def _overlapping(places: Sequence[Place]) -> Iterator[list[Place]]:
    group: list[Place] = []
    for place in sorted(places, key=lambda one: (one.trace.start, one.trace.end)):
        if group and place.trace.start >= max(one.trace.end for one in group):
            yield group
            group = []
        group.append(place)
    if group:
        yield group


def _told(error: DlpAgentError) -> tuple[str, ...]:
    problems: Any = getattr(error, "problems", ())
    if not problems:
        return (error.render(),)
    return tuple(
        " ".join(filter(None, (f"Line {one.line}: {one.what}.", one.remedy))) for one in problems
    )


ROUTES = (
    Route("GET", "/console/workbench", bench, style="page", is_documented=False),
    Route("POST", "/console/workbench", look, style="page", is_documented=False),
    Route("POST", "/console/workbench/sit", try_sit, style="page", is_documented=False),
)
