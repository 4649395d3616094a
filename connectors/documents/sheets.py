"""Worksheets as lines of cells, with numbers and dates as a reader sees them."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from dlpagent.connectors.documents.report import Document
from dlpagent.connectors.documents.xml_events import Words, parse_xml
from dlpagent.connectors.documents.zips import Zip, ZipMember

_PIECE_CHARS = 1_000_000
_MAX_CONTEXT_CHARS = 500
_MAX_PLAIN_DIGITS = 20
# Number formats that are dates by definition (ECMA-376 part 1, 18.8.30).
_DATE_FORMATS = frozenset({*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)})
_DATE_CODE = re.compile(r'(?:"[^"]*"|\[[^\]]*\]|\\.|[^"\[\\dyDY])*[dDyY]')
_FIRST_DAY = {False: datetime.datetime(1899, 12, 30), True: datetime.datetime(1904, 1, 1)}  # noqa: DTZ001
_MAX_SERIAL = 2_958_465


@dataclass(slots=True)
class Workbook:
    """What sheets share. names: sheet file → its name; dates: cell styles that show dates."""

    texts: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    dates: set[str] = field(default_factory=set)
    is_1904: bool = False

    @classmethod
    def of(cls, opened: Zip) -> Workbook:
        """The workbook of a zip; empty when there is none."""
        book = cls()
        for name, read in (
            ("xl/sharedStrings.xml", book._read_texts),
            ("xl/styles.xml", book._read_styles),
        ):
            member = opened.named(name)
            if member is not None:
                read(opened, member)
        book._read_names(opened)
        return book

    def _read_texts(self, opened: Zip, member: ZipMember) -> None:
        words = Words(only=frozenset({"t"}), skipped=frozenset({"rPh"}))

        def end(name: str) -> None:
            words.end(name)
            if name == "si":
                self.texts.append(words.take())

        parse_xml(opened.flow(member), words.start, end, words.text)

    def _read_styles(self, opened: Zip, member: ZipMember) -> None:
        codes: dict[str, bool] = {str(number): True for number in _DATE_FORMATS}
        place, count = False, 0

        def start(name: str, given: Mapping[str, str]) -> None:
            nonlocal place, count
            if name == "numFmt":
                codes[given.get("numFmtId", "")] = bool(
                    _DATE_CODE.match(given.get("formatCode", ""))
                )
            elif name == "cellXfs":
                place = True
            elif name == "xf" and place:
                if codes.get(given.get("numFmtId", ""), False):
                    self.dates.add(str(count))
                count += 1

        def end(name: str) -> None:
            nonlocal place
            place = place and name != "cellXfs"

        parse_xml(opened.flow(member), start, end, lambda _: None)

    def _read_names(self, opened: Zip) -> None:
        files: dict[str, str] = {}
        links, book = opened.named("xl/_rels/workbook.xml.rels"), opened.named("xl/workbook.xml")
        if links is None or book is None:
            return

        def link(name: str, given: Mapping[str, str]) -> None:
            if name == "Relationship":
                files[given.get("Id", "")] = given.get("Target", "").rsplit("/", 1)[-1]

        def sheet(name: str, given: Mapping[str, str]) -> None:
            if name == "workbookPr":
                self.is_1904 = given.get("date1904", "0") in ("1", "true")
            if name == "sheet":
                file = files.get(given.get("id", ""), "")
                self.names[file] = given.get("name", file)
                if given.get("state", "visible") != "visible":
                    self.hidden.add(file)

        parse_xml(opened.flow(links), link, lambda _: None, lambda _: None)
        parse_xml(opened.flow(book), sheet, lambda _: None, lambda _: None)

    def cell(self, kind: str, style: str, raw: str) -> str:
        """What a cell shows. kind: its attribute t; style: its attribute s."""
        if kind == "s":
            place = int(raw) if raw.isdigit() and len(raw) < 10 else -1
            return self.texts[place] if 0 <= place < len(self.texts) else ""
        if kind in ("", "n"):
            return self._date(raw) if style in self.dates else _number(raw)
        return "" if kind == "b" else raw

    def _date(self, raw: str) -> str:
        try:
            days = float(raw)
        except ValueError:
            return raw
        if not 0 <= days <= _MAX_SERIAL:
            return raw
        moment = _FIRST_DAY[self.is_1904] + datetime.timedelta(days=round(days * 86_400) / 86_400)
        return moment.strftime("%Y-%m-%d" if days == int(days) else "%Y-%m-%d %H:%M:%S")


def read_sheet(opened: Zip, member: ZipMember, workbook: Workbook, document: Document) -> None:
    """A sheet as a part `sheet=NAME`: a line per row, a tab between cells.

    context is its first row, when that holds words: headings count for every row.
    """
    file = member.name.rsplit("/", 1)[-1]
    name = f"sheet={workbook.names.get(file, file.removesuffix('.xml'))}"
    name += " (hidden)" if file in workbook.hidden else ""
    rows = _Rows(workbook, document, name)
    problem = parse_xml(opened.flow(member), rows.start, rows.end, rows.text)
    rows.flush()
    if problem is not None:
        document.problem(
            f"{name}#damage", problem, "protected" if member.is_protected else "unread"
        )


class _Rows:
    def __init__(self, workbook: Workbook, document: Document, name: str) -> None:
        self._workbook, self._document, self._name = workbook, document, name
        self._lines: list[str] = []
        self._chars = 0
        self._cells: list[str] = []
        self._extra: list[str] = []
        self._kind = self._style = ""
        self._data: list[str] = []
        self._at = ""
        self._context: str | None = None
        self._has_row = False

    def start(self, name: str, given: Mapping[str, str]) -> None:
        if name == "c":
            self._kind, self._style = given.get("t", ""), given.get("s", "")
            self._cells.append("")
        if name in (
            "v",
            "t",
            "f",
            "oddHeader",
            "oddFooter",
            "evenHeader",
            "firstHeader",
            "formula1",
        ):
            self._at, self._data = name, []

    def text(self, data: str) -> None:
        if self._at:
            self._data.append(data)

    def end(self, name: str) -> None:
        if name == "row":
            self._end_row()
        elif name and name == self._at:
            self._take("".join(self._data))
            self._at = ""

    def _take(self, raw: str) -> None:
        if self._at == "f":
            if '"' in raw:  # a constant inside a formula
                self._extra.append(raw)
        elif self._at in ("v", "t") and self._cells:
            self._cells[-1] += self._workbook.cell(self._kind, self._style, raw)
        elif raw:
            self._extra.append(raw)

    def _end_row(self) -> None:
        line = "\t".join([*self._cells, *self._extra])
        if not self._has_row:
            self._has_row = True
            if any(char.isalpha() for char in line):
                self._context = line.replace("\t", " ")[:_MAX_CONTEXT_CHARS]
        self._cells, self._extra = [], []
        self._lines.append(line)
        self._chars += len(line)
        if self._chars > _PIECE_CHARS:
            self.flush()

    def flush(self) -> None:
        """Hand over the lines so far."""
        lines = [*self._lines, *self._extra]
        self._document.text(self._name, "\n".join(lines), context=self._context)
        self._lines, self._extra, self._chars = [], [], 0


def _number(raw: str) -> str:
    """Long numbers are stored as 4.1111111111111111E15: their digits are what a reader sees."""
    if "e" not in raw.lower():
        return raw
    try:
        value = float(raw)
    except ValueError:
        return raw
    is_whole = abs(value) < 10**_MAX_PLAIN_DIGITS and value == int(value)
    return str(int(value)) if is_whole else raw
