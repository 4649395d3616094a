"""What we add to Purview's types is marked: in the pack, in traces, in exports; strict has none of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.explain import ConditionTrace, explain
from dlpagent.classifiers.normalise import Subject
from dlpagent.classifiers.origins import added_elements, hit_origin, of_origin
from dlpagent.classifiers.pack import BUILTIN, builtin_pack
from dlpagent.classifiers.pack_values import as_profile, conditions_of
from dlpagent.classifiers.rulepackage_export import export_rule_package
from dlpagent.classifiers.sit import Keyword, Pack, Regex, Sit
from dlpagent.service.trace_view import explanation_text
from tests.classifiers.building import pack_of

SIT = """
id: 11111111-1111-4111-8111-11111111111a
name: Order number
version: 1
parity: structure
elements:
  Regex_order: {regex: '\\bPO-\\d{6}\\b', ours: ['\\bpo \\d{6}\\b']}
  Keyword_order: {keywords: [purchase], ours: [bestellung]}
  Keyword_urgent: {keywords: [], ours: [eilig]}
  Keyword_draft: {keywords: [draft]}
  Keyword_seller: {keywords: [seller]}
  Union_words: {union: [Keyword_order, Keyword_urgent]}
patterns:
- {confidence: 85, primary: Regex_order, match: [Keyword_order]}
- confidence: 75
  primary: Regex_order
  any: [{min: 0, max: 0, of: [{id: Keyword_draft, ours: true}]}]
- {confidence: 66, primary: Regex_order, match: [Keyword_seller], ours: true}
- {confidence: 65, primary: Union_words, ours: true}
"""


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    return pack_of(tmp_path, SIT)


@pytest.mark.parametrize(
    ("element", "text", "origin"),
    [
        ("Regex_order", "PO-123456", "purview"),
        ("Regex_order", "po 123456", "ours"),
        ("Keyword_order", "purchase", "purview"),
        ("Keyword_order", "Bestellung", "ours"),
        ("Keyword_urgent", "eilig", "ours"),
        ("Keyword_draft", "draft", "purview"),
        ("Union_words", "purchase", "purview"),
        ("Union_words", "bestellung", "ours"),
        ("Union_words", "eilig", "ours"),
    ],
)
def test_a_hit_is_ours_when_nothing_of_purviews_finds_it(
    element: str, text: str, origin: str, pack: Pack
) -> None:
    compiled = CompiledPack(pack)
    assert compiled.find(element, Subject.of(text)) == [(0, len(text))]
    assert hit_origin(compiled, element, Subject.of(text), (0, len(text))) == origin


def test_elements_that_only_our_patterns_and_conditions_name_are_additions(pack: Pack) -> None:
    assert added_elements(pack) == {
        "Keyword_draft", "Keyword_seller", "Keyword_urgent", "Union_words",
    }  # fmt: skip


def test_in_a_type_of_ones_own_nothing_is_an_addition(tmp_path: Path) -> None:
    own = pack_of(tmp_path, SIT.replace("parity: structure", "parity: own"))
    assert added_elements(own) == set()


# --- traces -----------------------------------------------------------------------------------


def matches(conditions: tuple[ConditionTrace, ...]) -> Iterator[ConditionTrace]:
    for item in conditions:
        yield from matches(item.children) if item.kind == "any" else iter((item,))


def test_a_trace_marks_patterns_conditions_terms_and_formats_of_ours(pack: Pack) -> None:
    found = explain(CompiledPack(pack), "Bestellung po 123456")
    (trace,) = [item for item in found.traces if item.start == 11]
    assert [item.origin for item in trace.patterns] == ["purview", "purview", "ours", "ours"]
    assert trace.patterns[0].match_origin == "ours"
    (word,) = trace.patterns[0].conditions
    assert (word.origin, [hit.origin for hit in word.hits]) == ("purview", ["ours"])
    (draft,) = matches(trace.patterns[1].conditions)
    assert draft.origin == "ours"
    shown = explanation_text(found, pack, "Bestellung po 123456", None, everything=True)
    assert "85 high   Regex_order matches (by a term or format of ours)" in shown
    assert 'Keyword_order: "Bestellung" 11 away (ours) (met)' in shown
    assert "Keyword_draft (ours): not in the text" in shown
    assert "66 medium Regex_order matches (ours)" in shown


def test_what_purview_publishes_has_no_mark_in_a_trace(pack: Pack) -> None:
    found = explain(CompiledPack(pack), "purchase PO-123456")
    trace = next(item for item in found.traces if item.confidence == 85)
    assert trace.patterns[0].match_origin == "purview"
    assert [hit.origin for hit in trace.patterns[0].conditions[0].hits] == ["purview"]
    shown = explanation_text(found, pack, "purchase PO-123456", None, everything=False)
    lines = [line for line in shown.splitlines() if "85 high" in line or "Keyword_order" in line]
    assert lines
    assert not [line for line in lines if "ours" in line]


@pytest.mark.parametrize(
    ("parity", "said"),
    [("own", "not one of Purview's types"), ("format", "what finds it is ours"), ("structure", "")],
)
def test_a_trace_says_what_is_known_of_the_type(parity: str, said: str, tmp_path: Path) -> None:
    pack = pack_of(tmp_path, SIT.replace("parity: structure", f"parity: {parity}"))
    found = explain(CompiledPack(pack), "po 123456")
    assert found.traces[0].parity == parity
    shown = explanation_text(found, pack, "po 123456", None, everything=True)
    assert (said in shown) if said else ("parity" not in shown)


# --- exports ----------------------------------------------------------------------------------


def exported(pack: Pack) -> list[str]:
    data = export_rule_package(pack, None).data.decode("utf-16")
    return [line.strip() for line in data.splitlines()]


def after(lines: list[str], comment: str) -> list[str]:
    """The lines that follow a comment."""
    return [lines[at + 1] for at, line in enumerate(lines) if line == f"<!-- {comment} -->"]


def test_an_export_marks_patterns_conditions_and_elements_of_ours(pack: Pack) -> None:
    lines = exported(pack)
    marked = after(lines, "added by dlpagent")
    assert [line for line in marked if line.startswith("<Pattern")] == [
        '<Pattern confidenceLevel="66">',
        '<Pattern confidenceLevel="65">',
        '<Pattern confidenceLevel="65">',
    ]
    assert '<Match idRef="Keyword_draft" />' in marked
    for name in ("Keyword_draft", "Keyword_seller", "Keyword_urgent"):
        assert after(lines, f"added by dlpagent: {name}") == [f'<Keyword id="{name}">']
    assert after(lines, "added to by dlpagent: Keyword_order") == ['<Keyword id="Keyword_order">']
    assert len(after(lines, "added to by dlpagent: Regex_order")) == 1


def test_a_condition_of_ours_does_not_count_as_two(pack: Pack) -> None:
    """The comment before it is no child of its group."""
    lines = exported(pack)
    at = lines.index('<Any minMatches="0" maxMatches="0">')
    assert lines[at + 2] == '<Match idRef="Keyword_draft" />'


OWN = """
parity: own
elements:
  Regex_case: {regex: '\\bCASE-\\d{4}\\b'}
  Keyword_case: {keywords: [case file]}
