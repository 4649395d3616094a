"""The loopback Microsoft is as strict as what it stands for, and fails exactly as it is told."""

from __future__ import annotations

import copy
import gzip
import json
import socket
import ssl
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from dlpagent.connectors.testing.microsoft.entra import CLIENT_ID, CLIENT_SECRET, TENANT
from dlpagent.connectors.testing.microsoft.faults import Fault, FaultScript
from dlpagent.connectors.testing.microsoft.ingestion import RULE_ID, row_faults
from dlpagent.connectors.testing.microsoft.received import Received
from dlpagent.connectors.testing.microsoft.server import Microsoft
from dlpagent.connectors.testing.microsoft.slices import faults_of_type, template_of

STREAMS = {"Custom-T_CL": {"TimeGenerated": "datetime", "Id": "string", "Many": "int"}}
USER = "/v1.0/users/u1/dataSecurityAndGovernance"

# What msgraph-sdk 1.65 puts on the wire.
ACTIVITY: dict[str, Any] = {
    "contentMetadata": {
        "activityMetadata": {"activity": "uploadText"},
        "contentEntries": [
            {
                "correlationId": "c1",
                "createdDateTime": "2025-05-28T20:20:37+00:00",
                "identifier": "id1",
                "isTruncated": False,
                "modifiedDateTime": "2025-05-28T20:20:37+00:00",
                "name": "n",
                "@odata.type": "#microsoft.graph.processConversationMetadata",
                "sequenceNumber": 0,
            }
        ],
        "deviceMetadata": {
            "operatingSystemSpecifications": {
                "operatingSystemPlatform": "Linux",
                "operatingSystemVersion": "6",
            }
        },
        "integratedAppMetadata": {"name": "dlpagent", "version": "0.1"},
        "protectedAppMetadata": {
            "name": "p",
            "@odata.type": "#microsoft.graph.protectedApplicationMetadata",
            "version": "1",
            "applicationLocation": {
                "@odata.type": "#microsoft.graph.policyLocationApplication",
                "value": "83ef208a-0396-4893-9d4f-d36efbffc8bd",
            },
        },
    },
    "scopeIdentifier": "s",
    "userId": "u1",
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Microsoft]:
    folder = tmp_path_factory.mktemp("microsoft")
    with Microsoft(folder, streams=STREAMS, id_column="Id", page_size=2) as microsoft:
        yield microsoft


@pytest.fixture
def microsoft(running: Microsoft) -> Microsoft:
    running.clear()
    return running


@pytest.fixture
def http(microsoft: Microsoft) -> Iterator[httpx.Client]:
    trusted = ssl.create_default_context(cafile=str(microsoft.ca_file))
    with httpx.Client(base_url=microsoft.url, verify=trusted, timeout=2.0) as client:
        yield client


def token(http: httpx.Client, audience: str = "https://graph.microsoft.com", **form: str) -> str:
    given = {
        "grant_type": "client_credentials",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "scope": f"{audience}/.default",
        **form,
    }
    answer = http.post(f"/{TENANT}/oauth2/v2.0/token", content=urlencode(given))
    return str(answer.json()["access_token"]) if answer.is_success else answer.text


@pytest.fixture
def graph(http: httpx.Client) -> httpx.Client:
    http.headers["Authorization"] = f"Bearer {token(http)}"
    return http


def changed(path: str, value: Any) -> dict[str, Any]:
    """The activity with one thing changed; value None removes it."""
    body = copy.deepcopy(ACTIVITY)
    *parents, last = path.split("/")
    at: Any = body
    for name in parents:
        at = at[int(name) if name.isdigit() else name]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return body


def test_what_the_sdk_sends_is_taken(microsoft: Microsoft, graph: httpx.Client) -> None:
    answer = graph.post(f"{USER}/activities/contentActivities", json=ACTIVITY)
    assert answer.status_code == 201
    assert answer.json()["id"]
    assert answer.headers["request-id"]
    assert microsoft.graph.activities.ids() == ["id1"]


