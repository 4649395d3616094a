"""Violations go as CEF over TLS; what the receiver did not read to the end is sent again."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent import __version__
from dlpagent.connectors.sinks.cef_syslog import CefSyslog, cef, framed
from dlpagent.connectors.testing.microsoft.faults import Fault
from dlpagent.connectors.testing.receivers import SyslogReceiver, frames
from dlpagent.errors import ConfigurationError, SinkError
from dlpagent.violations import Event, LabelRef

GOLDEN = Path(__file__).parent / "golden"
LABEL = LabelRef("11111111-0000-4000-8000-000000000001", "General", 1)


def sink(syslog: SyslogReceiver, **more: Any) -> CefSyslog:
    return CefSyslog(
        syslog.url,
        **{"ca_file": str(syslog.ca_file), "hostname": "host-1", "timeout_s": 5.0, **more},
    )


def parsed(message: str) -> tuple[list[str], dict[str, str]]:
    """Header fields and extension of a CEF message, unescaped."""
    start = message.index("CEF:0")
    parts = re.split(r"(?<!\\)\|", message[start:], maxsplit=7)
    found: dict[str, str] = {}
    pairs = list(re.finditer(r"(?:^|(?<= ))(\w+)(?<!\\)=", parts[7]))
    for pair, following in zip(pairs, [*pairs[1:], None], strict=True):
        end = following.start() - 1 if following else len(parts[7])
        text = parts[7][pair.end() : end]
        found[pair[1]] = text.replace("\\n", "\n").replace("\\=", "=").replace("\\\\", "\\")
    return parts[:7], found


def test_every_event_is_taken_once_in_order(
    syslog: SyslogReceiver, every_event: list[Event]
) -> None:
    receipts = sink(syslog).deliver(every_event)
    assert all(receipt.ok for receipt in receipts)
    assert syslog.received.ids() == [event.id for event in every_event]


def test_every_event_is_one_message_of_printable_text(
    syslog: SyslogReceiver, any_event: Event
) -> None:
    message = sink(syslog).message(any_event)
    assert len(message) <= 8192
    text = message.decode()
    assert re.match(r"<\d{1,3}>1 \d{4}-\d\d-\d\dT[\d:.]+Z host-1 dlpagent - \w+ - CEF:0\|", text)
    assert not re.search(r"[\x00-\x1f\x7f]", text)
    head, fields = parsed(text)
    assert (len(head), fields["externalId"]) == (7, any_event.id)


@pytest.mark.parametrize(
    "kind", ["new", "changed", "resolved", "reopened", "overridden", "false_positive"]
)
def test_a_message_of_each_kind_stays_as_it_is(
    syslog: SyslogReceiver, make_event: Callable[..., Event], kind: str
) -> None:
    text = sink(syslog).message(make_event(kind)).decode().replace(f"|{__version__}|", "|VERSION|")
    assert text + "\n" == (GOLDEN / f"cef-{kind}.txt").read_text("utf-8")


@pytest.mark.parametrize(
    ("changed", "field", "value"),
    [
        ({}, "rt", "1772366400000"),
        ({}, "act", "quarantine,label"),
        ({}, "cn1", "85"),
        ({}, "cn2", "3"),
        ({}, "cs1", "Training data"),
        ({}, "cs3", "Credit Card Number 3"),
        ({"existing_label": LABEL}, "cs4", "General"),
        ({"recommended_label": LABEL}, "cs5", "General"),
        ({"conversation_id": "c-1"}, "cs6", "c-1"),
        ({"actor_id": "ann@example.org"}, "suid", "ann@example.org"),
        ({"app": "ChatGPT"}, "sourceServiceName", "ChatGPT"),
        ({}, "fname", "chat.jsonl"),
        ({}, "filePath", "file:///data/chat.jsonl#r7"),
        ({"incomplete": True}, "reason", "enforce incomplete"),
        ({"reason": "a=b\\c|d\ne"}, "msg", "a=b\\c|d\ne"),
    ],
)
def test_each_field_of_the_mapping_is_where_the_documentation_says(
    make_event: Callable[..., Event], changed: dict[str, Any], field: str, value: str
) -> None:
    assert parsed(cef(make_event(**changed)))[1][field] == value


def test_severity_and_names_are_in_the_header(make_event: Callable[..., Event]) -> None:
    head, _ = parsed(cef(make_event(severity="medium", rule_name="a|b")))
    assert head == ["CEF:0", "dlpagent", "dlpagent", __version__, "cards", "a\\|b", "6"]


def test_a_message_that_is_too_long_is_cut_between_words_and_keeps_its_id(
    syslog: SyslogReceiver, make_event: Callable[..., Event]
) -> None:
    names = ("reason", "conversation_id", "app", "actor_id", "rule_name", "rule_id", "asset_uri")
    event = make_event(**dict.fromkeys(names, "ß " * 999))
    message = sink(syslog).message(event)
    assert 8_000 < len(message) <= 8_192
    assert parsed(message.decode())[1]["externalId"] == event.id


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_frames_are_read_as_they_were_written(messages: list[bytes]) -> None:
    whole = b"".join(framed(message) for message in messages if message)
    assert frames(whole) == [message for message in messages if message]


@pytest.mark.parametrize(
    ("kind", "taken"),
    [("cut_before", False), ("cut_body", False), ("cut_after", True), ("empty", False)],
)
def test_a_connection_that_does_not_end_in_order_after_us_is_no_receipt(
    syslog: SyslogReceiver, every_event: list[Event], kind: Any, taken: bool
) -> None:
    syslog.fail(Fault(kind))
    with pytest.raises(SinkError, match="did not take the events"):
        sink(syslog).deliver(every_event)
    assert (set(syslog.received.ids()) >= {event.id for event in every_event}) == taken
    sink(syslog).deliver(every_event)
    assert set(syslog.received.ids()) >= {event.id for event in every_event}


def test_a_receiver_that_hangs_is_left(syslog: SyslogReceiver, every_event: list[Event]) -> None:
    syslog.fail(Fault("hang"))
    with pytest.raises(SinkError, match="in time"):
        sink(syslog, timeout_s=0.2).deliver(every_event[:1])


def test_a_receiver_with_an_unknown_certificate_gets_nothing(
    syslog: SyslogReceiver, every_event: list[Event]
) -> None:
    with pytest.raises(SinkError, match="SSLCertVerificationError"):
        sink(syslog, ca_file=None).deliver(every_event[:1])
    assert syslog.received.total == 0


@pytest.mark.parametrize("target", ["host", "tcp://host:514", "tls://", "tls://h:x", "udp://h"])
def test_only_a_tls_address_is_a_target(target: str) -> None:
    with pytest.raises(ConfigurationError, match="not a TLS address"):
        CefSyslog(target)
