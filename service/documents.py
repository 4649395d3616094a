"""Texts to try packs on, whatever they come as: labelled corpora, a state's verdicts, any source."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dlpagent.classifiers.evaluation import Document
from dlpagent.classifiers.evaluation_matching import TypeMap
from dlpagent.classifiers.sit import Pack
from dlpagent.errors import ConfigurationError, SourceError
from dlpagent.service.corpora import SUFFIXES, read_corpora
from dlpagent.service.verdict_corpus import verdict_corpus
from dlpagent.service.wiring import Unreachable, open_sources
from dlpagent.state import open_state

_SQLITE = b"SQLite format 3\x00"
_PEEK_BYTES = 1 << 20


@dataclass(slots=True)
class Texts:
    """documents; lost: (place, reason) of what could not be read; notes: what a person should know."""

    documents: list[Document] = field(default_factory=list)
    lost: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_texts(
    targets: Sequence[str], pack: Pack, types: TypeMap, key_file: Path, by: str = "",
    *, labelled_only: bool = False,
) -> Texts:  # fmt: skip
    """The texts of labelled corpora, of states with verdicts, and (unless labelled_only) of sources.

    Raises ProblemsError, ConfigurationError for what cannot be read at all.
    """
    found = Texts()
    corpora = []
    for target in targets:
        if is_state(target):
            _add_verdicts(found, target, pack, types, key_file)
        elif labelled_only or is_labelled(Path(target)):
            corpora.append(target)
        else:
            _add_sources(found, target)
    if corpora:
        found.documents = [*read_corpora(corpora, by), *found.documents]
    if not found.documents:
        raise ConfigurationError(
            "there is no text to look at",
            where=", ".join(targets),
            expected="labelled texts, a state with verdicts, or files and stores as for scan",
            found=found.lost[0][1] if found.lost else "nothing",
        )
    return found


def is_state(target: str) -> bool:
    """Whether a target is a state: a URL of a database, or a SQLite file."""
    if target.startswith(("postgresql://", "sqlite://")):
        return True
    path = Path(target)
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False


def is_labelled(path: Path) -> bool:
    """Whether a file (or the first of a folder) is a labelled corpus, by its first text."""
    if path.is_dir():
        files = sorted(item for item in path.iterdir() if item.suffix.lower() in SUFFIXES[:3])
        return bool(files) and is_labelled(files[0])
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(_PEEK_BYTES).decode("utf-8-sig", "replace")
    if path.suffix.lower() == ".csv":
        columns = next(csv.reader(head.splitlines()[:1]), [])
        return {"text", "label"} <= set(columns)
    row = _first_row(head)
    return isinstance(row, dict) and (
        ("text" in row and ("spans" in row or row.get("neg") is True)) or "full_text" in row
    )


def _first_row(head: str) -> object:
    text = head.lstrip()
    try:
        return json.JSONDecoder().raw_decode(text[1:].lstrip() if text[:1] == "[" else text)[0]
    except (ValueError, RecursionError):
        return None


def _add_verdicts(found: Texts, target: str, pack: Pack, types: TypeMap, key_file: Path) -> None:
    with open_state(target) as state:
        corpus = verdict_corpus(state, pack, types, key_file)
    found.documents += corpus.documents
    found.lost += corpus.lost
    if corpus.stale:
        found.notes.append(
            f"{target}: {corpus.stale} judged finding(s) are no longer where they were, or stand "
            "encoded; they are left out"
        )


def _add_sources(found: Texts, target: str) -> None:
    for source in open_sources([target]):
        if isinstance(source, Unreachable):
            found.lost.append((source.place, str(source.error).splitlines()[0]))
            continue
        try:
            for asset in source.discover():
                for batch, _ in source.read(asset):
                    found.documents += _unlabelled(asset.uri, batch, len(found.documents))
        except SourceError as error:
            found.lost.append((error.where or target, str(error).splitlines()[0]))


def _unlabelled(uri: str, batch, first: int) -> Iterator[Document]:  # type: ignore[no-untyped-def]
    names = ("record_id", "part", "text", "context")
    columns = (batch.column(name).to_pylist() for name in names)
    for number, (record, part, text, context) in enumerate(zip(*columns, strict=True), first):
        if text:
            yield Document(
                f"{uri}#{record}/{part}/{number}", uri, text, where=f"{uri} {record} {part}",
                is_labelled=False, context=context or "",
            )  # fmt: skip