ENTRY = "contentMetadata/contentEntries/0"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("contentMetadata/activityMetadata/activity", "uploadEverything"),
        ("colour", "red"),
        (f"{ENTRY}/@odata.type", None),
        (f"{ENTRY}/@odata.type", "#microsoft.graph.processDreamMetadata"),
        (f"{ENTRY}/isTruncated", "no"),
        (f"{ENTRY}/createdDateTime", "yesterday"),
        (f"{ENTRY}/createdDateTime", "2025-13-01T00:00:00Z"),
        (f"{ENTRY}/identifier", None),
        (f"{ENTRY}/sequenceNumber", None),
        (f"{ENTRY}/content", {"@odata.type": "#microsoft.graph.textContent", "data": "x"}),
        ("contentMetadata/contentEntries", []),
        ("contentMetadata/userId", "u1"),  # as the documentation's own example has it
        ("userId", None),
        ("userId", "u2"),
    ],
)
def test_what_deviates_is_refused_and_not_kept(
    microsoft: Microsoft, graph: httpx.Client, path: str, value: Any
) -> None:
    answer = graph.post(f"{USER}/activities/contentActivities", json=changed(path, value))
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "BadRequest"
    assert microsoft.graph.activities.total == 0


def test_faults_name_places_and_never_values() -> None:
    (fault,) = faults_of_type("v1.0", "contentActivity", changed(f"{ENTRY}/name", 4111111111111111))
    assert fault == "/contentMetadata/contentEntries/0/name: type"


@pytest.mark.parametrize(
    "path",
    [
        "/users/u/dataSecurityAndGovernance/processContent",
        "/USERS/u/datasecurityandgovernance/PROCESSCONTENT",
        "/users/u/dataSecurityAndGovernance/processContent()",
    ],
)
def test_paths_are_found_whatever_their_case(path: str) -> None:
    found = template_of("v1.0", "POST", path)
    assert found is not None
    assert found[1] == {"user-id": "u"}
    assert template_of("v1.0", "GET", path) is None


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1.0/nothing", 404),
        ("/v2.0/users", 404),
        ("/v1.0/security/dataSecurityAndGovernance/policyFiles", 404),
        ("/beta/security/dataSecurityAndGovernance/policyFiles", 200),
    ],
)
def test_only_what_the_version_has_is_there(graph: httpx.Client, path: str, status: int) -> None:
    assert graph.get(path).status_code == status


def test_lists_come_in_pages_that_end(microsoft: Microsoft, graph: httpx.Client) -> None:
    path = "/copilot/users/u1/interactionHistory/getAllEnterpriseInteractions"
    microsoft.graph.lists[path.lower()] = [{"id": str(number)} for number in range(5)]
    link, found = f"/v1.0{path}()", []
    while link:
        page = graph.get(link).json()
        found += [value["id"] for value in page["value"]]
        link = page.get("@odata.nextLink", "")
        assert not link or link.startswith(microsoft.url)
    assert found == ["0", "1", "2", "3", "4"]


def test_protection_scopes_have_an_etag_that_changes_with_them(
    microsoft: Microsoft, graph: httpx.Client
) -> None:
    compute = f"{USER}/protectionScopes/compute"
    first = graph.post(compute, json={"activities": "uploadText,downloadText"})
    assert first.json()["value"] == []
    content = {**ACTIVITY["contentMetadata"]}
    entry = content["contentEntries"][0] | {
        "content": {"@odata.type": "microsoft.graph.textContent", "data": "x"}
    }
    body = {"contentToProcess": {**content, "contentEntries": [entry]}}
    known = {"If-None-Match": first.headers["etag"]}
    answer = graph.post(f"{USER}/processContent", json=body, headers=known)
    assert answer.json()["protectionScopeState"] == "notModified"
    microsoft.graph.set_scopes(("uploadText", "evaluateInline"))
    answer = graph.post(f"{USER}/processContent", json=body, headers=known)
    assert answer.json()["protectionScopeState"] == "modified"
    assert graph.post(compute, json={"activities": ["uploadText"]}).status_code == 400


def test_a_batch_holds_twenty_and_answers_each(microsoft: Microsoft, graph: httpx.Client) -> None:
    def batch(many: int) -> dict[str, Any]:
        url = "/users/u1/dataSecurityAndGovernance/activities/contentActivities"
        return {
            "requests": [
                {"id": str(number), "method": "POST", "url": url, "body": ACTIVITY}
                for number in range(many)
            ]
        }

    microsoft.fail(Fault("batch_item", "graph", 429, "5", item=1))
    answer = graph.post("/v1.0/$batch", json=batch(20))
    found = {step["id"]: step for step in answer.json()["responses"]}
    assert {ident: step["status"] for ident, step in found.items()} == {
        str(number): 429 if number == 1 else 201 for number in range(20)
    }
    assert found["1"]["headers"]["Retry-After"] == "5"
    for body in (batch(21), batch(0), {}, {"requests": batch(1)["requests"] * 2}):
        assert graph.post("/v1.0/$batch", json=body).status_code == 400


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"client_secret": "wrong"}, 7000215),
        ({"client_id": "wrong"}, 700016),
        ({"grant_type": "password"}, 70003),
        ({"scope": "User.Read"}, 1002012),
        ({"client_assertion": "nonsense"}, 50027),
    ],
)
def test_entra_refuses_with_its_codes(http: httpx.Client, form: dict[str, str], code: int) -> None:
    assert json.loads(token(http, **form))["error_codes"] == [code]


