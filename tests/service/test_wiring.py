"""Targets become sources: paths, globs, URIs, links, rights, settings."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.errors import ConfigurationError
from dlpagent.ports import Source
from dlpagent.service.wiring import (
    SINKS,
    SOURCES,
    Unreachable,
    load,
    open_sink,
    open_sources,
    source_named,
    source_rows,
)


def opened(*targets: object, connector: str | None = None, **settings: object) -> list[str]:
    """What was opened: the class and the file's name, or "lost" and the place."""
    found = []
    for item in open_sources([str(target) for target in targets], connector, **settings):
        if isinstance(item, Unreachable):
            found.append(f"lost {Path(item.place).name}")
        else:
            found += [f"{type(item).__name__} {Path(asset.uri).name}" for asset in item.discover()]
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "b.jsonl").write_text('{"text": "x"}\n')
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.csv").write_text("h,i\n1,2\n")
    return tmp_path


EVERYTHING = ["TextFile a.txt", "JsonLines b.jsonl", "CsvFile c.csv"]


@pytest.mark.parametrize("row", [*SOURCES], ids=lambda row: row.name)
def test_every_row_leads_to_a_class_that_says_what_it_recognises(row) -> None:
    made = load(row.target)
    assert callable(made)
    assert not row.by_file or callable(made.recognises)


def test_names_are_unique_and_known(tmp_path: Path) -> None:
    names = [row.name for row in source_rows()]
    assert len(names) == len(set(names))
    assert source_named("jsonl").name == "jsonl"
    with pytest.raises(ConfigurationError, match=r"one of .*jsonl"):
        source_named("jsonlines")
    with pytest.raises(ConfigurationError, match="o365"):
        open_sink("nowhere", tmp_path / "x")
    assert {"o365", "ocsf"} <= set(SINKS)


def test_a_folder_is_every_file_below_it_in_order(folder: Path) -> None:
    assert opened(folder) == EVERYTHING
    assert opened(f"file://{folder}") == EVERYTHING


@pytest.mark.parametrize(
    ("glob", "found"),
    [("*.txt", EVERYTHING[:1]), ("[ab].*", EVERYTHING[:2]), ("**/*.csv", EVERYTHING[2:]),
     ("?.jsonl", EVERYTHING[1:2]), ("sub*", EVERYTHING[2:])],
)  # fmt: skip
def test_a_glob_is_what_it_matches(folder: Path, glob: str, found: list[str]) -> None:
    assert opened(folder / glob) == found


