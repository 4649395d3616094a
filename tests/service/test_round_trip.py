"""A sweep into every sink at once, on this machine: all arrives, no value does, the quickstart shows it."""

from __future__ import annotations

import json
import logging
import random
import re
import string
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from dlpagent.connectors.sinks._sentinel_row import COLUMNS, STREAM
from dlpagent.connectors.testing.microsoft.entra import CLIENT_ID, CLIENT_SECRET, TENANT
from dlpagent.connectors.testing.microsoft.faults import Fault
from dlpagent.connectors.testing.microsoft.ingestion import RULE_ID
from dlpagent.connectors.testing.microsoft.server import Microsoft
from dlpagent.connectors.testing.receivers import SyslogReceiver, WebhookReceiver
from dlpagent.service.cli import run
from dlpagent.service.session import Settings
from dlpagent.state import open_state

USER = "7f1f3c52-6f2c-4f2b-9a42-0a6f3f1d2b10"


# a small pack and policy: what is tested here does not depend on which SITs there are
SIT = r"""id: 11111111-1111-4111-8111-111111111111
name: Card
version: 1
parity: own
elements: {Card: {regex: '\d{4}(?: \d{4}){3}', validators: [luhn]}}
patterns: [{confidence: 85, primary: Card}]
"""
CREDIT_CARD = "50842eb7-edc8-4019-85dd-5a5c1f2bb085"
POLICY = """id: 22222222-2222-4222-8222-222222222222
name: Cards
version: 1
rules:
  - id: 33333333-3333-4333-8333-333333333333
    name: No cards
    severity: high
    locations: [file]
    conditions: {sits: [Card]}
"""


def luhn(body: str) -> str:
    total = 0
    for place, char in enumerate(reversed(body)):
        digit = int(char) * (2 if place % 2 == 0 else 1)
        total += digit - 9 if digit > 9 else digit
    return body + str(-total % 10)


def planted(many: int) -> list[str]:
    """Card numbers no one can mistake for something else."""
    chance = random.Random(20_260_101)
    return [luhn("4" + "".join(chance.choices(string.digits, k=14))) for _ in range(many)]


@dataclass
class Ends:
    """What the sinks lead to."""

    microsoft: Microsoft
    webhook: WebhookReceiver
    syslog: SyslogReceiver
    folder: Path

    def everything(self) -> bytes:
        """All that arrived anywhere."""
        graph, rows = self.microsoft.graph, self.microsoft.ingestion.received
        values = [*graph.activities.values(), *graph.contents.values(), *rows.values()]
        values += self.webhook.received.values()
        return json.dumps(values).encode() + b"".join(self.syslog.received.values())


