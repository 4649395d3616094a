"""Findings on a rule package or a pack before anyone uploads or runs it.

Every finding has file, line, rule (lint_rules.RULES), severity, message and what to do. Whatever the
file holds, the answer is findings: no exception, no endless work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from dlpagent.classifiers.lint_pack import pack_findings
from dlpagent.classifiers.lint_rules import MAX_FINDINGS_PER_RULE, RULES, LintFinding
from dlpagent.classifiers.lint_xml import xml_notes
from dlpagent.classifiers.sit import Pack


def lint_path(path: Path, base: Pack | None = None) -> list[LintFinding]:
    """Findings on a pack folder, a SIT file (YAML) or a rule package (anything else), by place.

    base: the pack whose elements the pack may use and whose GUIDs are Purview's. Raises
    ConfigurationError when there is nothing at the path.
    """
    if path.is_dir() or path.suffix.lower() in (".yaml", ".yml") or not path.exists():
        return _capped(pack_findings(path, base))
    return lint_package(path, base)


def lint_package(path: Path, base: Pack | None = None) -> list[LintFinding]:
    """Findings on a rule package file."""
    builtin = frozenset(sit.id for sit in base.sits.values() if sit.parity != "own") if base else ()
    return _capped(
        LintFinding(str(path), line, note.rule, RULES[note.rule][0], note.message, note.fix)
        for line, note in xml_notes(path, frozenset(builtin))
    )


def has_errors(findings: Iterable[LintFinding]) -> bool:
    """Whether any of the findings is an error."""
    return any(finding.severity == "error" for finding in findings)


def _capped(findings: Iterable[LintFinding]) -> list[LintFinding]:
    """By place, none twice, at most so many of one rule."""
    return sorted(_first(dict.fromkeys(findings)))


def _first(findings: Iterable[LintFinding]) -> Iterator[LintFinding]:
    counts: Counter[str] = Counter()
    last: dict[str, LintFinding] = {}
    for finding in findings:
        counts[finding.rule] += 1
        if counts[finding.rule] <= MAX_FINDINGS_PER_RULE:
            yield finding
            last[finding.rule] = finding
    for rule, many in counts.items():
        if many > MAX_FINDINGS_PER_RULE:
            seen = last[rule]
            more = f"{many - MAX_FINDINGS_PER_RULE} more findings of this rule are not shown"
            yield LintFinding(seen.file, seen.line, rule, seen.severity, more, seen.fix)
