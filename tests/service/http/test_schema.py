"""The OpenAPI document: complete, consistent, and held against the real server by schemathesis."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dlpagent.service.client import Client
from dlpagent.service.http.access import NEEDS
from dlpagent.service.http.app import routes
from dlpagent.service.http.openapi import document
from tests.service.http.conftest import CARD_SIT, ORDER_SIT, Served
from tests.service.http.test_serving import listening, program

DOCUMENT = document(routes())
OURS = "^/(v1|healthz|readyz|metrics)"


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    ]


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps({**schema, "components": DOCUMENT["components"]})
    return dict(json.loads(text))


def test_every_route_is_documented_and_says_its_role() -> None:
    documented = {(method.upper(), path): each for path, method, each in operations()}
    for key, role in NEEDS.items():
        if "/console" in key[1] or key == ("GET", "/openapi.json"):
            continue
        operation = documented[key]
        if role is None:
            assert operation["security"] == []
        else:
            assert operation["description"].startswith(f"Role: {role}")


@pytest.mark.parametrize(
    ("path", "method", "operation"), operations(), ids=lambda value: str(value)[:40]
)
def test_examples_fit_their_schemas(path: str, method: str, operation: dict[str, Any]) -> None:
    contents = [each.get("content", {}) for each in operation["responses"].values()]
    contents.append(operation.get("requestBody", {}).get("content", {}))
    assert operation["summary"], (path, method)
    for content in contents:
        for media, body in content.items():
            if "example" in body and "json" in media and "ndjson" not in media:
                jsonschema.validate(body["example"], resolved(body["schema"]))


def test_the_document_is_served_as_it_is_made(served: Served) -> None:
    told = served.send("GET", "/openapi.json", role=None)
    assert set(told.json()["paths"]) == set(DOCUMENT["paths"])


def hammer(server: str, key: str, *arguments: str) -> tuple[int, str]:
    """Run schemathesis; how many cases it tried, and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "run", f"{server}/openapi.json", "--no-color",
         "-H", f"Authorization: Bearer {key}", "--continue-on-failure", "--workers", "1",
         *arguments],
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.service.http.schemathesis_hooks",
             "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True, text=True, check=False, timeout=3000,
    )  # fmt: skip
    found = re.search(r"(\d+) generated", done.stdout)
    assert found, done.stdout[-3000:] + done.stderr[-1000:]
    return int(found[1]), done.stdout if done.returncode else ""


@pytest.mark.slow
def test_schemathesis_finds_no_broken_answer_in_20000_requests(tmp_path: Path) -> None:
    """Presidio's routes answer 500 where its own server does, so that one check is not for them."""
    (tmp_path / "card.yaml").write_text(CARD_SIT)
    (tmp_path / "order.yaml").write_text(ORDER_SIT)
    (tmp_path / "serve.yaml").write_text("limits: {rate: 0, guesses: 0}\n")
    making = program("keys", "create", "test", "--role", "admin", home=tmp_path)
    key = making.communicate(timeout=60)[0].strip()
    process = program(
        "serve", "--port", "0", "--config", str(tmp_path / "serve.yaml"),
        "--pack", str(tmp_path / "card.yaml"), "--pack", str(tmp_path / "order.yaml"),
        home=tmp_path,
    )  # fmt: skip
    try:
        url, _ = listening(process)
        with Client(url) as client:
            while not client.is_ready():
                time.sleep(0.1)
        wanted = int(os.environ.get("DLPAGENT_SCHEMATHESIS_CASES", "20000"))
        cases = seed = 0
        while cases < wanted:  # many short runs: a long one spends its time on making huge bodies
            seed += 1
            often = ("--max-examples", "25", "--seed", str(seed))
            ours, told = hammer(url, key, "--checks", "all", "--include-path-regex", OURS, *often)
            assert not told, told[-6000:]
            presidio, told = hammer(
                url, key, "--checks",
                "status_code_conformance,content_type_conformance,response_schema_conformance",
                "--exclude-path-regex", OURS, *often,
            )  # fmt: skip
            assert not told, told[-6000:]
            cases += ours + presidio
            sys.stdout.write(f"seed {seed}: {cases} cases\n")
    finally:
        process.terminate()
        _, log = process.communicate(timeout=60)
    assert "Traceback" not in log
    assert "ERROR" not in log
