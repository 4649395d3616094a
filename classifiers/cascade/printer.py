"""A tree written as a Hyperscan pattern over bytes that matches wherever the tree can.

Rows stand between line feeds in what is scanned, so the edge of a text is a line feed: lookarounds
at a pattern's edges become context that is consumed, everything else about them is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass

from dlpagent.classifiers.cascade.syntax import (
    ASCII,
    EMPTY,
    OTHER,
    UTF8_BYTES,
    At,
    Chars,
    Choice,
    Look,
    Node,
    Repeat,
    Sequence,
    mask_of,
)

COPIES = 28
"""Counted repeats beyond this are scanned for as "this often or more"."""
_EDGE = mask_of("\n")


def scannable(node: Node, copies: int = COPIES) -> bytes:
    """The pattern; it may match the empty string if the tree can. copies: see COPIES."""
    return _Printer(copies).printed(cut(node), first=True, last=True).encode("ascii")


def cut(node: Node) -> Node:
    """A tree of the same matches' beginnings: what may be missing at the end is missing."""
    if isinstance(node, Sequence) and node.parts:
        head, tail = node.parts[:-1], cut(node.parts[-1])
        if tail == EMPTY:
            return cut(Sequence(head))
        return Sequence((*head, *(tail.parts if isinstance(tail, Sequence) else (tail,))))
    if isinstance(node, Repeat):
        if node.low == 0:
            return EMPTY
        inner = cut(node.node)
        return (
            inner
            if node.low == 1
            else Sequence((Repeat(node.node, node.low - 1, node.low - 1), inner))
        )
    if isinstance(node, Look) and not _is_edge(node):
        return EMPTY
    return node


def _is_edge(node: Look) -> bool:
    """Whether a lookaround can be consumed at an edge."""
    return isinstance(node.node, Chars) or not node.negative


@dataclass(frozen=True, slots=True)
class _Printer:
    copies: int

    def printed(self, node: Node, *, first: bool, last: bool) -> str:
        if isinstance(node, Chars):
            return _one(node)
        if isinstance(node, Sequence):
            final = len(node.parts) - 1
            return "".join(
                self.printed(part, first=first and place == 0, last=last and place == final)
                for place, part in enumerate(node.parts)
            )
        if isinstance(node, Choice):
            branches = [self.printed(part, first=first, last=last) for part in node.branches]
            return "(?:" + "|".join(dict.fromkeys(branches)) + ")"
        if isinstance(node, Repeat):
            return self._repeated(node)
        if isinstance(node, At):
            return self._place(node.kind, first, last)
        return self._look(node, first, last)

    @staticmethod
    def _place(kind: str, first: bool, last: bool) -> str:
        if kind in ("border", "inside"):
            return r"\b" if kind == "border" else r"\B"
        return r"\n" if (first if kind == "start" else last) else ""

    def _look(self, node: Look, first: bool, last: bool) -> str:
        if not (last if node.ahead else first) or not _is_edge(node):
            return ""
        if isinstance(node.node, Chars):
            mask = (ASCII & ~node.node.mask) | OTHER | _EDGE if node.negative else node.node.mask
            return _class(mask)
        if node.ahead:
            return f"(?:{self.printed(node.node, first=False, last=True)})"
        return f"(?:{self.printed(node.node, first=True, last=False)})"

    def _repeated(self, node: Repeat) -> str:
        low = min(node.low, self.copies)
        high = node.high
        if isinstance(node.node, Chars):
            inner = _class(node.node.mask)
            if high is not None and node.node.mask & OTHER:
                high *= UTF8_BYTES
        else:
            body = self.printed(node.node, first=False, last=False)
            if not body:
                return ""
            inner = f"(?:{body})"
        if high is not None and high > self.copies:
            high = None
        if low == high:
            return f"{inner}{{{low}}}" if low != 1 else inner
        counts = {(0, None): "*", (1, None): "+", (0, 1): "?"}.get((low, high))
        return inner + (counts or f"{{{low},{'' if high is None else high}}}")


def _one(node: Chars) -> str:
    if not node.mask & OTHER:
        return _class(node.mask)
    if node.beyond is None:
        parts = [rf"[\x80-\xff]{{1,{UTF8_BYTES}}}"]
    else:
        parts = [
            "".join(map(_byte, chr(code).encode("utf-8", "replace")))
            for code in sorted(node.beyond)
        ]
    if node.mask & ASCII:
        parts.insert(0, _class(node.mask & ASCII))
    return parts[0] if len(parts) == 1 else f"(?:{'|'.join(parts)})"


def _class(mask: int) -> str:
    """One byte of a set."""
    runs: list[list[int]] = []
    for code in range(128):
        if mask >> code & 1:
            if runs and runs[-1][1] == code - 1:
                runs[-1][1] = code
            else:
                runs.append([code, code])
    if mask & OTHER:
        runs.append([128, 255])
    if len(runs) == 1 and runs[0][0] == runs[0][1]:
        return _byte(runs[0][0])
    spans = (_byte(low) if low == high else f"{_byte(low)}-{_byte(high)}" for low, high in runs)
    return "[" + "".join(spans) + "]"


def _byte(code: int) -> str:
    char = chr(code)
    return char if char.isalnum() and code < 128 else f"\\x{code:02x}"
