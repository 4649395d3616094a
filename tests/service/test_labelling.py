"""The label of an asset is the highest of its records, whatever their order, and of all together."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dlpagent.labels.taxonomy_files import load_taxonomy
from dlpagent.records import Asset
from dlpagent.service.labelling import MAX_RAISED, Gathered, highest
from dlpagent.violations import LabelRef, Recommendation

TAXONOMY = load_taxonomy()
LABELS = [TAXONOMY.ref(label) for label in TAXONOMY.labels if label.is_appliable]
ASSET = Asset("x", "dataset", "jsonl")
RECORDS = st.lists(st.sampled_from(LABELS), max_size=40)


def of(label: LabelRef) -> Recommendation:
    return Recommendation(label, None, f"Found {label.name}.", ())


def gathered(labels: list[LabelRef]) -> Gathered:
    found = Gathered(records=len(labels) + 3)
    for number, label in enumerate(labels):
        found.add(str(number), of(label), {})
    return found


@given(RECORDS, st.none() | st.sampled_from(LABELS))
def test_the_highest_wins_and_what_raised_it_is_named(labels: list[LabelRef], whole: Any) -> None:
    found = gathered(labels).result(ASSET, of(whole) if whole else None, ())
    every = [*labels, *([whole] if whole else [])]
    wanted = max(every, key=lambda label: label.priority, default=None)
    assert found.label == wanted
    assert sum(found.labels.values()) == len(labels)
    if wanted in labels:
        raised = [str(number) for number, label in enumerate(labels) if label == wanted]
        assert [one.record_id for one in found.raised_by] == raised
        assert found.raised_total == len(raised)
    elif wanted:
        assert [one.record_id for one in found.raised_by] == [""]
        assert found.reason == of(wanted).reason
    else:
        assert (found.raised_by, found.raised_total) == ((), 0)


@given(RECORDS, st.randoms())
def test_the_order_of_records_does_not_matter(labels: list[LabelRef], chance: Any) -> None:
    other = list(labels)
    chance.shuffle(other)
    one, two = (gathered(each).result(ASSET, None, ()) for each in (labels, other))
    assert (one.label, one.labels, one.raised_total) == (two.label, two.labels, two.raised_total)


def test_of_many_records_some_are_named_and_all_are_counted() -> None:
    found = gathered([LABELS[-1]] * (MAX_RAISED + 50)).result(ASSET, None, ())
    assert (len(found.raised_by), found.raised_total) == (MAX_RAISED, MAX_RAISED + 50)


@given(st.lists(RECORDS, max_size=4))
def test_of_several_assets_the_highest_counts(several: list[list[LabelRef]]) -> None:
    found = highest(gathered(each).result(ASSET, None, ()) for each in several)
    every = [label for each in several for label in each]
    assert found == max(every, key=lambda label: label.priority, default=None)
