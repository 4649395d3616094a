"""Changes of a SIT that could help: what words stand by right and by wrong matches, and edits to try.

Pure. Nothing here applies anything to files: an edit turns a pack into another pack, to be measured.
"""

from __future__ import annotations

import hashlib
import math
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, Literal

from dlpagent.classifiers.evaluation import Document
from dlpagent.classifiers.pack_values import with_hash
from dlpagent.classifiers.pack_yaml import slug_of
from dlpagent.classifiers.sit import (
    UNLIMITED,
    AnyOf,
    Condition,
    Filter,
    Group,
    Keyword,
    Match,
    Pack,
    Pattern,
    Sit,
    Term,
    refs_of,
)
from dlpagent.classifiers.sub_pack import reached

EditKind = Literal["keyword", "remove keyword", "exclusion", "proximity", "tier", "filter"]

PROXIMITIES: Final = (20, 40, 60, 100, 150, 200, 300, 500)
WINDOW_CHARS: Final = 300
MIN_GROUPS: Final = 3
"""A word is suggested only if it stands in so many texts that differ in more than their values."""
PRIOR_WEIGHT: Final = 20.0
Z_LEAST: Final = 1.645
"""Log-odds below this many standard deviations are chance (one-sided 95 %)."""

_WORD = re.compile(r"[^\W\d_]{3,24}")


@dataclass(frozen=True, slots=True)
class Edit:
    """A change to try. text: as a person reads it; concerns: names of other SITs that it changes."""

    kind: EditKind
    text: str
    apply: Callable[[Pack], Pack]
    concerns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sighting:
    """A match of a primary element: right when a label of the type lies on it. words: those nearby."""

    group: str
    right: bool
    words: frozenset[str]


# --- words ---------------------------------------------------------------------------------------


def words_near(
    document: Document, start: int, end: int, hidden: Iterable[tuple[int, int]],
    window: int = WINDOW_CHARS,
) -> frozenset[str]:  # fmt: skip
    """Words, and pairs of neighbouring words, around a place. Nothing inside `hidden` is taken.

    hidden: places of values (labels, matches), so that no part of a value becomes a suggestion.
    """
    text = document.text
    low, high = max(0, start - window), min(len(text), end + window)
    closed = [(start, end), *hidden]
    found: list[tuple[int, int, str]] = [
        (item.start(), item.end(), item[0].casefold())
        for item in _WORD.finditer(text, low, high)
        if not any(item.start() < stop and begin < item.end() for begin, stop in closed)
    ]
    pairs = {
        f"{one[2]} {other[2]}"
        for one, other in pairwise(found)
        if text[one[1] : other[0]] in (" ", "-", "_")
    }
    return frozenset({word for _, _, word in found} | pairs)


def log_odds(right: Sequence[Sighting], wrong: Sequence[Sighting]) -> dict[str, float]:
    """Word → how many standard deviations its log-odds between right and wrong matches lie from 0.

    With an informative Dirichlet prior from both together (Monroe, Colaresi, Quinn: Fightin' Words,
    2008). Above 0: it stands by right matches. A word counts once per match.
    """
    left, other = _counted(right), _counted(wrong)
    both = left + other
    total = sum(both.values()) or 1
    n_left, n_other = sum(left.values()), sum(other.values())
    scores = {}
    for word, many in both.items():
        prior = PRIOR_WEIGHT * many / total
        one, two = left[word] + prior, other[word] + prior
        rest_one, rest_two = n_left + PRIOR_WEIGHT - one, n_other + PRIOR_WEIGHT - two
        if min(one, two, rest_one, rest_two) <= 0:
            continue
        delta = math.log(one / rest_one) - math.log(two / rest_two)
        scores[word] = delta / math.sqrt(1 / one + 1 / two)
    return scores


def _counted(sightings: Iterable[Sighting]) -> Counter[str]:
    found: Counter[str] = Counter()
    for item in sightings:
        found.update(item.words)
    return found


def telling_words(sightings: Sequence[Sighting], *, by_right: bool, limit: int) -> list[str]:
    """The words that tell right from wrong matches most, of those seen in enough different texts."""
    right = [item for item in sightings if item.right]
    wrong = [item for item in sightings if not item.right]
    scores = log_odds(right, wrong)
    groups: dict[str, set[str]] = {}
    for item in right if by_right else wrong:
        for word in item.words:
            groups.setdefault(word, set()).add(item.group)
    sign = 1 if by_right else -1
    ranked = sorted(
        (
            (sign * score, word)
            for word, score in scores.items()
            if sign * score >= Z_LEAST and len(groups.get(word, ())) >= MIN_GROUPS
        ),
        key=lambda item: (-item[0], item[1]),
    )
    return [word for _, word in ranked[:limit]]


