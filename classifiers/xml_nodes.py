"""XML as a small tree with line numbers: no DTD, no entities, no network, bounded depth and size."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from dlpagent.errors import Problem, ProblemsError

MAX_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 100

_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")


@dataclass(slots=True)
class Node:
    """An element. tag is the local name; namespace its URI or ""."""

    tag: str
    namespace: str
    attributes: dict[str, str]
    line: int
    children: list[Node] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The element's own text, with what surrounds it stripped."""
        return "".join(self.texts).strip()

    def all(self, *tags: str) -> Iterator[Node]:
        """Children with one of these local names."""
        return (child for child in self.children if child.tag in tags)

    def first(self, tag: str) -> Node | None:
        """The first child of that name."""
        return next(self.all(tag), None)

    def within(self, *tags: str) -> Iterator[Node]:
        """Descendants with one of these names, in document order."""
        for child in self.children:
            if child.tag in tags:
                yield child
            yield from child.within(*tags)


class _Refused(Exception):  # noqa: N818 - says what the document is
    """Something in the document that is not read on purpose."""


def read_xml(path: Path) -> Node:
    """The root element of a file in UTF-8 or UTF-16, whatever its prolog says.

    Raises ProblemsError with file, line and what to do.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _failed(path, 1, f"the file cannot be read ({error.strerror})") from None
    if len(data) > MAX_BYTES:
        raise _failed(path, 1, "the file is too large", f"at most {MAX_BYTES} bytes", "more")
    return parse_xml(decoded(data, path), path)


def decoded(data: bytes, path: Path) -> str:
    """The text of a Unicode file, told by its byte-order mark or by its zero bytes."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif data[1:2] == b"\0":
        encoding = "utf-16-le"
    elif data[:1] == b"\0":
        encoding = "utf-16-be"
    else:
        encoding = "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _failed(
            path,
            line,
            f"the file is not {encoding.upper()}",
            "text in UTF-8 or UTF-16",
            f"a byte that does not belong there, at offset {error.start}",
            "Save it as UTF-16 or UTF-8.",
        ) from None


def parse_xml(text: str, path: Path) -> Node:
    """The root element of XML text. Raises ProblemsError."""
    parser = expat.ParserCreate("utf-8", namespace_separator=" ")
    parser.buffer_text = True
    stack: list[Node] = []
    roots: list[Node] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        namespace, _, tag = name.rpartition(" ")
        node = Node(tag, namespace, attributes, parser.CurrentLineNumber)
        if len(stack) >= MAX_DEPTH:
            raise _Refused(f"elements are nested more than {MAX_DEPTH} deep")
        (stack[-1].children if stack else roots).append(node)
        stack.append(node)

    def refuse(*_: object) -> None:
        raise _Refused("it declares a document type or entities, which are not read")

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _name: stack.pop()
    parser.CharacterDataHandler = lambda data: stack[-1].texts.append(data) if stack else None
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    blank = _DECLARATION.search(text)
    body = ("\n" * blank[0].count("\n") + text[blank.end() :]) if blank else text
    try:
        parser.Parse(body.encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        reason = expat.errors.messages.get(error.code, "?")
        raise _failed(path, error.lineno, f"not well-formed XML: {reason}") from None
    except _Refused as refusal:
        raise _failed(
            path, parser.CurrentLineNumber, f"the document is refused: {refusal}"
        ) from None
    return roots[0]


def _failed(
    path: Path, line: int, what: str, expected: str = "", found: str = "", remedy: str = ""
) -> ProblemsError:
    problem = Problem(str(path), line, what, expected, found, remedy)
    return ProblemsError([problem], f"The file {path} cannot be imported.")
