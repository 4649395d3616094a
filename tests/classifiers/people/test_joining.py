"""Rules and a model together: who is believed when."""

from __future__ import annotations

import time

import pytest

from dlpagent.classifiers.people.joining import MODEL_ALONE, Name, Seen, names


def one(text: str, *seen: tuple[str, str]) -> Name:
    (found,) = names(text, [_seen(text, words, label) for words, label in seen])
    return found


def _seen(text: str, words: str, label: str) -> Seen:
    return Seen(text.index(words), text.index(words) + len(words), label)


def test_a_name_that_both_see_is_surer_than_one_the_rules_see() -> None:
    text = "We met Trivo Maslin there."
    assert one(text, ("Trivo Maslin", "PERSON")).score > one(text).score


def test_another_kind_said_by_the_model_makes_an_unsure_name_less_sure() -> None:
    text = "There stood Trivo again."
    assert one(text, ("Trivo", "LOCATION")).score < one(text).score


def test_a_person_only_the_model_sees_counts_by_what_its_words_look_like() -> None:
    text = "and then 北野武 came"
    assert one(text, ("北野武", "PERSON")).score < MODEL_ALONE


def test_a_span_of_the_model_loses_titles_possessives_and_the_next_line() -> None:
    text = "see 北野 Kurosawa's\nStreet 5"
    found = one(text, ("北野 Kurosawa's\nStreet", "PERSON"))
    assert text[found.start : found.end].endswith("Kurosawa")


def test_a_part_of_a_sure_name_is_a_name_elsewhere_in_the_text() -> None:
    text = "Directed by Brad L. Weeksing and starring Weeksing as himself."
    assert [text[item.start : item.end] for item in names(text, []) if item.score >= 0.55] == [
        "Brad L. Weeksing", "Weeksing",
    ]  # fmt: skip


def test_names_do_not_overlap_and_come_in_order() -> None:
    text = "Maria Gonzalez and Peter Novak"
    found = names(text, [Seen(0, 20, "PERSON"), Seen(6, 14, "PERSON")])
    assert [(item.start, item.end) for item in found] == [(0, 14), (19, 30)]


@pytest.mark.parametrize(
    "piece",
    [
        "Maria Gonzalez, ",
        "I I ",
        "Maria Gonzalez\n\n\n\n",
        "Anna and ",
        "mr. a, b, c ",
        "Van de la ",
    ],
)
def test_time_grows_with_the_text_and_not_with_its_square(piece: str) -> None:
    def cost(many: int) -> float:
        text = piece * many
        seen = [Seen(at, at + 5, "PERSON") for at in range(0, len(text) - 8, 64)]
        began = time.process_time()
        names(text, seen)
        return time.process_time() - began

    cost(50)
    assert cost(4_000) < 12 * max(cost(1_000), 0.05)


def test_a_flood_of_line_breaks_behind_a_name_is_passed_quickly() -> None:
    began = time.process_time()
    assert len(names("Maria Gonzalez" + "\n" * 100_000 + "1", [])) == 1
    assert time.process_time() - began < 2
