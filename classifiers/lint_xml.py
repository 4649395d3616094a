"""The lint of a rule package file: whatever the file is, findings come out, never an exception."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from dlpagent.classifiers.lint_package import package_notes
from dlpagent.classifiers.lint_rules import Note
from dlpagent.classifiers.lint_schema import shape_notes
from dlpagent.classifiers.rulepackage_draft import EDM_NAMESPACE, NAMESPACE, PRIVA_NAMESPACE
from dlpagent.classifiers.xml_nodes import MAX_BYTES, Node, decoded, parse_xml
from dlpagent.errors import ProblemsError

MAX_UPLOAD_BYTES = 770 * 1024
"""Size of a package. Source: Purview's cmdlet pages (about 770 KB)."""

Placed = tuple[int, Note]

_PROLOG_ENCODING = re.compile(r"""\A\s*<\?xml[^>]*?encoding\s*=\s*["']([^"']*)""")
# The reader's words → our rule and what to do.
_READER = (
    ("mismatched tag", "crossed-tags", "Close elements in the order opposite to how they were opened."),
    ("document type", "entities", "Remove the DOCTYPE and write the text out."),
    ("nested more", "nested-too-deep", "A rule package is about ten levels deep."),
    ("file is not", "encoding", "Save it as UTF-16 with a byte-order mark."),
    ("too large", "too-large", "Split the package."),
    ("cannot be read", "unreadable", ""),
    ("not well-formed", "not-well-formed", "Escape & as &amp; and < as &lt;; close every tag and quote."),
)  # fmt: skip


def xml_notes(path: Path, builtin_ids: frozenset[str] = frozenset()) -> Iterator[Placed]:
    """Every finding on a file, with its line. builtin_ids: GUIDs of Purview's own types."""
    try:
        data = _read(path)
        text = decoded(data, path)
        root = parse_xml(text, path)
    except ProblemsError as error:
        for problem in error.problems:
            yield problem.line, _reader_note(problem.what, problem.found)
        return
    if len(data) > MAX_UPLOAD_BYTES:
        yield (
            1,
            Note(
                "too-large",
                f"the file has {len(data) // 1024} KB, Purview takes about {MAX_UPLOAD_BYTES // 1024}",
                "Split it, or move long lists into keyword dictionaries.",
            ),
        )
    yield from _prolog(data, text)
    if not _is_rule_package(root):
        yield root.line, _kind_note(root)
        return
    yield from _namespace(root)
    yield from (
        (node.line, note) for node, parent in _walk(root) for note in shape_notes(node, parent)
    )
    yield from package_notes(root, builtin_ids)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _problem(path, "the file is too large")
        return path.read_bytes()
    except OSError:
        raise _problem(path, "the file cannot be read") from None


def _problem(path: Path, what: str) -> ProblemsError:
    from dlpagent.errors import Problem  # noqa: PLC0415 - kept beside its one use

    return ProblemsError([Problem(str(path), 1, what)])


def _reader_note(what: str, found: str) -> Note:
    for words, rule, fix in _READER:
        if words in what:
            return Note(rule, f"{what} ({found})" if found else what, fix)
    return Note("not-well-formed", what)


def _prolog(data: bytes, text: str) -> Iterator[Placed]:
    found = _PROLOG_ENCODING.match(text.lstrip("\ufeff"))
    is_wide = data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:4]
    if found and found[1].lower().replace("-", "").startswith("utf16") != is_wide:
        actual = "UTF-16" if is_wide else "UTF-8"
        yield (
            1,
            Note(
                "prolog",
                f"the prolog says {found[1]}, the file is {actual}",
                f'Write encoding="{actual.lower()}", or save the file in the encoding it names.',
            ),
        )


def _is_rule_package(root: Node) -> bool:
    return root.tag == "RulePackage" and _plain(root.namespace) != PRIVA_NAMESPACE


def _kind_note(root: Node) -> Note:
    kind = {
        "EdmSchema": "the schema of an exact data match store",
        "RulePackage": "a Priva personal data match package",
    }.get(root.tag, f"a document of the kind {root.tag}")
    return Note("not-a-rule-package", f"this is {kind}, not a rule package",
                "Its root must be RulePackage.")  # fmt: skip


def _namespace(root: Node) -> Iterator[Placed]:
    if root.namespace not in (NAMESPACE, EDM_NAMESPACE):
        right = _plain(root.namespace) if _plain(root.namespace) == EDM_NAMESPACE else NAMESPACE
        yield (
            root.line,
            Note(
                "namespace",
                f"the namespace is {root.namespace or 'missing'}",
                f'Write xmlns="{right}".',
            ),
        )


def _plain(namespace: str) -> str:
    return namespace.replace("https://", "http://")


def _walk(root: Node) -> Iterator[tuple[Node, Node | None]]:
    stack: list[tuple[Node, Node | None]] = [(root, None)]
    while stack:
        node, parent = stack.pop()
        yield node, parent
        stack.extend((child, node) for child in node.children)
