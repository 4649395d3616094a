"""/v1/classify in its three forms, /v1/decide and /v1/redact."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.service.http.conftest import CARD, Served

CARD_ID = "50842eb7-edc8-4019-85dd-5a5c1f2bb085"


def classify(served: Served, **body: Any) -> Any:
    return served.send("POST", "/v1/classify", role="reader", json=body).json()


def test_a_text_is_told_with_places_masks_and_no_values(served: Served) -> None:
    told = served.send("POST", "/v1/classify", json={"text": f"😀 {CARD}"})
    (found,) = told.json()["results"][0]["findings"]
    assert (found["start"], found["end"]) == (2, 21)
    assert found["sit"] == {"id": CARD_ID, "name": "Credit Card Number"}
    assert (found["confidence"], found["level"]) == (85, "high")
    assert found["masked"] == "**** **** **** 1111"
    assert CARD not in told.text


def test_many_texts_are_answered_in_order_with_their_ids(served: Served) -> None:
    texts = ["none", {"text": CARD, "id": "b"}, {"text": "ORD-123456", "id": "c", "context": "x"}]
    told = classify(served, text="ORD-654321", texts=texts)
    assert [len(one["findings"]) for one in told["results"]] == [1, 0, 1, 1]
    assert [one["id"] for one in told["results"]] == [None, None, "b", "c"]
    assert classify(served, texts=texts, min_confidence=66)["results"][2]["findings"] == []


def test_lines_are_answered_one_by_one_and_a_bad_one_in_its_place(served: Served) -> None:
    lines = [{"id": "1", "text": CARD}, "broken", {"id": "3", "text": "none"}, {"txt": 1}]
    body = "\n".join(each if isinstance(each, str) else json.dumps(each) for each in lines)
    told = served.send(
        "POST", "/v1/classify", content=body, headers={"Content-Type": "application/x-ndjson"}
    )
    assert told.headers["content-type"] == "application/x-ndjson"
    first, second, third, fourth = map(json.loads, told.text.splitlines())
    assert (first["id"], len(first["findings"])) == ("1", 1)
    assert (second["type"], second["line"]) == ("malformed", 2)
    assert (third["id"], third["findings"]) == ("3", [])
    assert (fourth["type"], fourth["line"]) == ("invalid", 4)


@pytest.mark.parametrize(
    ("name", "content", "records"),
    [
        ("a.txt", f"card {CARD}\n", 1),
        ("a.jsonl", f'{{"id": 1, "text": "{CARD}"}}\n{{"id": 2, "text": "x"}}\n', 2),
        ("a.csv", f"id,note\n1,{CARD}\n", 1),
        ("../../etc/passwd.csv", f"id,note\n1,{CARD}\n", 1),
        ("*[x].json", f'[{{"text": "{CARD}"}}]', 1),
    ],
)
def test_a_file_is_read_by_the_source_that_knows_it(
    served: Served, name: str, content: str, records: int
) -> None:
    told = served.send("POST", "/v1/classify", files={"file": (name, content.encode())})
    body = told.json()
    assert told.status_code == 200, body
    assert body["counts"] == {"low": 0, "medium": 0, "high": 1}
    assert body["records"] == records
    assert body["complete"] is True
    assert CARD not in told.text
    assert "/" not in body["findings"][0]["asset"]


def test_what_cannot_be_read_in_a_file_is_told(served: Served) -> None:
    content = f'{{"text": "{CARD}"}}\n{{broken\n'.encode()
    body = served.send("POST", "/v1/classify", files={"file": ("a.jsonl", content)}).json()
    assert body["complete"] is False
    assert body["unread"][0]["status"] == "unread"
    assert body["counts"]["high"] == 1


def test_a_file_that_is_too_large_is_refused(served: Served) -> None:
    told = served.send("POST", "/v1/classify", files={"file": ("a.txt", b"x" * 300_000)})
    assert told.status_code == 413


def test_a_decision_names_label_rules_and_counts(served: Served) -> None:
    asked = {"items": [
        {"texts": [CARD, CARD], "id": "p", "kind": "chat_log", "roles": ["user"], "app": "ChatGPT"},
        {"texts": ["nothing"], "id": "q"},
    ]}  # fmt: skip
    told = served.send("POST", "/v1/decide", json=asked).json()
    first, second = told["results"]
    assert first["recommended"]["label"]["name"] == "Confidential/Finance"
    assert first["fired"][0]["rule"] == "Payment cards in AI conversations"
    assert "block" in first["fired"][0]["actions"]
    assert [(each["count"], each["unique"]) for each in first["found"]] == [(2, 1)]
    assert (second["recommended"], second["fired"], second["complete"]) == (None, [], True)


def test_a_policy_that_is_not_there_is_said(served: Served) -> None:
    told = served.send("POST", "/v1/decide", json={"items": [], "policy": "nope"})
    assert told.status_code == 404
    assert told.json()["where"] == "policy"


@pytest.mark.parametrize(
    ("operator", "shape"),
    [("mask", "**** **** **** 1111"), ("token", "[CREDIT_CARD_NUMBER_"), ("hash", "[HASH_"),
     ("encrypt", "[ENC_"), ("keep", CARD)],
)  # fmt: skip
def test_texts_come_back_without_what_was_found_and_stay_so(
    served: Served, operator: str, shape: str
) -> None:
    def redacted(text: str) -> Any:
        asked = {"texts": [text], "operator": operator}
        return served.send("POST", "/v1/redact", json=asked).json()["results"][0]

    once = redacted(f"pay {CARD} now")
    assert shape in once["text"]
    assert once["complete"] is True
    assert redacted(once["text"])["text"] == once["text"]


def test_a_type_may_have_an_operator_of_its_own(served: Served) -> None:
    asked = {"text": f"{CARD} ORD-123456", "operator": "keep", "sits": {"order code": "mask"}}
    told = served.send("POST", "/v1/redact", json=asked).json()
    assert told["results"][0]["text"] == f"{CARD} ***-******"
    assert told["counts"] == {"Order Code": 1}
