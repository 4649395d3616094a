"""The loopback server answers, and fails, as it is told."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request

import pytest

from dlpagent.connectors.testing import Answer, Faults, Request, forwarding, serving


def echo(request: Request) -> Answer:
    return Answer(
        {
            "path": request.path,
            "x": request.first("x"),
            "all": request.query.get("x"),
            "body": request.json(),
            "method": request.method,
            "header": request.headers.get("x-test"),
        },
        201,
    )


def ask(url: str, body: object = None) -> tuple[int, dict[str, str], bytes]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"X-Test": "t"})  # noqa: S310 - the loopback
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - the loopback
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


def test_requests_reach_the_service_as_they_were_sent() -> None:
    with serving(echo) as running:
        status, _, body = ask(f"{running.url}/a%20b/c?x=1&x=2", {"k": "v"})
        assert status == 201
        assert json.loads(body) == {
            "path": "/a b/c", "x": "1", "all": ["1", "2"], "body": {"k": "v"}, "method": "POST",
            "header": "t",
        }  # fmt: skip
        assert [one.path for one in running.seen] == ["/a b/c"]


def test_faults_happen_as_often_as_told_and_repeatably() -> None:
    counts = []
    for _ in range(2):
        with serving(echo, Faults(rate=0.3, statuses=(429, 503, 500), retry_after="7")) as running:
            found = [ask(running.url) for _ in range(100)]
            statuses = [status for status, *_ in found]
            counts.append(statuses)
            failed = sum(running.faults.happened.values())
            assert 15 < failed < 45
            assert sum(status != 201 for status in statuses) == failed
            for status, headers, _ in found:
                assert headers.get("Retry-After") == ("7" if status in (429, 503) else None)
    assert counts[0] == counts[1]


@pytest.mark.parametrize("kind", [0, -1])
def test_connections_end_before_or_within_the_answer(kind: int) -> None:
    faults, ended = Faults(rate=1, statuses=(kind,)), (http.client.HTTPException, OSError)
    with serving(echo, faults) as running, pytest.raises(ended):
        ask(running.url)


def test_faults_can_be_put_in_front_of_another_server() -> None:
    with serving(echo) as behind, serving(forwarding(behind.url)) as front:
        assert ask(f"{front.url}/p?x=%26", {"n": 1})[2] == ask(f"{behind.url}/p?x=%26", {"n": 1})[2]
    with serving(echo) as behind, serving(forwarding(behind.url), Faults(1, (500,))) as front:
        assert ask(front.url)[0] == 500
        assert behind.seen == []
