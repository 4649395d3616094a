"""What Purview found, from its own exports, to compare with: items, types and levels, no places.

Read are the rows of Content Explorer (Export-ContentExplorerData, as CSV or JSON), whose column
SensitiveInfoTypesData counts matches by confidence level, and the results of Test-DataClassification
(ConvertTo-Json), one object a text. Columns by their published names; parity with a tenant is not
claimed: these are what one tenant said on one day.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlpagent.errors import ConfigurationError, Problem, ProblemsError
from dlpagent.findings import LEVEL_FLOOR, LEVELS

_ITEM = ("FileUrl", "FilePath", "File", "Path", "FileName", "Item")
_NAME = ("ClassificationName", "SensitiveInformationTypeName", "Name", "TagName")
_IDENT = ("Id", "ClassificationId", "SensitiveType", "Identity")
_CONFIDENCE = ("ConfidenceLevel", "Confidence")
_COUNT = ("UniqueCount", "Count")
_LEVEL_COLUMNS = {level: f"{level.title()}ConfidenceMatch" for level in LEVELS}


@dataclass(frozen=True, slots=True)
class PurviewFinding:
    """One type in one item. sit: its GUID (lower case) or name, as the export has it.

    confidence: the highest, or the first of the highest level; count: matches at that level, or
    distinct ones.
    """

    item: str
    sit: str
    confidence: int
    count: int


def read_purview(path: Path) -> list[PurviewFinding]:
    """The findings of an export. Raises ProblemsError with each row that cannot be used, and
    ConfigurationError for a file that is none."""
    text = _text(path)
    rows = _csv_rows(text) if path.suffix.lower() == ".csv" else _json_rows(path, text)
    found: list[PurviewFinding] = []
    problems = []
    seen = 0
    for line, row in rows:
        seen += 1
        try:
            found += _findings(row, path.stem)
        except (KeyError, ValueError, TypeError):
            problems.append(Problem(
                str(path), line, "this row is no result of Purview",
                "SensitiveInfoTypesData or ClassificationResults, as exported",
            ))  # fmt: skip
    if problems:
        raise ProblemsError(problems, f"{len(problems)} row(s) of the export cannot be used")
    if not seen:
        raise ConfigurationError("the export holds nothing", where=str(path))
    return found


def is_purview(path: Path) -> bool:
    """Whether a CSV or JSON file is such an export, by the names of its columns."""
    if path.suffix.lower() not in (".csv", ".json") or not path.is_file():
        return False
    with path.open("rb") as file:
        data = file.read(1 << 16)
    head = data.decode(_encoding(data), "replace")
    return "SensitiveInfoTypesData" in head or "ClassificationResults" in head


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"the export cannot be read ({error.strerror})", where=str(path)
        ) from None
    try:
        return data.decode(_encoding(data))
    except UnicodeDecodeError:
        raise ConfigurationError(
            "the export is not text", where=str(path), expected="UTF-8 or UTF-16"
        ) from None


def _encoding(data: bytes) -> str:
    """PowerShell before 6 writes UTF-16 unless told otherwise."""
    return "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def _csv_rows(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    body = text.split("\n", 1)[1] if text.startswith("#TYPE") else text
    rows = csv.DictReader(io.StringIO(body, newline=""))
    for row in rows:
        yield rows.line_num, {name: value for name, value in row.items() if name and value}


def _json_rows(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        found = json.loads(text)
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        raise ConfigurationError("the export is not JSON", where=f"{path}:{line}") from None
    for number, row in enumerate(found if isinstance(found, list) else [found], 1):
        # pages begin with their totals; they are no items
        if isinstance(row, dict) and "TotalCount" not in row:
            yield number, row


def _findings(row: Mapping[str, Any], stem: str) -> Iterator[PurviewFinding]:
    item = str(_first(row, _ITEM) or stem)
    if "ClassificationResults" in row:
        for result in row["ClassificationResults"] or ():
            sit = _sit(_first(result, _IDENT) or _first(result, _NAME))
            count = int(_first(result, _COUNT) or 1)
            yield PurviewFinding(item, sit, int(_first(result, _CONFIDENCE)), count)
        return
    types = row["SensitiveInfoTypesData"]
    for found in json.loads(types) if isinstance(types, str) else types:
        counts = {level: int(found.get(column) or 0) for level, column in _LEVEL_COLUMNS.items()}
        for level in reversed(LEVELS):
            if counts[level]:
                yield PurviewFinding(item, _sit(found["Id"]), LEVEL_FLOOR[level], counts[level])
                break


def _first(row: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((row[name] for name in names if row.get(name) not in (None, "")), None)


def _sit(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("no type")
    return value.strip("{} ").lower() if value.count("-") == 4 else value
