"""Microsoft's own credentials get tokens from the loopback Entra, and say why when they do not."""

from __future__ import annotations

import base64
import json
import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dlpagent.connectors.sinks._azure import CLOUDS, AzureToken, Login, cloud_of
from dlpagent.connectors.testing.microsoft.certificates import make_client_certificate
from dlpagent.connectors.testing.microsoft.entra import CLIENT_ID, CLIENT_SECRET, TENANT
from dlpagent.connectors.testing.microsoft.faults import Fault
from dlpagent.connectors.testing.microsoft.server import GRAPH_AUDIENCE, Microsoft
from dlpagent.connectors.testing.microsoft.wire import Request
from dlpagent.errors import ConfigurationError, SinkError


def assertion(lives_s: float = 600) -> str:
    """A federated token, as a cluster writes one: header, claims, signature."""
    claims = {"exp": time.time() + lives_s, "nbf": time.time() - 10, "sub": "sweep"}
    parts = [{"alg": "RS256"}, claims, {}]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts]
    return b".".join(encoded).decode()


@pytest.fixture
def base(microsoft: Microsoft) -> Login:
    return Login(
        "secret", TENANT, CLIENT_ID, authority=microsoft.url, ca_file=str(microsoft.ca_file)
    )


@pytest.fixture(params=["secret", "certificate", "workload-identity", "managed-identity"])
def login(
    request: pytest.FixtureRequest,
    base: Login,
    microsoft: Microsoft,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Login:
    """Each way to log in."""
    monkeypatch.setenv("SECRET", CLIENT_SECRET)
    changed: dict[str, Any] = {"auth": request.param}
    if request.param == "secret":
        changed["secret_env"] = "SECRET"
    elif request.param == "certificate":
        make_client_certificate(tmp_path / "app.pem")
        changed["certificate_file"] = str(tmp_path / "app.pem")
    elif request.param == "workload-identity":
        (tmp_path / "token").write_text(assertion())
        monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "token"))
    else:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{microsoft.url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", CLIENT_SECRET)
    return replace(base, **changed)


def test_a_token_is_had_in_every_way_kept_and_renewed(login: Login, microsoft: Microsoft) -> None:
    token = AzureToken(login, CLOUDS[0], GRAPH_AUDIENCE)
    given = microsoft.entra.given
    first = token.header()
    assert token.header() == first
    assert microsoft.entra.given == given + 1
    assert microsoft.entra.is_valid(
        Request("POST", "/", {}, {"authorization": first}), GRAPH_AUDIENCE
    )
    token.renew()
    assert token.header() != first
    token.close()


@pytest.mark.parametrize(
    "fault",
    [Fault("status", status=503), Fault("cut_before"), Fault("malformed"), Fault("hang")],
)
def test_an_entra_that_fails_is_reported_without_names_or_secrets(
    base: Login, microsoft: Microsoft, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", CLIENT_SECRET)
    login = replace(base, secret_env="SECRET", timeout_s=0.3)
    token = AzureToken(login, CLOUDS[0], GRAPH_AUDIENCE)
    microsoft.fail(fault, fault, fault)
    with pytest.raises(SinkError, match="no token could be had") as caught:
        token.header()
    assert TENANT not in str(caught.value)
    microsoft.faults.clear()
    assert token.header().startswith("Bearer ")
    token.close()


def test_a_wrong_secret_is_named_by_its_code(
    base: Login, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SECRET", "not-the-secret")
    token = AzureToken(replace(base, secret_env="SECRET"), CLOUDS[0], GRAPH_AUDIENCE)
    with pytest.raises(SinkError, match="AADSTS7000215") as caught:
        token.header()
    token.close()
    assert "not-the-secret" not in str(caught.value)
    assert capsys.readouterr().err == ""  # and nothing is logged where nobody asked for it


def test_a_clock_that_is_wrong_is_named(base: Login, microsoft: Microsoft, tmp_path: Path) -> None:
    make_client_certificate(tmp_path / "app.pem")
    login = replace(base, auth="certificate", certificate_file=str(tmp_path / "app.pem"))
    token = AzureToken(login, CLOUDS[0], GRAPH_AUDIENCE)
    microsoft.skew_s = 7_200
    with pytest.raises(SinkError, match=r"AADSTS700024: the clock of this machine"):
        token.header()
    token.close()


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"auth": "password"}, "no such way to log in"),
        ({"auth": "certificate"}, "no certificate_file"),
        ({"auth": "secret", "tenant_id": None, "secret_env": "SECRET"}, "no tenant_id"),
        ({"auth": "secret", "secret_env": "NOT_SET"}, "NOT_SET"),
        ({"auth": "secret"}, "no secret_env"),
    ],
)
def test_settings_that_cannot_work_are_named_before_anything_is_sent(
    base: Login, changed: dict[str, Any], what: str
) -> None:
    with pytest.raises(ConfigurationError, match=what):
        AzureToken(replace(base, **changed), CLOUDS[0], GRAPH_AUDIENCE)


def test_a_certificate_that_cannot_be_read_is_a_failure_of_the_sink(
    base: Login, tmp_path: Path
) -> None:
    (tmp_path / "app.pem").write_text("nothing")
    for name in ("app.pem", "missing.pem"):
        login = replace(base, auth="certificate", certificate_file=str(tmp_path / name))
        with pytest.raises(SinkError, match="no token could be had"):
            AzureToken(login, CLOUDS[0], GRAPH_AUDIENCE).header()


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("graph.microsoft.com", "public"),
        ("graph.microsoft.us", "us-government"),
        ("dod-graph.microsoft.us", "us-defense"),
        ("microsoftgraph.chinacloudapi.cn", "china"),
        ("x.eastus-1.ingest.monitor.azure.com", "public"),
        ("x.usgovvirginia-1.ingest.monitor.azure.us", "us-government"),
        ("x.chinaeast2-1.ingest.monitor.azure.cn", "china"),
        ("localhost", "public"),
    ],
)
def test_the_cloud_is_known_by_the_host(host: str, name: str) -> None:
    assert cloud_of(host).name == name


def test_what_the_credentials_log_is_not_printed() -> None:
    assert logging.getLogger("azure").handlers