def test_a_token_is_good_for_its_audience_until_it_ends(
    microsoft: Microsoft, http: httpx.Client
) -> None:
    path = "/v1.0/security/dataSecurityAndGovernance/sensitivityLabels"
    other = {"Authorization": f"Bearer {token(http, 'https://monitor.azure.com')}"}
    good = {"Authorization": f"Bearer {token(http)}"}
    assert http.get(path).status_code == 401
    assert http.get(path, headers=other).status_code == 401
    assert http.get(path, headers=good).status_code == 200
    microsoft.skew_s = 3_601
    assert http.get(path, headers=good).status_code == 401
    microsoft.skew_s = 0
    microsoft.fail(Fault("expire_tokens"))
    assert http.get(path, headers=good).status_code == 401


def upload(http: httpx.Client, rows: Any, packed: bool = True, **more: str) -> httpx.Response:
    body = rows if isinstance(rows, bytes) else json.dumps(rows).encode()
    named = {"Authorization": f"Bearer {token(http, 'https://monitor.azure.com')}"}
    if packed:
        body, named = gzip.compress(body), {**named, "Content-Encoding": "gzip"}
    path = more.get("path", f"/dataCollectionRules/{RULE_ID}/streams/Custom-T_CL")
    version = more.get("version", "2023-01-01")
    return http.post(f"{path}?api-version={version}", content=body, headers=named)


ROW = {"TimeGenerated": "2026-01-01T00:00:00Z", "Id": "a", "Many": 1}


@pytest.mark.parametrize("packed", [True, False])
def test_rows_are_taken(microsoft: Microsoft, http: httpx.Client, packed: bool) -> None:
    assert upload(http, [ROW, {**ROW, "Id": "b"}], packed).status_code == 204
    assert microsoft.ingestion.received.ids() == ["a", "b"]


@pytest.mark.parametrize(
    ("rows", "status"),
    [
        ([{**ROW, "Colour": "red"}], 400),
        ([{**ROW, "Many": "1"}], 400),
        ([{**ROW, "Many": True}], 400),
        ([{"Id": "a"}], 400),
        ([{**ROW, "TimeGenerated": "2026-01-01"}], 400),
        (ROW, 400),
        ([1], 400),
        (b"[{", 400),
        ([{**ROW, "Id": "x" * 65_536}], 400),
        ([{**ROW, "Id": "x" * 1_000}] * 1_100, 413),
    ],
)
def test_rows_that_do_not_fit_are_refused_whole(
    microsoft: Microsoft, http: httpx.Client, rows: Any, status: int
) -> None:
    assert upload(http, rows).status_code == status
    assert microsoft.ingestion.received.total == 0


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"version": "2021"}, 400),
        ({"path": "/dataCollectionRules/dcr-x/streams/Custom-T_CL"}, 404),
        ({"path": f"/dataCollectionRules/{RULE_ID}/streams/Custom-U_CL"}, 404),
    ],
)
def test_uploads_to_elsewhere_are_refused(
    http: httpx.Client, more: dict[str, str], status: int
) -> None:
    assert upload(http, [ROW], **more).status_code == status


def test_faults_of_a_row_name_columns_and_never_values() -> None:
    row = {"TimeGenerated": 4111111111111111, "Name": "4111111111111111"}
    found = list(row_faults({"TimeGenerated": "datetime"}, row))
    assert found == ["TimeGenerated: not datetime", "Name: unknown column"]


