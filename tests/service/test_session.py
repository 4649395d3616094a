"""Settings to a session: exit codes, levels, what may be resumed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dlpagent.errors import ConfigurationError
from dlpagent.outbox import Delivered
from dlpagent.service.session import Settings, config_hash, counts_at, exit_code, parse_level
from dlpagent.service.sink_spec import SinkSpec
from dlpagent.state import Counters
from dlpagent.sweep import Result

SETTINGS = Settings(job="j", command="scan")


@pytest.mark.parametrize(
    ("status", "levels", "fail_on", "delivered", "code"),
    [
        ("complete", {}, "high", None, 0),
        ("complete", {"medium": 1}, "high", None, 0),
        ("complete", {"medium": 1}, "medium", None, 1),
        ("complete", {"high": 1}, "low", None, 1),
        ("complete", {"high": 1}, "never", None, 0),
        ("incomplete", {"high": 1}, "high", None, 3),
        ("incomplete", {}, "never", None, 3),
        ("incomplete", {"high": 1}, "high", Delivered(pending=1), 4),
        ("complete", {}, "high", Delivered(dead=1), 4),
        ("complete", {}, "high", Delivered(errors={"o365": "down"}), 4),
        ("complete", {"high": 1}, "high", Delivered(sent=1), 1),
    ],
)
def test_the_exit_code_is_the_contract_s(
    status: str, levels: dict[str, int], fail_on: str, delivered: Delivered | None, code: int
) -> None:
    result = Result("r", status, Counters(levels=levels))  # type: ignore[arg-type]
    assert exit_code(result, replace(SETTINGS, fail_on=fail_on), delivered) == code


def test_findings_of_unchanged_assets_count() -> None:
    result = Result("r", "complete", Counters(levels={"low": 1}))
    result.unchanged = Counters(levels={"high": 2, "medium": 1})
    assert [counts_at(result, level) for level in ("low", "medium", "high", "never")] == [
        4,
        3,
        2,
        0,
    ]


@pytest.mark.parametrize(
    ("text", "confidence"),
    [("low", 1), ("medium", 66), ("high", 76), ("1", 1), ("100", 100), ("0", None), ("101", None),
     ("", None), ("High", None), ("7.5", None), ("-1", None)],
)  # fmt: skip
def test_a_level_is_a_word_or_a_number(text: str, confidence: int | None) -> None:
    if confidence is None:
        with pytest.raises(ConfigurationError):
            parse_level(text)
    else:
        assert parse_level(text) == confidence


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"fail_on": "never"}, True),
        ({"full": True}, True),
        ({"packs": ("other",)}, False),
        ({"policy": "example"}, False),
        ({"targets": ("x",)}, False),
        ({"min_confidence": 75}, False),
        ({"accept": frozenset({"unread"})}, False),
        ({"sinks": (SinkSpec("o365", "x", "o365"),)}, False),
    ],
)
def test_a_run_is_gone_on_with_under_the_same_settings_only(
    change: dict[str, object], same: bool
) -> None:
    assert (config_hash(replace(SETTINGS, **change)) == config_hash(SETTINGS)) is same  # type: ignore[arg-type]
