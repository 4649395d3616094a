"""The shipped pack beside the published facts of Purview's 327 built-in types, field by field.

What may differ is listed with its reason in tests/data/purview/deviations.json and absent.json; an
entry there that is no longer needed fails too. Purview does not publish whether a list matches whole
words or parts of words, nor any regex: these are not compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.pack import builtin_pack
from dlpagent.classifiers.reference import evaluate
from dlpagent.classifiers.sit import (
    Condition,
    Keyword,
    Match,
    Pack,
    Regex,
    Sit,
    Union,
    pattern_refs,
)

DATA = Path(__file__).resolve().parent.parent / "data" / "purview"
CATALOGUE: list[dict[str, Any]] = json.loads((DATA / "catalogue.json").read_text("utf-8"))["sits"]
DEVIATIONS: dict[str, Any] = json.loads((DATA / "deviations.json").read_text("utf-8"))
ABSENT = {
    slug: group["reason"]
    for group in json.loads((DATA / "absent.json").read_text("utf-8"))
    for slug in group["sits"]
}
PRESENT = [facts for facts in CATALOGUE if facts["slug"] not in ABSENT]
WITH_PATTERNS = [facts for facts in CATALOGUE if "patterns" in facts]
PARITY = {
    "rule-xml": "structure",
    "credential": "format",
    "described-only": "format",
    "bundled": "format",
    "named-entity": "format",
    "name-only": "name",
}
CASE_NOTE = " (this keyword is case-sensitive)"


def slug_of(facts: dict[str, Any]) -> str:
    return facts["slug"]


@pytest.fixture(scope="module")
def extended() -> Pack:
    return builtin_pack()


@pytest.fixture(scope="module")
def strict() -> Pack:
    return builtin_pack("strict")


# --- which types there are ----------------------------------------------------------------------


def test_the_catalogue_holds_327_types_206_of_them_with_patterns() -> None:
    assert len({facts["id"] for facts in CATALOGUE}) == len(CATALOGUE) == 327
    assert len(WITH_PATTERNS) == 206


@pytest.mark.parametrize("facts", CATALOGUE, ids=slug_of)
def test_a_type_is_shipped_with_its_guid_and_name_or_listed_as_absent(
    facts: dict[str, Any], extended: Pack, strict: Pack
) -> None:
    shipped = extended.sits.get(facts["id"])
    if facts["slug"] in ABSENT:
        assert shipped is None, "shipped now: remove it from absent.json"
        return
    assert shipped is not None, "neither in the pack nor in absent.json"
    assert shipped.name == facts["name"]
    assert Path(shipped.file).stem == facts["slug"]
    assert shipped.parity == PARITY[facts["kind"]]
    assert facts["id"] in strict.sits


def test_the_list_of_absent_types_names_only_types_of_the_catalogue() -> None:
    assert set(ABSENT) <= {facts["slug"] for facts in CATALOGUE}


def test_a_type_of_our_own_has_neither_the_guid_nor_the_name_of_a_purview_type(
    extended: Pack,
) -> None:
    ids = {facts["id"] for facts in CATALOGUE}
    names = {facts["name"].casefold() for facts in CATALOGUE}
    for sit in extended.sits.values():
        assert (sit.parity == "own") == (sit.id not in ids), sit.file
        assert (sit.parity == "own") == (sit.name.casefold() not in names), sit.file


# --- patterns -----------------------------------------------------------------------------------


def published_pattern(confidence: int, primary: str, conditions: list[Any]) -> str:
    return json.dumps([confidence, primary, _sorted(map(_published, conditions))], sort_keys=True)


def _published(condition: Any) -> Any:
    if isinstance(condition, str):
        return {"ref": condition, "min_count": 1, "unique": False, "proximity": None}
    children = _sorted(map(_published, condition["any"]))
    return {"any": children, "min": condition["min"], "max": condition.get("max")}


def _shipped(condition: Condition) -> Any:
    if isinstance(condition, Match):
        return {
            "ref": condition.ref,
            "min_count": condition.min_count,
            "unique": condition.unique,
            "proximity": condition.proximity,
        }
    children = _sorted(map(_shipped, condition.children))
    return {"any": children, "min": condition.min_matches, "max": condition.max_matches}


def _sorted(conditions: Any) -> list[Any]:
    """All must hold, or so many of them: their order says nothing."""
    return sorted(conditions, key=lambda item: json.dumps(item, sort_keys=True))


@pytest.mark.parametrize("facts", WITH_PATTERNS, ids=slug_of)
def test_strict_has_exactly_the_published_patterns_tiers_and_conditions(
    facts: dict[str, Any], strict: Pack
) -> None:
    left_out = DEVIATIONS["patterns_left_out"].get(facts["slug"], {}).get("patterns", [])
    assert all(pattern in facts["patterns"] for pattern in left_out)
    published = [
        published_pattern(*pattern) for pattern in facts["patterns"] if pattern not in left_out
    ]
    shipped = [
        json.dumps(
            [pattern.confidence, pattern.primary, _sorted(map(_shipped, pattern.conditions))],
            sort_keys=True,
        )
        for pattern in strict.sits[facts["id"]].patterns
    ]
    assert sorted(shipped) == sorted(published)


@pytest.mark.parametrize("facts", WITH_PATTERNS, ids=slug_of)
def test_strict_has_the_published_proximity_recommendation_and_attributes(
    facts: dict[str, Any], strict: Pack
) -> None:
    sit = strict.sits[facts["id"]]
    exception = DEVIATIONS["recommended_confidence"].get(facts["slug"])
    if exception:
        assert facts["recommended"] is None
    wanted = exception["ours"] if exception else facts["recommended"]
    assert (sit.proximity, sit.recommended_confidence) == (facts["proximity"], wanted)
    assert dict(sit.attributes) == facts.get("attributes", {})
    assert all(pattern.proximity is None and not pattern.filters for pattern in sit.patterns)
    assert bool(sit.filters) == (facts["slug"] in DEVIATIONS["filters"]["sits"])


# --- elements -----------------------------------------------------------------------------------


def fold(name: str) -> str:
    """Pages write one name with other case, underscores and quotes than their patterns do."""
    return "".join(char for char in name if char.isalnum()).lower()


PAGES = {
    fold(heading): terms
    for facts in CATALOGUE
    for heading, terms in facts.get("keywords", {}).items()
}


def headings_of(ref: str, facts: dict[str, Any]) -> list[str]:
    """The headings of this type's page under which the list may stand."""
    names = {fold(name) for name in (ref, *DEVIATIONS["headings"]["refs"].get(ref, ()))}
    return [heading for heading in facts.get("keywords", {}) if fold(heading) in names]