@pytest.mark.parametrize("name", ["a b.txt", "a[1].txt", "a*.txt", "é😀.txt", "x%20y.txt", "#.txt"])
def test_a_file_of_an_odd_name_is_itself(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("x")
    assert len(opened(path)) == 1
    assert len(opened(path.as_uri())) == 1


@pytest.mark.parametrize(
    "target", ["nothing", "*.nothing", "//[x", "a\0b", "a\0*", "x" * 5_000, "[", "file:///no/where"]
)
def test_what_is_not_there_is_named(tmp_path: Path, target: str) -> None:
    place = target if target.startswith(("/", "file:")) else str(tmp_path / target)
    with pytest.raises(ConfigurationError, match="there is nothing to scan here"):
        opened(place)


@pytest.mark.parametrize("target", ["gopher://x", "s3x://[bucket", "nope://"])
def test_a_scheme_that_nobody_answers_to_is_named(target: str) -> None:
    with pytest.raises(ConfigurationError, match="no connector answers to"):
        opened(target)


@given(
    st.text(max_size=30).filter(lambda text: text not in ("", ".", "..", "-") and "/" not in text)
)
def test_any_target_is_opened_or_refused_in_words(text: str) -> None:
    try:
        list(open_sources(["/nonexistent-folder/" + text]))
    except ConfigurationError as error:
        assert "nothing" in error.found  # noqa: PT017


def test_links_are_followed_once_and_never_in_circles(folder: Path) -> None:
    (folder / "sub" / "up").symlink_to(folder)
    (folder / "sub" / "self").symlink_to(folder / "sub" / "self")
    (folder / "sub" / "gone").symlink_to(folder / "nowhere")
    (folder / "z.txt").symlink_to(folder / "a.txt")
    assert opened(folder) == [
        *EVERYTHING,
        "TextFile a.txt",
    ]  # the same asset: a sweep reads it once
    assert opened(folder / "sub" / "up" / "a.txt") == EVERYTHING[:1]
    assert opened(folder / "sub" / "self") == ["lost self"]
    assert opened(folder / "sub" / "gone") == ["lost gone"]


@pytest.mark.skipif(os.geteuid() == 0, reason="everything is readable for root")
def test_what_cannot_be_read_is_lost_and_the_rest_is_found(folder: Path) -> None:
    (folder / "a.txt").chmod(0)
    (folder / "sub").chmod(0)
    try:
        assert opened(folder) == ["lost a.txt", "JsonLines b.jsonl", "lost sub"]
        assert opened(folder / "sub" / "c.csv") == ["lost c.csv"]
    finally:
        (folder / "sub").chmod(0o700)


def test_files_that_no_one_means_are_left_out(folder: Path) -> None:
    for name in (".git", "__pycache__", "node_modules", ".venv"):
        (folder / name).mkdir()
        (folder / name / "x.txt").write_text("x")
    os.mkfifo(folder / "pipe")
    assert opened(folder) == EVERYTHING


def test_a_folder_that_is_one_export_is_one_source(tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    data = Path(__file__).parent.parent / "data" / "chatgpt" / "conversations.json"
    (tmp_path / "export" / "conversations.json").write_bytes(data.read_bytes())
    assert {name.split()[0] for name in opened(tmp_path / "export")} == {"ChatGptExport"}


def test_a_connector_by_name_takes_whatever_it_is_given(folder: Path) -> None:
    assert opened(folder / "b.jsonl", connector="text") == ["TextFile b.jsonl"]


def test_settings_reach_the_source(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"text": str(n)}) + "\n" for n in range(5)))
    (source,) = open_sources([str(path)], "jsonl", batch_rows=2)
    assert not isinstance(source, Unreachable)
    (asset,) = source.discover()
    assert [batch.num_rows for batch, _ in source.read(asset)] == [2, 2, 1]


@pytest.mark.parametrize(
    ("settings", "what"),
    [({"colour": 1}, "has no setting colour"), ({"batch_rows": 0}, "batch_rows"),
     ({"batch_rows": "many"}, "batch_rows"), ({"batch_rows": True}, "batch_rows"),
     ({"target": "x"}, "has no setting target"), ({"self": 1}, "has no setting self")],
)  # fmt: skip
def test_a_setting_that_a_connector_does_not_take_is_named(
    folder: Path, settings: dict[str, object], what: str
) -> None:
    with pytest.raises(ConfigurationError, match=what):
        list(open_sources([str(folder / "b.jsonl")], "jsonl", **settings))


def test_standard_input_is_text_or_json_lines() -> None:
    (source,) = open_sources(["-"])
    assert isinstance(source, load(source_named("stdin").target))
    with pytest.raises(ConfigurationError, match="standard input"):
        list(open_sources(["-"], "parquet"))


def test_random_files_of_every_ending_are_opened(tmp_path: Path) -> None:
    endings = [
        "json",
        "jsonl",
        "csv",
        "parquet",
        "arrow",
        "zip",
        "tar",
        "gz",
        "txt",
        "db",
        "xml",
        "bin",
    ]
    for number, ending in enumerate(endings):
        (tmp_path / f"{number:02}.{ending}").write_bytes(
            bytes((number * 37 + n * n) % 256 for n in range(300))
        )
    found = list(open_sources([str(tmp_path)]))
    assert len(found) == len(endings)
    sources: list[Source] = [item for item in found if not isinstance(item, Unreachable)]
    assert len(sources) == len(endings)