# --- folds ---------------------------------------------------------------------------------------


def group_of(document: Document, values: Iterable[tuple[int, int]]) -> str:
    """Names what a text is but for its values and digits: copies of one template are one group."""
    text, last, parts = document.text, 0, []
    for start, end in sorted(values):
        if start >= last:
            parts.append(text[last:start])
            last = end
    parts.append(text[last:])
    bare = re.sub(r"[\d\W_]+", " ", "□".join(parts)).casefold().strip()
    return hashlib.sha256(bare.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def folds_of(groups: Iterable[str], folds: int, seed: int) -> dict[str, int]:
    """Group → fold, from 0; the same for the same groups and seed, whatever their order."""
    names = sorted(set(groups))
    random.Random(seed).shuffle(names)  # noqa: S311 - folds, not secrets
    return {name: number % folds for number, name in enumerate(names)}


# --- edits ---------------------------------------------------------------------------------------


def fixed_edits(sit: Sit) -> Iterator[Edit]:
    """Edits that need no text to be thought of: proximity, tiers, digits all the same."""
    for chars in PROXIMITIES:
        if chars != sit.proximity:
            now = "unlimited" if sit.proximity == UNLIMITED else sit.proximity
            yield Edit("proximity", f"proximity {now} → {chars}", _with(sit.id, proximity=chars))
    yield from _tier_edits(sit)
    if not sit.filters:
        yield Edit("filter", "leave out numbers whose digits are all the same", _same_digits(sit))


def _tier_edits(sit: Sit) -> Iterator[Edit]:
    for number, pattern in enumerate(sit.patterns):
        name = f"pattern {number + 1} ({pattern.primary}, {pattern.confidence})"
        for top in (65, 75, 85):
            level = _free_confidence(sit, number, top)
            if level is not None:
                yield Edit("tier", f"{name}: confidence {pattern.confidence} → {level}",
                           _with_pattern(sit.id, number, confidence=level))  # fmt: skip
        if len(sit.patterns) > 1:
            kept = tuple(item for n, item in enumerate(sit.patterns) if n != number)
            yield Edit("tier", f"{name}: removed", _with(sit.id, patterns=kept))


def _free_confidence(sit: Sit, number: int, top: int) -> int | None:
    """A confidence of another level that no other pattern has, at most five below its usual one."""
    here = sit.patterns[number].confidence
    if (here <= 65, here <= 75) == (top <= 65, top <= 75):
        return None
    taken = {item.confidence for item in sit.patterns}
    return next((value for value in range(top, top - 6, -1) if value not in taken), None)


def keyword_edits(pack: Pack, sit: Sit, words: Iterable[str]) -> Iterator[Edit]:
    """Words to add to the list that supports the SIT's highest tier, or to a list of its own."""
    known = {term.text.casefold() for _, item in support_lists(pack, sit)
             for group in item.groups for term in group.terms}  # fmt: skip
    lists = support_lists(pack, sit)
    for word in words:
        if word in known:
            continue
        if lists:
            name, keyword = lists[0]
            yield Edit("keyword", f"{name}: add “{word}”", _with_element(_added(keyword, word)),
                       other_users(pack, sit, name))  # fmt: skip
        else:
            yield Edit("keyword", f"a new list with “{word}” lifts what stands alone",
                       _with_new_support(sit, word))  # fmt: skip


def removal_edits(pack: Pack, sit: Sit, words: Iterable[str]) -> Iterator[Edit]:
    """Keywords of the SIT's lists among words that stand by wrong matches, to be taken out."""
    wanted = set(words)
    for name, keyword in support_lists(pack, sit):
        for group in keyword.groups:
            for term in group.terms:
                if term.text.casefold() in wanted:
                    yield Edit(
                        "remove keyword", f"{name}: remove “{term.text}”",
                        _with_element(_removed(keyword, term.text)), other_users(pack, sit, name),
                    )  # fmt: skip


def exclusion_edits(sit: Sit, words: Iterable[str]) -> Iterator[Edit]:
    """Words near which no pattern holds."""
    for word in words:
        yield Edit("exclusion", f"nothing is found near “{word}”", _with_exclusion(sit, word))


def support_lists(pack: Pack, sit: Sit) -> list[tuple[str, Keyword]]:
    """The keyword lists that a pattern asks for nearby, those of the highest tier first."""
    found: dict[str, Keyword] = {}
    for pattern in sorted(sit.patterns, key=lambda item: -item.confidence):
        for condition in pattern.conditions:
            if isinstance(condition, AnyOf) and condition.max_matches == 0:
                continue
            for name in refs_of(condition):
                element = pack.elements.get(name)
                if isinstance(element, Keyword) and not element.stub:
                    found.setdefault(name, element)
    return list(found.items())


def other_users(pack: Pack, sit: Sit, name: str) -> tuple[str, ...]:
    """The names of other SITs that an element decides on."""
    return tuple(
        sorted(other.name for other in pack.sits.values()
               if other.id != sit.id and name in reached(pack, other))
    )  # fmt: skip


def _with(sit_id: str, **changes: object) -> Callable[[Pack], Pack]:
    def apply(pack: Pack) -> Pack:
        sit = replace(pack.sits[sit_id], **changes)  # type: ignore[arg-type]
        return with_hash(replace(pack, sits={**pack.sits, sit_id: sit}))

    return apply


def _with_pattern(sit_id: str, number: int, **changes: object) -> Callable[[Pack], Pack]:
    def apply(pack: Pack) -> Pack:
        patterns = list(pack.sits[sit_id].patterns)
        patterns[number] = replace(patterns[number], **changes)  # type: ignore[arg-type]
        return _with(sit_id, patterns=tuple(patterns))(pack)

    return apply


def _with_element(element: Keyword) -> Callable[[Pack], Pack]:
    def apply(pack: Pack) -> Pack:
        return with_hash(replace(pack, elements={**pack.elements, element.id: element}))

    return apply


def _added(keyword: Keyword, word: str) -> Keyword:
    groups = list(keyword.groups)
    for number, group in enumerate(groups):
        if group.match == "word":
            groups[number] = replace(group, terms=(*group.terms, Term(word)))
            return replace(keyword, groups=tuple(groups))
    return replace(keyword, groups=(*groups, Group("word", (Term(word),))))


def _removed(keyword: Keyword, word: str) -> Keyword:
    groups = (
        replace(group, terms=tuple(term for term in group.terms if term.text != word))
        for group in keyword.groups
    )
    return replace(keyword, groups=tuple(group for group in groups if group.terms))


def _new_list(pack: Pack, name: str, word: str) -> dict[str, object]:
    return {**pack.elements, name: Keyword(name, (Group("word", (Term(word),)),))}


def _with_new_support(sit: Sit, word: str) -> Callable[[Pack], Pack]:
    """The surest pattern again, surer by a level, where the word is near."""

    def apply(pack: Pack) -> Pack:
        name = f"Keyword_{slug_of(sit.name).replace('-', '_')}_tuned"
        best = max(sit.patterns, key=lambda item: item.confidence)
        taken = {item.confidence for item in sit.patterns}
        level = next(value for value in (85, 86, 84, 87, 83, 88, 82, 89) if value not in taken)
        lifted = Pattern(level, best.primary, (*best.conditions, Match(name)), best.proximity,
                         best.filters, "ours")  # fmt: skip
        longer = replace(pack, elements=_new_list(pack, name, word))  # type: ignore[arg-type]
        return _with(sit.id, patterns=(lifted, *sit.patterns))(longer)

    return apply


def _with_exclusion(sit: Sit, word: str) -> Callable[[Pack], Pack]:
    def apply(pack: Pack) -> Pack:
        name = f"Keyword_{slug_of(sit.name).replace('-', '_')}_excluded"
        none: Condition = AnyOf((Match(name),), 0, 0)
        patterns = tuple(
            replace(item, conditions=(*item.conditions, none)) for item in sit.patterns
        )
        longer = replace(pack, elements=_new_list(pack, name, word))  # type: ignore[arg-type]
        return _with(sit.id, patterns=patterns)(longer)

    return apply


def _same_digits(sit: Sit) -> Callable[[Pack], Pack]:
    def apply(pack: Pack) -> Pack:
        name = f"{slug_of(sit.name).replace('-', '_')}_all_digits_same"
        filters: Mapping[str, Filter] = {**pack.filters, name: Filter(name, "all_digits_same")}
        return _with(sit.id, filters=(*sit.filters, name))(replace(pack, filters=filters))

    return apply


def primaries_only(pack: Pack, sit: Sit) -> Pack:
    """The SIT finding every match of its primary elements, whatever stands nearby."""
    names = dict.fromkeys(item.primary for item in sit.patterns)
    patterns = tuple(Pattern(100 - number % 90, name) for number, name in enumerate(names))
    return _with(sit.id, patterns=patterns, filters=())(pack)
