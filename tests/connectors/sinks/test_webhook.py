"""Violations are posted signed; the receiver can tell who sent them, when, and what is a repeat."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlpagent.connectors.sinks._append import encode
from dlpagent.connectors.sinks.webhook import Webhook, signature
from dlpagent.connectors.testing.microsoft.faults import Fault
from dlpagent.connectors.testing.receivers import WebhookReceiver
from dlpagent.errors import ConfigurationError
from dlpagent.violations import Event

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def opened(webhook: WebhookReceiver) -> Any:
    made: list[Webhook] = []

    def opener(**more: Any) -> Webhook:
        given = {"secret_env": "HOOK", "ca_file": str(webhook.ca_file), **more}
        made.append(Webhook(webhook.url, **given))
        return made[-1]

    yield opener
    for sink in made:
        sink.close()


@pytest.mark.parametrize("batch", [1, 4, 100])
def test_every_event_is_taken_once_in_order(
    opened: Callable[..., Webhook], webhook: WebhookReceiver, every_event: list[Event], batch: int
) -> None:
    receipts = opened(batch=batch).deliver(every_event)
    assert all(receipt.ok for receipt in receipts)
    assert webhook.received.ids() == [event.id for event in every_event]


@pytest.mark.parametrize(
    "kind", ["new", "changed", "resolved", "reopened", "overridden", "false_positive"]
)
def test_a_body_of_each_kind_stays_as_it_is(
    opened: Callable[..., Webhook], make_event: Callable[..., Event], kind: str
) -> None:
    body = json.loads(encode(opened().body(make_event(kind))))
    assert body == json.loads((GOLDEN / f"webhook-{kind}.json").read_text("utf-8"))


def test_the_signature_is_that_of_the_specification() -> None:
    # computed with openssl dgst -sha256 -hmac over "msg_1.1700000000.{}"
    found = signature(b"0123456789abcdef0123456789abcdef", "msg_1", "1700000000", b"{}")
    assert found == "v1,2c4VI0bO4Wd5svqP2unEA9pCk0dTAXr/elrHCJ+/efk="


@pytest.mark.parametrize("skew", [-301, 301])
def test_a_receiver_refuses_what_was_signed_too_long_ago(
    opened: Callable[..., Webhook], webhook: WebhookReceiver, every_event: list[Event], skew: int
) -> None:
    webhook.skew_s = skew
    receipts = opened().deliver(every_event[:2])
    assert {(each.ok, each.blame) for each in receipts} == {(False, "sink")}
    assert webhook.received.total == 0


def test_another_secret_is_refused(
    opened: Callable[..., Webhook],
    webhook: WebhookReceiver,
    every_event: list[Event],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOOK", "whsec_" + "QUJD" * 10)
    assert not opened().deliver(every_event[:1])[0].ok
    assert webhook.received.total == 0


def test_an_event_the_receiver_will_not_have_is_found(
    opened: Callable[..., Webhook], webhook: WebhookReceiver, every_event: list[Event]
) -> None:
    webhook.refused = frozenset({every_event[5].id})
    receipts = opened().deliver(every_event[:9])
    assert [receipt.ok for receipt in receipts] == [index != 5 for index in range(9)]
    assert not receipts[5].retry


@pytest.mark.parametrize(
    ("fault", "taken"),
    [(Fault("status", status=429, retry_after="2"), 0), (Fault("cut_after"), 3)],
)
def test_when_the_receiver_fails_no_event_is_blamed(
    opened: Callable[..., Webhook],
    webhook: WebhookReceiver,
    every_event: list[Event],
    fault: Fault,
    taken: int,
) -> None:
    webhook.fail(fault)
    receipts = opened().deliver(every_event[:3])
    assert {(each.ok, each.blame) for each in receipts} == {(False, "sink")}
    assert webhook.received.total == taken


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "geheim", "whsec_c2hvcnQ=", "whsec_!!!!", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0"],
)
def test_a_secret_that_is_none_is_refused_and_not_repeated(
    webhook: WebhookReceiver, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv("HOOK", secret)
    with pytest.raises(ConfigurationError) as caught:
        Webhook(webhook.url, secret_env="HOOK")
    value = secret.removeprefix("whsec_")
    assert not value or value not in str(caught.value)