@pytest.mark.parametrize(
    ("fault", "taken", "status"),
    [
        (Fault("status", status=429, retry_after="9"), 0, 429),
        (Fault("cut_before"), 0, None),
        (Fault("cut_after"), 1, None),
        (Fault("cut_body"), 1, None),
        (Fault("malformed"), 1, 201),
        (Fault("empty", status=202), 1, 202),
        (Fault("none"), 1, 201),
    ],
)
def test_a_fault_happens_once_as_it_is_described(
    microsoft: Microsoft, graph: httpx.Client, fault: Fault, taken: int, status: int | None
) -> None:
    microsoft.fail(fault)
    path = f"{USER}/activities/contentActivities"
    try:
        answer = graph.post(path, json=ACTIVITY)
    except httpx.HTTPError:
        assert status is None
    else:
        assert answer.status_code == status
        assert answer.headers.get("retry-after") == fault.retry_after
        if fault.kind == "malformed":
            with pytest.raises(ValueError):  # noqa: PT011
                answer.json()
    assert microsoft.graph.activities.total == taken
    assert graph.post(path, json=ACTIVITY).status_code == 201


def test_its_clock_can_be_wrong(microsoft: Microsoft, graph: httpx.Client) -> None:
    microsoft.skew_s = -7_200
    date = graph.get("/v1.0/nothing").headers["date"]
    assert abs(parsedate_to_datetime(date).timestamp() + 7_200 - time.time()) < 60


def test_faults_wait_for_a_request_of_their_service() -> None:
    script = FaultScript([Fault("hang", "token"), Fault("hang")])
    assert script.next_for("graph").kind == "none"
    assert script.next_for("token").kind == "hang"
    assert (script.next_for("graph").kind, len(script)) == ("hang", 0)


def test_what_is_kept_is_bounded_and_counted() -> None:
    received = Received(kept=3)
    for number in range(5):
        received.add(number % 2, number)
    assert (received.total, received.values(), received.ids()) == (5, [2, 3, 4], [0, 1, 0])
    assert received.repeats() == {0: 2}


def test_it_is_reached_from_this_machine_only(microsoft: Microsoft, tmp_path: Path) -> None:
    assert microsoft._server.server_address[0] == "127.0.0.1"
    with pytest.raises(httpx.ConnectError):  # its authority is known to nobody else
        httpx.get(microsoft.url)
    with Microsoft(tmp_path) as other:
        port = int(other.url.rsplit(":", 1)[1])
    with pytest.raises(OSError):  # noqa: PT011 - and it is gone when the context ends
        socket.create_connection(("127.0.0.1", port), timeout=1)


LABELS = "security/dataSecurityAndGovernance/sensitivityLabels"
LABEL = {"id": "4e4234dd-377b-42a3-935b-0e42f138fa23", "name": "General", "priority": 1}


@pytest.mark.parametrize("version", ["v1.0", "beta"])
def test_labels_are_paged_and_their_sublabels_come_only_when_asked_for(
    microsoft: Microsoft, graph: httpx.Client, version: str
) -> None:
    below = {"id": "4e4234dd-377b-42a3-935b-0e42f138fa24", "name": "All", "priority": 2}
    path = f"/{LABELS.lower()}"
    microsoft.graph.lists = {path: [{**LABEL, "sublabels": [below]}] * 150}
    plain = graph.get(f"/{version}/{LABELS}").json()
    whole = graph.get(f"/{version}/{LABELS}", params={"$expand": "sublabels"}).json()
    microsoft.graph.lists = {}
    assert "sublabels" not in plain["value"][0]
    assert whole["value"][0]["sublabels"] == [below]
    assert f"/{version}/" in whole["@odata.nextLink"]
    assert "sublabels" in whole["@odata.nextLink"]


@pytest.mark.parametrize(
    ("version", "body", "status"),
    [
        ("beta", {"discoveredSensitiveTypes": [{"id": LABEL["id"], "count": 2}]}, 200),
        ("beta", {"discoveredSensitiveTypes": [{"id": LABEL["id"], "text": "x"}]}, 400),
        ("beta", {"currentLabel": {"applicationMode": "privileged"}}, 400),
        ("v1.0", {"discoveredSensitiveTypes": []}, 404),
    ],
)
def test_labels_are_evaluated_in_beta_and_requests_checked(
    microsoft: Microsoft, graph: httpx.Client, version: str, body: dict[str, Any], status: int
) -> None:
    microsoft.graph.opinion = {"automatic": {"sensitivityLabel": {"id": LABEL["id"]}}}
    answer = graph.post(f"/{version}/{LABELS}/evaluate", json=body)
    assert answer.status_code == status
    assert microsoft.graph.evaluations.total == (status == 200)
    if status == 200:
        assert answer.json()["result"] == microsoft.graph.opinion