def published_terms(ref: str, facts: dict[str, Any]) -> dict[str, bool] | None:
    """Term → is it case-sensitive; of the type's own page, else of any page; None: nowhere."""
    if ref in DEVIATIONS["placeholders"]["refs"]:
        name, abbreviation = DEVIATIONS["placeholders"]["refs"][ref]
        return {name: False, abbreviation: True}
    headings = headings_of(ref, facts)
    terms = facts["keywords"][headings[0]] if headings else PAGES.get(fold(ref))
    if terms is None:
        return None
    return {term.removesuffix(CASE_NOTE): term.endswith(CASE_NOTE) for term in terms}


def refs_of_type(facts: dict[str, Any]) -> list[str]:
    def walk(condition: Any) -> Iterator[str]:
        if isinstance(condition, str):
            yield condition
        else:
            for child in condition["any"]:
                yield from walk(child)

    return sorted(
        {primary for _, primary, _ in facts["patterns"]}
        | {
            ref
            for _, _, conditions in facts["patterns"]
            for item in conditions
            for ref in walk(item)
        }
    )


def terms_of(element: Keyword) -> dict[str, bool]:
    return {term.text: term.case_sensitive for group in element.groups for term in group.terms}


@pytest.mark.parametrize("facts", WITH_PATTERNS, ids=slug_of)
def test_strict_has_exactly_the_published_terms_of_every_list(
    facts: dict[str, Any], strict: Pack
) -> None:
    for ref in refs_of_type(facts):
        element = strict.elements[ref]
        if isinstance(element, Keyword):
            terms = published_terms(ref, facts)
            assert terms_of(element) == (terms or {}), ref
            assert element.stub == (not terms), ref


