"""LiteLLM's own proxy with its Presidio guardrail, in front of a loopback model, calling this service.

Needs `litellm[proxy]` in an environment of its own (it pins many packages): DLPAGENT_LITELLM names its
program. A plain client of another library goes first.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from dlpagent.service.client import Client
from tests.service.http.conftest import CARD, CARD_SIT, ORDER_SIT
from tests.service.http.test_serving import listening, program

LITELLM = os.environ.get("DLPAGENT_LITELLM") or shutil.which("litellm")
MASTER = "sk-0123456789abcdef0123456789"
CONFIG = """
model_list:
  - model_name: loop
    litellm_params: {model: openai/loop, api_base: "http://127.0.0.1:PORT/v1", api_key: x}
guardrails:
  - guardrail_name: presidio
    litellm_params:
      guardrail: presidio
      mode: pre_call
      default_on: true
      presidio_language: en
      pii_entities_config: {CREDIT_CARD: MASK, ORDER_CODE: BLOCK}
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service, with a key in it."""
    folder = tmp_path_factory.mktemp("litellm")
    (folder / "card.yaml").write_text(CARD_SIT)
    (folder / "order.yaml").write_text(ORDER_SIT)
    key = program("keys", "create", "litellm", home=folder).communicate(timeout=60)[0].strip()
    process = program(
        "serve", "--port", "0", "--pack", str(folder / "card.yaml"),
        "--pack", str(folder / "order.yaml"), home=folder,
    )  # fmt: skip
    url, port = listening(process)
    with Client(url) as client:
        while not client.is_ready():
            time.sleep(0.05)
    yield f"http://any:{key}@127.0.0.1:{port}"
    process.terminate()
    process.communicate(timeout=30)


@pytest.fixture
def model() -> Iterator[tuple[int, list[str]]]:
    """A model that says nothing new, and what it was told."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            seen.append(body["messages"][-1]["content"])
            choice = {"index": 0, "finish_reason": "stop",
                      "message": {"role": "assistant", "content": "ok"}}  # fmt: skip
            usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
            told = json.dumps({"id": "x", "object": "chat.completion", "created": 1,
                               "model": "loop", "choices": [choice], "usage": usage}).encode()  # fmt: skip
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1], seen
    server.shutdown()
    server.server_close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_plain_client_needs_an_address_and_nothing_else(service: str) -> None:
    body = {"text": f"pay {CARD}", "language": "en"}
    found = httpx.post(f"{service}/analyze", json=body).json()
    asked = {"text": body["text"], "analyzer_results": found}
    told = httpx.post(f"{service}/anonymize", json=asked).json()
    assert told["text"] == "pay <CREDIT_CARD>"


@pytest.mark.slow
@pytest.mark.skipif(LITELLM is None, reason="DLPAGENT_LITELLM names no program of litellm[proxy]")
def test_litellms_proxy_masks_and_blocks_by_this_service(
    service: str, model: tuple[int, list[str]], tmp_path: Path
) -> None:
    port, (model_port, seen) = free_port(), model
    (tmp_path / "config.yaml").write_text(CONFIG.replace("PORT", str(model_port)))
    process = subprocess.Popen(
        [str(LITELLM), "--config", str(tmp_path / "config.yaml"), "--port", str(port),
         "--host", "127.0.0.1"],
        env={**os.environ, "PRESIDIO_ANALYZER_API_BASE": service,
             "PRESIDIO_ANONYMIZER_API_BASE": service, "LITELLM_MASTER_KEY": MASTER,
             "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path,
    )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(300):
            try:
                httpx.get(f"{url}/health/liveliness", timeout=1)
                break
            except httpx.HTTPError:
                assert process.poll() is None
                time.sleep(0.5)

        def ask(text: str) -> int:
            message = {"role": "user", "content": text}
            return httpx.post(
                f"{url}/v1/chat/completions", timeout=60,
                headers={"Authorization": f"Bearer {MASTER}"},
                json={"model": "loop", "messages": [message]},
            ).status_code  # fmt: skip

        assert ask("hello") == 200
        assert ask(f"charge {CARD} now") == 200
        assert ask("what became of ORD-123456?") == 400
        assert seen == ["hello", "charge <CREDIT_CARD> now"]
    finally:
        process.terminate()
        process.wait(30)
