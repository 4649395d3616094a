"""Numbers written in a way their types do not know: broken over lines, dotted, spaced out.

Reading such groups as one number invites false ones (two cells of a table, two rows of a column, a
version, an address, a date), so a chain of groups is read so only if it is short, evenly separated
and none of those.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dlpagent.classifiers.decoding.layers import BIT, Edit, Span

MIN_SIGNS, MAX_SIGNS = 8, 40
MAX_CHARS = 160
"""A longer row of numbers is a table."""

MAX_BREAKS = 3
MIN_SINGLES = 9

_BREAK = r"[ ]?-?[ ]?\r?\n[ \t>]{0,8}"
_SEPARATOR = rf"(?:{_BREAK}|[ ]{{1,4}}|\t{{1,2}}|[ ]?[-._/+*~\u00b7\u2022][ ]?|[-._+*~]{{2,3}})"
_GROUP = r"(?:[A-Z]{0,4}[0-9][0-9A-Z]{0,40}+)"
# The four letters of a bank in a British, Dutch, Irish … IBAN are the one group without a digit.
_CHAIN = re.compile(
    rf"(?<![0-9A-Za-z]){_GROUP}(?:{_SEPARATOR}(?:{_GROUP}|[A-Z]{{4}}(?={_SEPARATOR}[0-9])))++"
)
# Groups set apart by blanks and dashes, of which no two that follow each other are single signs.
_PLAIN = re.compile(
    r"(?:[0-9A-Z][ -])?[0-9A-Z]{2,}+(?:[ -](?:[0-9A-Z][ -])?[0-9A-Z]{2,}+)*+(?:[ -][0-9A-Z])?"
)
# A gap as no known type writes it. Each begins with one of a few signs: a class at the start lets the
# search run to the next.
_GAP = re.compile(
    r"[-\n \t._/+*~\u00b7\u2022](?:"
    r"(?<=\n)[ \t>]{0,8}[0-9A-Z]"
    r"|(?<=[0-9A-Z][ \t])[ \t]{1,3}[0-9A-Z]|(?<=[0-9]\t)[0-9A-Z]"
    r"|(?<=[0-9A-Z][-._+*~])[-._+*~]{1,2}[0-9A-Z]"
    r"|(?<=[-._/+*~\u00b7\u2022])[ ]?[0-9A-Z]{1,40}+[ ]?[-._/+*~\u00b7\u2022][ ]?[0-9A-Z]"
    r"|(?<=[0-9] )[0-9] [0-9] [0-9] [0-9])"
)
_NUMBER_SIGNS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ .-"
_PARTS = re.compile(rf"({_SEPARATOR})")
_ADDRESS = re.compile(r"(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}")
_DATE = re.compile(
    r"(?:(?:19|20)\d\d\D+[01]?\d\D+[0-3]?\d|[0-3]?\d\D+[0-3]?\d\D+(?:19|20)?\d\d)(?:\D+\d\d){0,3}"
)
_USUAL = (" ", "-", ".")
_THOUSANDS = re.compile(r"\d{1,3}(?:_\d{3}){2}|\d(?:_\d{3}){3}")
_CELL_ENDS = ",;\t|"


@dataclass(frozen=True, slots=True)
class Chain:
    """Groups that may be one number: its span, and the gaps between its groups.

    is_broken: over lines. Then a match may take a part of it; else it is one number or none.
    """

    start: int
    end: int
    gaps: tuple[Span, ...]
    is_broken: bool
    is_spaced: bool
    is_joined: bool

    def spaced(self, text: str) -> Iterator[Edit]:
        """One blank for each unusual gap."""
        for start, end in self.gaps if self.is_spaced else ():
            if text[start:end] not in (" ", "-"):
                yield start, end, " ", self.bit

    def joined(self) -> Iterator[Edit]:
        """No gap at all."""
        for start, end in self.gaps if self.is_joined else ():
            yield start, end, "", self.bit

    @property
    def bit(self) -> int:
        """The transform that reading it as one number is."""
        return BIT["line break"] if self.is_broken else BIT["separator"]


def chains_in(text: str) -> Iterator[Chain]:
    """The chains of groups in a text that may be read as one number each, in order."""
    for low, high in _windows(text):
        for match in _CHAIN.finditer(text, low, high):
            if MIN_SIGNS < len(match[0]) <= MAX_CHARS and not _is_usual(match[0]):
                behind = text[match.end() : match.end() + 1]
                yield from _chains(text, match.start(), match[0], is_torn=behind.isalnum())


def _is_usual(written: str) -> bool:
    """Whether a chain is written as types know it, or is a date: _may_be_one() takes nothing of those."""
    return _PLAIN.fullmatch(written) is not None or (
        "\n" not in written and _DATE.fullmatch(written) is not None
    )


def _windows(text: str) -> Iterator[Span]:
    """Stretches around gaps that could be inside a chain, wider than any chain that is taken."""
    low = high = 0
    for gap in _GAP.finditer(text):
        if gap[0][0] == "\n" and not _ends_in_number(text, gap.start()):
            continue
        if gap.start() - MAX_CHARS - 1 > high:
            if high:
                yield low, high
            low = gap.start() - MAX_CHARS - 1
        high = gap.end() + MAX_CHARS + 1
    if high:
        yield max(low, 0), high


def _ends_in_number(text: str, end: int) -> bool:
    """Whether what stands before the end of a line may be the beginning of a number, and no cell."""
    tail = text[max(0, end - 48) : end].rstrip("\r")
    before = tail.rstrip(_NUMBER_SIGNS)
    return before != tail and (not before or before[-1] not in _CELL_ENDS)


def _chains(text: str, offset: int, written: str, *, is_torn: bool) -> Iterator[Chain]:
    parts = _PARTS.split(written)
    groups, gaps = parts[::2], parts[1::2]
    if is_torn:  # the last group is the beginning of a word
        groups, gaps = groups[:-1], gaps[:-1]
    starts = [offset]
    for group, gap in zip(groups, gaps, strict=False):
        starts.append(starts[-1] + len(group) + len(gap))
    first = 0
    while first < len(gaps):
        last = _run(gaps, first)
        if last > first:
            here, between = groups[first : last + 1], gaps[first:last]
            end = starts[last] + len(groups[last])
            beside = [*gaps[max(0, first - 1) : first], *gaps[last : last + 1]]
            if _may_be_one(text, starts[first], end, here, between) and not (
                any("\n" in gap for gap in between) and any(_is_wide(gap) for gap in beside)
            ):
                spans = tuple(
                    (starts[number] + len(groups[number]), starts[number + 1])
                    for number in range(first, last)
                )
                is_broken = any("\n" in gap for gap in between)
                yield Chain(
                    starts[first],
                    end,
                    spans,
                    is_broken,
                    is_spaced=any(len(group) > 1 for group in here),
                    is_joined=is_broken or _is_even(here, between[0]),
                )
        first = max(last, first + 1)


def _run(gaps: list[str], first: int) -> int:
    """The last group of the evenly separated run that begins with a group."""
    last = first
    if any("\n" in gap for gap in gaps[first:]):
        while last < len(gaps) and (gaps[last] in _USUAL or "\n" in gaps[last]):
            last += 1
        if any("\n" in gap for gap in gaps[first:last]):
            return last
        last = first
    while last < len(gaps) and gaps[last] == gaps[first]:
        last += 1
    return last


def _may_be_one(text: str, start: int, end: int, groups: list[str], gaps: list[str]) -> bool:
    signs = sum(map(len, groups))
    if not MIN_SIGNS <= signs <= MAX_SIGNS:
        return False
    if any("\n" in gap for gap in gaps):
        return _is_broken_number(text, start, end, gaps)
    if all(len(group) == 1 for group in groups):
        return len(groups) >= MIN_SINGLES and not set(groups) <= {"0", "1"}
    gap = gaps[0]
    if gap in (" ", "-") or min(map(len, groups[:-1])) < 2 or _DATE.fullmatch(text, start, end):
        return False
    if gap.isspace():
        return not _in_table(text, start, end)
    if len(groups) < 3 and len(gap.strip()) < 2:
        return False
    if _THOUSANDS.fullmatch(text, start, end):
        return False
    return not _ADDRESS.fullmatch(text, start, end) and not _goes_on(text, start, end, gap.strip())


def _is_even(groups: list[str], gap: str) -> bool:
    """Whether the groups are cut to one length, the last one at most: nothing else tells of a number.

    Uneven ones (version 4.2.19041.1) are left to types that know such groups, set apart by blanks;
    thousands are written 999_999_999 in programs.
    """
    length = len(groups[0])
    return (
        all(len(group) == length for group in groups[:-1])
        and len(groups[-1]) <= length
        and not (length == 3 and gap == ".")
    )


def _is_wide(gap: str) -> bool:
    """Whether a gap sets cells of a table apart."""
    return gap.isspace() and gap != " " and "\n" not in gap


def _goes_on(text: str, start: int, end: int, sign: str) -> bool:
    """Whether the same sign stands before or behind: a path, a version, a formula of which it is part."""
    behind = text[end : end + 2]
    return text[start - 1 : start] == sign or (
        behind[:1] == sign and (len(behind) > 1 and behind[1].isalnum())
    )


def _is_broken_number(text: str, start: int, end: int, gaps: list[str]) -> bool:
    """Whether few enough lines are involved, and none of them is a row of cells or begins with a date."""
    if sum("\n" in gap for gap in gaps) > MAX_BREAKS:
        return False
    before, behind = (
        text[max(0, start - 4) : start].rstrip(" ")[-1:],
        text[end : end + 4].lstrip(" ")[:1],
    )
    if (before and before in _CELL_ENDS) or (behind and behind in _CELL_ENDS):
        return False
    return not any(_DATE.match(line.strip(" >\t")) for line in text[start:end].split("\n"))


def _in_table(text: str, start: int, end: int) -> bool:
    """Whether more cells follow, or lines around look alike: digits set apart by wide gaps."""
    if "\t" in text[start - 1 : start] + text[end : end + 1]:
        return True
    above = text[max(0, start - 400) : start].split("\n")[-3:-1]
    below = text[end : end + 400].split("\n")[1:3]
    return sum(_WIDE.search(line) is not None for line in (*above, *below)) >= 2


_WIDE = re.compile(r"[0-9](?: {2,}|\t+)[0-9]")
