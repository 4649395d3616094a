"""Working packs, two versions compared on a corpus and published, curves with a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyio import CapacityLimiter, to_thread
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from dlpagent.classifiers.comparison import KINDS, Outcome, Tally
from dlpagent.classifiers.diff import Difference, diff_packs
from dlpagent.classifiers.evaluation_curve import Curve, Curves
from dlpagent.classifiers.evaluation_matching import TypeMap
from dlpagent.classifiers.rulepackage_export import bumped, export_rule_package
from dlpagent.classifiers.sit import Pack
from dlpagent.errors import DlpAgentError
from dlpagent.service.comparing import NO_NAMES, Comparison, classifier_for, compare_packs
from dlpagent.service.console.forms import seen, upload
from dlpagent.service.console.rendering import page
from dlpagent.service.console.shelf import SERVED, Shelf
from dlpagent.service.console.workbench import shelf_of
from dlpagent.service.corpora import read_corpora, read_map, read_sources
from dlpagent.service.curve_chart import curve_svg
from dlpagent.service.evaluating import TOTAL, predict, report
from dlpagent.service.http.problems import of_error
from dlpagent.service.http.routes import Call, Route
from dlpagent.state.audit import record_act

SHOWN = 60
_KINDS_SHOWN = ("lost", "new", "level changed", "incomparable")
# Corpora are read and evaluated in the service's own process: one at a time, so that prompts go on.
_one_at_a_time: list[CapacityLimiter] = []


def _limiter() -> CapacityLimiter:
    if not _one_at_a_time:
        _one_at_a_time.append(CapacityLimiter(1))
    return _one_at_a_time[0]


# --- packs --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shelved:
    """A working pack in the list: how many types, and how it differs from what was imported."""

    name: str
    pack: Pack
    difference: Difference


async def packs(call: Call) -> Response:
    """The working packs, and the form that imports one."""
    return await _packs(call)


async def _packs(call: Call, problem: str = "", status: int = 200) -> Response:
    shelf = shelf_of(call)

    def read() -> tuple[list[Shelved], list[tuple[str, str]]]:
        found, broken = [], []
        for name in shelf.names():
            try:
                now = shelf.pack(name)
                found.append(Shelved(name, now, diff_packs(shelf.pack(name, "before"), now)))
            except DlpAgentError as error:  # one that cannot be read hides no other
                broken.append((name, _plainly(shelf, error)))
        return found, broken

    shelved, broken = await run_in_threadpool(read)
    query = call.request.query_params
    return page(
        call, "packs.html", status, shelved=shelved, broken=broken, served=shelf.served,
        corpora=shelf.corpora(), problem=problem, said=query.get("said", ""),
        folder=shelf.folder.name,
    )  # fmt: skip


async def add(call: Call) -> Response:
    """A rule package as a working pack."""
    shelf = shelf_of(call)
    file_name, data, rest = await upload(call, "file")
    try:
        name, warnings = await run_in_threadpool(shelf.add, file_name, data, rest.get("name", ""))
    except DlpAgentError as error:
        return await _packs(call, _plainly(shelf, error), 400)

    def act() -> None:
        with call.tenant.state.database.write() as connection:
            record_act(connection, call.who.id, "pack.import", name, {"warnings": len(warnings)})

    await run_in_threadpool(act)
    return seen(f"/console/packs/{name}", said=f"Imported with {len(warnings)} warning(s).")


async def pack(call: Call) -> Response:
    """One working pack: its types, what was changed, and publishing."""
    name, shelf = call.request.path_params["name"], shelf_of(call)

    def read() -> tuple[Pack, Difference]:
        now = shelf.pack(name)
        return now, diff_packs(shelf.pack(name, "before"), now)

    try:
        now, difference = await run_in_threadpool(read)
    except DlpAgentError as error:
        raise of_error(error, 404) from None
    return page(
        call, "pack.html", name=name, pack=now, difference=difference, corpora=shelf.corpora(),
        sits=sorted(now.sits.values(), key=lambda one: one.name),
        said=call.request.query_params.get("said", ""), next_version=bumped(now.ref.version, "minor"),
    )  # fmt: skip


async def publish(call: Call) -> Response:
    """The working pack as the rule package XML that Purview takes, its version counted up."""
    name, shelf = call.request.path_params["name"], shelf_of(call)

    def act() -> tuple[bytes, str]:
        now = shelf.pack(name)
        made = export_rule_package(now, shelf.served, version=bumped(now.ref.version, "minor"))
        with call.tenant.state.database.write() as connection:
            record_act(connection, call.who.id, "pack.publish", name,
                       {"version": made.version, "types": len(now.sits)})  # fmt: skip
        return made.data, made.version

    try:
        data, version = await run_in_threadpool(act)
    except DlpAgentError as error:
        raise of_error(error) from None
    return Response(
        data,
        media_type="application/xml",
        headers={"Content-Disposition": f'attachment; filename="{name}-{version}.xml"'},
    )


# --- compare ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """A type in the comparison: counts over all sources, examples of what changed, and why."""

    name: str
    tally: Tally
    causes: tuple[str, ...]
    examples: tuple[tuple[Outcome, str], ...]


async def compare(call: Call) -> Response:
    """A working pack as it was imported and as it is now, on a corpus."""
    query, shelf = call.request.query_params, shelf_of(call)
    name, corpus = query.get("pack", ""), query.get("corpus", "")
    names, corpora = shelf.names(), shelf.corpora()
    result: Comparison | None = None
    problem = ""
    if name and corpus:
        try:
            result = await to_thread.run_sync(_compared, shelf, name, corpus, limiter=_limiter())
        except DlpAgentError as error:
            problem = _plainly(shelf, error)
    return page(
        call, "compare.html", 400 if problem else 200, names=names, corpora=corpora, name=name,
        corpus=corpus, result=result, rows=_rows(result) if result else [], kinds=KINDS,
        problem=problem,
    )  # fmt: skip


def _compared(shelf: Shelf, name: str, corpus: str) -> Comparison:
    file = shelf.corpus(corpus)
    return compare_packs(
        shelf.pack(name, "before"), shelf.pack(name), read_corpora([str(file)]), _types(file),
        labelled=_labelled(file), cache=shelf.cache,
    )  # fmt: skip


def _rows(result: Comparison) -> list[Row]:
    tallies: dict[str, Tally] = {}
    for (sit, _), tally in result.tallies.items():
        tallies[sit] = tallies.get(sit, Tally()) + tally
    for sit in result.changed:
        tallies.setdefault(sit, Tally())
    rows = []
    for sit, tally in tallies.items():
        mine = [one for one in result.outcomes if one.sit_id == sit and one.kind in _KINDS_SHOWN]
        mine.sort(key=lambda one: (_KINDS_SHOWN.index(one.kind), one.document, one.start))
        rows.append(
            Row(
                result.names.get(sit, sit),
                tally,
                tuple(map(str, result.causes.get(sit, ()))),
                tuple((one, result.shape(one)) for one in mine[:SHOWN]),
            )
        )
    return sorted(rows, key=lambda row: (-row.tally.changes, row.name))


def _types(corpus: Path) -> TypeMap:
    """The map that lies beside a corpus: names of labels to names of types."""
    beside = corpus.with_name("map.json")
    return read_map(beside) if beside.is_file() else NO_NAMES


def _labelled(corpus: Path) -> dict[str, tuple[str, ...] | None]:
    """Which types are labelled in which source, as the list beside a corpus says."""
    beside = corpus.with_name("sources.json")
    return read_sources([beside]) if beside.is_file() else {}


# --- curves -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Curves of a pack on a corpus, and the worst faults of one type."""

    curves: Curves
    documents: int
    seconds: float


