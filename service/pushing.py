"""Draining the outbox of a sweep on demand: what is pending, dead letters, events of before."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dlpagent.errors import ConfigurationError, ExitCode
from dlpagent.outbox import Delivered, Retry, drain
from dlpagent.ports import Sink
from dlpagent.service.sink_spec import SinkSpec
from dlpagent.service.sweep_file import read_sweep_file
from dlpagent.state import State, open_state
from dlpagent.state.audit import local_actor

_REASONS_SHOWN = 10

# Reasons name the request; without its id, equal reasons are equal.
_REQUEST_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True)
class PushRequest:
    """What a person asks of push. names: the sinks meant, none for all. since: see parse_since."""

    file: Path
    names: tuple[str, ...] = ()
    dead_letters: bool = False
    since: datetime | None = None
    wait_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Pushed:
    """What push did: events given to sinks that never had them, dead letters taken up, delivery."""

    added: int
    requeued: int
    delivered: Delivered

    @property
    def exit_code(self) -> ExitCode:
        left = self.delivered.pending or self.delivered.dead or self.delivered.errors
        return ExitCode.DELIVERY if left else ExitCode.CLEAN


def push(request: PushRequest) -> tuple[Pushed, dict[str, Any]]:
    """Drain; returns what was done and how the sinks stand. Raises DlpAgentError."""
    settings = read_sweep_file(request.file).settings
    specs = chosen(settings.sinks, request.names, request.file)
    with ExitStack() as stack:
        sinks: dict[str, Sink] = {}
        for spec in specs:
            sinks[spec.name] = spec.open()
            stack.callback(sinks[spec.name].close)
        state = stack.enter_context(existing_state(settings.state, request.file))
        state.end_expired()
        added = requeued = 0
        actor = local_actor()
        for name in sinks:
            if request.since is not None:
                added += state.enqueue_since(name, request.since, actor)
            if request.dead_letters:
                requeued += state.requeue_dead(name, actor)
        delivered = drain(state, sinks, at_once=True, retry=Retry(patience=request.wait_s))
        pushed = Pushed(added, requeued, _with_dead(delivered, state, sinks))
        return pushed, standing(state, list(sinks))


def _with_dead(
    delivered: Delivered, state: State, sinks: Sequence[str] | dict[str, Sink]
) -> Delivered:
    """Letters that were dead before still are undelivered: the exit code says so."""
    dead = sum(lag.dead for lag in state.outbox_lag() if lag.sink in sinks)
    return replace(delivered, dead=dead)


def chosen(specs: Sequence[SinkSpec], names: Sequence[str], file: Path) -> list[SinkSpec]:
    """The sinks of a sweep file that are meant. Raises ConfigurationError for a name there is not."""
    known = [spec.name for spec in specs]
    for name in names or known[:1] or [""]:
        if name not in known:
            raise ConfigurationError(
                f"the sweep has no sink {name}".rstrip(),
                where=str(file),
                expected="one of " + ", ".join(known) if known else "the key sinks:",
                found=name or "none",
            )
    return [spec for spec in specs if not names or spec.name in names]


def existing_state(place: str | None, file: Path) -> State:
    """The state of a sweep that has run. Raises ConfigurationError when it has not."""
    if place is None:
        raise ConfigurationError("the sweep file names no state", where=str(file))
    if "://" not in place and not Path(place).exists():
        raise ConfigurationError(
            "the sweep has not run yet",
            where=str(file),
            expected=f"its state, {place}",
            found="none",
            remedy=f"Run it: dlpagent sweep run {file}",
        )
    return open_state(place)


def parse_since(text: str | None) -> datetime | None:
    """A date or time in ISO 8601 (without zone: UTC), or `all`. Raises ConfigurationError."""
    if text is None:
        return None
    if text == "all":
        return datetime(1, 1, 2, tzinfo=UTC)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            "this is not a time",
            where="--since",
            expected="a date or time as 2026-01-31 or 2026-01-31T08:00Z, or all",
            found=text[:40],
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def standing(state: State, names: Sequence[str]) -> dict[str, Any]:
    """How the sinks stand, as plain JSON values; dead letters by reason, the commonest first."""
    lags = [asdict(lag) for lag in state.outbox_lag() if lag.sink in names]
    reasons = Counter(
        (letter.sink, _REQUEST_ID.sub("…", letter.reason))
        for name in names
        for letter in state.dead_letters(name)
    )
    return {
        "v": 1,
        "sinks": lags,
        "dead_letters": [
            {"sink": sink, "reason": reason, "events": many}
            for (sink, reason), many in reasons.most_common(_REASONS_SHOWN)
        ],
    }


def lag_line(lag: dict[str, Any]) -> str:
    """One sink as a person reads it; the circuit only when it is not closed."""
    line = f"Sink {lag['sink']}: {lag['sent']} sent, {lag['pending']} pending, {lag['dead']} dead"
    if lag["oldest"]:
        line += f" (oldest pending {lag['oldest']})"
    if lag["circuit"] != "closed":
        until = f" until {lag['retry_at']}" if lag["circuit"] == "open" else ""
        line += f"; circuit {lag['circuit']}{until} after {lag['failures']} failure(s)"
    return f"{line}: {lag['last_error']}" if lag["last_error"] else line


def pushed_lines(pushed: Pushed, stands: dict[str, Any]) -> Iterator[str]:
    """What was done and how the sinks stand, as a person reads it."""
    if pushed.added:
        yield f"{pushed.added} event(s) of before given to sinks that never had them"
    if pushed.requeued:
        yield f"{pushed.requeued} dead letter(s) taken up again"
    yield f"{pushed.delivered.sent} event(s) sent now"
    for lag in stands["sinks"]:
        yield lag_line(lag)
    for name in pushed.delivered.busy:
        yield f"Sink {name}: another process is draining it"
    for letters in stands["dead_letters"]:
        yield f"  dead in {letters['sink']}: {letters['events']} × {letters['reason']}"
