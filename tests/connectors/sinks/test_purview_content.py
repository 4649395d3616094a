"""Violations are put before the tenant's policies as its protection scopes ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dlpagent.connectors.sinks._protection_scopes import modes_of
from dlpagent.connectors.sinks.purview_content import PurviewContent
from dlpagent.connectors.testing.microsoft.faults import Fault
from dlpagent.connectors.testing.microsoft.server import Microsoft
from dlpagent.violations import Event

USER = "7f1f3c52-6f2c-4f2b-9a42-0a6f3f1d2b10"
APP = "0f6c1d6a-93a1-4d0f-8a4c-60b3f5a0c702"
INLINE, OFFLINE = "evaluateInline", "evaluateOffline"


@pytest.fixture
def opened(microsoft: Microsoft, login: dict[str, Any]) -> Any:
    made: list[PurviewContent] = []

    def opener(**more: Any) -> PurviewContent:
        made.append(
            PurviewContent(microsoft.url, **{**login, "user_id": USER, "app_id": APP, **more})
        )
        return made[-1]

    yield opener
    for sink in made:
        sink.close()


@pytest.mark.parametrize("api", ["v1.0", "beta"])
@pytest.mark.parametrize(
    ("scopes", "contents", "activities"),
    [
        ((), 0, 39),
        ((("uploadText,uploadFile", INLINE),), 39, 0),
        ((("uploadText,uploadFile", OFFLINE),), 39, 0),
        ((("uploadText", OFFLINE), ("uploadFile", INLINE)), 39, 0),
        ((("uploadText", INLINE),), 2, 37),
        ((("downloadText", INLINE),), 0, 39),
    ],
)
def test_each_event_goes_where_its_scope_asks(
    opened: Callable[..., PurviewContent],
    microsoft: Microsoft,
    every_event: list[Event],
    scopes: tuple[tuple[str, str], ...],
    contents: int,
    activities: int,
    api: str,
) -> None:
    microsoft.graph.set_scopes(*scopes)
    receipts = opened(api=api).deliver(every_event)
    assert [receipt.event_id for receipt in receipts] == [event.id for event in every_event]
    assert all(receipt.ok for receipt in receipts)
    taken = microsoft.graph
    assert (taken.contents.total, taken.activities.total) == (contents, activities)
    assert sorted(taken.contents.ids() + taken.activities.ids()) == sorted(
        event.id for event in every_event
    )


def test_scopes_are_asked_once_per_user_and_again_when_they_were_modified(
    opened: Callable[..., PurviewContent], microsoft: Microsoft, make_event: Callable[..., Event]
) -> None:
    sink = opened()
    microsoft.graph.set_scopes(("uploadFile", INLINE))
    before = microsoft.graph.computed
    for _ in range(3):
        sink.deliver([make_event()])
    assert microsoft.graph.computed == before + 1
    microsoft.graph.set_scopes(("uploadFile", OFFLINE))
    sink.deliver([make_event()])  # the answer says that they were modified
    sink.deliver([make_event()])
    assert microsoft.graph.computed == before + 2


def test_scopes_are_asked_again_after_an_hour(
    opened: Callable[..., PurviewContent], microsoft: Microsoft, make_event: Callable[..., Event]
) -> None:
    sink, now = opened(), [0.0]
    sink.scopes._clock = lambda: now[0]
    before = microsoft.graph.computed
    for now[0] in (0.0, 3_599.0, 3_601.0):
        sink.deliver([make_event()])
    assert microsoft.graph.computed == before + 2


@pytest.mark.parametrize(
    ("actions", "verdict"),
    [
        ([], "allow"),
        ([{"@odata.type": "#microsoft.graph.dlpActionInfo", "action": "blockAccess"}], "block"),
        (
            [
                {
                    "@odata.type": "#microsoft.graph.restrictAccessAction",
                    "action": "restrictAccess",
                    "restrictionAction": "block",
                }
            ],
            "block",
        ),
        ([{"@odata.type": "#microsoft.graph.dlpActionInfo", "action": "notifyUser"}], "allow"),
    ],
)
def test_a_receipt_names_the_verdict(
    opened: Callable[..., PurviewContent],
    microsoft: Microsoft,
    make_event: Callable[..., Event],
    actions: list[dict[str, str]],
    verdict: str,
) -> None:
    microsoft.graph.set_scopes(("uploadFile", INLINE))
    microsoft.graph.actions = actions
    (receipt,) = opened().deliver([make_event()])
    assert receipt.ok
    assert receipt.detail.endswith(f"verdict {verdict}")


@pytest.mark.parametrize("mode", [INLINE, OFFLINE])
@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", "graph", 429, "7"),
        Fault("status", "graph", 402),
        Fault("cut_before", "graph"),
    ],
)
def test_when_graph_is_away_events_wait_and_none_is_blamed(
    opened: Callable[..., PurviewContent],
    microsoft: Microsoft,
    every_event: list[Event],
    mode: str,
    fault: Fault,
) -> None:
    sink = opened()
    microsoft.graph.set_scopes(("uploadText,uploadFile", mode))
    sink.deliver(every_event[:1])
    microsoft.fail(fault)
    receipts = sink.deliver(every_event[:8])
    assert {(each.ok, each.blame) for each in receipts} == {(False, "sink")}
    assert all(receipt.ok for receipt in sink.deliver(every_event[:8]))


def test_when_scopes_cannot_be_computed_events_wait(
    opened: Callable[..., PurviewContent], microsoft: Microsoft, every_event: list[Event]
) -> None:
    sink = opened()
    microsoft.fail(Fault("none"), Fault("none"), Fault("malformed", "graph"))
    receipts = sink.deliver(every_event[:3])
    assert {(each.ok, each.blame, each.retry) for each in receipts} == {(False, "sink", True)}
    assert all(receipt.ok for receipt in sink.deliver(every_event[:3]))


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        ([], {}),
        (
            [
                {"activities": "uploadText, downloadText", "executionMode": OFFLINE},
                {"activities": "uploadText", "executionMode": INLINE},
            ],
            {"uploadText": "inline", "downloadText": "offline"},
        ),
        (
            [
                {"activities": "uploadText", "executionMode": INLINE},
                {"activities": "uploadText", "executionMode": OFFLINE},
            ],
            {"uploadText": "inline"},
        ),
        (
            [{"activities": "uploadText", "executionMode": INLINE, "locations": [{"value": "x"}]}],
            {},
        ),
        (
            [
                {
                    "activities": "uploadText",
                    "executionMode": INLINE,
                    "locations": [{"value": APP.upper()}],
                }
            ],
            {"uploadText": "inline"},
        ),
        (["nonsense", {"locations": "x"}, {"activities": None}], {"": "offline"}),
    ],
)
def test_inline_beats_offline_and_other_applications_do_not_count(
    scopes: list[Any], expected: dict[str, str]
) -> None:
    assert modes_of(scopes, APP) == expected


@pytest.mark.parametrize("many", [1, 2, 3])
def test_a_user_graph_does_not_know_is_the_events_fault_and_holds_up_no_other(
    opened: Callable[..., PurviewContent],
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
    opened: Callable[..., PurviewContent], microsoft: Microsoft, every_event: list[Event]
) -> None:
    microsoft.graph.strangers = frozenset({USER})
    receipts = opened().deliver(every_event[:3])
    assert {(each.ok, each.retry, each.blame) for each in receipts} == {(False, True, "sink")}
