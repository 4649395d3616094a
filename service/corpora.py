"""Labelled corpora: span JSON Lines, CSV of text and label, Presidio-evaluator JSON; and type maps.

Formats in words: docs/eval.md. Everything wrong in a file is shown together, each with its line.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dlpagent.classifiers.evaluation import Document, Span
from dlpagent.classifiers.evaluation_matching import Names, TypeMap
from dlpagent.errors import ConfigurationError, Problem, ProblemsError
from dlpagent.records import without_surrogates

SUFFIXES = (".jsonl", ".ndjson", ".csv", ".json")
LABEL_SEPARATOR = "|"
CSV_FIELD_LIMIT = 64 << 20


class UnfitError(Exception):
    """A labelled text that cannot be used: what, expected, found. Never holds the text."""

    def __init__(self, what: str, expected: str = "", found: str = "") -> None:
        super().__init__(what)
        self.what, self.expected, self.found = what, expected, found


@dataclass(slots=True)
class Reading:
    """Documents read so far, and what was wrong. by: the field that divides a source."""

    by: str = ""
    documents: list[Document] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    _ids: dict[str, str] = field(default_factory=dict)

    def add(self, file: str, line: int, raw: Any, ident: str) -> None:
        """Add a labelled text in the form of span JSON Lines or of Presidio-evaluator."""
        try:
            document = document_of(raw, f"{file}:{line}", ident, self.by)
            if document.id in self._ids:
                raise UnfitError(
                    "two documents have this id", "ids that are unique", self._ids[document.id]
                )
        except UnfitError as error:
            self.wrong(file, line, error)
            return
        self._ids[document.id] = document.where
        self.documents.append(document)

    def wrong(self, file: str, line: int, error: UnfitError) -> None:
        self.problems.append(Problem(file, line, error.what, error.expected, error.found))


def read_corpora(paths: Sequence[str], by: str = "") -> list[Document]:
    """The documents of files, and of folders (their .jsonl, .ndjson and .csv), in that order.

    Raises ProblemsError with every unusable text at file:line, ConfigurationError for a file that
    cannot be read or is none of these formats.
    """
    reading = Reading(by)
    for path in _files(paths):
        _read_file(path, reading)
    if reading.problems:
        raise ProblemsError(
            reading.problems, f"{len(reading.problems)} labelled text(s) cannot be used"
        )
    if not reading.documents:
        raise ConfigurationError(
            "there is no labelled text here",
            where=", ".join(paths),
            expected="span JSON Lines, CSV with the columns text and label, or Presidio JSON",
            found="nothing",
        )
    return reading.documents


def _files(paths: Sequence[str]) -> Iterator[Path]:
    for name in paths:
        path = Path(name)
        if path.is_dir():
            yield from sorted(
                item for item in path.iterdir() if item.suffix.lower() in SUFFIXES[:3]
            )
        elif path.suffix.lower() in SUFFIXES:
            yield path
        else:
            raise ConfigurationError(
                "this is not a labelled corpus",
                where=name,
                expected="a folder, or a file ending in " + ", ".join(SUFFIXES),
                found=path.suffix or "no ending",
                remedy="docs/eval.md shows the formats.",
            )


def text_of(path: Path, what: str) -> str:
    """A UTF-8 file whole. Raises ConfigurationError naming it and, for bad bytes, the line."""
    try:
        data = path.read_bytes()
        return data.decode("utf-8-sig")
    except OSError as error:
        raise ConfigurationError(
            f"the {what} cannot be read ({error.strerror})", where=str(path)
        ) from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(
            f"the {what} is not UTF-8", where=f"{path}:{line}", expected="UTF-8"
        ) from None


def _read_file(path: Path, reading: Reading) -> None:
    text = text_of(path, "corpus")
    if path.suffix.lower() == ".csv":
        _read_csv(path, text, reading)
    elif path.suffix.lower() == ".json":
        _read_array(path, text, reading)
    else:
        _read_lines(path, text, reading)


def _read_lines(path: Path, text: str, reading: Reading) -> None:
    for line, row in enumerate(text.split("\n"), 1):
        if not row.strip():
            continue
        try:
            raw = json.loads(row)
        except (ValueError, RecursionError):
            reading.wrong(str(path), line, UnfitError("this is not JSON", "one JSON object a line"))
            continue
        reading.add(str(path), line, raw, f"{path.stem}/{line}")


def _read_array(path: Path, text: str, reading: Reading) -> None:
    """The elements of a JSON array, each with the line it begins on."""
    decoder = json.JSONDecoder()
    place = _past_blanks(text, 0)
    if not text.startswith("[", place):
        reading.wrong(
            str(path), 1, UnfitError("this is not a JSON array", "[{full_text, spans}, …]")
        )
        return
    line, counted, number = 1, 0, 0
    place = _past_blanks(text, place + 1)
    while not text.startswith("]", place):
        line, counted = line + text.count("\n", counted, place), place
        try:
            raw, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            reading.wrong(str(path), line, UnfitError("this is not JSON", "an object of the array"))
            return
        number += 1
        reading.add(str(path), line, raw, f"{path.stem}/{number}")
        place = _past_blanks(text, place)
        if text.startswith(",", place):
            place = _past_blanks(text, place + 1)


def _past_blanks(text: str, place: int) -> int:
    while place < len(text) and text[place] in " \t\r\n":
        place += 1
    return place


def _read_csv(path: Path, text: str, reading: Reading) -> None:
    """Rows of text and label: a label says what the text holds, several are divided by |."""
    csv.field_size_limit(CSV_FIELD_LIMIT)
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        missing = {"text", "label"} - set(rows.fieldnames or ())
        if missing:
            expected, found = "the columns text and label", ", ".join(rows.fieldnames or ())
            reading.wrong(
                str(path), 1, UnfitError("a column is missing", expected, found or "nothing")
            )
            return
        for number, row in enumerate(rows, 1):
            begin = rows.line_num - sum((value or "").count("\n") for value in _cells(row))
            reading.add(str(path), begin, _csv_document(row), f"{path.stem}/{number}")
    except csv.Error as error:
        reading.wrong(str(path), rows.line_num, UnfitError(f"this is not CSV ({error})"))


def _cells(row: Mapping[str | None, Any]) -> Iterator[str]:
    return (value for value in row.values() if isinstance(value, str))


def _csv_document(row: Mapping[str | None, Any]) -> dict[str, Any]:
    text = row["text"] or ""
    names = [name.strip() for name in (row["label"] or "").split(LABEL_SEPARATOR)]
    spans = [{"start": 0, "end": len(text), "type": name} for name in names if name and text]
    rest = {name: row[name] for name in row if name not in ("text", "label", None) and row[name]}
    return {**rest, "text": text, "spans": spans, "whole": True}


def document_of(raw: Any, where: str, ident: str, by: str = "") -> Document:
    """A labelled text from its JSON object. Raises UnfitError."""
    if not isinstance(raw, dict):
        raise UnfitError("this is not a labelled text", "a JSON object", type(raw).__name__)
    presidio = "full_text" in raw
    text = raw.get("full_text" if presidio else "text")
    if not isinstance(text, str):
        raise UnfitError("the text is missing", "text (or full_text): a string")
    is_negative = raw.get("neg") is True
    if "spans" not in raw and not is_negative:
        raise UnfitError("the labels are missing", "spans: a list, empty when there is nothing")
    allowed = _list(raw, "allow")
    if not all(isinstance(name, str) for name in allowed):
        raise UnfitError("allow holds something that is not a type", "names of types")
    return Document(
        id=str(raw.get("id") or ident),
        source=str(raw.get("source") or Path(ident).parent),
        text=without_surrogates(text),
        spans=tuple(_span(item, len(text), presidio) for item in _list(raw, "spans")),
        decoys=tuple(_span(item, len(text), presidio) for item in _list(raw, "decoys")),
        is_negative=is_negative,
        allowed=frozenset(allowed),
        is_whole=raw.get("whole") is True,
        part_of=str(raw.get(by) or "") if by else "",
        where=where,
    )


def _list(raw: Mapping[str, Any], name: str) -> list[Any]:
    value = raw.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise UnfitError(f"{name} is not a list", "a list", type(value).__name__)
    return value


def _span(raw: Any, length: int, presidio: bool) -> Span:
    names = ("start_position", "end_position", "entity_type") if presidio else _SPAN_KEYS
    if not isinstance(raw, dict) or any(name not in raw for name in names):
        raise UnfitError("a label is not complete", "an object with " + ", ".join(names))
    start, end, kind = (raw[name] for name in names)
    if not isinstance(kind, str) or type(start) is not int or type(end) is not int:
        raise UnfitError("a label is not usable", "two whole numbers and the name of a type")
    if not 0 <= start < end <= length:
        raise UnfitError(
            "a label lies outside its text", f"0 ≤ start < end ≤ {length}", f"{start}–{end}"
        )
    return Span(start, end, kind)


_SPAN_KEYS = ("start", "end", "type")


def read_map(path: Path | None) -> TypeMap:
    """The type map of a file; without one, types meet under their own names.

    Raises ProblemsError with everything that is wrong in it.
    """
    if path is None:
        return TypeMap(Names({}), Names({}))
    text = text_of(path, "type map")
    raw = _json_object(text, path, "type map")
    problems = []
    for name, table in raw.items():
        if name not in ("gold", "pred", "groups") or not isinstance(table, dict):
            expected = "the tables gold, pred and groups"
            problems.append(_map_problem(path, text, name, expected))
            continue
        kinds = (str,) if name == "groups" else (str, type(None))
        problems += [
            _map_problem(path, text, key, "the name of a type" + (" or null" if len(kinds) > 1 else ""))
            for key, value in table.items()
            if not isinstance(value, kinds)
        ]  # fmt: skip
    if problems:
        raise ProblemsError(problems, "the type map cannot be used")
    return TypeMap(Names(raw.get("gold", {})), Names(raw.get("pred", {})), raw.get("groups", {}))


def _json_object(text: str, path: Path, what: str) -> dict[str, Any]:
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigurationError(
            f"the {what} is not JSON", where=f"{path}:{error.lineno}", found=error.msg
        ) from None
    if not isinstance(raw, dict):
        raise ConfigurationError(
            f"the {what} is not a JSON object", where=f"{path}:1", found=type(raw).__name__
        )
    return raw


def _map_problem(path: Path, text: str, key: str, expected: str) -> Problem:
    place = text.find(json.dumps(key, ensure_ascii=False) + ":")
    line = text.count("\n", 0, max(place, 0)) + 1
    return Problem(str(path), line, f"{key} is not usable", expected)


def read_sources(paths: Sequence[Path]) -> dict[str, tuple[str, ...] | None]:
    """source → the types labelled there (None: everything), from files as described in docs/eval.md."""
    found: dict[str, tuple[str, ...] | None] = {}
    for path in paths:
        text = text_of(path, "list of sources")
        for name, raw in _json_object(text, path, "list of sources").items():
            labels = raw.get("labels") if isinstance(raw, dict) else ()
            if not isinstance(raw, dict) or not (labels is None or _are_names(labels)):
                expected = 'an object with "labels": a list of types, or null'
                problem = _map_problem(path, text, name, expected)
                raise ProblemsError([problem], "the list of sources cannot be used")
            found[name] = None if labels is None else tuple(labels)
    return found


def _are_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