patterns:
- {confidence: 85, primary: Regex_case, match: [Keyword_case]}
"""


def test_an_export_of_ones_own_types_has_no_marks(tmp_path: Path) -> None:
    lines = exported(pack_of(tmp_path, OWN.replace("parity: own\n", "")))
    assert '<IdMatch idRef="Regex_case" />' in lines
    assert not [line for line in lines if "<!--" in line]


# --- the built-in pack ------------------------------------------------------------------------


@cache
def builtin() -> Pack:
    return builtin_pack()


def purviews() -> list[Sit]:
    return [sit for sit in builtin().sits.values() if sit.parity != "own"]


def test_the_built_in_pack_has_additions_of_every_kind() -> None:
    """Else the tests below would hold for nothing."""
    assert any(item.origin == "ours" for sit in purviews() for item in sit.patterns)
    assert any(item.origin == "ours" for sit in purviews() for item in conditions_of(sit))
    elements = [item for item in builtin().elements.values() if isinstance(item, Keyword | Regex)]
    for kind in (Keyword, Regex):
        assert any(of_origin(item, "ours") for item in elements if isinstance(item, kind))
    assert len(added_elements(builtin())) > 20


def test_strict_has_nothing_that_is_marked_as_ours() -> None:
    strict = as_profile(builtin(), "strict")
    assert all(sit.parity != "own" for sit in strict.sits.values())
    for sit in strict.sits.values():
        assert all(item.origin == "purview" for item in sit.patterns), sit.name
        assert all(item.origin == "purview" for item in conditions_of(sit)), sit.name
    for element in strict.elements.values():
        if isinstance(element, Keyword | Regex):
            assert of_origin(element, "ours") is None, element.id


def test_every_addition_to_a_type_is_marked_in_its_file_by_the_word_ours() -> None:
    """A file of a type that strict has otherwise says so itself, or its shared lists do."""
    shared = "".join(path.read_text("utf-8") for path in (BUILTIN / "_shared").glob("*.yaml"))
    strict = as_profile(builtin(), "strict")
    for sit in purviews():
        if sit.patterns != strict.sits[sit.id].patterns:
            assert "ours" in Path(sit.file).read_text("utf-8") or "ours" in shared, sit.file


def test_an_export_of_the_built_in_pack_marks_every_addition() -> None:
    pack = builtin()
    lines = [
        line.strip() for line in export_rule_package(pack, pack).data.decode("utf-16").splitlines()
    ]
    marked = "\n".join(line for line in lines if line.startswith("<!-- added"))
    used = {ref for sit in purviews() for ref in refs(sit)}
    for name in sorted(used):
        element = pack.elements[name]
        if isinstance(element, Keyword | Regex) and not element.stub and of_origin(element, "ours"):
            assert name in marked, name
    patterns = sum(item.origin == "ours" for sit in purviews() for item in sit.patterns)
    written = [line for line in after(lines, "added by dlpagent") if line.startswith("<Pattern")]
    assert len(written) >= patterns * 0.9  # patterns of detectors and stubs cannot be written


def refs(sit: Sit) -> set[str]:
    return {item.primary for item in sit.patterns} | {item.ref for item in conditions_of(sit)}
