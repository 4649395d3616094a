"""Real servers on loopback: moto for S3, azurite for Azure Blob, gcp-storage-emulator for Google.

With the extra test-objects (and azurite from npm); each is skipped where it is not installed.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dlpagent.connectors import testing
from dlpagent.connectors.sources import _object_store
from dlpagent.errors import SourceError
from dlpagent.ports import Source
from dlpagent.service.cli import run
from dlpagent.service.wiring import Unreachable, open_sources

pytestmark = pytest.mark.filterwarnings("ignore")  # those of the stores' own clients
# What azurite gives everybody: published with it, and no secret.
AZURITE_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
CARD = "my credit card is 4111 1111 1111 1111, expires 12/27"
ROWS = [{"id": f"r{n}", "text": CARD if n % 50 == 0 else f"text {n} né"} for n in range(500)]
Put = Callable[[str, bytes], None]


class Store:
    """A running store: how to put an object there, and how its bucket is addressed."""

    def __init__(self, root: str, put: Put) -> None:
        self.root, self.put = root, put


def free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def serving(command: list[str], port: int, **environment: str) -> Iterator[None]:
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, **environment},
    ) as server:  # fmt: skip
        try:
            for _ in range(300):
                with closing(socket.socket()) as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert server.poll() is None, f"{command[0]} ended at once"
                time.sleep(0.1)
            yield
        finally:
            server.terminate()
            server.wait(20)


def needs(*modules: str) -> None:
    for module in modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed (extra test-objects)")


@contextmanager
def s3(setenv: Callable[[str, str], None]) -> Iterator[Store]:
    needs("s3fs", "moto", "flask")
    port = free_port()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }.items():  # fmt: skip
        setenv(name, value)
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with serving(command, port):
        import s3fs

        system = s3fs.S3FileSystem(skip_instance_cache=True)
        system.mkdir("corpus")
        yield Store("s3://corpus", lambda name, data: system.pipe(f"corpus/{name}", data))


def azurite() -> str:
    """The program, or a skip."""
    local = Path("node_modules/.bin/azurite-blob")
    found = shutil.which("azurite-blob") or (str(local) if local.is_file() else None)
    return found or pytest.skip("azurite is not installed (npm install azurite)")


@contextmanager
def azure(setenv: Callable[[str, str], None]) -> Iterator[Store]:
    needs("adlfs")
    program, port = azurite(), free_port()
    setenv(
        "AZURE_STORAGE_CONNECTION_STRING",
        "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
        f"AccountKey={AZURITE_KEY};BlobEndpoint=http://127.0.0.1:{port}/devstoreaccount1;",
    )
    command = [program, "--silent", "--inMemoryPersistence", "--skipApiVersionCheck",
               "--disableTelemetry", "--blobHost", "127.0.0.1", "--blobPort", str(port)]  # fmt: skip
    with serving(command, port):
        import adlfs

        system = adlfs.AzureBlobFileSystem(
            connection_string=os.environ["AZURE_STORAGE_CONNECTION_STRING"]
        )
        system.mkdir("corpus")
        yield Store(
            "abfs://corpus",
            lambda name, data: system.pipe_file(f"corpus/{name}", data, overwrite=True),
        )


@contextmanager
def gcs(setenv: Callable[[str, str], None]) -> Iterator[Store]:
    needs("gcsfs", "gcp_storage_emulator")
    port = free_port()
    setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # it would ask another service by gRPC
    command = [sys.executable, "-m", "gcp_storage_emulator", "start", "--host=127.0.0.1",
               f"--port={port}", "--in-memory", "--default-bucket=corpus"]  # fmt: skip
    with serving(command, port):
        import gcsfs

        system = gcsfs.GCSFileSystem(token="anon")
        yield Store("gs://corpus", lambda name, data: system.pipe(f"corpus/{name}", data))


@pytest.fixture(scope="module", params=[s3, azure, gcs], ids=lambda made: made.__name__)
def store(request: Any) -> Iterator[Store]:
    with pytest.MonkeyPatch.context() as patch, request.param(patch.setenv) as found:
        patch.setattr(_object_store, "_WAITS_S", (0.0,))
        yield found


def jsonl() -> bytes:
    return "".join(json.dumps(row) + "\n" for row in ROWS).encode()


def parquet() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(ROWS), sink, row_group_size=100)
    return bytes(sink.getvalue())


def only(target: str, **settings: object) -> Source:
    (source,) = open_sources([target], **settings)
    assert not isinstance(source, Unreachable), source.error
    return source


@pytest.mark.parametrize(("name", "data"), [("a.jsonl", jsonl()), ("a.parquet", parquet())])
def test_it_meets_the_conformance_kit(store: Store, name: str, data: bytes) -> None:
    store.put(f"kit/{name}", data)

    def opened() -> Source:
        return only(f"{store.root}/kit/{name}", batch_rows=200)

    testing.check_reads_exactly(opened, {row["id"]: [row["id"], row["text"]] for row in ROWS})
    testing.check_resumes_everywhere(opened)
    testing.check_discovers_the_same_again(opened)


def test_a_bucket_is_scanned_and_what_has_not_changed_is_not_read_again(
    store: Store,
    tmp_path: Path,
    home: Path,  # noqa: ARG001
    capsys: pytest.CaptureFixture[str],
) -> None:
    store.put("scan/day 1/a.jsonl", jsonl())
    store.put("scan/day 1/b.parquet", parquet())
    out = tmp_path / "out.jsonl"
    command = ["scan", f"{store.root}/scan/**/*", "--state", str(tmp_path / "state.db"),
               "--format", "jsonl", "-o", str(out)]  # fmt: skip

    def scanned() -> tuple[int, str]:
        code = run(command)
        return code, capsys.readouterr().err

    code, told = scanned()
    assert (code, "1,000 records read" in told) == (1, True)
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert {one["asset"] for one in found} == {
        f"{store.root}/scan/day 1/a.jsonl", f"{store.root}/scan/day 1/b.parquet",
    }  # fmt: skip
    assert "0 records read" in scanned()[1]
    store.put("scan/day 1/a.jsonl", jsonl() + jsonl().replace(b'"r', b'"s'))
    assert "1,000 records read" in scanned()[1]


def test_an_object_that_changes_while_it_is_read_is_told(store: Store) -> None:
    store.put("change/a.jsonl", jsonl())
    source = only(f"{store.root}/change/a.jsonl", batch_rows=100)
    (asset,) = source.discover()
    reading = source.read(asset)
    next(reading)
    store.put("change/a.jsonl", jsonl().replace(b"text", b"word"))
    with pytest.raises(SourceError, match="was changed while it was being read"):
        list(reading)


def test_a_bucket_that_is_not_there_is_named(store: Store) -> None:
    scheme = store.root.partition("://")[0]
    (lost,) = list(_refused(f"{scheme}://no-such-bucket-here/a.jsonl"))
    assert "no-such-bucket-here" in lost


def _refused(target: str) -> Iterator[str]:
    try:
        for one in open_sources([target]):
            assert isinstance(one, Unreachable)
            yield str(one.error)
    except Exception as error:  # noqa: BLE001 - which one is told by its words
        yield str(error)


def test_credentials_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    needs("s3fs")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(_object_store, "_WAITS_S", (0.0,))
    _clear_s3()
    (lost,) = open_sources(["s3://bucket/a.jsonl"])
    assert isinstance(lost, Unreachable)
    assert "is not open to these credentials" in str(lost.error)
    assert "AWS_ACCESS_KEY_ID" in str(lost.error)
    _clear_s3()


def _clear_s3() -> None:
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
