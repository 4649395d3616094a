"""What an answer means for events; nothing goes where it was not sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dlpagent.connectors.sinks._http import Client, Reply, pinned_host, seconds_to_wait, trust
from dlpagent.connectors.testing.microsoft.faults import Fault
from dlpagent.connectors.testing.receivers import WebhookReceiver
from dlpagent.errors import ConfigurationError, SinkError


@pytest.mark.parametrize(
    ("status", "alone", "expected"),
    [
        (200, True, (True, True, "event")),
        (204, False, (True, True, "event")),
        (400, True, (False, False, "event")),
        (413, True, (False, False, "event")),
        (422, False, (False, False, "event")),
        (302, True, (False, True, "either")),
        (401, True, (False, True, "sink")),
        (402, True, (False, True, "sink")),
        (403, False, (False, True, "sink")),
        (404, True, (False, True, "sink")),
        (429, True, (False, True, "sink")),
        (500, True, (False, True, "either")),
        (500, False, (False, True, "sink")),
        (503, True, (False, True, "sink")),
        (0, True, (False, True, "sink")),
    ],
)
def test_a_status_says_whether_the_event_or_the_service_is_at_fault(
    status: int, alone: bool, expected: tuple[bool, bool, str]
) -> None:
    receipt = Reply(status, problem="" if status else "away").receipt("e", alone=alone)
    assert (receipt.ok, receipt.retry, receipt.blame) == expected


@pytest.mark.parametrize(
    ("given", "date", "seconds"),
    [
        ("17", None, 17.0),
        ("0.5", None, 0.5),
        ("-3", None, 0.0),
        ("999999999", None, 86_400.0),
        ("nan", None, None),
        ("soon", None, None),
        ("", None, None),
        (None, None, None),
        # the service's clock counts, however wrong ours is
        ("Thu, 01 Jan 2099 00:01:00 GMT", "Thu, 01 Jan 2099 00:00:00 GMT", 60.0),
        ("Thu, 01 Jan 1970 00:01:00 GMT", "Thu, 01 Jan 1970 00:00:30 GMT", 30.0),
        ("Thu, 01 Jan 1970 00:01:00 GMT", None, 0.0),
        ("Thu, 01 Jan 2099 00:01:00 GMT", "nonsense", 86_400.0),
    ],
)
def test_retry_after_is_a_number_or_a_date_by_the_clock_of_the_service(
    given: str | None, date: str | None, seconds: float | None
) -> None:
    assert seconds_to_wait(given, date) == seconds


def test_a_receipt_names_the_code_and_never_the_message() -> None:
    error = {"error": {"code": "BadRequest", "message": "4111111111111111 is wrong"}}
    receipt = Reply(400, {"request-id": "r-1"}, json.dumps(error).encode()).receipt("e", alone=True)
    assert receipt.detail == "400 r-1 BadRequest"


def test_an_id_that_is_a_sentence_is_no_proof() -> None:
    said = {"request-id": "card 4111 1111 1111 1111 refused\n" * 9}
    assert Reply(200, said).proof == "200"
    error = {"error": {"code": "4111 1111 1111 1111 refused"}}
    assert Reply(400, said, json.dumps(error).encode()).reason == ""


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b'{"error": 1}', b'{"error": {"code": null}}'])
def test_any_body_may_come_back(body: bytes) -> None:
    assert Reply(400, {}, body).receipt("e", alone=True).detail == "400"


@pytest.mark.parametrize(
    "url",
    ["http://h/x", "h", "", "https://", "https://u:p@h/", "https://[broken", "ftp://h", "tls://h"],
)
def test_only_https_without_a_password_is_a_target(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        pinned_host(url, None)
    assert "u:p" not in str(caught.value)


def test_a_host_that_is_not_named_gets_no_token() -> None:
    allowed = frozenset({"graph.microsoft.com"})
    assert pinned_host("https://GRAPH.microsoft.com/v1.0", allowed) == "graph.microsoft.com"
    for host in ("evil.example", "graph.microsoft.com.evil.example", "graph.microsoft.co"):
        with pytest.raises(ConfigurationError, match="may get a token"):
            pinned_host(f"https://{host}", allowed)


def test_authorities_that_cannot_be_read_are_named(tmp_path: Any) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    for name in ("ca.pem", "missing.pem"):
        with pytest.raises(SinkError, match="certificate authorities"):
            trust(str(tmp_path / name))


@pytest.fixture
def client(webhook: WebhookReceiver) -> Any:
    made = Client(webhook.url, ca_file=str(webhook.ca_file), timeout_s=0.2)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("fault", "status", "word"),
    [
        (Fault("cut_before"), 0, "no whole answer"),
        (Fault("cut_after"), 0, "no whole answer"),
        (Fault("cut_body"), 0, "no whole answer"),
        (Fault("hang"), 0, "in time"),
        (Fault("status", status=500), 500, ""),
        (Fault("status", status=302), 302, ""),
        (Fault("malformed"), 401, ""),  # nothing was signed
    ],
)
def test_what_goes_wrong_on_the_way_is_in_the_reply(
    webhook: WebhookReceiver, client: Client, fault: Fault, status: int, word: str
) -> None:
    webhook.fail(fault)
    reply = client.post("", b"{}", {})
    assert reply.status == status
    assert word in reply.problem


def test_an_answer_that_does_not_end_is_left(
    webhook: WebhookReceiver, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlpagent.connectors.sinks._http._LARGEST_ANSWER", 10)
    webhook.fail(Fault("status", status=500))
    reply = client.post("", b"{}", {})
    assert (reply.status, reply.problem) == (0, "the answer of localhost is too large")


def test_a_service_that_is_not_there_is_said(webhook: WebhookReceiver) -> None:
    client = Client("https://localhost:1", ca_file=str(webhook.ca_file), timeout_s=1.0)
    assert client.post("", b"", {}).problem == "localhost cannot be reached"
    client.close()


def test_a_service_with_an_unknown_certificate_gets_nothing(webhook: WebhookReceiver) -> None:
    client = Client(webhook.url, timeout_s=1.0)
    assert client.post("", b"secret", {}).status == 0
    assert webhook.received.total == 0
    client.close()


class Tokens:
    """Gives numbered tokens; renew() goes on to the next."""

    def __init__(self, broken: bool = False) -> None:
        self.number, self.broken = 1, broken

    def header(self) -> str:
        if self.broken:
            raise SinkError("no token could be had")
        return f"Bearer {self.number}"

    def renew(self) -> None:
        self.number += 1


def test_a_token_that_is_refused_is_renewed_once(webhook: WebhookReceiver) -> None:
    tokens = Tokens()
    client = Client(webhook.url, ca_file=str(webhook.ca_file), token=tokens)
    webhook.fail(Fault("status", status=401), Fault("status", status=401))
    assert client.post("", b"{}", {}).status == 401
    assert tokens.number == 2
    client.close()


def test_without_a_token_nothing_is_sent(webhook: WebhookReceiver) -> None:
    client = Client(webhook.url, ca_file=str(webhook.ca_file), token=Tokens(broken=True))
    assert client.post("", b"{}", {}).problem == "no token could be had"
    client.close()


@pytest.mark.parametrize(
    "link",
    ["https://elsewhere.example/next", "http://localhost/next", "https://localhost:1/next"],
)
def test_a_next_page_elsewhere_is_not_followed(webhook: WebhookReceiver, link: str) -> None:
    client = Client(webhook.url, ca_file=str(webhook.ca_file))
    reply = client.get(link, {})
    client.close()
    assert (reply.status, "not followed" in reply.problem) == (0, True)
    assert not webhook.received.total


def test_what_is_asked_for_goes_to_the_pinned_host(webhook: WebhookReceiver) -> None:
    client = Client(webhook.url, ca_file=str(webhook.ca_file))
    replies = [client.get("/nothing", {}), client.get(f"{webhook.url}/nothing?page=2", {})]
    client.close()
    assert [reply.reason for reply in replies] == ["BadSignature", "BadSignature"]
