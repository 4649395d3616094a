"""Presidio's contract: what its own server answers, ours answers."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from dlpagent.service.http import presidio_adhoc, presidio_analyzer, presidio_anonymizer
from tests.service.http.conftest import CARD, ONE, Served

DATA = Path(__file__).parents[2] / "data" / "presidio"


def recorded(name: str) -> list[Any]:
    lines = (DATA / f"{name}.jsonl").read_text().splitlines()
    return [pytest.param(json.loads(line), id=f"{name}-{at}") for at, line in enumerate(lines)]


@pytest.mark.parametrize("row", [*recorded("analyzer"), *recorded("anonymizer")])
def test_every_answer_is_what_presidio_answers(served: Served, row: dict[str, Any]) -> None:
    headers = {"Content-Type": row["type"]} if row["type"] else {}
    if row["raw"] is not None:
        body: bytes | None = row["raw"].encode()
    else:
        body = None if row["body"] is None else json.dumps(row["body"]).encode()
    told = served.send(row["method"], row["path"], role="reader", headers=headers, content=body)
    assert told.status_code == row["status"], told.text
    assert told.headers["content-type"].partition(";")[0] == row["media"]
    assert (told.text if row["media"] == "text/html" else told.json()) == row["answer"]


def analyze(served: Served, **body: Any) -> Any:
    return served.send("POST", "/analyze", role="reader", json={"language": "en", **body}).json()


def test_types_are_found_under_presidios_names_with_offsets_of_code_points(served: Served) -> None:
    assert analyze(served, text=f"😀 {CARD}") == [
        {"analysis_explanation": None, "end": 21, "entity_type": "CREDIT_CARD", "score": 0.85,
         "start": 2}
    ]  # fmt: skip


def test_lists_of_texts_give_lists_of_results_in_order(served: Served) -> None:
    told = analyze(served, text=["nothing", CARD, "ORD-123456"])
    assert [[each["entity_type"] for each in one] for one in told] == [
        [], ["CREDIT_CARD"], ["ORDER_CODE"],
    ]  # fmt: skip


def test_entities_and_thresholds_narrow_what_is_told(served: Served) -> None:
    text = f"{CARD} and ORD-123456"
    assert [each["score"] for each in analyze(served, text=text)] == [0.85, 0.65]
    assert len(analyze(served, text=text, entities=["ORDER_CODE"])) == 1
    assert len(analyze(served, text=text, score_threshold=0.7)) == 1
    assert analyze(served, text=text, allow_list=[CARD, "ORD-123456"]) == []


def test_an_explanation_names_the_pattern_and_no_value(served: Served) -> None:
    (told,) = analyze(served, text=CARD, return_decision_process=True)
    explanation = told["analysis_explanation"]
    assert explanation["recognizer"] == "dlpagent"
    assert explanation["pattern_name"] == "Func_credit_card"
    assert CARD not in json.dumps(explanation)


def test_names_are_listed(served: Served) -> None:
    for path in ("/supportedentities", "/supportedentities?language=en&x=1"):
        assert served.send("GET", path).json() == ["CREDIT_CARD", "ORDER_CODE"]
    assert served.send("GET", "/recognizers?language=de").json() == [
        "Credit Card Number", "Order Code",
    ]  # fmt: skip
    assert served.send("GET", "/anonymizers").json() == [
        "custom", "encrypt", "hash", "keep", "mask", "redact", "replace",
    ]  # fmt: skip


def test_what_was_encrypted_can_be_decrypted(served: Served) -> None:
    key = "WmZq4t7w!z%C&F)J"
    asked = {
        "text": f"card {CARD}",
        "analyzer_results": [{"start": 5, "end": 24, "score": 1, "entity_type": "CREDIT_CARD"}],
        "anonymizers": {"CREDIT_CARD": {"type": "encrypt", "key": key}},
    }
    made = served.send("POST", "/anonymize", json=asked).json()
    assert CARD not in made["text"]
    back = served.send("POST", "/deanonymize", json={
        "text": made["text"], "anonymizer_results": made["items"],
        "deanonymizers": {"DEFAULT": {"type": "decrypt", "key": key}},
    }).json()  # fmt: skip
    assert back["text"] == f"card {CARD}"


def test_hashes_differ_without_a_salt_and_agree_with_one(served: Served) -> None:
    def hashed(**more: str) -> str:
        found = [{"start": 0, "end": 4, "score": 1, "entity_type": "X"}]
        asked = {"text": "John", "analyzer_results": found,
                 "anonymizers": {"X": {"type": "hash", **more}}}  # fmt: skip
        return str(served.send("POST", "/anonymize", json=asked).json()["text"])

    assert hashed() != hashed()
    assert hashed(salt="0123456789abcdef") == hashed(salt="0123456789abcdef")


def test_a_pattern_that_runs_out_of_time_is_an_error_and_never_nothing_found(
    served: Served,
) -> None:
    hostile = {
        "supported_entity": "X",
        "patterns": [{"name": "x", "regex": r"(?=(a+)+$)a+b", "score": 0.5}],
    }
    told = served.send("POST", "/analyze", json={
        "text": "a" * 40 + "!", "language": "en", "ad_hoc_recognizers": [hostile],
    })  # fmt: skip
    assert told.status_code == 500
    assert told.json() == {"error": "a pattern of the request ran out of time"}


def test_refusals_of_the_gate_have_presidios_shape(served: Served) -> None:
    told = served.send("POST", "/analyze", role=None, json={})
    assert (told.status_code, list(told.json())) == (401, ["error"])
    large = served.send("POST", "/analyze", json={"text": "x" * 70_000, "language": "en"})
    assert (large.status_code, list(large.json())) == (413, ["error"])


@pytest.mark.parametrize(
    "brought",
    [
        {"ad_hoc_recognizers": [{"supported_entity": "X", "supported_language": "en",
                                 "patterns": [{"name": "x", "regex": "a", "score": 0.5}]}]},
        {"ad_hoc_recognizers": [{"supported_entity": "X", "supported_language": "en",
                                 "deny_list": ["a"]}]},
        {"allow_list": ["x"], "allow_list_match": "regex"},
    ],
    ids=["a pattern with many matches", "words", "allowed words"],
)  # fmt: skip
def test_what_a_request_brings_along_ends_with_its_time(
    served: Served, monkeypatch: pytest.MonkeyPatch, brought: dict[str, Any]
) -> None:
    monkeypatch.setattr(presidio_analyzer, "MOST_SECONDS", -1.0)
    asked = {"text": f"a a a a card {CARD}", "language": "en", **brought}
    told = served.send("POST", "/analyze", role="reader", json=asked)
    assert (told.status_code, told.json()) == (500, {"error": presidio_adhoc.OUT_OF_TIME})


def test_others_are_answered_while_a_pattern_of_a_request_runs(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presidio_adhoc, "TIME_LIMIT_S", 1.0)
    hostile = {"supported_entity": "X", "supported_language": "en",
               "patterns": [{"name": "x", "regex": r"(?=(a+)+$)a+b", "score": 0.5}]}  # fmt: skip
    asked = {"text": "a" * 40 + "!", "language": "en", "ad_hoc_recognizers": [hostile]}
    headers = {"Authorization": f"Bearer {served.keys[ONE, 'reader']}"}
    ended: list[str] = []

    async def ask() -> None:
        transport = httpx.ASGITransport(served.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:

            async def one(name: str, method: str, path: str, **more: Any) -> None:
                await client.request(method, path, headers=headers, **more)
                ended.append(name)

            slow = asyncio.create_task(one("slow", "POST", "/analyze", json=asked))
            await asyncio.sleep(0.2)  # it is under way
            await one("quick", "GET", "/v1/me")
            await slow

    asyncio.run(ask())
    assert ended == ["quick", "slow"]


def test_allowed_expressions_are_bounded(served: Served) -> None:
    told = served.send("POST", "/analyze", json={
        "text": "x", "language": "en", "allow_list": ["ab" * 6_000], "allow_list_match": "regex",
    })  # fmt: skip
    assert told.status_code == 400


def test_words_of_a_request_stand_alone_whatever_they_are_made_of() -> None:
    words = ["a b", "c\nd", "k-l", "(x)", "É"]
    (recognizer,) = presidio_adhoc.ad_hoc_of([{"supported_entity": "X", "deny_list": words}])
    text = "A B, c\nd, K-L, (x) é éa ak-l"
    found = [text[hit.start : hit.end] for hit in recognizer.find(text, ())]
    assert found == ["A B", "c\nd", "K-L", "(x)", "é"]


@pytest.mark.parametrize(
    ("path", "results", "operators"),
    [
        ("/anonymize", "analyzer_results",
         {"anonymizers": {"DEFAULT": {"type": "replace", "new_value": "y" * 10_000}}}),
        ("/deanonymize", "anonymizer_results",
         {"deanonymizers": {"DEFAULT": {"type": "deanonymize_keep"}}}),
    ],
)  # fmt: skip
def test_an_answer_cannot_be_made_many_times_the_request(
    served: Served, monkeypatch: pytest.MonkeyPatch, path: str, results: str, operators: Any
) -> None:
    monkeypatch.setattr(presidio_anonymizer, "MOST_CHARS", 1_000_000)
    width = 1 if path == "/anonymize" else 10_000
    spans = [{"start": at, "end": at + width, "entity_type": "X", "score": 1} for at in range(200)]
    asked = {"text": "a" * 11_000, results: spans, **operators}
    told = served.send("POST", path, role="reader", json=asked)
    assert told.status_code == 413
    few = {**asked, results: spans[:1]}
    assert served.send("POST", path, role="reader", json=few).status_code == 200
