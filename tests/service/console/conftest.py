"""A running console on a small pack: its own folder, state and corpus; a browser where there is one."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dlpagent.service.cli import run
from dlpagent.service.http.app import make_app
from dlpagent.service.http.settings import ServeSettings, TenantSettings

_spec = importlib.util.spec_from_file_location("serving", Path(__file__).with_name("serving.py"))
assert _spec
assert _spec.loader
_kit = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_kit)
serving = _kit.serving

CARD_SIT = r"""
id: 00000000-0000-4000-8000-0000000000aa
name: Card
version: 1
parity: own
elements:
  card_number: {regex: '\b4[0-9]{3}(?:[ -]?[0-9]{4}){3}\b'}
  card_words: {keywords: [card]}
patterns:
- {confidence: 85, primary: card_number, match: [card_words]}
- {confidence: 65, primary: card_number}
"""
POLICY = """
id: 00000000-0000-4000-8000-0000000000b1
name: Mine
version: "1"
rules:
  - id: 00000000-0000-4000-8000-0000000000b2
    name: no cards
    severity: high
    locations: [any]
    conditions: {sit: 00000000-0000-4000-8000-0000000000aa}
    actions: [audit]
"""
TRUE = ["NWK8B6X31", "SPECI2014", "BK7LM2P95", "XR3TT8H10", "NU4C6D8E2", "IG81LK3M7"]
FALSE = ["ORDNERNO7", "DOSSIERO4", "PAKKETNO1", "KOPIENOT2"]
"""Dutch passport numbers have no letter O; these have, and stand beside the word passport, too."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where the console runs, and the folder it keeps things in."""

    url: str
    folder: Path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("console")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLPAGENT_HOME", str(folder))
        (folder / "card.yaml").write_text(CARD_SIT, "utf-8")
        (folder / "policy.yaml").write_text(POLICY, "utf-8")
        (folder / "chat.jsonl").write_text(
            "".join(
                json.dumps({"id": str(n), "text": f"my card is 4111 1111 1111 {n:04}"}) + "\n"
                for n in range(1111, 1116)
            ),
            "utf-8",
        )
        code = run([
            "scan", str(folder / "chat.jsonl"), "--pack", str(folder / "card.yaml"),
            "--policy", str(folder / "policy.yaml"), "--state", str(folder / "state.db"), "--quiet",
        ])  # fmt: skip
        assert code == 1
        _write_corpus(folder / "corpora")
        settings = ServeSettings(
            auth=False,
            packs=(str(folder / "card.yaml"),),
            tenants=(TenantSettings(state=str(folder / "state.db"), policies=()),),
        )
        with serving(make_app(settings)) as url:
            yield Site(url, folder)


def _write_corpus(folder: Path) -> None:
    folder.mkdir()
    lines = []
    for number, value in enumerate([*TRUE, *FALSE]):
        text = f"Kopie paspoort ontvangen, nummer {value}, zie bijlage."
        start = text.index(value)
        spans = [{"start": start, "end": start + 9, "type": "NL_PASSPORT"}] * (value in TRUE)
        lines.append({"id": f"p{number}", "source": "intake", "text": text, "spans": spans})
    (folder / "intake.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in lines), "utf-8")
    types = {
        "gold": {"NL_PASSPORT": "passport"},
        "pred": {"Custom - Dutch Passport number": "passport"},
    }
    (folder / "map.json").write_text(json.dumps(types), "utf-8")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real Chromium without a window."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="the extra test-browser is not installed"
    )
    program = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
    )
    if not program:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield launched
        launched.close()
