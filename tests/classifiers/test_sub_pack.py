"""A part of a pack finds what the whole finds, and what differs is what can find otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpagent.classifiers.evaluation import Document
from dlpagent.classifiers.pack import builtin_pack, load_pack
from dlpagent.classifiers.sit import Group, Keyword, Pack, Pattern, Sit, Term
from dlpagent.classifiers.sub_pack import differing, only, reached
from dlpagent.service.comparing import classifier_for, compare_packs, detect, reevaluated

IDS = [f"{number}" * 8 + f"-{number * 1111}-4111-8111-" + f"{number}" * 12 for number in (1, 2, 3)]


def sit(number: int, body: str) -> str:
    return f"id: {IDS[number]}\nname: Type {number}\nversion: 1\nparity: own\n{body}"


SITS = (
    sit(0, "elements:\n  badge: {regex: '(?<![0-9])[0-9]{6}(?![0-9])'}\n"
           "patterns:\n  - {confidence: 85, primary: badge, match: [shared]}\n"
           "  - {confidence: 65, primary: badge}\n"),
    sit(1, "proximity: 20\nelements:\n  code: {regex: 'K[0-9]{3}'}\n"
           "patterns:\n  - {confidence: 75, primary: code, match: [shared]}\n"),
    sit(2, "elements:\n  word: {regex: 'tok_[a-z]+'}\n  alone: {keywords: [secret]}\n"
           "patterns:\n  - {confidence: 85, primary: word, match: [alone]}\n"
           "  - {confidence: 65, primary: word, filters: [not_demo]}\n"
           "filters:\n  not_demo: {kind: text_match, direction: starts_with, logic: exclude, "
           "processor: demo}\n"),
)  # fmt: skip
SHARED = "elements:\n  shared: {keywords: [badge, key]}\n  demo: {keywords: [tok_demo]}\n"


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    folder = tmp_path_factory.mktemp("pack")
    (folder / "_shared").mkdir()
    (folder / "pack.yaml").write_text("id: test\nname: test\nversion: 1.0.0.0\n")
    for number, text in enumerate(SITS):
        (folder / f"{number}.yaml").write_text(text)
    (folder / "_shared" / "s.yaml").write_text(SHARED)
    return load_pack(folder)


def with_sit(pack: Pack, number: int, **changes: object) -> Pack:
    changed = replace(pack.sits[IDS[number]], **changes)  # type: ignore[arg-type]
    return replace(pack, sits={**pack.sits, IDS[number]: changed})


def with_words(pack: Pack, name: str, *words: str) -> Pack:
    keyword = Keyword(name, (Group("word", tuple(map(Term, words))),))
    return replace(pack, elements={**pack.elements, name: keyword})


def test_what_a_sit_reaches_is_its_elements_its_filters_and_their_words(pack: Pack) -> None:
    assert reached(pack, pack.sits[IDS[0]]) == {"badge", "shared"}
    assert reached(pack, pack.sits[IDS[2]]) == {"word", "alone", "not_demo", "demo"}
    part = only(pack, {IDS[2]})
    assert (set(part.sits), set(part.elements), set(part.filters)) == (
        {IDS[2]}, {"word", "alone", "demo"}, {"not_demo"},
    )  # fmt: skip


CHANGES = {
    "nothing": (lambda pack: pack, set()),
    "a name, a description, an example": (
        lambda pack: with_sit(pack, 0, name="N", description="d", version=9, examples=()), set()),
    "the recommended confidence": (
        lambda pack: with_sit(pack, 0, recommended_confidence=65), set()),
    "proximity": (lambda pack: with_sit(pack, 1, proximity=21), {1}),
    "a tier": (lambda pack: with_sit(pack, 0, patterns=pack.sits[IDS[0]].patterns[:1]), {0}),
    "a word two types share": (lambda pack: with_words(pack, "shared", "badge"), {0, 1}),
    "a word of a filter": (lambda pack: with_words(pack, "demo", "tok_x"), {2}),
    "how values are compared": (lambda pack: with_sit(pack, 2, value="secret"), {2}),
    "a type is gone": (lambda pack: only(pack, {IDS[0], IDS[2]}), {1}),
    "an element nobody names": (lambda pack: with_words(pack, "nobody", "x"), set()),
}  # fmt: skip


@pytest.mark.parametrize(("change", "numbers"), CHANGES.values(), ids=CHANGES)
def test_what_differs_is_what_a_change_can_affect(pack: Pack, change, numbers) -> None:  # type: ignore[no-untyped-def]
    other = change(pack)
    assert differing(pack, other) == {IDS[number] for number in numbers}
    assert differing(other, pack) == {IDS[number] for number in numbers}


words = st.sampled_from(
    ["badge", "key", "secret", "123456", "K123", "tok_abc", "tok_demo", "x" * 25, "."]
)
texts = st.lists(st.lists(words, max_size=12).map(" ".join), min_size=1, max_size=4)


def mutated(pack: Pack, draw: st.DataObject) -> Pack:
    """A pack with one to three random changes."""
    for _ in range(draw.draw(st.integers(1, 3))):
        number = draw.draw(st.integers(0, 2))
        if IDS[number] not in pack.sits:
            continue
        here: Sit = pack.sits[IDS[number]]
        what = draw.draw(st.sampled_from(["proximity", "tier", "words", "filter", "gone", "value"]))
        if what == "proximity":
            pack = with_sit(pack, number, proximity=draw.draw(st.sampled_from([1, 10, 50])))
        elif what == "tier":
            tiers: tuple[Pattern, ...] = tuple(
                replace(item, confidence=max(1, item.confidence - 10)) for item in here.patterns
            )
            pack = with_sit(pack, number, patterns=tiers)
        elif what == "words":
            name = draw.draw(st.sampled_from(["shared", "alone", "demo"]))
            pack = with_words(pack, name, draw.draw(words))
        elif what == "filter":
            pack = with_sit(pack, number, filters=("not_demo",))
        elif what == "value":
            pack = with_sit(pack, number, value="text")
        elif len(pack.sits) > 1:
            pack = replace(
                pack, sits={name: item for name, item in pack.sits.items() if name != IDS[number]}
            )
    return pack


def spans(found: object) -> dict[str, list[object]]:
    return {name: sorted(many, key=repr) for name, many in found.found.items()}  # type: ignore[attr-defined]


@settings(max_examples=60)
@given(texts, st.data())
def test_re_evaluating_only_what_differs_equals_evaluating_everything(
    pack: Pack, found: list[str], data: st.DataObject
) -> None:
    other = mutated(pack, data)
    documents = [Document(str(n), "s", text, where=str(n)) for n, text in enumerate(found)]
    known = detect(documents, classifier_for(pack))
    made, saved = reevaluated(documents, known, pack, other)
    whole = detect(documents, classifier_for(other))
    assert spans(made) == spans(whole)
    assert saved.evaluated == len(differing(pack, other) & other.sits.keys())
    # and the comparison says exactly what differs between the two
    compared = compare_packs(pack, other, documents)
    told = {
        (item.document, item.sit_id, item.start, item.end, item.before, item.after)
        for item in compared.outcomes
        if item.before != item.after
    }
    assert {(doc, sit_id) for doc, sit_id, *_ in told} == {
        (doc, span.type)
        for doc in spans(whole)
        for span in set(spans(known)[doc]) ^ set(spans(whole)[doc])  # type: ignore[attr-defined]
    }


def test_a_part_of_the_built_in_pack_finds_what_the_whole_finds(home: Path) -> None:
    pack = builtin_pack()
    wanted = ["50842eb7-edc8-4019-85dd-5a5c1f2bb085", "a6dfd06e-b51e-5c02-97a9-12517f72fea0"]
    part = only(pack, wanted)
    assert set(part.sits) == set(wanted)
    assert len(part.elements) < len(pack.elements) / 20
    texts = [example.text for sit_id in wanted for example in pack.sits[sit_id].examples] + [
        "card 4111 1111 1111 1111 of ann@example.com"
    ]
    documents = [Document(str(n), "s", text, where=str(n)) for n, text in enumerate(texts)]
    whole = detect(documents, classifier_for(pack, home))
    some = detect(documents, classifier_for(part, home))
    assert spans(some) == {
        name: [span for span in many if span.type in wanted]  # type: ignore[attr-defined]
        for name, many in spans(whole).items()
    }
