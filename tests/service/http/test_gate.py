"""What stands before the handlers: credentials, limits, bodies, headers, problems."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from dlpagent.errors import ConfigurationError
from dlpagent.service.http.app import make_app
from dlpagent.service.http.limiting import Buckets
from dlpagent.service.http.settings import Limits, ServeSettings, TenantSettings, check, is_loopback
from tests.service.http.conftest import CARD, LIMITS, ONE, Served, sent

FORM = b'--y\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--y--\r\n'


def key(served: Served) -> str:
    return served.keys[ONE, "reader"]


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_a_key_comes_as_bearer_as_a_header_or_as_a_password(served: Served) -> None:
    good = key(served)
    for headers in (
        {"Authorization": f"Bearer {good}"}, {"authorization": f"bearer  {good} "},
        {"X-API-Key": good}, {"Authorization": basic(f"anyone:{good}")},
    ):  # fmt: skip
        told = sent(served.app, "GET", "/v1/me", headers=headers)
        assert (told.status_code, told.json()["role"]) == (200, "reader"), headers


def test_what_is_nearly_a_key_is_refused(served: Served) -> None:
    good = key(served)
    ident, secret = good.split("_", 2)[1:]
    wrong = [
        good[:-1], good + "x", good.upper(), good.replace("dlpa_", ""), f"dlpa_{ident}_",
        f"dlpa_{ident}_{secret[::-1]}", f"dlpa__{secret}", f"dlpa_{'0' * 16}_{secret}",
        f"dlpa_{ident}'--_{secret}", "dlpa_", "x" * 10_000, "dlpa_é",
    ]  # fmt: skip
    for each in wrong:
        told = sent(served.app, "GET", "/v1/me", headers={"X-API-Key": each.encode()})
        assert told.status_code in {401, 429}, each


def test_a_key_in_the_address_is_no_key(served: Served) -> None:
    assert sent(served.app, "GET", f"/v1/me?key={key(served)}").status_code == 401


def test_a_revoked_or_expired_key_is_refused_at_once(served: Served) -> None:
    made = served.send("POST", "/v1/keys", json={"name": "a", "role": "reader", "days": 1}).json()
    headers = {"X-API-Key": made["key"]}
    assert sent(served.app, "GET", "/v1/me", headers=headers).status_code == 200
    served.send("DELETE", f"/v1/keys/{made['stored']['id']}")
    assert sent(served.app, "GET", "/v1/me", headers=headers).status_code == 401


def test_keys_lie_in_the_state_as_digests_only(served: Served) -> None:
    stored = served.service.main.state.place
    data = b"".join(path.read_bytes() for path in Path(stored).parent.glob("state.db*"))
    for each in served.keys.values():
        assert each.split("_", 2)[2].encode() not in data


def test_making_and_ending_a_key_stands_in_the_audit_log(served: Served) -> None:
    made = served.send("POST", "/v1/keys", json={"name": "logged", "role": "analyst"}).json()
    served.send("DELETE", f"/v1/keys/{made['stored']['id']}")
    acts = served.send("GET", "/v1/audit?limit=1000").json()["items"]
    mine = [act for act in acts if act["subject"] == made["stored"]["id"]]
    assert [act["act"] for act in mine] == ["key.create", "key.revoke"]
    assert all(act["actor"].startswith("key:") for act in mine)
    assert made["key"] not in json.dumps(acts)


def test_an_address_that_guesses_is_told_to_wait_and_the_right_key_still_works(
    served: Served,
) -> None:
    app = make_app(served.service.settings, served.service)
    codes = [
        sent(app, "GET", "/v1/me", headers={"X-API-Key": f"dlpa_{at}"}).status_code
        for at in range(30)
    ]
    assert codes[:20] == [401] * 20
    assert codes[-1] == 429
    assert sent(app, "GET", "/v1/me", headers={"X-API-Key": key(served)}).status_code == 200


def test_a_principal_that_asks_too_often_is_told_how_long_to_wait(served: Served) -> None:
    settings = replace(served.service.settings, limits=replace(LIMITS, rate=1.0, burst=3))
    app = make_app(settings, served.service)
    headers = {"X-API-Key": key(served)}
    told = [sent(app, "GET", "/v1/me", headers=headers) for _ in range(5)]
    assert [each.status_code for each in told] == [200, 200, 200, 429, 429]
    assert int(told[-1].headers["retry-after"]) >= 1
    other = {"X-API-Key": served.keys[ONE, "admin"]}
    assert sent(app, "GET", "/v1/me", headers=other).status_code == 200


def test_buckets_fill_again_and_forget_who_is_long_gone() -> None:
    now = [0.0]
    buckets = Buckets(2.0, 2.0, lambda: now[0])
    assert [buckets.take("a") for _ in range(3)] == [0.0, 0.0, 0.5]
    now[0] += 0.5
    assert buckets.take("a") == 0.0
    for number in range(20_000):
        buckets.take(str(number))
    assert len(buckets._buckets) <= 10_000


@pytest.mark.parametrize(
    ("content", "kind", "status", "word"),
    [
        (b"{", "application/json", 400, "malformed"),
        (b"", "application/json", 400, "malformed"),
        (b"\xff\xfe", "application/json", 400, "malformed"),
        (b'{"text": "\\ud800"}', "application/json", 400, "malformed"),
        (b"[" * 60_000, "application/json", 400, "invalid"),
        (b'{"min_confidence": 1.5, "x": ' + b"[" * 50_000, "application/json", 400, "malformed"),
        (b"[]", "application/json", 400, "invalid"),
        (b'{"text": 5}', "application/json", 400, "invalid"),
        (b'{"text": "a", "x": 1}', "application/json", 400, "invalid"),
        (b'{"text": "a", "min_confidence": 0}', "application/json", 400, "invalid"),
        (b'{"texts": "a"}', "application/json", 400, "invalid"),
        (b'{"text": "a"}', "text/plain", 415, "media-type"),
        (b'{"text": "a"}', "", 415, "media-type"),
        (b'{"text": "' + b"x" * 70_000 + b'"}', "application/json", 413, "too-large"),
        (b"--x", "multipart/form-data", 400, "malformed"),
        (b"--x", "multipart/form-data; boundary=y", 400, "malformed"),
        (FORM, "multipart/form-data; boundary=y", 400, "invalid"),
    ],
)
def test_a_body_that_is_wrong_is_told_as_a_problem(
    served: Served, content: bytes, kind: str, status: int, word: str
) -> None:
    headers = {"Content-Type": kind} if kind else {}
    told = served.send("POST", "/v1/classify", content=content, headers=headers)
    assert told.headers["content-type"] == "application/problem+json"
    assert (told.status_code, told.json()["type"]) == (status, word)
    assert told.json()["status"] == status


def test_a_problem_names_the_place_and_never_the_content(served: Served) -> None:
    told = served.send("POST", "/v1/classify", json={"texts": [{"text": "a", "id": 5}]})
    assert told.json()["where"] == "body texts[0].id"
    secret = served.send("POST", "/v1/redact", json={"text": "a", "operator": CARD})
    assert CARD not in secret.text


def test_a_body_without_an_end_is_cut_off_where_the_limit_is(served: Served) -> None:
    sent_bytes = 0

    async def endless() -> Any:
        nonlocal sent_bytes
        while True:
            sent_bytes += 16_000
            yield b"x" * 16_000

    told = served.send(
        "POST", "/v1/classify", content=endless(), headers={"Content-Type": "application/json"}
    )
    assert told.status_code == 413
    assert sent_bytes < 3 * LIMITS.body_bytes


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=x", "limit=1&limit=2", "nope=1", "asset=%00", "sit=%27--", "after=-1"],
)
def test_a_query_that_is_wrong_is_told(served: Served, query: str) -> None:
    told = served.send("GET", f"/v1/findings?{query}")
    assert (told.status_code, told.json()["type"]) == (400, "invalid")
    assert told.json()["where"].startswith("query")


def test_every_answer_has_the_headers_that_browsers_heed(served: Served) -> None:
    answers = [
        served.send("GET", path, role=role)
        for path, role in (("/healthz", None), ("/v1/me", None), ("/v1/nope", None), ("/x", None))
    ]
    for told in answers:
        assert told.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in told.headers["content-security-policy"]
        assert told.headers["cache-control"] == "no-store"
        assert "server" not in told.headers
        assert "strict-transport-security" not in told.headers


def test_where_there_is_nothing_that_is_told_as_ours_or_as_presidios(served: Served) -> None:
    assert served.send("GET", "/v1/nope").headers["content-type"] == "application/problem+json"
    assert list(served.send("GET", "/nope").json()) == ["error"]
    wrong = served.send("PUT", "/v1/classify")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")


def test_figures_count_routes_and_levels_and_hold_no_content(served: Served) -> None:
    served.send("POST", "/v1/classify", json={"text": f"{CARD} marker-{ONE}"})
    served.send("GET", "/v1/unheard-of-address")
    text = served.send("GET", "/metrics").text
    assert 'dlpagent_findings_total{level="high"}' in text
    assert 'route="/v1/classify"' in text
    for hidden in ("unheard-of", CARD, ONE, key(served)[5:21]):
        assert hidden not in text


def local(pack_settings: ServeSettings, served: Served) -> Any:
    return make_app(replace(pack_settings, auth=False), served.service)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "127.0.0.1:8080"}, 200),
        ({"Host": "[::1]:8080"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "localhost.evil.example"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
def test_without_authentication_no_web_page_can_ask(
    served: Served, headers: dict[str, str], status: int
) -> None:
    app = local(served.service.settings, served)
    told: httpx.Response = sent(app, "POST", "/v1/classify", json={"text": "a"}, headers=headers)
    assert told.status_code == status


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True), ("localhost", True),
     ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("example.org", False), ("", False)],  # noqa: S104
)  # fmt: skip
def test_loopback_is_this_machine_only(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    "settings",
    [
        ServeSettings(auth=False, host="0.0.0.0"),  # noqa: S104
        ServeSettings(auth=False, host="::"),
        ServeSettings(auth=False, host=""),
        ServeSettings(tls_cert=Path("x")),
        ServeSettings(tls_key=Path("x")),
        ServeSettings(tenants=(TenantSettings(ONE), TenantSettings(ONE))),
    ],
)
def test_settings_that_put_content_at_risk_are_refused(settings: ServeSettings) -> None:
    with pytest.raises(ConfigurationError):
        check(settings)


def test_two_tenants_in_one_state_are_refused(tmp_path: Path, pack: Path) -> None:
    from dlpagent.service.http.service import open_service

    place = str(tmp_path / "state.db")
    with pytest.raises(ConfigurationError):
        open_service(
            ServeSettings(
                packs=(str(pack / "card.yaml"),),
                limits=Limits(),
                tenants=(TenantSettings(ONE, state=place), TenantSettings("x", state=place)),
            )
        )
