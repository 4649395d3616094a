"""What may become of a call: its texts classified, a policy or thresholds applied."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from dlpagent.assess import Assessed, Assessor
from dlpagent.connectors.sources._record_rows import as_record
from dlpagent.connectors.sources._shapes import parts_of
from dlpagent.findings import LEVEL_FLOOR, level_of
from dlpagent.records import Asset, batch_of_columns, without_surrogates
from dlpagent.service.hook.calls import APPS, Call
from dlpagent.service.redact.json_text import JsonText
from dlpagent.service.redact.rewriting import Rewriter
from dlpagent.service.redact.settling import settle

Action = Literal["allow", "ask", "redact", "deny"]
ACTIONS: tuple[Action, ...] = ("allow", "ask", "redact", "deny")
"""The strictest last: of several rules that hold, the strictest decides."""

_OF_POLICY: Mapping[str, Action] = {
    "block": "deny",
    "quarantine": "deny",
    "redact": "redact",
    "warn": "ask",
}
MAX_FILE_BYTES = 5_000_000
"""A file that a tool is about to read is checked up to this size."""

_SHOWN = 5
_ROLES = {"prompt": "user", "file": "upload"}


class Found(NamedTuple):
    """A finding as a reason tells it: place, type, level, masked shape. Never the value."""

    part: str
    sit: str
    level: str
    masked: str
    confidence: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What may become of a call. changed: its subject with the findings masked, when redacted.

    unchecked: why not all of it could be checked, or empty.
    """

    action: Action
    reason: str = ""
    found: tuple[Found, ...] = ()
    changed: Mapping[str, Any] = field(default_factory=dict, repr=False)
    unchecked: str = ""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Without a policy: the confidence (1–100) from which a call is denied, asked about, redacted."""

    deny: int | None = 76
    ask: int | None = None
    redact: int | None = None

    def action(self, confidence: int) -> Action:
        """The strictest action a confidence calls for."""
        for action, floor in (("deny", self.deny), ("redact", self.redact), ("ask", self.ask)):
            if floor is not None and confidence >= floor:
                return action  # type: ignore[return-value]
        return "allow"


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges calls. With a decider in the assessor its policy decides, else the thresholds.

    rewriter: how findings are masked; it should change what the thresholds or the policy name.
    """

    assessor: Assessor
    rewriter: Rewriter
    thresholds: Thresholds = Thresholds()
    app: str | None = None

    def judge(self, call: Call) -> Verdict:
        """The verdict on a call."""
        rows = list(_texts(call))
        file, unread = _file_of(call)
        rows += [("file", file, None)] if file is not None else []
        if not rows:
            return Verdict("allow", unchecked=unread)
        app = self.app or APPS[call.family]
        asset = Asset(f"hook:{app}", "stream", "hook", app=app)
        batch = _batch(asset, rows, call, app)
        assessed = self.assessor.assess(asset, batch)
        found = tuple(self._found(assessed))
        action, why = self._action(assessed, found)
        unread = unread or next((item.reason for item in assessed.problems), "")
        changed: Mapping[str, Any] = {}
        if action == "redact":
            changed, problem = _masked(call.subject, self.rewriter)
            if problem or file is not None or changed == call.subject:
                # what cannot be masked in place may not pass
                action, changed = "deny", {}
        return Verdict(action, _reason(why, found) if found else "", found, changed, unread)

    def _found(self, assessed: Assessed) -> Iterator[Found]:
        names = self.assessor.classifier.sit_names
        columns = ("part", "sit_id", "confidence", "masked")
        for row in assessed.findings.select(columns).to_pylist():
            confidence = row["confidence"]
            yield Found(row["part"], names[row["sit_id"]], level_of(confidence), row["masked"],
                        confidence)  # fmt: skip

    def _action(self, assessed: Assessed, found: Sequence[Found]) -> tuple[Action, str]:
        if self.assessor.decider is None:
            best = max((item.confidence for item in found), default=0)
            return self.thresholds.action(best), ""
        strictest: tuple[int, str] = (0, "")
        for violation in assessed.violations:
            if violation.mode != "enforce":
                continue
            for name in violation.actions:
                rank = ACTIONS.index(_OF_POLICY.get(name, "allow"))
                strictest = max(strictest, (rank, violation.rule_name), key=lambda one: one[0])
        return ACTIONS[strictest[0]], strictest[1]


def _texts(call: Call) -> Iterator[tuple[str, str, str | None]]:
    """(part, text, context) of every text in a call."""
    for part in parts_of(as_record(dict(call.subject))):
        if part.text is not None:
            yield part.part, str(part.text), part.context


def _file_of(call: Call) -> tuple[str | None, str]:
    """The text of the file a tool is about to read, and why it could not be checked."""
    if not call.reads:
        return None, ""
    path = Path(call.reads)
    try:
        if not path.is_file():
            return None, ""  # the tool will fail by itself
        if path.stat().st_size > MAX_FILE_BYTES:
            return None, f"the file to be read has more than {MAX_FILE_BYTES:,} bytes"
        data = path.read_bytes()
    except (OSError, ValueError):
        return None, ""
    if b"\0" in data[:8192]:
        return None, "the file to be read is not text"
    return data.decode("utf-8", errors="replace"), ""


def _batch(
    asset: Asset, rows: Sequence[tuple[str, str, str | None]], call: Call, app: str
) -> pa.RecordBatch:
    many = len(rows)
    role = _ROLES.get(call.kind, "tool")
    return batch_of_columns(
        asset.uri,
        many,
        {
            "record_id": pa.array([call.session or "call"] * many, pa.string()),
            "part": pa.array([part for part, _, _ in rows], pa.string()),
            "seq": pa.array(range(many), pa.int64()),
            "text": pa.array([without_surrogates(text) for _, text, _ in rows], pa.large_string()),
            "context": pa.array([context for _, _, context in rows], pa.string()),
            "role": pa.array([role] * many, pa.string()),
            "app": pa.array([app] * many, pa.string()),
        },
    )


def _masked(subject: Mapping[str, Any], rewriter: Rewriter) -> tuple[Mapping[str, Any], str]:
    (settled,) = settle([json.dumps(subject)], JsonText, rewriter)
    return json.loads(settled.raw), settled.problem or ""


def _reason(rule: str, found: Sequence[Found]) -> str:
    # what is merely possible is not told beside what is likely
    told_from = min(max(item.confidence for item in found), LEVEL_FLOOR["medium"])
    likely = [item for item in found if item.confidence >= told_from]
    counts = Counter((item.sit, item.level, item.part, item.masked) for item in likely)
    ranked = sorted(
        counts.items(),
        key=lambda pair: (-LEVEL_FLOOR[pair[0][1]], pair[0]),  # type: ignore[index]
    )
    told = [
        f"{sit} ({level}) {masked} in {part}" + (f", {many} times" if many > 1 else "")
        for (sit, level, part, masked), many in ranked[:_SHOWN]
    ]
    if len(ranked) > _SHOWN:
        told.append(f"and {len(ranked) - _SHOWN} more")
    head = f"dlpagent, rule {rule}: " if rule else "dlpagent found "
    return head + "; ".join(told) + "."
