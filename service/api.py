"""The Python API, `import dlpagent`: open a pack, classify text, scan data, get Arrow back.

Nothing here keeps a value: findings hold masked shapes and keys, as everywhere. A notebook shows the
text that was classified with its matches masked, for notebooks are saved with what they show.
"""

from __future__ import annotations

import html
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.detecting import classifier_of
from dlpagent.classifiers.explain import Explanation, Trace, explain
from dlpagent.classifiers.sit import Pack, Profile
from dlpagent.errors import ConfigurationError
from dlpagent.evidence import Evidence
from dlpagent.findings import (
    FINDING_SCHEMA,
    LEVELS,
    Incomplete,
    Level,
    PackRef,
    findings_of,
    level_of,
)
from dlpagent.ports import Classifier
from dlpagent.records import batch_of_columns
from dlpagent.service.ner import Ner
from dlpagent.service.packs import BUILTIN_NAME, above, load_packs
from dlpagent.service.session import parse_level
from dlpagent.service.settings import Home
from dlpagent.service.trace_view import explanation_text, why_of

BATCH_ROWS = 2_000


@dataclass(frozen=True, slots=True)
class Finding:
    """A SIT at a place. start and end are code points, half-open; masked and key are the evidence."""

    asset: str
    record: str
    part: str
    start: int
    end: int
    sit_id: str
    sit: str
    confidence: int
    level: Level
    masked: str
    key: str


@dataclass(frozen=True, slots=True)
class Unchecked:
    """A text, or a SIT on it, that could not be checked; sit None: all of them."""

    record: str
    part: str
    sit: str | None
    reason: str


_COLUMNS = ("asset", "record_id", "part", "start", "end", "sit_id", "sit", "confidence", "level",
            "masked", "key")  # fmt: skip