@pytest.mark.parametrize("facts", WITH_PATTERNS, ids=slug_of)
def test_an_element_is_of_the_kind_its_name_says(facts: dict[str, Any], strict: Pack) -> None:
    for ref in refs_of_type(facts):
        element = strict.elements[ref]
        is_list = ref.startswith(("Keyword", "Dictionary_")) or (
            ref.startswith("CEP_") and published_terms(ref, facts) is not None
        )
        is_list = is_list and ref not in DEVIATIONS["regexes_for_lists"]
        assert isinstance(element, Keyword if is_list else Regex), ref
        if isinstance(element, Regex):
            assert element.function == ref.startswith("Func_"), ref
            assert element.expressions, f"{ref} finds nothing in strict"


@pytest.mark.parametrize("facts", WITH_PATTERNS, ids=slug_of)
def test_every_published_list_of_a_type_is_named_by_its_patterns(facts: dict[str, Any]) -> None:
    used = {heading for ref in refs_of_type(facts) for heading in headings_of(ref, facts)}
    unused = DEVIATIONS["lists_of_no_pattern"]["sits"].get(facts["slug"], [])
    assert set(facts.get("keywords", {})) - used == set(unused)


@pytest.mark.parametrize(
    "facts",
    [item for item in PRESENT if "patterns" not in item and "keywords" in item],
    ids=slug_of,
)
def test_strict_has_the_published_terms_of_types_without_published_patterns(
    facts: dict[str, Any], strict: Pack
) -> None:
    for heading, terms in facts["keywords"].items():
        element = strict.elements[heading]
        assert isinstance(element, Keyword)
        assert set(terms_of(element)) == set(terms), heading


# --- checksums ----------------------------------------------------------------------------------


def expressions_behind(pack: Pack, ref: str) -> Iterator[Regex]:
    element = pack.elements[ref]
    if isinstance(element, Union):
        for part in element.of:
            yield from expressions_behind(pack, part)
    elif isinstance(element, Regex):
        yield element


@pytest.mark.parametrize("facts", [item for item in PRESENT if item["checksum"]], ids=slug_of)
def test_a_documented_checksum_is_checked(facts: dict[str, Any], extended: Pack) -> None:
    """By every published primary element; where none is published, by one of ours at least."""
    sit = extended.sits[facts["id"]]
    primaries = {pattern.primary for pattern in sit.patterns if pattern.origin == "purview"}
    regexes = [regex for ref in sorted(primaries) for regex in expressions_behind(extended, ref)]
    quantifier = all if "patterns" in facts else any
    assert regexes
    assert quantifier(regex.validators for regex in regexes)


# --- the strict profile at work -----------------------------------------------------------------


def finds_an_example_of_its_own(pack: CompiledPack, sit: Sit) -> bool:
    return any(evaluate(pack, item.text, item.context, sits=[sit]).hits for item in sit.examples)


def test_every_type_with_a_pattern_finds_an_example_in_strict_or_says_why_not(
    extended: Pack, strict: Pack
) -> None:
    compiled = CompiledPack(strict)
    silent = {
        Path(sit.file).stem
        for sit in strict.sits.values()
        if extended.sits[sit.id].patterns and not finds_an_example_of_its_own(compiled, sit)
    }
    assert silent == set(DEVIATIONS["silent_in_strict"])


def test_no_listed_deviation_is_out_of_date(strict: Pack) -> None:
    by_slug = {facts["slug"]: facts for facts in WITH_PATTERNS}
    refs = {ref: facts for facts in WITH_PATTERNS for ref in refs_of_type(facts)}
    for kind in ("patterns_left_out", "recommended_confidence"):
        assert set(DEVIATIONS[kind]) <= set(by_slug), kind
    for kind in ("filters", "lists_of_no_pattern"):
        assert set(DEVIATIONS[kind]["sits"]) <= set(by_slug), kind
    headings = {heading for facts in CATALOGUE for heading in facts.get("keywords", {})}
    for ref, names in DEVIATIONS["headings"]["refs"].items():
        assert ref in refs, ref
        assert set(names) <= headings, ref
    assert {*DEVIATIONS["placeholders"]["refs"], *DEVIATIONS["regexes_for_lists"]} <= set(refs)
    for sit in strict.sits.values():
        assert all(ref in strict.elements for item in sit.patterns for ref in pattern_refs(item))
