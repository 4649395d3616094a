"""What other sites, hasty clients and broken files do to the console, and what they do not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from dlpagent.errors import ConfigurationError, DlpAgentError
from dlpagent.service.console import workbench
from dlpagent.service.console.shelf import Shelf
from dlpagent.service.http.app import make_app
from dlpagent.service.http.entra import Entra
from dlpagent.service.http.service import Service, open_service
from dlpagent.service.http.settings import ServeSettings, TenantSettings

SIT_ID = "00000000-0000-4000-8000-0000000000aa"
SIT = rf"""
id: {SIT_ID}
name: Card
version: 1
parity: own
elements:
  card_number: {{regex: '\b4[0-9]{{3}}(?:[ -]?[0-9]{{4}}){{3}}\b'}}
patterns:
- {{confidence: 65, primary: card_number}}
"""
CARD = "4111 1111 1111 1111"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLPAGENT_HOME", str(folder))
        (folder / "card.yaml").write_text(SIT, "utf-8")
        settings = ServeSettings(
            packs=(str(folder / "card.yaml"),), tenants=(TenantSettings(policies=()),)
        )
        opened = open_service(settings)
        yield opened
        opened.close()


@pytest.fixture
def visitor(service: Service) -> TestClient:
    """A browser that nobody has signed in with."""
    app = make_app(service.settings, service)
    return TestClient(app, base_url="http://localhost", follow_redirects=False)


@pytest.fixture
def architect(service: Service, visitor: TestClient) -> TestClient:
    key = service.main.keys.create("tests", "architect", "tests").key
    assert visitor.post("/console/login", data={"key": key}).headers["location"] == "/console"
    return visitor


@pytest.fixture
def shelf(service: Service) -> Shelf:
    return Shelf(service.main.cipher_key.parent, service.pack)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "null"},
    ],
)
@pytest.mark.parametrize("path", ["/console/login", "/console/logout"])
def test_no_other_site_signs_a_browser_in_or_out(
    service: Service, visitor: TestClient, path: str, headers: dict[str, str]
) -> None:
    key = service.main.keys.create("tests", "reader", "tests").key
    told = visitor.post(path, data={"key": key}, headers=headers)
    assert (told.status_code, "set-cookie" in told.headers) == (403, False)


def test_a_token_of_entra_id_never_becomes_a_cookie(
    visitor: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def good(_: Entra, __: str) -> Any:
        pytest.fail("the token is not even looked at")

    monkeypatch.setattr(Entra, "principal_of", good)
    told = visitor.post("/console/login", data={"key": "eyJhbGciOiJSUzI1NiJ9.e30.c2ln"})
    assert (told.status_code, "set-cookie" in told.headers) == (401, False)


@pytest.mark.parametrize("at", ["²", "9" * 5000, "-1", "0", "x", "٣"])
def test_a_threshold_that_is_none_is_no_error(architect: TestClient, at: str) -> None:
    assert architect.get("/console/curves", params={"at": at}).status_code == 200


def test_texts_are_explained_up_to_a_length_only(
    architect: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    kept = workbench.explain

    def noting(pack: Any, text: str, context: str, sits: Any) -> Any:
        seen.append((len(text), len(context)))
        return kept(pack, text, context, sits)

    monkeypatch.setattr(workbench, "explain", noting)
    long = {"text": f"{CARD} " * 2_000, "context": "card " * 2_000, "pack": ""}
    assert architect.post("/console/workbench", data=long).status_code == 200
    edited = {**long, "sit": SIT_ID, "yaml": SIT}
    assert architect.post("/console/workbench/sit", data=edited).status_code == 200
    assert len(seen) >= 3
    assert max(text for text, _ in seen) <= workbench.MAX_CHARS
    assert max(context for _, context in seen) <= workbench.MAX_CONTEXT_CHARS


def test_a_type_that_is_no_type_is_refused_without_folders_of_the_machine(
    architect: TestClient,
) -> None:
    for yaml in ("x: [", "a" * 300_000):
        form = {"text": "x", "pack": "", "yaml": yaml}
        told = architect.post("/console/workbench/sit", data=form)
        assert told.status_code == 400
        assert "dlpagent-try-" not in told.text


def test_names_of_types_are_text_and_never_markup(architect: TestClient, shelf: Shelf) -> None:
    hostile = SIT.replace("name: Card", "name: '<img src=x onerror=alert(1)>'")
    form = {"text": CARD, "pack": "", "sit": SIT_ID, "yaml": hostile, "save": "yes",
            "into": "markup"}  # fmt: skip
    pages = [architect.post("/console/workbench/sit", data=form).text]
    pages += [architect.get(path).text for path in ("/console/packs", "/console/packs/markup")]
    assert "markup" in shelf.names()
    assert all("<img src=x" not in page for page in pages)
    assert "&lt;img src=x" in pages[0]


@pytest.mark.parametrize("name", ["../out", "/etc/out", "a/b", "..", "A", "a" * 61, "", ".draft"])
def test_names_lead_nowhere_outside(shelf: Shelf, name: str) -> None:
    before = sorted(shelf.folder.parent.iterdir())
    with pytest.raises(ConfigurationError):
        shelf.begin(name, "x")
    if name:
        with pytest.raises(DlpAgentError):
            shelf.add("x.xml", b"<x/>", name)
        with pytest.raises(ConfigurationError):
            shelf.pack(name)
    assert sorted(shelf.folder.parent.iterdir()) == before


def test_an_import_that_fails_leaves_nothing(shelf: Shelf) -> None:
    with pytest.raises(DlpAgentError):
        shelf.add("bomb.xml", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "bomb")
    assert not list((shelf.folder / "packs").glob("*bomb*"))
    assert not list((shelf.folder / "packs").glob(".draft-*"))
    shelf.begin("bomb", "the name is free")


def test_of_many_that_begin_one_pack_at_once_one_does(shelf: Shelf) -> None:
    told: list[str] = []

    def begin() -> None:
        try:
            shelf.begin("race", "x")
            told.append("begun")
        except ConfigurationError:
            told.append("taken")

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == ["begun", *["taken"] * 7]
    assert not shelf.pack("race").sits


def test_a_pack_that_cannot_be_read_hides_no_other(architect: TestClient, shelf: Shelf) -> None:
    shelf.begin("whole", "a whole one")
    shelf.begin("broken", "a broken one")
    (shelf.folder / "packs" / "broken" / "now" / "x.yaml").write_text("x: [", "utf-8")
    told = architect.get("/console/packs")
    assert told.status_code == 200
    assert "/console/packs/whole" in told.text
    assert "The working pack broken cannot be read" in told.text
    assert str(shelf.folder) not in told.text


def test_keys_cannot_be_guessed_at_faster_than_elsewhere(visitor: TestClient) -> None:
    tries = [visitor.post("/console/login", data={"key": f"dlpa_{n:016x}_x"}) for n in range(40)]
    told = [each.status_code for each in tries]
    assert told[0] == 401
    assert told[-1] == 429
    assert "retry-after" in tries[-1].headers