async def curves(call: Call) -> Response:
    """Precision and recall by threshold, of one type or all."""
    query, shelf = call.request.query_params, shelf_of(call)
    name, corpus = query.get("pack", SERVED), query.get("corpus", "")
    kind = query.get("type", TOTAL)
    at = query.get("at", "66")
    at = at if at.isdecimal() and len(at) <= 3 and 1 <= int(at) <= 100 else "66"
    problem, found = "", None
    if corpus:
        try:
            found = await to_thread.run_sync(_evaluated, shelf, name, corpus, limiter=_limiter())
        except DlpAgentError as error:
            problem = _plainly(shelf, error)
    curve: Curve = ()
    if found:
        curve = found.curves.types.get(kind) or found.curves.total
        kind = kind if kind in found.curves.types else TOTAL
    shown = tuple(point for point in curve if point.counts.found)
    chosen = next(
        (point for point in shown if point.threshold >= int(at)), shown[-1] if shown else None
    )
    return page(
        call, "curves.html", 400 if problem else 200, names=shelf.names(), corpora=shelf.corpora(),
        name=name, corpus=corpus, kind=kind, found=found, points=shown, at=int(at), chosen=chosen,
        total=TOTAL, problem=problem, types=_by_size(found) if found else [],
        picture=Markup(curve_svg(curve, kind, marked=chosen.threshold if chosen else None))  # noqa: S704
        if shown else "",
    )  # fmt: skip


_kept: dict[tuple[Any, ...], Evaluated] = {}


def _evaluated(shelf: Shelf, name: str, corpus: str) -> Evaluated:
    file = shelf.corpus(corpus)
    pack = shelf.pack(name)
    state = file.stat()
    key = (str(file), state.st_mtime_ns, state.st_size, pack.ref)
    if key not in _kept:
        documents, types = read_corpora([str(file)]), _types(file)
        found = predict(documents, classifier_for(pack, shelf.cache), pack.sit_names, types)
        made = report(documents, found, pack, types, _labelled(file), [corpus], 66)
        while len(_kept) >= 8:
            _kept.pop(next(iter(_kept)))
        assert made.curves is not None
        _kept[key] = Evaluated(made.curves, len(documents), found.seconds)
    return _kept[key]


def _by_size(found: Evaluated) -> Sequence[tuple[str, int]]:
    sizes = {
        name: max((one.counts.found for one in curve), default=0)
        for name, curve in found.curves.types.items()
    }
    return sorted(sizes.items(), key=lambda item: (-item[1], item[0]))


def _plainly(shelf: Shelf, error: DlpAgentError) -> str:
    """What went wrong; folders of the machine are left out of it."""
    return error.render().replace(f"{shelf.folder}/", "")


ROUTES = (
    Route("GET", "/console/packs", packs, style="page", is_documented=False),
    Route("POST", "/console/packs", add, style="page", is_documented=False),
    Route("GET", "/console/packs/{name}", pack, style="page", is_documented=False),
    Route("POST", "/console/packs/{name}/publish", publish, style="page", is_documented=False),
    Route("GET", "/console/compare", compare, style="page", is_documented=False),
    Route("GET", "/console/curves", curves, style="page", is_documented=False),
)
