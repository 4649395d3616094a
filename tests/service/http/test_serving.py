"""The real server in a process of its own: keys, TLS, the client, raw HTTP, and how it stops."""

from __future__ import annotations

import asyncio
import datetime
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dlpagent.service.cli import run
from dlpagent.service.client import AsyncClient, Client, ServiceError
from dlpagent.service.http.values import DecideItem, TextItem
from tests.service.http.conftest import CARD, CARD_SIT, ORDER_SIT

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Server:
    process: subprocess.Popen[str]
    url: str
    port: int
    key: str
    ca: Path


def certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert, private = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert, private


def program(*arguments: str, home: Path) -> subprocess.Popen[str]:
    code = "import sys; from dlpagent.service.cli import main; main(sys.argv[1:])"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "DLPAGENT_HOME": str(home), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=home,
    )  # fmt: skip


def listening(process: subprocess.Popen[str]) -> tuple[str, int]:
    assert process.stderr is not None
    line = process.stderr.readline()
    found = re.search(r"(https?)://[\d.]+:(\d+)", line)
    assert found, line + process.stderr.read()
    return f"{found[1]}://localhost:{found[2]}", int(found[2])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    (folder / "card.yaml").write_text(CARD_SIT)
    (folder / "order.yaml").write_text(ORDER_SIT)
    cert, private = certificate(folder)
    making = program("keys", "create", "test", "--role", "admin", home=folder)
    key, told = making.communicate(timeout=60)
    assert "shown this once" in told
    process = program(
        "serve", "--port", "0", "--tls-cert", str(cert), "--tls-key", str(private),
        "--pack", str(folder / "card.yaml"), "--pack", str(folder / "order.yaml"),
        "--workers", "2", home=folder,
    )  # fmt: skip
    url, port = listening(process)
    served = Server(process, url, port, key.strip(), cert)
    with client_of(served) as client:
        for _ in range(400):
            if client.is_ready():
                break
            assert process.poll() is None
            time.sleep(0.05)
    yield served
    process.terminate()
    process.communicate(timeout=30)


def client_of(server: Server, key: str | None = "") -> Client:
    verify = ssl.create_default_context(cafile=str(server.ca))
    return Client(server.url, server.key if key == "" else key, verify=verify)


def test_the_client_asks_for_everything(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"id": "r", "text": "{CARD}"}}\n')
    with client_of(server) as client:
        (result,) = client.classify([CARD]).results
        assert (result.findings[0].sit.name, result.complete) == ("Credit Card Number", True)
        lines = [TextItem(text=CARD, id=str(number)) for number in range(300)]
        told = list(client.classify_lines(iter(lines)))
        assert [each.id for each in told] == [str(number) for number in range(300)]
        assert client.classify_file(path).counts["high"] == 1
        (decided,) = client.decide([DecideItem(texts=[CARD], roles=["user"])]).results
        assert decided.recommended is not None
        assert client.redact([CARD], "mask").results[0].text == "**** **** **** 1111"
        (pack,) = client.packs()
        assert {sit.entity for sit in client.pack(pack.id).sits} == {"CREDIT_CARD", "ORDER_CODE"}
        (policy,) = client.policies()
        assert client.policy(policy.id).rules
        assert client.check_policy("id: x\n").ok is False
        assert list(client.findings(limit=10)) == list(client.violations()) == client.sweeps() == []


def test_the_client_makes_and_ends_keys(server: Server) -> None:
    with client_of(server) as client:
        made = client.create_key("short", "reader", days=1)
        with client_of(server, made.key) as other:
            assert other.classify([]).results == []
            with pytest.raises(ServiceError) as error:
                other.api_keys()
            assert (error.value.status, error.value.kind) == (403, "forbidden")
            client.revoke_key(made.stored.id)
            with pytest.raises(ServiceError) as error:
                other.packs()
            assert error.value.status == 401
        assert made.stored.id in {each.id for each in client.api_keys() if each.revoked_at}


