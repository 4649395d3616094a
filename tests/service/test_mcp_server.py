"""dlpagent mcp as an MCP client sees it: the real SDK on both sides, in process, by pipe and by HTTP."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import dlpagent
from dlpagent.evidence import Evidence
from dlpagent.service.cli import run
from dlpagent.service.mcp_server import MAX_CHARS, MAX_EXPLAINED_CHARS, Tools, server_of
from dlpagent.service.redact.operators import Marks
from dlpagent.service.session import load_decider

mcp = pytest.importorskip("mcp", reason="the extra mcp is not installed")

CARD = "4111 1111 1111 1111"
TEXT = f"my credit card is {CARD}"
EVIDENCE = Evidence(b"k" * 32)


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLPAGENT_HOME", str(tmp_path_factory.mktemp("home")))
        pack = dlpagent.open_pack(evidence=EVIDENCE)
        return Tools(pack, Marks(EVIDENCE), load_decider("example", pack.pack))


def called(server: Any, name: str, **arguments: object) -> Any:
    """What a client gets of one call."""

    async def call(client: Any) -> Any:
        return await client.call_tool(name, arguments)

    return with_client(server, call)


def with_client(server: Any, use: Callable[[Any], Awaitable[Any]]) -> Any:
    async def session() -> Any:
        async with mcp.Client(server) as client:
            return await use(client)

    return asyncio.run(session())


def test_classify_gives_places_and_masks_and_no_value(tools: Tools) -> None:
    result = called(server_of(tools), "classify", text=TEXT, min_level="high")
    assert not result.is_error
    found = {item["type"]: item for item in result.structured_content["findings"]}
    card = found["Credit Card Number"]
    assert (card["start"], card["end"], card["level"]) == (18, 37, "high")
    assert card["masked"] == "**** **** **** 1111"
    assert result.structured_content["complete"] is True
    assert CARD not in str(result)


def test_redact_gives_the_clean_copy(tools: Tools) -> None:
    result = called(server_of(tools), "redact", text=TEXT)
    assert result.structured_content["text"] == "my credit card is **** **** **** 1111"
    assert sum(result.structured_content["changed"].values()) == 1
    tokens = [
        called(server_of(tools), "redact", text=TEXT, operator="token").structured_content["text"]
        for _ in range(2)
    ]
    assert tokens[0] == tokens[1]
    assert CARD not in tokens[0]


def test_explain_tells_why_without_the_value(tools: Tools) -> None:
    told = called(server_of(tools), "explain", text=TEXT).structured_content["result"]
    assert "Credit Card Number" in told
    assert CARD not in told


def test_types_are_found_by_words(tools: Tools) -> None:
    found = called(server_of(tools), "list_types", query="credit card").structured_content
    assert "Credit Card Number" in [item["name"] for item in found["result"]]
    assert len(called(server_of(tools), "list_types").structured_content["result"]) == 50


@pytest.mark.parametrize(
    ("text", "role", "allowed"),
    [(TEXT, "user", False), ("nothing of note", "user", True)],
)
def test_decide_asks_the_policy(tools: Tools, text: str, role: str, allowed: bool) -> None:
    said = called(server_of(tools), "decide", text=text, role=role, app="ChatGPT")
    assert said.structured_content["allowed"] is allowed
    assert bool(said.structured_content["rules"]) is not allowed


def test_without_a_policy_there_is_nothing_to_decide(tools: Tools) -> None:
    async def names(client: Any) -> list[str]:
        return [tool.name for tool in (await client.list_tools()).tools]

    bare = Tools(tools._pack, Marks(EVIDENCE))
    assert with_client(server_of(bare), names) == ["classify", "explain", "redact", "list_types"]
    assert with_client(server_of(tools), names)[-1] == "decide"


@pytest.mark.parametrize(
    "arguments",
    [
        {"text": "x" * (MAX_CHARS + 1)},
        {"text": TEXT, "min_level": "sometimes"},
        {},
        {"text": 5},
    ],
)
def test_a_wrong_call_is_an_error_without_the_text(tools: Tools, arguments: dict[str, Any]) -> None:
    result = called(server_of(tools), "classify", **arguments)
    assert result.is_error
    assert CARD not in str(result)


def test_a_client_may_start_it_as_a_process(tmp_path: Path) -> None:
    from mcp import StdioServerParameters

    command = "from dlpagent.service.cli import main; main()"
    server = StdioServerParameters(
        command=sys.executable,
        args=["-c", command, "mcp"],
        env={**os.environ, "DLPAGENT_HOME": str(tmp_path)},
    )
    result = called(server, "classify", text=TEXT)
    assert "Credit Card Number" in str(result.structured_content)


def test_a_client_may_reach_it_by_http_on_this_machine(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = "from dlpagent.service.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", command, "mcp", "--http", f"127.0.0.1:{port}"],
        env={**os.environ, "DLPAGENT_HOME": str(tmp_path)},
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 120
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        result = called(f"http://127.0.0.1:{port}/mcp", "redact", text=TEXT)
        assert result.structured_content["text"].endswith("**** 1111")
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize("where", ["0.0.0.0:80", "example.org:80", "127.0.0.1", "127.0.0.1:x", ""])
def test_it_listens_on_this_machine_only(where: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["mcp", "--http", where]) == 2
    assert "loopback" in capsys.readouterr().err


def test_what_is_explained_has_a_length(tools: Tools) -> None:
    result = called(server_of(tools), "explain", text="x" * (MAX_EXPLAINED_CHARS + 1))
    assert result.is_error
    assert f"at most {MAX_EXPLAINED_CHARS:,} characters" in result.content[0].text
