"""The lint of a pack folder: what loading says, then what an upload would refuse, as warnings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from dlpagent.classifiers.lint_package import (
    MAX_NAME_CHARS,
    MAX_REGEXES_PER_SIT,
    MAX_SITS,
    SHORT_WINDOW,
)
from dlpagent.classifiers.lint_regex import regex_notes
from dlpagent.classifiers.lint_rules import RULES, UPLOAD_RULES, LintFinding, Note, Severity
from dlpagent.classifiers.lint_terms import list_notes, term_notes
from dlpagent.classifiers.pack import element_places, load_pack
from dlpagent.classifiers.regexes import matcher
from dlpagent.classifiers.sit import (
    AnyOf,
    Condition,
    Element,
    Keyword,
    Match,
    Pack,
    Pattern,
    Regex,
    Sit,
    pattern_refs,
)
from dlpagent.errors import ProblemsError

# The export writes these away, and here they are in daily use.
_NOT_HERE = frozenset({"regex-lookaround", "regex-python-syntax"})


def pack_findings(path: Path, base: Pack | None = None) -> Iterator[LintFinding]:
    """Every finding on a pack folder or SIT file. Raises ConfigurationError when there is none."""
    try:
        pack = load_pack(path, base=base)
    except ProblemsError as error:
        for problem in error.problems:
            details = [f"expected {problem.expected}" if problem.expected else "",
                       f"found {problem.found}" if problem.found else ""]  # fmt: skip
            tail = ", ".join(filter(None, details))
            message = f"{problem.what} ({tail})" if tail else problem.what
            yield LintFinding(problem.file, problem.line, "pack", "error", message, problem.remedy)
        return
    header = str(path / "pack.yaml") if path.is_dir() else str(path)
    yield from (_finding(header, 1, note) for note in _pack_notes(pack))
    for name, (file, line) in element_places(path).items():
        element = pack.elements.get(name)
        if element is not None:
            yield from (_finding(file, line, *note) for note in _element_notes(name, element))
    for sit in pack.sits.values():
        yield from (
            _finding(sit.file, line or sit.line, note) for line, note in _sit_notes(sit, pack)
        )


def _finding(file: str, line: int, note: Note, severity: Severity | None = None) -> LintFinding:
    usual: Severity = "warning" if note.rule in UPLOAD_RULES else RULES[note.rule][0]
    return LintFinding(file, line, note.rule, severity or usual, note.message, note.fix)


def _pack_notes(pack: Pack) -> Iterator[Note]:
    if pack.ref.id.startswith("00000000"):
        yield Note(
            "reserved-id", "pack ids that begin with 00000000 are Purview's", "Make a new GUID."
        )
    if len(pack.name) > MAX_NAME_CHARS:
        yield Note("name-too-long", f"the name of the pack has {len(pack.name)} characters, "
                   f"{MAX_NAME_CHARS} are allowed", "Shorten it.")  # fmt: skip
    if len(pack.sits) > MAX_SITS:
        yield Note("too-many-sits", f"{len(pack.sits)} SITs, {MAX_SITS} are allowed in a tenant",
                   "Export some of them with --sit.")  # fmt: skip


def _element_notes(name: str, element: Element) -> Iterator[tuple[Note, Severity | None]]:
    if isinstance(element, Keyword) and not element.stub:
        texts = [term.text for group in element.groups for term in group.terms]
        yield from ((note, None) for note in list_notes(texts, name))
        known = frozenset(texts)
        for group in element.groups:
            for term in group.terms:
                for note in term_notes(term.text, group.match, known):
                    yield Note(note.rule, f"{name}: {note.message}", note.fix), None
    elif isinstance(element, Regex):
        for expression in element.expressions:
            yield from _expression_notes(name, expression.pattern)


def _expression_notes(name: str, pattern: str) -> Iterator[tuple[Note, Severity | None]]:
    is_slow = matcher(pattern).engine != "re2"
    for note in regex_notes(pattern):
        if note.rule not in _NOT_HERE:
            is_hang = is_slow and note.rule == "regex-catastrophic"
            named = Note(note.rule, f"{name}: {note.message}", note.fix)
            yield named, "error" if is_hang else None
    if is_slow:
        yield Note("slow-regex", f"{name} holds what RE2 cannot take; it runs in a process of its own",
                   "Write it without back references and inner lookarounds."), None  # fmt: skip


# --- SITs -------------------------------------------------------------------------------------


def _sit_notes(sit: Sit, pack: Pack) -> Iterator[tuple[int, Note]]:
    for level, many in Counter(item.confidence for item in sit.patterns).items():
        if many > 1:
            yield (
                sit.line,
                Note(
                    "duplicate-confidence",
                    f"{sit.name}: {many} patterns have the confidence {level}",
                    "Purview wants them distinct in a type of your own.",
                ),
            )
    highest = max((item.confidence for item in sit.patterns), default=100)
    if sit.recommended_confidence > highest:
        yield (
            sit.line,
            Note(
                "recommended-unreached",
                f"{sit.name}: the recommended confidence is {sit.recommended_confidence}, the highest "
                f"pattern has {highest}",
                "Recommend a confidence that a pattern reaches.",
            ),
        )
    regexes = {ref for item in sit.patterns for ref in pattern_refs(item)
               if isinstance(pack.elements.get(ref), Regex)}  # fmt: skip
    if len(regexes) > MAX_REGEXES_PER_SIT:
        yield sit.line, Note("too-many-regexes", f"{sit.name} names {len(regexes)} regexes, "
                             f"{MAX_REGEXES_PER_SIT} are allowed", "Join some.")  # fmt: skip
    for pattern in sit.patterns:
        for note in _pattern_notes(sit, pattern, pack):
            yield pattern.line, note


def _pattern_notes(sit: Sit, pattern: Pattern, pack: Pack) -> Iterator[Note]:
    stack: list[Condition] = list(pattern.conditions)
    while stack:
        item = stack.pop()
        if isinstance(item, AnyOf):
            stack.extend(item.children)
            if item.min_matches > len(item.children):
                yield Note("any-impossible", f"{sit.name}: an any asks for more than it holds",
                           "Ask for less.")  # fmt: skip
            elif item.min_matches == 0 and (
                item.max_matches is None or item.max_matches >= len(item.children)
            ):
                yield Note("any-always", f"{sit.name}: an any always holds",
                           "To exclude its elements write max: 0.")  # fmt: skip
        else:
            yield from _window_notes(sit, pattern, item, pack)


def _window_notes(sit: Sit, pattern: Pattern, match: Match, pack: Pack) -> Iterator[Note]:
    width = match.proximity or pattern.proximity or sit.proximity
    element = pack.elements.get(match.ref)
    terms = [len(term.text) for group in element.groups for term in group.terms] if isinstance(
        element, Keyword) else []  # fmt: skip
    if 0 < width < max(SHORT_WINDOW, max(terms, default=0)):
        yield Note("window-too-short", f"{sit.name}: within {width} characters not every term of "
                   f"{match.ref} fits", "Widen the proximity.")  # fmt: skip
