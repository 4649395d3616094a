"""The examples of the OpenAPI document. Numbers are published test numbers; keys are made up."""

from __future__ import annotations

_SIT = {"id": "50842eb7-edc8-4019-85dd-5a5c1f2bb085", "name": "Credit Card Number"}
_PACK = {"id": "builtin", "version": "1", "hash": "0f3a9c", "name": "", "sits": 0}
_KEY = "5f0c5b0a3c0b6f4a9d1e2f3a4b5c6d7e"
TEXT = "my credit card is 4111 1111 1111 1111"

CLASSIFY_ASKED = {"text": TEXT, "min_confidence": 66}
CLASSIFY_TOLD = {
    "results": [
        {
            "id": None,
            "findings": [
                {"start": 18, "end": 37, "sit": _SIT, "confidence": 85, "level": "high",
                 "masked": "**** **** **** 1111", "key": _KEY},
            ],
            "complete": True,
            "unchecked": [],
        }
    ],
    "pack": _PACK,
}  # fmt: skip
DECIDE_ASKED = {
    "items": [{"texts": [TEXT], "kind": "chat_log", "roles": ["user"], "app": "ChatGPT"}]
}
DECIDE_TOLD = {
    "results": [
        {
            "id": None,
            "recommended": {
                "label": {"id": "9f1c…", "name": "Confidential", "priority": 5},
                "existing": None,
                "reason": "Found Credit Card Number (1, high), which calls for Confidential.",
            },
            "fired": [],
            "found": [{"sit": _SIT, "confidence": 85, "count": 1, "unique": 1}],
            "complete": True,
        }
    ],
    "policy": {"id": "a1b2…", "name": "Example", "version": "1+0123456789ab"},
    "pack": _PACK,
}
REDACT_ASKED = {"texts": [TEXT], "operator": "mask"}
REDACT_TOLD = {
    "results": [
        {"id": None, "text": "my credit card is **** **** **** 1111", "changed": True,
         "complete": True, "problem": None},
    ],
    "counts": {"Credit Card Number": 1},
    "pack": _PACK,
}  # fmt: skip
POLICY_ASKED = {"yaml": "id: 00000000-0000-0000-0000-000000000001\nname: Mine\n", "simulate": False}
KEY_ASKED = {"name": "gateway", "role": "reader", "days": 90}
ANALYZE_ASKED = {"text": TEXT, "language": "en", "entities": ["CREDIT_CARD"]}
ANALYZE_TOLD = [
    {"analysis_explanation": None, "end": 37, "entity_type": "CREDIT_CARD", "score": 0.85,
     "start": 18},
]  # fmt: skip
ANONYMIZE_ASKED = {
    "text": TEXT,
    "analyzer_results": [{"start": 18, "end": 37, "score": 0.85, "entity_type": "CREDIT_CARD"}],
    "anonymizers": {"DEFAULT": {"type": "replace", "new_value": "<card>"}},
}
ANONYMIZE_TOLD = {
    "text": "my credit card is <card>",
    "items": [{"start": 18, "end": 24, "entity_type": "CREDIT_CARD", "text": "<card>",
               "operator": "replace", "score": 0.85}],
}  # fmt: skip
DEANONYMIZE_ASKED = {
    "text": "my card is kept",
    "anonymizer_results": [{"start": 11, "end": 15, "entity_type": "CREDIT_CARD"}],
    "deanonymizers": {"DEFAULT": {"type": "deanonymize_keep"}},
}
