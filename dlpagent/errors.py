"""The errors of the product: one base class, a few subclasses by who can act.

A message has four parts: what failed and where; what was expected; what was found; what to do.
It never holds sensitive text. The CLI turns each class into the exit code named here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """What the process reports to its caller; the contract of the command line."""

    CLEAN = 0
    FINDINGS = 1
    USAGE = 2
    INCOMPLETE = 3
    DELIVERY = 4
    INTERRUPTED = 130


class DlpAgentError(Exception):
    """Base of every error that dlpagent raises on purpose.

    where: file:line, asset, command or setting. expected / found / remedy may be empty.
    """

    exit_code = ExitCode.USAGE

    def __init__(
        self, what: str, *, where: str = "", expected: str = "", found: str = "", remedy: str = ""
    ) -> None:
        self.what, self.where = what, where
        self.expected, self.found, self.remedy = expected, found, remedy
        super().__init__(self.render())

    def render(self) -> str:
        """The message as a person reads it, at most four lines."""
        lines = [f"{self.where}: {self.what}" if self.where else self.what]
        if self.expected:
            lines.append(f"  Expected {self.expected}.")
        if self.found:
            lines.append(f"  Found {self.found}.")
        if self.remedy:
            lines.append(f"  {self.remedy}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        """Errors cross process borders (worker pools), so they must survive pickling."""
        return (_rebuild, (type(self), dict(self.__dict__)))


def _rebuild(cls: type[DlpAgentError], state: dict[str, object]) -> DlpAgentError:
    error = cls.__new__(cls)
    error.__dict__.update(state)
    Exception.__init__(error, error.render())
    return error


class ConfigurationError(DlpAgentError):
    """A setting, flag, path or file of ours is wrong; the person running the command can act."""


class RuleError(DlpAgentError):
    """A pack or a SIT is wrong; the author of the rule can act."""


class SourceError(DlpAgentError):
    """A source could not be opened or read; whatever it held is reported incomplete."""

    exit_code = ExitCode.INCOMPLETE


class SinkError(DlpAgentError):
    """A sink refused or could not be reached; the events stay in the outbox."""

    exit_code = ExitCode.DELIVERY


class StateError(DlpAgentError):
    """The state database or its evidence key cannot be used."""


class BusyError(DlpAgentError):
    """Another sweep holds the asset; one sweep at a time per asset."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong in one file. Problems are gathered and shown together, never one at a time."""

    file: str
    line: int
    what: str
    expected: str = ""
    found: str = ""
    remedy: str = ""
    severity: str = "error"

    def __str__(self) -> str:
        tail = [f"  Expected {self.expected}."] if self.expected else []
        tail += [f"  Found {self.found}."] if self.found else []
        tail += [f"  {self.remedy}"] if self.remedy else []
        mark = "" if self.severity == "error" else f"{self.severity}: "
        return "\n".join([f"{self.file}:{self.line}: {mark}{self.what}", *tail])


class ProblemsError(RuleError):
    """Every problem of one or many files, in the order of file and line."""

    def __init__(self, problems: Sequence[Problem], title: str = "") -> None:
        self.problems = tuple(sorted(problems))
        self.title = title or f"{len(self.problems)} problem(s) found"
        super().__init__(self.title)

    def render(self) -> str:
        return "\n".join([*(str(problem) for problem in self.problems), self.title])


def missing_extra(package: str, extra: str, what: str) -> ConfigurationError:
    """The error for an optional package that is not installed, naming the extra that brings it."""
    return ConfigurationError(
        f"{what} needs the package {package}, which is not installed",
        remedy=f"Run: pip install 'dlpagent[{extra}]'",
    )
