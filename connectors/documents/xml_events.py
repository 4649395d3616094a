"""XML as a stream of events, without a tree; entities are never expanded or fetched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from xml.parsers import expat

from dlpagent.connectors.documents.flow import BLOCK_BYTES, Flow

_MAX_DEPTH = 1_000


class _RefusedError(Exception):
    """Raised inside handlers; its text is a problem in the report's words."""


def parse_xml(
    flow: Flow,
    on_start: Callable[[str, Mapping[str, str]], None],
    on_end: Callable[[str], None],
    on_text: Callable[[str], None],
) -> str | None:
    """Names of elements and attributes come without namespace. Gives why it ended early, or None.

    A document that declares entities is given up there: they are what entity bombs and references
    to other files are made of, and Office writes none.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _MAX_DEPTH:
            raise _RefusedError(f"expected at most {_MAX_DEPTH} elements inside each other")
        local = {key.rpartition(" ")[2]: value for key, value in attributes.items()}
        on_start(name.rpartition(" ")[2], local)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        on_end(name.rpartition(" ")[2])

    def refuse(*_: object) -> None:
        raise _RefusedError("expected no entity declarations, found some (an entity bomb?)")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = on_text
    parser.EntityDeclHandler = parser.UnparsedEntityDeclHandler = refuse
    try:
        while block := flow.read(BLOCK_BYTES):
            parser.Parse(block, False)
        parser.Parse(b"", True)
    except _RefusedError as refused:
        return str(refused)
    except (expat.ExpatError, ValueError, LookupError) as error:
        line = f" in line {error.lineno}" if isinstance(error, expat.ExpatError) else ""
        return flow.problem or f"expected well-formed XML, found damage{line}"
    return flow.problem


class Words:
    """Text gathered from elements, as a reader sees it. only: the elements whose text counts.

    lines, tabs: elements behind which a line ends or a tab stands. skipped: left out with all below.
    shown: attributes whose values are text (alt texts), put on lines of their own.
    """

    def __init__(
        self,
        *,
        only: frozenset[str] | None = None,
        lines: frozenset[str] = frozenset(),
        tabs: frozenset[str] = frozenset(),
        skipped: frozenset[str] = frozenset(),
        shown: frozenset[str] = frozenset(),
    ) -> None:
        self._only, self._lines, self._tabs = only, lines, tabs
        self._skipped, self._shown = skipped, shown
        self._within_skipped = self._within_only = 0
        self._pieces: list[str] = []

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """The beginning of an element."""
        if self._within_skipped or name in self._skipped:
            self._within_skipped += 1
            return
        if self._only is not None and name in self._only:
            self._within_only += 1
        for key in self._shown & attributes.keys():
            if attributes[key].strip():
                self._pieces.append(f"\n{attributes[key]}\n")

    def end(self, name: str) -> None:
        """The end of an element."""
        if self._within_skipped:
            self._within_skipped -= 1
            return
        if self._only is not None and name in self._only:
            self._within_only -= 1
        if name in self._lines:
            self._pieces.append("\n")
        elif name in self._tabs:
            self._pieces.append("\t")

    def text(self, data: str) -> None:
        """Characters."""
        if not self._within_skipped and (self._only is None or self._within_only):
            self._pieces.append(data)

    def take(self) -> str:
        """What was gathered, with runs of empty lines made one (or none, for data)."""
        text = "".join(self._pieces)
        self._pieces.clear()
        if self._only is None:
            return "\n".join(line.strip() for line in text.split("\n") if line.strip())
        lines = [line.rstrip() for line in text.split("\n")]
        return "\n".join(
            line for at, line in enumerate(lines) if line or (at and lines[at - 1])
        ).strip("\n")
