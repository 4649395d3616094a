"""What may become of a call: what was seen in it, and a policy or thresholds applied to that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from dlpagent.connectors.sources._record_rows import as_record
from dlpagent.connectors.sources._shapes import parts_of
from dlpagent.findings import LEVEL_FLOOR
from dlpagent.service.hook.calls import APPS, Call

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


class TextOf(NamedTuple):
    """A text of a call: where it stands, and the words beside it."""

    part: str
    text: str
    context: str | None = None


class Ruled(NamedTuple):
    """A rule of a policy that is enforced and holds: its name and what it asks for."""

    rule: str
    actions: tuple[str, ...]


class Seen(NamedTuple):
    """What is in the texts of a call. rules: None when no policy was asked."""

    found: tuple[Found, ...]
    rules: tuple[Ruled, ...] | None = None
    unchecked: str = ""


class Eyes(Protocol):
    """Who looks at texts: this process, or a service that runs."""

    def see(self, texts: Sequence[TextOf], *, app: str, role: str, session: str) -> Seen:
        """What is in the texts of one call."""

    def masked(self, subject: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
        """The subject with its findings masked, and why it cannot be vouched for."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges calls: with a policy its rules decide, else the thresholds."""

    eyes: Eyes
    thresholds: Thresholds = Thresholds()
    app: str | None = None

    def judge(self, call: Call) -> Verdict:
        """The verdict on a call."""
        if call.lacks:  # another form than the one that is known: nothing was looked at
            return Verdict("allow", unchecked=f"the call has no field {' or '.join(call.lacks)}")
        texts = list(_texts(call))
        file, unread = _file_of(call)
        texts += [TextOf("file", file)] if file is not None else []
        if not texts:
            return Verdict("allow", unchecked=unread)
        app, role = self.app or APPS[call.family], _ROLES.get(call.kind, "tool")
        seen = self.eyes.see(texts, app=app, role=role, session=call.session or "call")
        action, rule = self._action(seen)
        changed: Mapping[str, Any] = {}
        if action == "redact":
            changed, problem = self.eyes.masked(call.subject)
            if problem or file is not None or not self._is_clean(call, changed):
                # what cannot be masked in place may not pass
                action, changed = "deny", {}
        reason = _reason(rule, seen.found) if seen.found else ""
        return Verdict(action, reason, seen.found, changed, unread or seen.unchecked)

    def _is_clean(self, call: Call, changed: Mapping[str, Any]) -> bool:
        """Whether nothing in a masked copy would have to be masked again, or be denied.

        Rules may be about less likely findings than those that are masked.
        """
        if changed == call.subject:
            return False
        texts = list(_texts(replace(call, subject=changed)))
        if not texts:
            return True
        app, role = self.app or APPS[call.family], _ROLES.get(call.kind, "tool")
        seen = self.eyes.see(texts, app=app, role=role, session=call.session or "call")
        return not seen.unchecked and self._action(seen)[0] in ("allow", "ask")

    def _action(self, seen: Seen) -> tuple[Action, str]:
        if seen.rules is None:
            best = max((item.confidence for item in seen.found), default=0)
            return self.thresholds.action(best), ""
        strictest: tuple[int, str] = (0, "")
        for rule in seen.rules:
            for name in rule.actions:
                rank = ACTIONS.index(_OF_POLICY.get(name, "allow"))
                strictest = max(strictest, (rank, rule.rule), key=lambda one: one[0])
        return ACTIONS[strictest[0]], strictest[1]


def _texts(call: Call) -> Iterator[TextOf]:
    """Every text in a call."""
    for part in parts_of(as_record(dict(call.subject))):
        if part.text is not None:
            yield TextOf(part.part, str(part.text), part.context)


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
