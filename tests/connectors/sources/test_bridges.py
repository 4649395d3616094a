"""Bridges: dlt's resources and LangChain's loaders, the real ones, as sources."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dlpagent.connectors import testing
from dlpagent.connectors.sources.dlt_resource import DltResource
from dlpagent.connectors.sources.langchain_loader import LangChainLoader
from dlpagent.errors import ConfigurationError, SourceError
from dlpagent.ports import Source

DOCUMENTS = {
    **{f"r{n}#page=1": [f"row {n}", f"r{n}", "1"] for n in range(25)},
    "r0#page=1#25": ["again", "r0", "1"],
}
Opened = Callable[[], Source]


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    yield
    sys.modules.pop("bridged", None)


def of_dlt(name: str) -> Opened:
    pytest.importorskip("dlt", reason="the extra dlt is not installed")
    return lambda: DltResource(f"dlt:bridged:{name}", batch_rows=7)


def of_dlt_rows() -> Source:
    return of_dlt("dlt_rows")()


def of_langchain() -> Source:
    pytest.importorskip("langchain_core", reason="the extra langchain is not installed")
    return LangChainLoader("langchain:bridged:documents", batch_rows=7)


@pytest.mark.parametrize("name", ["dlt_rows", "dlt_lists"])
def test_a_dlt_resource_is_read_exactly_and_resumed_everywhere(name: str) -> None:
    import_bridged()
    opened = of_dlt(name)
    from bridged import EXPECTED  # type: ignore[import-not-found]

    testing.check_reads_exactly(opened, EXPECTED)
    testing.check_discovers_the_same_again(opened)
    testing.check_resumes_everywhere(opened)


def import_bridged() -> None:
    __import__("bridged")


def test_a_dlt_source_is_an_asset_for_each_resource() -> None:
    assets = list(of_dlt("dlt_source")().discover())
    assert [asset.uri for asset in assets] == [
        "dlt:bridged:dlt_source#a",
        "dlt:bridged:dlt_source#b",
    ]
    assert [asset.rows for asset in assets] == [25, 1]


def test_a_langchain_loader_is_read_exactly_and_resumed_everywhere() -> None:
    testing.check_reads_exactly(of_langchain, DOCUMENTS)
    testing.check_discovers_the_same_again(of_langchain)
    testing.check_resumes_everywhere(of_langchain)
    testing.check_closes_what_it_opens(of_langchain)


@pytest.mark.parametrize("opened", [of_langchain, of_dlt_rows])
def test_the_change_key_follows_the_content_and_nothing_else(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = next(iter(opened().discover())).change_key
    import bridged

    monkeypatch.setitem(bridged.ROWS[3], "text", "another")
    assert next(iter(opened().discover())).change_key != before
    monkeypatch.undo()


@pytest.mark.parametrize("opened", [of_langchain, of_dlt_rows])
def test_what_a_loader_raises_is_told_by_its_kind_only(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset = next(iter(opened().discover()))
    import bridged

    monkeypatch.setattr(bridged, "FAIL_AT", [20])
    with pytest.raises(SourceError) as caught:
        list(opened().read(asset))
    assert "4111" not in str(caught.value)


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("bridged", "names no Python object"),
        ("bridged:absent", "is not there"),
        ("no_such_module_here:x", "is not there"),
        ("bridged:nothing_of_theirs", "this is n"),
    ],
)
@pytest.mark.parametrize("made", [DltResource, LangChainLoader])
def test_a_target_that_cannot_be_is_told(made: type, target: str, what: str) -> None:
    pytest.importorskip("dlt")
    pytest.importorskip("langchain_core")
    with pytest.raises(ConfigurationError, match=what):
        list(made(f"{made.name}:{target}").discover())
