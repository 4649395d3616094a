"""A SIT proves itself: its examples must be found, its near misses must not.

`dlpagent rules check` and the tests both run this.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.decoded import evaluate_all
from dlpagent.classifiers.detectors import has_content, unavailable
from dlpagent.classifiers.pack import load_pack
from dlpagent.classifiers.reference import Hit
from dlpagent.classifiers.regexes import matcher
from dlpagent.classifiers.sit import Detector, Pack, Regex, Sit, elements_of
from dlpagent.errors import Problem

MIN_EXAMPLES = MIN_NEAR_MISSES = 3


def prove(pack: Pack) -> list[Problem]:
    """Every example, near miss and reference that does not hold, in every SIT of the pack."""
    compiled = CompiledPack(pack)
    skipped = unproven(pack)
    return [
        problem
        for sit in pack.sits.values()
        for problem in (_completeness(pack, sit) if sit.id in skipped else prove_sit(compiled, sit))
    ]


def unproven(pack: Pack) -> dict[str, str]:
    """SIT id → why its examples cannot be tried here: a language model that is not installed."""
    reasons = {
        name: reason
        for name, element in pack.elements.items()
        if isinstance(element, Detector) and (reason := unavailable(element))
    }
    return {
        sit.id: reasons[min(found)]
        for sit in pack.sits.values()
        if reasons and (found := reasons.keys() & elements_of(pack, sit))
    }


def prove_sit(pack: CompiledPack, sit: Sit) -> list[Problem]:
    """What does not hold of one SIT."""
    if sit.parity == "name":
        return []
    return [
        *_completeness(pack.pack, sit),
        *(problem for example in _examples(pack, sit) for problem in example),
        *_near_misses(pack, sit),
    ]


def _completeness(pack: Pack, sit: Sit) -> Iterator[Problem]:
    # an example of a store's rows, of a form or of a learned class would put its text into the pack
    is_elsewhere = any(has_content(pack.elements[pattern.primary]) for pattern in sit.patterns)
    for what, many, least in (
        ("examples", len(sit.examples), 0 if is_elsewhere else MIN_EXAMPLES),
        ("near misses", len(sit.near_misses), 0 if is_elsewhere else MIN_NEAR_MISSES),
        ("references", len(sit.references), 1),
    ):
        if many < least:
            yield Problem(
                sit.file,
                sit.line,
                f"{sit.name} proves too little",
                f"at least {least} {what}",
                str(many),
            )


def _find(pack: CompiledPack, sit: Sit, text: str, context: str) -> tuple[list[Hit], bool]:
    result = evaluate_all(pack, text, context, sits=[sit])
    return result.hits, bool(result.incomplete)


def _examples(pack: CompiledPack, sit: Sit) -> Iterator[list[Problem]]:
    for number, example in enumerate(sit.examples, 1):
        hits, timed_out = _find(pack, sit, example.text, example.context)
        place = f"example {number} of {sit.name}"
        if example.matched:
            hits = [hit for hit in hits if example.text[hit.start : hit.end] == example.matched]
        best = max((hit.confidence for hit in hits), default=0)
        if timed_out:
            yield [Problem(sit.file, example.line, f"{place} runs out of time")]
        elif best != example.confidence:
            wanted = f"confidence {example.confidence}" + (
                " at the text it names" if example.matched else ""
            )
            yield [
                Problem(
                    sit.file,
                    example.line,
                    f"{place} is not found as it should be",
                    wanted,
                    f"confidence {best}" if best else "no match",
                    "See why with: dlpagent explain --sit ID TEXT",
                )
            ]


def _near_misses(pack: CompiledPack, sit: Sit) -> Iterator[Problem]:
    for number, miss in enumerate(sit.near_misses, 1):
        hits, timed_out = _find(pack, sit, miss.text, miss.context)
        worst = max(hits, key=lambda hit: hit.confidence, default=None)
        if timed_out:
            yield Problem(sit.file, miss.line, f"near miss {number} of {sit.name} runs out of time")
        elif worst is not None and worst.confidence > miss.max_confidence:
            wanted = (
                f"at most confidence {miss.max_confidence}" if miss.max_confidence else "no match"
            )
            yield Problem(
                sit.file,
                miss.line,
                f"near miss {number} of {sit.name} matches at {worst.start}-{worst.end}",
                wanted,
                f"confidence {worst.confidence}",
                "Tighten the pattern, or exclude the text it should not take.",
            )


def slow_paths(pack: Pack) -> dict[str, list[str]]:
    """SIT id → its elements whose regex RE2 cannot take (they run in a process that can be killed)."""
    slow = {
        name
        for name, element in pack.elements.items()
        if isinstance(element, Regex)
        and any(matcher(item.pattern).engine != "re2" for item in element.expressions)
    }
    found = {}
    for sit in pack.sits.values():
        named = sorted(slow.intersection(elements_of(pack, sit)))
        if named:
            found[sit.id] = named
    return found


def prove_path(path: Path, base: Pack | None = None) -> tuple[Pack, list[Problem]]:
    """Load a pack, or a part of one, and prove it. Raises ProblemsError when it cannot be loaded."""
    pack = load_pack(path, base=base)
    return pack, prove(pack)
