"""What is wrong with a regex: what Purview refuses at upload, what takes too long, what never fits."""

from __future__ import annotations

from collections.abc import Iterator

from dlpagent.classifiers.lint_rules import Note
from dlpagent.classifiers.regex_tree import (
    Item,
    characters,
    may_be_empty,
    sequences,
    tree_of,
    walk,
)
from dlpagent.classifiers.regexes import regex_problem

MAX_CHARS = 1024
_ANALYSED_CHARS = 8192
# So many repetitions of a group count as no bound where each of them can be split in several ways.
_MANY = 10


def regex_notes(pattern: str, *, is_upload: bool = True) -> Iterator[Note]:
    """Every finding on one regex. is_upload: also what only a rule package must keep to."""
    if is_upload:
        yield from _upload_text(pattern)
    if len(pattern) > _ANALYSED_CHARS:
        return
    problem, notes = "", []
    try:
        problem = regex_problem(pattern)
        notes = list(_shape(tree_of(pattern), is_upload))
    except ValueError as error:
        problem = problem or str(error)
    except RecursionError:
        problem = "groups are nested too deep"
    if problem:
        yield Note(
            "regex-invalid", f"the regex cannot be used: {problem}", "Write it in Boost syntax."
        )
    yield from notes


def _upload_text(pattern: str) -> Iterator[Note]:
    if len(pattern) > MAX_CHARS:
        yield Note(
            "regex-too-long",
            f"the regex has {len(pattern)} characters, {MAX_CHARS} are allowed",
            "Split it into several regexes, each with a Pattern of its own.",
        )
    if "(?P<" in pattern:
        yield Note("regex-python-syntax", "(?P<name>…) is not Boost syntax", "Write (?<name>…).")


def _shape(branches: list[list[Item]], is_upload: bool) -> Iterator[Note]:
    yield from _ends(branches, is_upload)
    yield from _repeats(branches)
    if is_upload:
        yield from _groups(branches)
    if any(all(map(may_be_empty, branch)) for branch in branches):
        yield Note("regex-matches-empty", "the regex also matches no text at all",
                   "Demand at least one character.")  # fmt: skip


# --- the ends ---------------------------------------------------------------------------------


def _ends(branches: list[list[Item]], is_upload: bool) -> Iterator[Note]:
    if is_upload and len(branches) > 1 and (not branches[0] or not branches[-1]):
        yield Note("regex-empty-choice", "the regex begins or ends with |, which matches everything",
                   "Remove the | at its end.")  # fmt: skip
    for branch in branches:
        solid = [item for item in branch if not item.is_nothing]
        if not solid:
            continue
        yield from _anchors(branch)
        if is_upload and (_is_open_dot(solid[0]) or _is_open_dot(solid[-1])):
            yield Note(
                "regex-open-dot",
                "the regex begins or ends with .{0,n}, .{1,n}, .* or .+, which Purview refuses",
                "Remove it, or write a single dot.",
            )
        elif _is_endless(branch):
            yield Note(
                "regex-unbounded-tail",
                "the regex ends in a repeat without end, so one match may run on for pages",
                "Give the repeat an upper bound, such as {1,40}.",
            )


def _is_endless(branch: list[Item]) -> bool:
    """Whether a sequence ends in a repeat without end; an anchor or border behind it bounds it."""
    if not branch or branch[-1].is_nothing:
        return False
    last = branch[-1]
    inner = last.branches if last.branches is not None and last.high == 1 else ()
    return last.is_unbounded or any(map(_is_endless, inner))


def _anchors(branch: list[Item]) -> Iterator[Note]:
    starts, ends = branch[0].token in ("^", r"\A"), branch[-1].token in ("$", r"\z", r"\Z")
    if starts and ends:
        yield Note(
            "regex-anchored",
            "the regex is anchored with ^ and $: it matches only where the whole text is the value",
            r"Remove ^ and $; where the value must stand alone write \b at its ends.",
        )
    elif starts or ends:
        yield Note(
            "regex-half-anchored",
            "the regex is anchored to the start or the end of the text",
            r"Remove the anchor, or write \b.",
        )


