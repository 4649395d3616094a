"""Violations and events of every kind, for the tests of all sinks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from dlpagent.connectors.sinks._sentinel_row import COLUMNS, STREAM
from dlpagent.connectors.testing.microsoft.entra import CLIENT_ID, CLIENT_SECRET, TENANT
from dlpagent.connectors.testing.microsoft.server import Microsoft
from dlpagent.connectors.testing.receivers import SyslogReceiver, WebhookReceiver
from dlpagent.findings import PackRef
from dlpagent.violations import (
    ZERO_TENANT,
    Change,
    Event,
    LabelRef,
    Place,
    PolicyRef,
    SitCount,
    Violation,
    stable_id,
)

CARD = "50842eb7-edc8-4019-85dd-5a5c1f2bb085"
SSN = "a44669fe-0d48-453d-a9b1-2cc83f2cba77"
CANARY = "4111111111111111"

GENERAL = LabelRef("11111111-0000-4000-8000-000000000001", "General", 1)
SECRET = LabelRef("11111111-0000-4000-8000-000000000002", "Highly Confidential", 5)


def place(**changed: Any) -> Place:
    base = Place(
        record_id="r7",
        part="messages[1].content",
        start=10,
        end=29,
        sit_id=CARD,
        confidence=85,
        masked="****-****-****-1111",
        key="0123456789abcdef0123456789abcdef",
        locator={"file": "/data/chat.jsonl", "offset": 812, "row": 7, "row_group": None},
    )
    return replace(base, **changed)


def violation(**changed: Any) -> Violation:
    base = Violation(
        id=stable_id("violation", "v"),
        event_id=stable_id("event", "e"),
        asset_uri="file:///data/chat.jsonl",
        asset_kind="dataset",
        connector="jsonl",
        item_level="record",
        record_id="r7",
        policy=PolicyRef("training-data", "Training data", "3"),
        rule_id="cards",
        rule_name="No card numbers",
        severity="high",
        mode="enforce",
        actions=("quarantine", "label"),
        reason="3 Credit Card Number (2 unique) at confidence 85 or above.",
        location="dataset",
        pack=PackRef("core", "1.2.0", "abcd"),
        sits=(SitCount(CARD, "Credit Card Number", 85, 3, 2, ((85, 2, 1), (65, 1, 1))),),
        places=(place(), place(part="meta.note", start=0, end=19)),
        places_total=3,
        evidence="e1",
    )
    return replace(base, **changed)


KINDS = ("new", "changed", "resolved", "reopened", "overridden", "false_positive")
CHANGES = {
    "resolved": Change("sweep", "the record is gone or clean"),
    "reopened": Change("dlpagent", "what ann@host said of it (overridden) has expired"),
    "overridden": Change("ann@host", "a test account", "2026-06-01T00:00:00.000000Z"),
    "false_positive": Change("ann@host", "numbers of the manual"),
}


def event(kind: str = "new", **changed: Any) -> Event:
    change = changed.pop("change", CHANGES.get(kind))
    held = violation(**changed)
    ident = stable_id("delivered", held.event_id, kind)
    return Event(ident, kind, "2026-03-01T12:00:00Z", ZERO_TENANT, held, change)  # type: ignore[arg-type]


HOSTILE = "=cmd|'/c calc'!A1\"><script>alert(1)</script>\u202egpj.exe\x00\x1b[31m\ud800\n"

EVENTS: dict[str, Event] = {
    **{kind: event(kind) for kind in KINDS},
    "hostile change": event("overridden", change=Change(HOSTILE, HOSTILE, "2026-06-01T00:00:00Z")),
    **{f"severity {level}": event(severity=level) for level in ("low", "medium", "high")},
    **{f"mode {mode}": event(mode=mode) for mode in ("enforce", "audit", "simulate")},
    **{
        f"kind {kind}": event(asset_kind=kind)
        for kind in ("chat_log", "vector_collection", "dataset", "document", "stream")
    },
    **{
        f"uri {uri}": event(asset_uri=uri)
        for uri in (
            "s3://bucket/train/part-0.parquet",
            "s3://bucket",
            "qdrant-edge:///srv/shards#claims",
            "postgresql://db.example/claims#public.notes",
            "graph://copilot?user=ann",
            "file:///tmp/a%20b/%E4%BD%A0.txt",
            "-",
            "",
            "http://[broken",
        )
    },
    "actor address": event(actor_id="ann@example.org", app="ChatGPT", model="m-1"),
    "actor guid": event(actor_id="7d0b4c1e-2f6e-4c52-9f2c-0a1b2c3d4e5f", conversation_id="c-1"),
    "whole asset": event(item_level="asset", record_id="", item_created_at="2026-01-01T00:00:00"),
    "labels": event(recommended_label=SECRET, existing_label=GENERAL, ceiling=GENERAL),
    "existing label only": event(existing_label=GENERAL),
    "incomplete": event(incomplete=True),
    "no sits": event(sits=(), places=(), places_total=0),
    "two sits": event(
        sits=(
            SitCount(SSN, "U.S. Social Security Number (SSN)", 75, 1, 1, ((75, 1, 1),)),
            SitCount("own-sit", "Projektname Ærø 機密", 85, 9, 4, ((85, 9, 4),)),
        )
    ),
    "table place": event(
        places=(place(part="text", locator={"file": "/d/a.parquet", "row_group": 0, "row": 4}),)
    ),
    "no locator": event(places=(place(locator={}),)),
    "policy guid": event(
        policy=PolicyRef("{0A1B2C3D-4E5F-4061-8A7B-9C0D1E2F3A4B}", "Chats", "1"), rule_id=SSN
    ),
    "hostile": event(
        asset_uri=f"file:///data/{HOSTILE}",
        record_id=HOSTILE,
        policy=PolicyRef(HOSTILE, HOSTILE, HOSTILE),
        rule_id=HOSTILE,
        rule_name=HOSTILE,
        reason=HOSTILE,
        actor_id=HOSTILE,
        app=HOSTILE,
        location=HOSTILE,
        conversation_id=HOSTILE,
        actions=(HOSTILE,),
        places=(place(record_id=HOSTILE, part=HOSTILE, locator={"file": HOSTILE}),),
        sits=(SitCount(HOSTILE, HOSTILE, 85, 1, 1, ((85, 1, 1),)),),
    ),
}


@pytest.fixture(params=EVENTS.values(), ids=EVENTS.keys())
def any_event(request: pytest.FixtureRequest) -> Event:
    """Each event of the table in turn."""
    found: Event = request.param
    return found


@pytest.fixture
def make_event() -> Callable[..., Event]:
    """event(kind, **fields of the violation)."""
    return event


@pytest.fixture
def make_violation() -> Callable[..., Violation]:
    """violation(**fields)."""
    return violation


@pytest.fixture
def make_place() -> Callable[..., Place]:
    """place(**fields)."""
    return place


SERVICE_USER = "7f1f3c52-6f2c-4f2b-9a42-0a6f3f1d2b10"
WEBHOOK_SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
WEBHOOK_KEY = b"0123456789abcdef0123456789abcdef"


@pytest.fixture
def every_event() -> list[Event]:
    """The whole table, each event with an id of its own."""
    return [replace(event, id=stable_id("event", name)) for name, event in EVENTS.items()]


@pytest.fixture(scope="session")
def running_microsoft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Microsoft]:
    with Microsoft(tmp_path_factory.mktemp("microsoft"), streams={STREAM: COLUMNS}) as running:
        yield running


@pytest.fixture
def microsoft(running_microsoft: Microsoft) -> Microsoft:
    """A Microsoft on this machine that has taken nothing yet and fails at nothing."""
    running_microsoft.clear()
    return running_microsoft


@pytest.fixture
def login(microsoft: Microsoft, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Settings with which sinks get a token there."""
    monkeypatch.setenv("LOOPBACK_SECRET", CLIENT_SECRET)
    return {
        "auth": "secret",
        "tenant_id": TENANT,
        "client_id": CLIENT_ID,
        "secret_env": "LOOPBACK_SECRET",
        "authority": microsoft.url,
        "ca_file": str(microsoft.ca_file),
        "allowed_hosts": ["localhost"],
        "timeout_s": 5.0,
    }


@pytest.fixture(scope="session")
def running_webhook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebhookReceiver]:
    with WebhookReceiver(tmp_path_factory.mktemp("webhook"), WEBHOOK_KEY) as running:
        yield running


@pytest.fixture
def webhook(running_webhook: WebhookReceiver, monkeypatch: pytest.MonkeyPatch) -> WebhookReceiver:
    """A receiver of webhooks; its secret is in the environment variable HOOK."""
    monkeypatch.setenv("HOOK", WEBHOOK_SECRET)
    running_webhook.clear()
    return running_webhook


@pytest.fixture(scope="session")
def running_syslog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SyslogReceiver]:
    with SyslogReceiver(tmp_path_factory.mktemp("syslog")) as running:
        yield running


@pytest.fixture
def syslog(running_syslog: SyslogReceiver) -> SyslogReceiver:
    """A receiver of syslog over TLS."""
    running_syslog.clear()
    return running_syslog
