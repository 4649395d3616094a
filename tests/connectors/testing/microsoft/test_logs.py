"""The loopback tenant is as strict as the documentation, and fails exactly as it is told."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from dlpagent.connectors.testing.microsoft.activity_feed import FEED_AUDIENCE
from dlpagent.connectors.testing.microsoft.entra import CLIENT_ID, CLIENT_SECRET, TENANT
from dlpagent.connectors.testing.microsoft.logs import RandomFaults, Tenant
from dlpagent.connectors.testing.microsoft.server import GRAPH_AUDIENCE

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HISTORY = "/v1.0/copilot/users/ada/interactionHistory/getAllEnterpriseInteractions"
FEED = f"/api/v1.0/{TENANT}/activity/feed"
BOTH = "createdDateTime gt 2026-11-01T00:00:00Z and createdDateTime lt 2026-12-01T00:00:00Z"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    with Tenant(tmp_path_factory.mktemp("tenant"), page_size=2) as tenant:
        yield tenant


@pytest.fixture
def tenant(running: Tenant) -> Tenant:
    running.clear()
    running.interactions = {
        "ada": [
            {
                "id": str(n),
                "createdDateTime": f"2026-11-0{n + 1}T00:00:00Z",
                "appClass": "ab"[n % 2],
            }
            for n in range(5)
        ]
    }
    running.audit.started.clear()
    running.audit.blobs.clear()
    running.audit.now = lambda: NOW
    return running


@pytest.fixture
def asked(tenant: Tenant) -> Iterator[Any]:
    """Asks with a token of an audience: (path, audience, query) → answer."""
    with httpx.Client(verify=ssl.create_default_context(cafile=tenant.ca_file)) as client:

        def token(audience: str) -> str:
            form = {
                "grant_type": "client_credentials", "client_id": CLIENT_ID,
                "client_secret": CLIENT_SECRET, "scope": f"{audience}/.default",
            }  # fmt: skip
            answer = client.post(f"{tenant.url}/{TENANT}/oauth2/v2.0/token", data=form)
            return str(answer.json()["access_token"])

        def ask(
            path: str, audience: str = GRAPH_AUDIENCE, method: str = "GET", **query: Any
        ) -> httpx.Response:
            url = path if path.startswith("https:") else tenant.url + path
            headers = {"Authorization": f"Bearer {token(audience)}"}
            return client.request(method, url, params=query or None, headers=headers)

        yield ask


def test_a_history_is_given_newest_first_in_pages(asked: Any) -> None:
    ids, path, query = [], HISTORY, {"$top": 2, "$filter": BOTH}
    while path:
        page = asked(path, **query).json()
        ids += [one["id"] for one in page["value"]]
        path, query = page.get("@odata.nextLink", ""), {}
    assert ids == ["4", "3", "2", "1"]  # 0 is at the bound itself, which gt leaves out


@pytest.mark.parametrize("suffix", ["", "()"])
def test_the_path_is_taken_with_and_without_brackets_in_any_case(asked: Any, suffix: str) -> None:
    assert asked(HISTORY.lower() + suffix).status_code == 200


@pytest.mark.parametrize(
    ("query", "status", "found"),
    [
        ({"$filter": BOTH}, 200, 2),
        ({"$filter": f"(appClass eq 'b') and {BOTH}"}, 200, 2),
        ({"$filter": "createdDateTime gt 2026-11-01T00:00:00Z"}, 400, 0),
        ({"$filter": "locale eq 'en'"}, 400, 0),
        ({"$top": "101"}, 400, 0),
        ({"$skiptoken": "made up"}, 410, 0),
    ],
)
def test_what_the_documentation_does_not_allow_is_refused(
    asked: Any, query: dict[str, str], status: int, found: int
) -> None:
    answer = asked(HISTORY, **query)
    assert answer.status_code == status
    assert len(answer.json().get("value", [])) == found


def test_page_tokens_end_on_command(tenant: Tenant, asked: Any) -> None:
    link = asked(HISTORY).json()["@odata.nextLink"]
    assert asked(link).status_code == 200
    tenant.end_page_tokens()
    assert asked(link).status_code == 410
    tenant.page_life = 0
    link = asked(HISTORY).json()["@odata.nextLink"]
    assert asked(link).status_code == 410
    assert asked(asked(HISTORY).json()["@odata.nextLink"]).status_code == 200


def test_a_token_of_another_audience_is_refused(asked: Any) -> None:
    assert asked(HISTORY, FEED_AUDIENCE).status_code == 401
    assert asked(f"{FEED}/subscriptions/list", GRAPH_AUDIENCE).status_code == 401


def test_the_feed_lists_only_what_was_subscribed_to_a_day_at_a_time(
    tenant: Tenant, asked: Any
) -> None:
    def listed(start: datetime, end: datetime) -> httpx.Response:
        times = {"startTime": start.isoformat()[:19], "endTime": end.isoformat()[:19]}
        return asked(  # type: ignore[no-any-return]
            f"{FEED}/subscriptions/content", FEED_AUDIENCE, contentType="Audit.General", **times
        )

    day = timedelta(hours=24)
    tenant.audit.add("Audit.General", NOW - timedelta(hours=1), [{"Id": "a"}])
    assert listed(NOW - day, NOW).json()["error"]["code"] == "AF20022"
    start = f"{FEED}/subscriptions/start"
    assert asked(start, FEED_AUDIENCE, "POST", contentType="Audit.General").status_code == 200
    again = asked(start, FEED_AUDIENCE, "POST", contentType="Audit.General")
    assert again.json()["error"]["code"] == "AF20024"
    (blob,) = listed(NOW - day, NOW).json()
    assert asked(blob["contentUri"], FEED_AUDIENCE).json() == [{"Id": "a"}]
    for start_of, end_of in ((NOW - 2 * day, NOW), (NOW - 8 * day, NOW - 7 * day)):
        assert listed(start_of, end_of).json()["error"]["code"] == "AF20030"
    tenant.audit.gone = {blob["contentId"]}
    assert asked(blob["contentUri"], FEED_AUDIENCE).json()["error"]["code"] == "AF20051"


def test_random_faults_happen_to_requests_for_data_and_not_to_entra(
    tenant: Tenant, asked: Any
) -> None:
    tenant.fail_at_random(RandomFaults(1.0, statuses=(429,), retry_after="3"))
    answer = asked(HISTORY)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")
    tenant.clear()
    assert asked(HISTORY).status_code == 200
