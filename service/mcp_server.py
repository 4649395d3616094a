"""The MCP server: classifying, explaining, redacting and deciding as tools of an AI application.

Everything runs in this process. Results hold masked shapes, never the values that were found; the one
text that comes back is the clean copy.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import pyarrow as pa

from dlpagent import __version__
from dlpagent.errors import ConfigurationError, DlpAgentError, RuleError, missing_extra
from dlpagent.findings import findings_of
from dlpagent.labels.decide import PolicyDecider
from dlpagent.records import Asset, batch_of_columns, without_surrogates
from dlpagent.service.api import Finding, Findings, OpenPack
from dlpagent.service.redact.operators import Marks
from dlpagent.service.redact.plain_text import PlainText
from dlpagent.service.redact.rewriting import Redactor
from dlpagent.service.redact.settling import settle
from dlpagent.service.session import parse_level
from dlpagent.tallies import items_of_batch
from dlpagent.violations import Decision

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

MAX_CHARS = 1_000_000
"""The longest text a tool takes, in code points. Longer ones are what `dlpagent scan` is for."""
MAX_EXPLAINED_CHARS = 20_000
"""The longest text that is explained: every rule is followed step by step."""

_INSTRUCTIONS = (
    "Finds sensitive information (card and identity numbers, credentials, health data and hundreds of "
    "other types, as Microsoft Purview defines them) in text. Call classify or decide before text "
    "leaves for another service, and send what redact returns instead of text that holds something."
)
_TYPES_LISTED = 50

# The answers below are written without slots: the SDK reads the defaults of a class for its schema.
_BLOCKING = frozenset({"block", "quarantine"})

Level = Literal["low", "medium", "high"]
Role = Literal["user", "assistant", "upload", "tool", "system"]
MarkWith = Literal["mask", "token", "hash"]
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class FindingOut:
    """A finding; start and end are code points, half-open."""

    type: str
    type_id: str
    start: int
    end: int
    confidence: int
    level: str
    masked: str


@dataclass(frozen=True)
class ClassifyOut:
    """What is in a text. unchecked: why not all of it could be checked."""

    findings: list[FindingOut]
    complete: bool
    unchecked: list[str]


@dataclass(frozen=True)
class RedactOut:
    """The clean copy, and how many places of each type were changed."""

    text: str
    changed: dict[str, int]


@dataclass(frozen=True)
class RuleOut:
    """A rule of the policy that holds."""

    rule: str
    severity: str
    mode: str
    actions: list[str]
    reason: str


@dataclass(frozen=True)
class DecideOut:
    """What the policy says: allowed is false when an enforced rule blocks."""

    allowed: bool
    complete: bool
    rules: list[RuleOut]
    recommended_label: str | None


@dataclass(frozen=True)
class TypeOut:
    """A sensitive information type."""

    id: str
    name: str


class Tools:
    """The tools as plain functions. One call at a time, since the engine keeps scratch space."""

    def __init__(self, pack: OpenPack, marks: Marks, decider: PolicyDecider | None = None) -> None:
        self._pack, self._marks, self._decider = pack, marks, decider
        self._lock = threading.Lock()

    def offered(self) -> list[Callable[..., Any]]:
        """The tools a server shows; decide only when there is a policy."""
        found: list[Callable[..., Any]] = [
            self.classify, self.explain, self.redact, self.list_types,
        ]  # fmt: skip
        return [*found, self.decide] if self._decider else found

    def classify(self, text: str, context: str = "", min_level: Level = "low") -> ClassifyOut:
        """Finds sensitive information in a text. Values come back masked.

        context: words that stand beside the text, such as a column heading. min_level: low, medium or
        high confidence and above.
        """
        with self._lock:
            found = self._pack.classify(_checked(text), context)
        return ClassifyOut(
            findings=[_finding(item) for item in found.at_least(min_level)],
            complete=found.is_complete,
            unchecked=_reasons(found),
        )

    def explain(self, text: str, context: str = "") -> str:
        """Says why each type matched a text, what supported it, and what was missing for more."""
        with self._lock:
            return str(self._pack.explain(_checked(text, MAX_EXPLAINED_CHARS), context))

    def redact(self, text: str, operator: MarkWith = "mask", min_level: Level = "low") -> RedactOut:
        """Returns the text with what is found masked, or with tokens: equal values, equal tokens."""
        redactor = Redactor(
            self._pack.classifier, self._pack.pack, self._marks, operator,
            min_confidence=parse_level(min_level),
        )  # fmt: skip
        with self._lock:
            (settled,) = settle([_checked(text)], PlainText, redactor)
        if settled.problem:
            raise RuleError("the text cannot be vouched for", found=settled.problem)
        changed: dict[str, int] = {}
        for (sit, _), count in redactor.counts.items():
            name = self._pack.sits[sit]
            changed[name] = changed.get(name, 0) + count
        return RedactOut(text=settled.raw, changed=changed)

    def list_types(self, query: str = "") -> list[TypeOut]:
        """Lists types by words of their names; at most 50."""
        words = query.casefold().split()
        found = [
            TypeOut(id=ident, name=name)
            for ident, name in sorted(self._pack.sits.items(), key=lambda item: item[1])
            if all(word in name.casefold() for word in words)
        ]
        return found[:_TYPES_LISTED]

    def decide(self, text: str, role: Role = "user", app: str = "", user: str = "") -> DecideOut:
        """Says what the policy makes of a text on its way: into a prompt, out of an answer, a file.

        role: user for prompts, assistant for answers, upload for files. app and user: as policies
        name them.
        """
        assert self._decider is not None
        asset = Asset("mcp:", "stream", "mcp", app=app or None)
        batch = _batch(asset, _checked(text), role, app, user)
        with self._lock:
            classified = self._pack.classifier.classify(batch)
        findings = findings_of(batch, classified.matches)
        unchecked = {item.row for item in classified.incomplete}
        items = list(items_of_batch(asset, batch, findings, unchecked))
        # a text in which nothing was found is no item
        decision = self._decider.decide(items[0]) if items else Decision()
        rules = [
            RuleOut(rule=fired.rule_name, severity=fired.severity, mode=fired.mode,
                    actions=list(fired.actions), reason=fired.reason)
            for fired in decision.fired
        ]  # fmt: skip
        blocked = any(
            rule.mode == "enforce" and _BLOCKING.intersection(rule.actions) for rule in rules
        )
        label = decision.recommendation.label.name if decision.recommendation else None
        return DecideOut(
            allowed=not blocked, complete=not unchecked, rules=rules, recommended_label=label
        )


def server_of(tools: Tools) -> MCPServer[Any]:
    """The tools as an MCP server. Raises ConfigurationError when the package mcp is not there."""
    try:
        from mcp.server.mcpserver import MCPServer
        from mcp.types import ToolAnnotations
    except ImportError:
        raise missing_extra("mcp", "mcp", "the MCP server") from None
    server: MCPServer[Any] = MCPServer(
        "dlpagent", instructions=_INSTRUCTIONS, version=__version__, log_level="WARNING"
    )
    reading = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)
    for function in tools.offered():
        server.add_tool(_told(function), annotations=reading)
    return server


def _told(function: Callable[..., Answer]) -> Callable[..., Answer]:
    """The function, saying of errors that are not ours only their kind: they may hold the text."""

    from mcp.server.mcpserver.exceptions import (
        ToolError,
    )  # of others the SDK tells the client nothing

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Answer:
        try:
            return function(*arguments, **named)
        except DlpAgentError as error:
            raise ToolError(error.render()) from None
        except Exception as error:  # noqa: BLE001
            raise ToolError(f"dlpagent failed ({type(error).__name__})") from None

    return call


def _checked(text: str, most: int = MAX_CHARS) -> str:
    if len(text) > most:
        raise ConfigurationError(
            "the text is too long",
            expected=f"at most {most:,} characters",
            found=f"{len(text):,}",
            remedy="Cut it, or scan it as a file: dlpagent scan FILE.",
        )
    return without_surrogates(text)


def _finding(found: Finding) -> FindingOut:
    return FindingOut(
        type=found.sit,
        type_id=found.sit_id,
        start=found.start,
        end=found.end,
        confidence=found.confidence,
        level=found.level,
        masked=found.masked,
    )


def _reasons(found: Findings) -> list[str]:
    return [f"{item.sit or 'all types'}: {item.reason}" for item in found.unchecked]


def _batch(asset: Asset, text: str, role: str, app: str, user: str) -> pa.RecordBatch:
    return batch_of_columns(
        asset.uri,
        1,
        {
            "record_id": pa.array(["0"]),
            "part": pa.array(["text"]),
            "text": pa.array([text], pa.large_string()),
            "role": pa.array([role]),
            "app": pa.array([app or None], pa.string()),
            "actor_id": pa.array([user or None], pa.string()),
        },
    )