def test_the_asynchronous_client_asks_side_by_side(server: Server) -> None:
    async def work() -> list[int]:
        verify = ssl.create_default_context(cafile=str(server.ca))
        async with AsyncClient(server.url, server.key, verify=verify) as client:
            assert await client.is_ready()
            told = await asyncio.gather(*(client.classify([CARD] * n) for n in range(40)))
            assert (await client.redact([CARD])).results[0].changed
            assert (await client.decide([])).results == []
            assert [each async for each in client.violations()] == []
            assert [each async for each in client.findings()] == await client.sweeps() == []
            assert (await client.pack((await client.packs())[0].id)).sits
            assert (await client.policy((await client.policies())[0].id)).rules
            assert (await client.check_policy("x: 1")).ok is False
            made = await client.create_key("a", "reader")
            await client.revoke_key(made.stored.id)
            assert [each for each in await client.api_keys() if each.id == made.stored.id]
            return [sum(len(one.findings) for one in each.results) for each in told]

    assert asyncio.run(work()) == list(range(40))


def test_a_line_that_is_refused_is_raised_with_its_number(server: Server) -> None:
    bad = TextItem(text="a", id="x" * 300)
    with client_of(server) as client, pytest.raises(ServiceError) as error:
        list(client.classify_lines([TextItem(text="a"), bad]))
    assert error.value.where == "line 2"


def test_a_service_that_is_not_there_is_said() -> None:
    with Client("http://127.0.0.1:9", "k") as client:
        assert client.is_ready() is False
        with pytest.raises(ServiceError, match="cannot be reached"):
            client.packs()


def test_only_tls_of_today_is_spoken(server: Server) -> None:
    context = ssl.create_default_context(cafile=str(server.ca))
    with (
        socket.create_connection(("localhost", server.port)) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as secured,
    ):
        assert secured.version() in {"TLSv1.2", "TLSv1.3"}
    with client_of(server) as client:
        headers = client._http.get("/healthz").headers
    assert headers["strict-transport-security"].startswith("max-age=")


RAW = [
    b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00" * 40,
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
    b"POST /v1/classify HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"POST /v1/classify HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    b"POST /v1/classify HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
    b"Content-Length: 4\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    b"POST /v1/classify HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello",
    b"GET /healthz HTTP/1.1\r\nHost: a\r\nBad Header: x\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n",
    b"GET /healthz\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /%zz%00%ff/../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://evil.example/healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT evil.example:443 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-A: b\r\n" * 20_000 + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nCookie: dlpagent_session=..x; =; ;\r\n\r\n",
    b"GET /v1/me HTTP/1.1\r\nHost: a\r\nAuthorization: Basic !!!\r\n\r\n",
    b"GET /v1/me HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \xff\xfe\r\n\r\n",
    b"GET /v1/me HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a.b.c\r\nX-API-Key: dlpa_\r\n\r\n",
]  # fmt: skip


@pytest.mark.parametrize("request_bytes", RAW, ids=range(len(RAW)))
def test_malformed_requests_are_refused_and_never_break_the_service(
    server: Server, request_bytes: bytes
) -> None:
    context = ssl.create_default_context(cafile=str(server.ca))
    with (
        socket.create_connection(("localhost", server.port), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as secured,
    ):
        answer = b""
        try:
            secured.sendall(request_bytes)
            secured.settimeout(1)
            answer = secured.recv(64)
        except OSError:  # it may hang up before all is said, or wait for more
            pass
    assert not re.match(rb"HTTP/1\.1 5", answer), answer
    with client_of(server) as client:
        assert client.is_ready()


def test_without_authentication_it_listens_on_loopback_only(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["serve", "--no-auth", "--host", "0.0.0.0"]) == 2  # noqa: S104
    told = capsys.readouterr().err
    assert "Expected a loopback address" in told


def test_a_port_that_is_taken_and_a_certificate_that_is_none_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "card.yaml").write_text(CARD_SIT)
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")
    pack = ["--pack", str(tmp_path / "card.yaml")]
    assert run(["serve", *pack, "--tls-cert", str(bad), "--tls-key", str(bad)]) == 2
    assert "PEM files that belong together" in capsys.readouterr().err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert run(["serve", *pack, "--no-auth", "--port", str(taken.getsockname()[1])]) == 2
    assert "a free port" in capsys.readouterr().err


def test_it_stops_when_asked_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "card.yaml").write_text(CARD_SIT)
    process = program(
        "serve", "--no-auth", "--port", "0", "--pack", str(tmp_path / "card.yaml"), home=tmp_path
    )
    url, _ = listening(process)
    with Client(url) as client:
        for _ in range(400):
            if client.is_ready():
                break
            time.sleep(0.05)
        assert len(client.classify([CARD]).results[0].findings) == 1
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=30)
    assert process.returncode in {0, -signal.SIGTERM}
    assert "Traceback" not in told
    assert CARD not in told
