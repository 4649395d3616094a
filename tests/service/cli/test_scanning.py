"""What a scan is asked for: outputs, statuses, contradictions found before anything is read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from dlpagent.errors import ConfigurationError
from dlpagent.service.cli import run
from dlpagent.service.cli.scanning import (
    OutputPlan,
    Request,
    check_request,
    parse_accept,
    plan_outputs,
    settings_of,
)

A, B = Path("a"), Path("b")


def request(**more: object) -> Request:
    given: dict[str, object] = {
        "targets": ("x",), "connector": None, "packs": ("builtin",), "profile": "extended",
        "policy": None, "labels": None, "min_confidence": "medium", "formats": None, "outputs": (),
        "fail_on": "high", "accept": "unread", "state": None, "resume": False, "full": False,
        "workers": 1, "engine": "local",        "key_file": None, "tenant_id": None, "quiet": True, **more,
    }  # fmt: skip
    return Request(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("formats", "outputs", "plans"),
    [
        (None, [], [("jsonl", None)]),
        (None, [A], [("jsonl", A)]),
        ("csv", [A], [("csv", A)]),
        ("jsonl, html", [A, B], [("jsonl", A), ("html", B)]),
        ("html,jsonl", [A], [("html", A), ("jsonl", None)]),
    ],
)
def test_formats_and_files_go_together_in_order(
    formats: str | None, outputs: list[Path], plans: list[tuple[str, Path | None]]
) -> None:
    assert plan_outputs(formats, outputs) == [OutputPlan(*plan) for plan in plans]


@pytest.mark.parametrize(
    ("formats", "outputs", "what"),
    [
        ("xml", [], "no such output format"),
        ("jsonl", [A, B], "more files than formats"),
        ("jsonl,csv", [], "only one format"),
        ("jsonl,csv", [A, A], "two formats would be written to one file"),
    ],
)
def test_outputs_that_contradict_themselves_are_refused(
    formats: str, outputs: list[Path], what: str
) -> None:
    with pytest.raises(ConfigurationError, match=what):
        plan_outputs(formats, outputs)


def test_requests_that_cannot_end_well_are_refused_at_once(tmp_path: Path) -> None:
    for asked, plan, what in (
        (request(), OutputPlan("o365", tmp_path / "a"), "only a policy makes those"),
        (request(resume=True), OutputPlan("jsonl", None), "--resume needs a state"),
        (request(), OutputPlan("jsonl", tmp_path / "no" / "a"), "no such folder"),
        (request(), OutputPlan("jsonl", tmp_path), "a folder"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            check_request(asked, [plan])
        assert what in str(caught.value)
    check_request(request(policy="example"), [OutputPlan("o365", tmp_path / "a")])


def test_statuses_are_checked() -> None:
    assert parse_accept(" unread, no_content,") == {"unread", "no_content"}
    assert parse_accept("") == frozenset()
    with pytest.raises(ConfigurationError, match="torn"):
        parse_accept("unread,torn")


def test_a_request_becomes_settings() -> None:
    settings = settings_of(request(), (("o365", "x"),))
    assert (settings.job, settings.min_confidence, settings.accept) == ("scan x", 66, {"unread"})
    assert settings.sinks == (("o365", "x"),)


def test_what_is_no_file_is_written_to_and_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLPAGENT_HOME", str(tmp_path / "home"))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "a.txt").write_text("nothing to see")
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        run(["scan", str(tmp_path / "a.txt"), "-o", str(pipe), "--format", "json"])
        assert stat.S_ISFIFO(pipe.stat().st_mode)
        assert os.read(reading, 100)
    finally:
        os.close(reading)