def _is_open_dot(item: Item) -> bool:
    return item.token == "." and item.low <= 1 and item.many(2)


# --- groups -----------------------------------------------------------------------------------


def _groups(branches: list[list[Item]]) -> Iterator[Note]:
    seen = set()
    for item, depth in walk(branches):
        note = _group_note(item, depth)
        if note is not None and note.rule not in seen:
            seen.add(note.rule)
            yield note


def _group_note(item: Item, depth: int) -> Note | None:
    if item.is_lookaround:
        return Note("regex-lookaround", "the regex looks around itself, which some tenants refuse",
                    r"If the upload fails write \b, or match the neighbour too.")  # fmt: skip
    if item.is_group and item.is_unbounded:
        return Note("regex-group-unbounded", "a group is repeated without end, which Purview refuses",
                    "Give it an upper bound: (…){1,10}.")  # fmt: skip
    if depth and _is_open_dot(item):
        return Note("regex-dot-in-group", "a group holds .*, .+, .{0,n} or .{1,n}, which Purview refuses",
                    "Take it out of the group, or name the characters.")  # fmt: skip
    if depth and not item.is_group and item.low <= 1 and item.many(2):
        return Note("regex-repeat-in-group", "a group holds a repeat from 0 or 1 on, which Purview may "
                    "refuse", "Take it out of the group, or begin at 2.")  # fmt: skip
    return None


# --- time -------------------------------------------------------------------------------------


def _repeats(branches: list[list[Item]]) -> Iterator[Note]:
    items = [item for item, _ in walk(branches)]
    if any(_is_catastrophic(item) for item in items):
        yield Note(
            "regex-catastrophic",
            "a repeat stands inside a repeat and both can take the same characters: a text that nearly "
            "matches takes exponential time",
            "Let each repetition begin or end with a character the inner repeat cannot take.",
        )
    if any(_has_rivals(sequence) for sequence in sequences(branches)):
        yield Note(
            "regex-rival-repeats",
            "two repeats without end follow each other and can take the same characters",
            "Bound one of them, or put a character between them that neither can take.",
        )


def _is_catastrophic(item: Item) -> bool:
    if item.branches is None or item.capped or item.is_lookaround or not item.many(_MANY):
        return False
    bodies = [[one for one in branch if not one.is_nothing] for branch in item.branches]
    return any(_is_splittable(body, item) for body in bodies) or _same_start(bodies)


def _is_splittable(body: list[Item], outer: Item) -> bool:
    """Whether a run of characters can be cut into repetitions of the body in several ways."""
    for inner in body:
        if inner.capped or not _varies_enough(inner, outer):
            continue
        taken = characters(inner)
        rest = [one for one in body if one is not inner and not may_be_empty(one)]
        if all(characters(one) & taken for one in rest):
            return True
    # the body may be a single group: look into it
    if len(body) == 1 and body[0].branches is not None and body[0].high == 1:
        return any(_is_splittable(branch, outer) for branch in body[0].branches)
    return False


def _varies_enough(inner: Item, outer: Item) -> bool:
    if outer.is_unbounded:
        return inner.varies and inner.many(2)
    return inner.is_unbounded or (inner.varies and inner.many(_MANY))


def _same_start(bodies: list[list[Item]]) -> bool:
    """Whether two choices of a repeated group match the same single character."""
    singles = [characters(body[0]) for body in bodies if len(body) == 1 and not body[0].is_group]
    return any(left & right for index, left in enumerate(singles) for right in singles[index + 1 :])


def _has_rivals(sequence: list[Item]) -> bool:
    for index, left in enumerate(sequence):
        if not left.is_unbounded or left.capped:
            continue
        taken = characters(left)
        for right in sequence[index + 1 :]:
            if right.is_unbounded and characters(right) & taken:
                return True
            if not may_be_empty(right) and not characters(right) & taken:
                break
    return False