class Shown(NamedTuple):
    """The text that findings are of, as a notebook needs it; explain: asked when it is shown."""

    text: str
    context: str
    explain: Callable[[], Explanation]


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found, as values or as an Arrow table; and what could not be checked.

    table: columns asset, record_id, part, start, end, sit_id, sit, confidence, level, masked, key.
    """

    table: pa.Table
    unchecked: tuple[Unchecked, ...] = ()
    _shown: Shown | None = field(default=None, repr=False, compare=False)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __iter__(self) -> Iterator[Finding]:
        for row in self.table.to_pylist():
            yield Finding(*(row[name] for name in _COLUMNS))

    @property
    def is_complete(self) -> bool:
        """Whether everything was checked."""
        return not self.unchecked

    def at_least(self, level: str | int) -> Findings:
        """Those of a confidence or level (low, medium, high) and above."""
        floor = parse_level(str(level))
        kept = self.table.filter(pc.greater_equal(self.table.column("confidence"), floor))
        return Findings(kept, self.unchecked, self._shown)

    def to_arrow(self) -> pa.Table:
        """The table."""
        return self.table

    def to_pandas(self) -> Any:
        """The table as a pandas DataFrame."""
        return self.table.to_pandas()

    def _repr_html_(self) -> str:
        """In a notebook: the text with its matches masked and coloured, or a table of the findings."""
        if self._shown is not None:
            text, context, why = self._shown
            return text_html(text, context, list(self), why().traces)
        return _table_html(self)


@dataclass(slots=True)
class OpenPack:
    """A pack ready to be used. Make one with open_pack()."""

    pack: Pack
    classifier: Classifier
    compiled: CompiledPack

    def classify(self, text: str, context: str = "") -> Findings:
        """What is in one text. context: words beside it (a column heading), at distance 0."""
        batch = _batch("text:", [text], ["0"], "text", context or None)
        found = self._classified("text:", batch)
        found_sits = [self.pack.sits[one] for one in set(found.table.column("sit_id").to_pylist())]
        shown = Shown(text, context, lambda: explain(self.compiled, text, context, found_sits))
        return Findings(found.table, found.unchecked, shown)

    def explain(self, text: str, context: str = "") -> Explained:
        """Why each match got its confidence, and what was missing for the next level."""
        return Explained(explain(self.compiled, text, context), self.pack, text)

    def scan(
        self, data: Any, columns: Sequence[str] | None = None, *, connector: str | None = None
    ) -> Findings:
        """What is in data: a path, glob or URI (as `dlpagent scan` takes them), or a table.

        A table is an Arrow table or record batch, a pandas or polars frame, a Hugging Face dataset,
        or a mapping of column names to texts; `columns` names those to be read, all text columns
        when not given. Raises ConfigurationError for anything else, SourceError for what cannot be
        opened.
        """
        if isinstance(data, str | os.PathLike):
            return self._scan_path(os.fspath(data), connector)
        tables = [
            self._classified("table:", batch) for batch in _table_batches(_as_table(data), columns)
        ]
        return _joined(tables)

    def _scan_path(self, target: str, connector: str | None) -> Findings:
        from dlpagent.service.wiring import Unreachable, open_sources

        tables = []
        for source in open_sources([target], connector):
            if isinstance(source, Unreachable):
                raise source.error
            for asset in source.discover():
                for batch, _ in source.read(asset):
                    tables.append(self._classified(asset.uri, batch))
        return _joined(tables)

    def _classified(self, asset: str, batch: pa.RecordBatch) -> Findings:
        classified = self.classifier.classify(batch)
        rows = findings_of(batch, classified.matches)
        names = self.classifier.sit_names
        levels = [level_of(value) for value in rows.column("confidence").to_pylist()]
        table = pa.table(
            {
                "asset": pa.repeat(pa.scalar(asset), rows.num_rows),
                **{name: rows.column(name) for name in FINDING_SCHEMA.names if name in _COLUMNS},
                "sit": pa.array([names[sit] for sit in rows.column("sit_id").to_pylist()], pa.string()),
                "level": pa.array(levels, pa.string()),
            }
        ).select(list(_COLUMNS))  # fmt: skip
        return Findings(table, (*_unread(batch), *self._unchecked(batch, classified.incomplete)))

    def _unchecked(
        self, batch: pa.RecordBatch, incomplete: Sequence[Incomplete]
    ) -> Iterator[Unchecked]:
        for item in incomplete:
            sit = self.classifier.sit_names.get(item.sit_id) if item.sit_id else None
            yield Unchecked(batch.column("record_id")[item.row].as_py(),
                            batch.column("part")[item.row].as_py(), sit, item.reason)  # fmt: skip

    @property
    def sits(self) -> Mapping[str, str]:
        """SIT id → name."""
        return self.classifier.sit_names

    @property
    def ref(self) -> PackRef:
        """Id, version and hash of the pack."""
        return self.pack.ref


def open_pack(
    *names: str | os.PathLike[str],
    profile: Profile = "extended",
    min_confidence: str | int = 1,
    ner: Ner = "off",
    evidence: Evidence | None = None,
) -> OpenPack:
    """Open packs by name (`builtin`, the default), folder, SIT file or rule package XML.

    ner: off, auto or on: whether SITs that need a language model are looked for (docs/named-entities.md).
    evidence: the key that values are known by; the installation's own ($DLPAGENT_HOME) when not
    given. Raises ConfigurationError and ProblemsError.
    """
    home = Home.of_environment()
    wanted = [os.fspath(name) for name in names] or [BUILTIN_NAME]
    pack = load_packs(wanted, profile, home.path / "cache", ner)
    floor = parse_level(str(min_confidence))
    if floor > 1:
        pack = above(pack, floor)
    classifier = classifier_of(pack, evidence or home.evidence(), home.path / "cache")
    return OpenPack(pack, classifier, CompiledPack(pack))


@dataclass(frozen=True, slots=True)
class Explained:
    """Traces of a text; print it, or read `.explanation`. Values are masked."""

    explanation: Explanation
    pack: Pack
    text: str = field(repr=False)

    def __str__(self) -> str:
        return explanation_text(self.explanation, self.pack, self.text, None, everything=False)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


# --- tables ---------------------------------------------------------------------------------------


def _as_table(data: Any) -> pa.Table:
    if isinstance(data, pa.Table):
        return data
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    if isinstance(data, Mapping):
        return pa.table({name: pa.array(list(values)) for name, values in data.items()})
    if hasattr(data, "with_format") and hasattr(data, "num_rows"):  # a Hugging Face dataset
        return data.with_format("arrow")[:]
    if hasattr(data, "to_arrow"):  # polars
        return data.to_arrow()
    if type(data).__module__.partition(".")[0] == "pandas":
        return pa.Table.from_pandas(data, preserve_index=False)
    if hasattr(data, "__arrow_c_stream__"):
        return pa.table(data)
    raise ConfigurationError(
        "this cannot be scanned",
        expected="a path, an Arrow table, a pandas or polars frame, a Hugging Face dataset, a mapping",
        found=type(data).__name__,
    )


def _table_batches(table: pa.Table, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
    """A table's text columns as records: record_id is the row, part the column, context its name."""
    names = list(columns) if columns is not None else [
        item.name for item in table.schema if _is_text(item.type)
    ]  # fmt: skip
    for name in names:
        if name not in table.column_names:
            raise ConfigurationError(
                "there is no such column",
                expected="some of " + ", ".join(table.column_names),
                found=name,
            )
        if not _is_text(table.schema.field(name).type):
            table = table.set_column(
                table.column_names.index(name), name, pc.cast(table.column(name), pa.large_string())
            )
    row = 0
    for piece in table.to_batches(max_chunksize=BATCH_ROWS):
        ids = [str(number) for number in range(row, row + piece.num_rows)]
        row += piece.num_rows
        for name in names:
            texts = piece.column(name).cast(pa.large_string())
            yield _batch("table:", texts, ids, name, name)


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _batch(
    asset: str, texts: Any, ids: Sequence[str], part: str, context: str | None
) -> pa.RecordBatch:
    rows = len(ids)
    return batch_of_columns(
        asset,
        rows,
        {
            "record_id": pa.array(ids, pa.string()),
            "part": pa.array([part] * rows, pa.string()),
            "text": texts if isinstance(texts, pa.Array) else pa.array(texts, pa.large_string()),
            "context": pa.array([context] * rows, pa.string()),
        },
    )


