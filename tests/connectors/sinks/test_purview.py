"""Violations become content activities of Graph; what Graph refuses is refused, what it delays waits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dlpagent.connectors.sinks.purview import Purview
from dlpagent.connectors.testing.microsoft.faults import Fault
from dlpagent.connectors.testing.microsoft.server import Microsoft
from dlpagent.errors import ConfigurationError
from dlpagent.violations import Event

USER = "7f1f3c52-6f2c-4f2b-9a42-0a6f3f1d2b10"


@pytest.fixture
def opened(microsoft: Microsoft, login: dict[str, Any]) -> Any:
    made: list[Purview] = []

    def opener(**more: Any) -> Purview:
        made.append(Purview(microsoft.url, **{**login, "user_id": USER, **more}))
        return made[-1]

    yield opener
    for sink in made:
        sink.close()


@pytest.mark.parametrize("api", ["v1.0", "beta"])
def test_every_event_is_taken_once_in_order(
    opened: Callable[..., Purview], microsoft: Microsoft, every_event: list[Event], api: str
) -> None:
    receipts = opened(api=api).deliver(every_event)
    assert [receipt.event_id for receipt in receipts] == [event.id for event in every_event]
    assert all(receipt.ok and receipt.detail.startswith("201 ") for receipt in receipts)
    assert microsoft.graph.activities.ids() == [event.id for event in every_event]


def test_a_single_event_goes_without_an_envelope(
    opened: Callable[..., Purview], microsoft: Microsoft, every_event: list[Event]
) -> None:
    (receipt,) = opened().deliver(every_event[:1])
    assert receipt.ok
    assert microsoft.graph.activities.total == 1


@pytest.mark.parametrize(
    ("fault", "waits", "taken"),
    [
        (Fault("status", "graph", 429, "7"), 7.0, 0),
        (Fault("status", "graph", 503), None, 0),
        (Fault("status", "graph", 500), None, 0),
        (Fault("cut_before", "graph"), None, 0),
        (Fault("cut_after", "graph"), None, 4),
        (Fault("cut_body", "graph"), None, 4),
        (Fault("malformed", "graph"), None, 4),
        (Fault("empty", "graph", 202), None, 4),
    ],
)
def test_when_graph_fails_no_event_is_blamed(
    opened: Callable[..., Purview],
    microsoft: Microsoft,
    every_event: list[Event],
    fault: Fault,
    waits: float | None,
    taken: int,
) -> None:
    sink = opened()
    sink.deliver(every_event[:1])  # the token is had
    microsoft.fail(fault)
    receipts = sink.deliver(every_event[:4])
    assert {(each.ok, each.blame, each.retry_after_s) for each in receipts} == {
        (False, "sink", waits)
    }
    assert microsoft.graph.activities.total == 1 + taken
    assert all(receipt.ok for receipt in sink.deliver(every_event[:4]))


def test_of_a_batch_only_the_throttled_wait(
    opened: Callable[..., Purview], microsoft: Microsoft, every_event: list[Event]
) -> None:
    sink = opened()
    sink.deliver(every_event[:1])
    microsoft.fail(Fault("batch_item", "graph", 429, "3", item=2))
    receipts = sink.deliver(every_event[:5])
    assert [receipt.ok for receipt in receipts] == [True, True, False, True, True]
    assert (receipts[2].blame, receipts[2].retry_after_s) == ("sink", 3.0)


def test_after_a_throttled_batch_the_next_is_not_sent(
    opened: Callable[..., Purview], microsoft: Microsoft, every_event: list[Event]
) -> None:
    sink = opened()
    sink.deliver(every_event[:1])
    microsoft.fail(Fault("status", "graph", 429, "3"))
    receipts = sink.deliver(every_event[:30])
    assert {receipt.retry_after_s for receipt in receipts} == {3.0}
    assert microsoft.graph.activities.total == 1


def test_tokens_that_end_in_the_middle_are_renewed(
    opened: Callable[..., Purview], microsoft: Microsoft, every_event: list[Event]
) -> None:
    sink = opened()
    sink.deliver(every_event[:1])
    microsoft.fail(Fault("none"), Fault("expire_tokens", "graph"))
    assert all(receipt.ok for receipt in sink.deliver(every_event[:30]))


def test_an_event_graph_refuses_is_refused_alone(
    opened: Callable[..., Purview], every_event: list[Event]
) -> None:
    events = [
        replace(event, violation=replace(event.violation, actor_id=None)) for event in every_event
    ][:3]
    sink = opened()
    bad = replace(events[1], id="")  # identifier is required
    receipts = sink.deliver([events[0], bad, events[2]])
    assert [(receipt.ok, receipt.retry) for receipt in receipts] == [
        (True, True), (False, False), (True, True),
    ]  # fmt: skip
    assert "BadRequest" in receipts[1].detail


def test_a_repeat_has_the_same_identifier(
    opened: Callable[..., Purview], microsoft: Microsoft, every_event: list[Event]
) -> None:
    sink = opened()
    sink.deliver(every_event[:2])
    sink.deliver(every_event[:2])
    assert microsoft.graph.activities.repeats() == {event.id: 2 for event in every_event[:2]}


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"user_id": "ann@example.org"}, "user_id is not an id"),
        ({"app_id": "ChatGPT"}, "app_id is not an id"),
        ({"api": "v2"}, "no such version"),
        ({"allowed_hosts": []}, "may get a token"),
    ],
)
def test_settings_that_cannot_work_are_named(
    opened: Callable[..., Purview], changed: dict[str, Any], what: str
) -> None:
    with pytest.raises(ConfigurationError, match=what):
        opened(**changed)


def test_a_cloud_without_the_api_is_named(login: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="not offered in this cloud"):
        Purview("https://microsoftgraph.chinacloudapi.cn", **{**login, "user_id": USER})


@pytest.mark.parametrize("many", [1, 2, 3])
def test_a_user_graph_does_not_know_is_the_events_fault_and_holds_up_no_other(
    opened: Callable[..., Purview],
    microsoft: Microsoft,
    make_event: Callable[..., Event],
    many: int,
) -> None:
    stranger = "7d0b4c1e-2f6e-4c52-9f2c-0a1b2c3d4e5f"
    microsoft.graph.strangers = frozenset({stranger})
    events = [
        replace(make_event(actor_id=stranger if number == 0 else None), id=f"e{number}")
        for number in range(many)
    ]
    receipts = opened().deliver(events)
    assert [receipt.ok for receipt in receipts] == [False, True, True][:many]
    assert (receipts[0].retry, receipts[0].blame) == (False, "event")
    assert receipts[0].detail.endswith("(the user)")


def test_without_the_user_of_the_sweep_nothing_is_refused(
    opened: Callable[..., Purview], microsoft: Microsoft, every_event: list[Event]
) -> None:
    microsoft.graph.strangers = frozenset({USER})
    receipts = opened().deliver(every_event[:3])
    assert {(each.ok, each.retry, each.blame) for each in receipts} == {(False, True, "sink")}
