"""Findings as SARIF 2.1.0: SITs are its rules, findings its results (OASIS standard, 2020)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec
import pyarrow as pa

from dlpagent import __version__
from dlpagent.connectors.sinks._output import Output, rows_of
from dlpagent.findings import Level, PackRef, level_of
from dlpagent.suppressions import Verdict
from dlpagent.violations import Violation, stable_id

SCHEMA_URI: Final = "https://json.schemastore.org/sarif-2.1.0.json"

_LEVELS: Final[Mapping[Level, str]] = {"high": "error", "medium": "warning", "low": "note"}

# Text formats in which a row of the locator is a line of the file.
_LINE_SUFFIXES: Final = (".jsonl", ".ndjson")


class SarifWriter:
    """One run. Results are written as they come; the tool with its rules follows at the end.

    A region has the byte offset of the record, since that is exact in any text file; the place in
    the part (code points) is in the result's properties.
    """

    def __init__(self, output: Output, pack: PackRef, names: Mapping[str, str]) -> None:
        self._output = output
        self._pack = pack
        self._names = names
        self._rules: dict[str, int] = {}
        self._separator = b"\n"
        output.write(
            b'{"$schema":"' + SCHEMA_URI.encode() + b'","version":"2.1.0","runs":[\n'
            b'{"columnKind":"unicodeCodePoints","results":['
        )

    def write(
        self,
        asset_uri: str,
        findings: pa.RecordBatch,
        suppressed: Mapping[int, Verdict] | None = None,
    ) -> None:
        """See FindingsWriter.write."""
        uri = _encoded_uri(asset_uri)
        encode = msgspec.json.Encoder().encode
        hidden = suppressed or {}
        results = [
            encode(self._result(asset_uri, uri, row) | _suppression(hidden.get(number)))
            for number, row in enumerate(rows_of(findings))
        ]
        if results:
            self._output.write(self._separator + b",\n".join(results))
            self._separator = b",\n"

    def close(
        self,
        summary: Mapping[str, Any],
        violations: Sequence[Violation] = (),  # noqa: ARG002 - SARIF has no place for them
    ) -> None:
        """See FindingsWriter.close. An incomplete scan is an execution without success."""
        reasons = [str(reason) for reason in summary.get("incomplete") or ()]
        invocation = {
            "executionSuccessful": not reasons,
            "toolExecutionNotifications": [
                {"level": "error", "message": {"text": _plain(reason)}} for reason in reasons
            ],
        }
        encode = msgspec.json.Encoder().encode
        self._output.write(b'],\n"tool":' + encode(self._tool()))
        self._output.write(b',\n"invocations":[' + encode(invocation) + b"]}]}\n")
        self._output.flush()

    def _tool(self) -> dict[str, Any]:
        return {
            "driver": {
                "name": "dlpagent",
                "semanticVersion": __version__,
                "rules": [self._rule(sit_id) for sit_id in self._rules],
                "properties": {"pack": {"id": self._pack.id, "version": self._pack.version}},
            }
        }

    def _rule(self, sit_id: str) -> dict[str, Any]:
        name = self._names.get(sit_id, sit_id)
        return {"id": sit_id, "name": name, "shortDescription": {"text": _plain(name)}}

    def _result(self, asset_uri: str, uri: str, row: tuple[Any, ...]) -> dict[str, Any]:
        record, part, start, end, sit_id, confidence, _, masked, key, *locator = row
        level = level_of(confidence)
        name = self._names.get(sit_id, sit_id)
        place = stable_id("place", asset_uri, record, part, str(start), str(end), sit_id)
        return {
            "ruleId": sit_id,
            "ruleIndex": self._rules.setdefault(sit_id, len(self._rules)),
            "level": _LEVELS[level],
            "message": {"text": _plain(f"{name} with confidence {confidence} ({level}).")},
            "locations": [_location(uri, record, part, locator)],
            "partialFingerprints": {"dlpagentValue/v1": key, "dlpagentPlace/v1": place},
            "properties": {
                "record": record,
                "part": part,
                "start": start,
                "end": end,
                "confidence": confidence,
                "masked": masked,
            },
        }


def _suppression(verdict: Verdict | None) -> dict[str, Any]:
    """What a viewer needs to hide a result, and to say why."""
    if verdict is None:
        return {}
    why = f"{verdict.ruling}: {verdict.reason} ({verdict.owner})"
    return {"suppressions": [{"kind": "external", "status": "accepted", "justification": why}]}


def _location(uri: str, record: str, part: str, locator: Sequence[Any]) -> dict[str, Any]:
    _, offset, _, row = locator
    physical: dict[str, Any] = {"artifactLocation": {"uri": uri}}
    if uri.startswith("file:"):
        region: dict[str, Any] = {}
        if row is not None and uri.endswith(_LINE_SUFFIXES):
            region["startLine"] = row + 1
        if offset is not None:
            region["byteOffset"] = offset
        if region:
            physical["region"] = region
    return {
        "physicalLocation": physical,
        "logicalLocations": [{"name": part, "fullyQualifiedName": f"{record}/{part}"}],
    }


def _encoded_uri(uri: str) -> str:
    return quote(uri, safe="%/:?#[]@!$&'()*+,;=~", errors="replace")


def _plain(text: str) -> str:
    """Message text without SARIF's own marks: placeholders in braces, links in brackets."""
    for mark, escaped in (("\\", "\\\\"), ("{", "{{"), ("}", "}}"), ("[", "\\["), ("]", "\\]")):
        text = text.replace(mark, escaped)
    return text