def _unread(batch: pa.RecordBatch) -> Iterator[Unchecked]:
    unread = pc.not_equal(batch.column("status"), "read")
    for row in pc.indices_nonzero(unread).to_pylist():
        yield Unchecked(batch.column("record_id")[row].as_py(), batch.column("part")[row].as_py(),
                        None, batch.column("problem")[row].as_py() or "not read")  # fmt: skip


def _joined(found: Sequence[Findings]) -> Findings:
    if not found:
        raise ConfigurationError(
            "there is nothing to scan", expected="at least one text column", found="none"
        )
    table = pa.concat_tables([item.table for item in found]).combine_chunks()
    return Findings(table, tuple(one for item in found for one in item.unchecked))


# --- notebooks ------------------------------------------------------------------------------------

_COLOURS = {"high": "#b3261e", "medium": "#8a5a00", "low": "#3f5f8a"}


def text_html(
    text: str, context: str, found: Sequence[Finding], traces: Sequence[Trace] = ()
) -> str:
    """A text with its matches coloured by level and masked; hovering says which SIT, how sure and why.

    Of overlapping matches the surest is shown in place; all are named on hovering.
    """
    pieces: list[str] = []
    place = 0
    for group in _overlapping(found):
        start, end = min(item.start for item in group), max(item.end for item in group)
        best = max(group, key=lambda item: (item.confidence, item.end - item.start))
        title = "\n".join(_title(item, traces) for item in group)
        pieces.append(html.escape(text[place:start]))
        pieces.append(
            f'<mark title="{html.escape(title, quote=True)}" style="background:none;color:inherit;'
            f'border-bottom:2px solid {_COLOURS[best.level]};font-weight:600">'
            f"{html.escape(best.masked)}</mark>"
        )
        place = end
    pieces.append(html.escape(text[place:]))
    beside = f"<small>beside: {html.escape(context)}</small><br>" if context else ""
    return f'<div style="white-space:pre-wrap">{beside}{"".join(pieces)}</div>'


def _title(item: Finding, traces: Sequence[Trace]) -> str:
    place = (item.sit_id, item.start, item.end)
    why = next(
        (
            why_of(one)
            for one in traces
            if (one.sit_id, one.start, one.end) == place and one.confidence
        ),
        "",
    )
    return f"{item.sit}: {item.confidence} ({item.level})" + (f", {why}" if why else "")


def _overlapping(found: Sequence[Finding]) -> Iterator[list[Finding]]:
    group: list[Finding] = []
    for item in sorted(found, key=lambda one: (one.start, one.end)):
        if group and item.start >= max(one.end for one in group):
            yield group
            group = []
        group.append(item)
    if group:
        yield group


def _table_html(found: Findings, most: int = 50) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(item.record)}</td><td>{html.escape(item.part)}</td>"
        f"<td>{item.start}–{item.end}</td><td>{html.escape(item.sit)}</td>"
        f"<td>{item.confidence} ({item.level})</td><td>{html.escape(item.masked)}</td></tr>"
        for item in list(found)[:most]
    )
    head = "".join(f"<th>{name}</th>" for name in
                   ("record", "part", "place", "SIT", "confidence", "masked"))  # fmt: skip
    levels = found.table.column("level").to_pylist()
    counts = {level: levels.count(level) for level in reversed(LEVELS)}
    told = ", ".join(f"{many} {level}" for level, many in counts.items())
    return f"<table><tr>{head}</tr>{rows}</table><p>{len(found)} findings ({told})</p>"