@pytest.fixture
def ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ends]:
    monkeypatch.setenv("ENTRA", CLIENT_SECRET)
    monkeypatch.setenv("HOOK", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
    with ExitStack() as stack:
        places = [tmp_path / name for name in ("microsoft", "webhook", "syslog")]
        for place in places:
            place.mkdir()
        yield Ends(
            stack.enter_context(Microsoft(places[0], streams={STREAM: COLUMNS})),
            stack.enter_context(WebhookReceiver(places[1], b"0123456789abcdef0123456789abcdef")),
            stack.enter_context(SyslogReceiver(places[2])),
            tmp_path,
        )


@pytest.fixture
def sweep(ends: Ends, tmp_path: Path) -> Path:
    """A sweep into every sink there is."""
    (tmp_path / "card.yaml").write_text(SIT)
    (tmp_path / "policy.yaml").write_text(POLICY)
    login = (
        f"auth: secret, tenant_id: {TENANT}, client_id: {CLIENT_ID}, secret_env: ENTRA, "
        f"authority: '{ends.microsoft.url}', ca_file: '{ends.microsoft.ca_file}', "
        "allowed_hosts: [localhost]"
    )
    graph = f"target: '{ends.microsoft.url}', settings: {{user_id: {USER}, {login}}}"
    path = tmp_path / "sweeps.yaml"
    path.write_text(
        "name: job\npacks: [card.yaml]\npolicy: policy.yaml\nsources: ['*.txt']\n"
        "state: state.db\nsinks:\n"
        f"  purview: {{{graph}}}\n  purview-content: {{{graph}}}\n"
        f"  sentinel: {{target: '{ends.microsoft.url}', settings: {{rule_id: {RULE_ID}, {login}}}}}\n"
        f"  webhook: {{target: '{ends.webhook.url}', "
        f"settings: {{secret_env: HOOK, ca_file: '{ends.webhook.ca_file}'}}}}\n"
        f"  cef: {{target: '{ends.syslog.url}', settings: {{ca_file: '{ends.syslog.ca_file}'}}}}\n"
        f"  sql: 'sqlite:///{tmp_path}/receiver.db'\n  o365: o365.jsonl\n  ocsf: ocsf.jsonl\n"
    )
    return path


def test_every_sink_gets_every_event_and_none_gets_a_value(
    ends: Ends,
    sweep: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dlpagent.service.session.DELIVERY_PATIENCE_S", 30.0)
    values = planted(40)
    for number, value in enumerate(values):
        spaced = " ".join(re.findall("....", value))
        (ends.folder / f"{number}.txt").write_text(f"my credit card number is {spaced}, thanks")
    caplog.set_level(logging.DEBUG)
    ends.microsoft.graph.set_scopes(("uploadText,uploadFile", "evaluateInline"))
    ends.webhook.fail(Fault("cut_after"))  # all of it comes twice
    for _ in range(4):  # with dead letters and their reasons, one by one
        ends.microsoft.fail(Fault("none", "token"), Fault("none", "token"))
        ends.microsoft.fail(*[Fault("status", "graph", 400)] * 3)
    assert run(["sweep", "run", str(sweep), "-vv"]) == 4
    with open_state(ends.folder / "state.db") as state:
        lags = {lag.sink: lag for lag in state.outbox_lag()}
        letters = state.dead_letters()
    events = lags["o365"].sent
    assert events == 40
    assert {name for name, lag in lags.items() if lag.sent + lag.dead == events} == {
        "purview", "purview-content", "sentinel", "webhook", "cef", "sql", "o365", "ocsf",
    }  # fmt: skip
    assert letters
    assert all("400" in letter.reason for letter in letters)
    assert set(ends.webhook.received.repeats().values()) == {2}
    assert len(set(ends.webhook.received.ids())) == 40
    shown = capsys.readouterr()
    left = ends.everything() + "".join((shown.out, shown.err, caplog.text)).encode()
    for path in sorted(ends.folder.rglob("*")):
        if path.is_file() and path.suffix != ".txt":
            left += path.read_bytes()
    assert b"No cards" in left
    for value in values:
        for form in (value, " ".join(re.findall("....", value)), value[:12], value[4:]):
            assert form.encode() not in left


def test_the_quickstart_shows_the_round_trip(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # one SIT the example policy names: compiling them all takes longer than everything else here
    card = tmp_path / "card.yaml"
    card.write_text(SIT.replace("11111111-1111-4111-8111-111111111111", CREDIT_CARD))
    with_card = partial(Settings, packs=(str(card),))
    monkeypatch.setattr("dlpagent.service.demo.run.Settings", with_card)
    assert run(["quickstart", "--with-purview", "--out", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    told = re.search(r"Purview +(\d+) content activities", out)
    assert told is not None
    activities = (tmp_path / "out" / "purview-activities.jsonl").read_text().splitlines()
    rows = (tmp_path / "out" / "sentinel-rows.jsonl").read_text().splitlines()
    assert len(activities) == len(rows) == int(told[1]) > 0
    ids = {
        json.loads(line)["contentMetadata"]["contentEntries"][0]["identifier"]
        for line in activities
    }
    assert ids == {json.loads(line)["EventId"] for line in rows}


@pytest.mark.parametrize("package", ["cryptography", "jsonschema", "azure"])
def test_a_package_that_is_missing_is_named_with_its_extra(
    package: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import builtins

    real = builtins.__import__

    def absent(name: str, *more: object, **also: object) -> object:
        if name.partition(".")[0] == package:
            raise ModuleNotFoundError(name=name)
        return real(name, *more, **also)  # type: ignore[arg-type]

    monkeypatch.setattr("builtins.__import__", absent)
    code = run(["quickstart", "--with-purview", "--out", str(tmp_path / "out")])
    assert code == 2
    assert "pip install 'dlpagent[purview]'" in capsys.readouterr().err
