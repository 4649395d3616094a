"""Errors say where, what was expected, what was found and what to do; they survive pickling."""

from __future__ import annotations

import copy
import pickle

import pytest

from dlpagent import errors, sweep
from dlpagent.errors import (
    ConfigurationError,
    DlpAgentError,
    ExitCode,
    Problem,
    ProblemsError,
    SinkError,
    SourceError,
    missing_extra,
)

PROBLEMS = [
    Problem("b.yaml", 2, "second"),
    Problem("a.yaml", 10, "tenth", "one", "two", "Do it."),
    Problem("a.yaml", 9, "ninth", severity="warning"),
]


def every_error() -> list[DlpAgentError]:
    classes = [
        item
        for module in (errors, sweep)
        for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, DlpAgentError) and item is not ProblemsError
    ]
    return [item("what", where="w", expected="e", found="f", remedy="r") for item in classes] + [
        ProblemsError(PROBLEMS, "title")
    ]


def test_a_message_has_four_parts_at_most() -> None:
    error = ConfigurationError("it failed", where="a:1", expected="x", found="y", remedy="Do z.")
    assert str(error) == "a:1: it failed\n  Expected x.\n  Found y.\n  Do z."
    assert str(ConfigurationError("it failed")) == "it failed"


@pytest.mark.parametrize("error", every_error(), ids=lambda error: type(error).__name__)
def test_an_error_survives_the_way_to_another_process(error: DlpAgentError) -> None:
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 - our own
        assert type(other) is type(error)
        assert str(other) == str(error)
        assert other.__dict__ == error.__dict__
        assert other.exit_code == error.exit_code


def test_notes_travel_with_an_error() -> None:
    error = SourceError("what")
    error.add_note("on a worker")
    assert pickle.loads(pickle.dumps(error)).__notes__ == ["on a worker"]  # noqa: S301 - our own


def test_problems_stand_in_the_order_of_file_and_line() -> None:
    error = ProblemsError(PROBLEMS)
    assert [(item.file, item.line) for item in error.problems] == [
        ("a.yaml", 9),
        ("a.yaml", 10),
        ("b.yaml", 2),
    ]
    assert str(error).splitlines() == [
        "a.yaml:9: warning: ninth",
        "a.yaml:10: tenth",
        "  Expected one.",
        "  Found two.",
        "  Do it.",
        "b.yaml:2: second",
        "3 problem(s) found",
    ]


def test_each_class_has_the_exit_code_of_the_contract() -> None:
    assert (SourceError("x").exit_code, SinkError("x").exit_code) == (3, 4)
    assert ConfigurationError("x").exit_code == ProblemsError([]).exit_code == ExitCode.USAGE == 2


def test_a_missing_package_names_its_extra() -> None:
    assert "pip install 'dlpagent[purview]'" in str(missing_extra("msgraph", "purview", "Graph"))
