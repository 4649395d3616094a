"""YAML with line numbers: every mistake noted, nothing hostile survives."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpagent.errors import Problem
from dlpagent.yaml_reader import MAX_BYTES, MAX_NESTING, Reader, parse_yaml, read_yaml


def parsed(text: str | bytes) -> tuple[Reader | None, list[Problem]]:
    problems: list[Problem] = []
    return parse_yaml(text, "f.yaml", problems), problems


def value(text: str, read: Callable[[Reader], Any]) -> tuple[Any, list[str]]:
    root, problems = parsed(text)
    assert root
    return read(root), [item.what for item in problems]


@pytest.mark.parametrize(
    ("text", "read", "wanted", "problems"),
    [
        ("0012", Reader.text, "0012", 0),
        ("2024-01-01", Reader.text, "2024-01-01", 0),
        ("~", Reader.text, "", 1),
        ("' '", Reader.text, "", 1),
        ("[a]", Reader.text, "", 1),
        ("7", Reader.integer, 7, 0),
        ("-7", Reader.integer, -7, 0),
        ("1.5", Reader.integer, 0, 1),
        ("'9'", Reader.integer, 9, 0),
        ("9" * 5_000, Reader.integer, 0, 1),
        ("{a: 1}", Reader.integer, 0, 1),
        ("true", Reader.boolean, True, 0),
        ("False", Reader.boolean, False, 0),
        ("yes", Reader.boolean, False, 1),
        ("[a, 1]", Reader.texts, ("a", "1"), 0),
        ("a", Reader.texts, (), 1),
        ("{a: [1, x, {b: null}]}", Reader.plain, {"a": [1, "x", {"b": None}]}, 0),
        ("!!python/object:os.system x", Reader.plain, None, 1),
        ("!!int x", Reader.plain, None, 1),
        ("!!timestamp 99", Reader.plain, None, 1),
        ("{? [a, b] : 1, ? {c: d} : 2}", Reader.plain, {"?": 1}, 1),
    ],
)
def test_values_are_plain_or_a_problem(
    text: str, read: Callable[[Reader], Any], wanted: Any, problems: int
) -> None:
    found, noted = value(text, read)
    assert (found, len(noted)) == (wanted, problems)


def test_ranges_and_choices_are_checked() -> None:
    assert value("5", lambda r: r.integer(1, low=1, high=4))[1] == ["number out of range"]
    assert value("red", lambda r: r.choice(("red", "blue"), "blue")) == ("red", [])
    assert value("green", lambda r: r.choice(("red", "blue"), "blue")) == ("blue", ["wrong value"])


def test_problems_of_a_mapping_come_together_with_their_lines() -> None:
    root, problems = parsed("name: a\nnmae: b\nname: c\ninner:\n  list:\n    - 1\n    - {x: 1}\n")
    assert root
    keys = root.mapping(("name", "inner", "other"), required=("name", "other"))
    for item in keys["inner"].mapping()["list"].items():
        item.integer()
    assert [(item.line, item.what) for item in sorted(problems)] == [
        (1, "the key other is missing"),
        (2, "nmae: unknown key"),
        (3, "name: the key appears twice"),
        (7, "inner.list[1]: wrong value"),
    ]
    assert problems[0].remedy == "Did you mean name?"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: [", 2), ("a: 1\n\tb: 2", 2), ("a: 1\nb: *x", 2), ("a: 1\n---\nb: 2", 2),
        ("a: 1\nb: \x01", 2), (b"a: 1\nb: \xff", 2), ("", 1), ("# nothing\n", 1), (b"\xff\xfe\x00", 1),
    ],
)  # fmt: skip
def test_what_is_not_yaml_is_named_at_its_line(text: str | bytes, line: int) -> None:
    root, problems = parsed(text)
    assert root is None
    (problem,) = problems
    assert abs(problem.line - line) <= 1


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "[" * 50_000 + "]" * 50_000, "- " * 60_000 + "a", "? " * 30_000 + "a",
     "\n".join("  " * n + "a:" for n in range(MAX_NESTING + 1)), "{a: " * 40_000],
    ids=["open", "flow", "sequence", "key", "block", "mapping"],
)  # fmt: skip
def test_deep_nesting_is_a_problem_and_takes_no_process_along(text: str) -> None:
    root, problems = parsed(text)
    assert root is None
    assert [item.what for item in problems] == ["the file is nested too deep"]


LAUGHS = "a0: &a0 [x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize("text", [LAUGHS, "a: &a [*a]", "a: &a {b: *a}", "&a {x: &b [*a, *b]}"])
def test_aliases_that_explode_or_never_end_are_refused_at_once(text: str) -> None:
    begun = time.monotonic()
    root, problems = parsed(text)
    assert root is None
    assert [item.what for item in problems] == ["aliases make the file too large"]
    assert time.monotonic() - begun < 5


def test_plain_aliases_are_followed() -> None:
    assert value("a: &x [1]\nb: *x\nc: {d: *x}", Reader.plain)[0] == {
        "a": [1],
        "b": [1],
        "c": {"d": [1]},
    }


def test_files_are_limited_and_named(tmp_path: Path) -> None:
    problems: list[Problem] = []
    assert read_yaml(tmp_path / "missing.yaml", problems) is None
    assert read_yaml(tmp_path, problems, name="folder") is None
    assert parse_yaml(b" " * (MAX_BYTES + 1), "big", problems) is None
    assert [item.file for item in problems] == [str(tmp_path / "missing.yaml"), "folder", "big"]


@given(st.one_of(st.binary(max_size=60), st.text("ab:-[]{}&*!|>'\"\n #?~1", max_size=40)))
@settings(max_examples=400)
def test_any_bytes_are_read_or_are_a_problem(text: bytes | str) -> None:
    root, problems = parsed(text)
    if root is None:
        assert len(problems) == 1
    else:
        root.plain()
        root.mapping(("a",), required=("b",))
        list(root.items())
