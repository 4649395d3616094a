"""What a decider sees of records and of whole assets."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpagent.evidence import Evidence
from dlpagent.findings import FINDING_SCHEMA
from dlpagent.item_tallies import ItemTallies
from dlpagent.records import Asset, PartRows
from dlpagent.tallies import evidence_digest, facts_of_batch, items_of_batch, tallies_of
from dlpagent.violations import RecordFacts, Tally

ASSET = Asset("file:///a", "dataset", "files", app="Assetapp")


def finding(record, sit, confidence, key, start=0):
    return {
        "record_id": record,
        "part": "p",
        "start": start,
        "end": start + 1,
        "sit_id": sit,
        "confidence": confidence,
        "pattern": 0,
        "masked": "*",
        "key": key,
    }


def findings(*rows):
    return pa.RecordBatch.from_pylist([finding(*row) for row in rows], schema=FINDING_SCHEMA)


def records(*rows):
    """A batch of parts, each given as keyword arguments of PartRows.add()."""
    parts = PartRows("file:///a")
    for row in rows:
        parts.add(**{"part": "p", "seq": 0, "text": "", **row})
    return parts.take()


def plainly(rows):
    """Tallies as the definition says, for rows of (sit, confidence, key)."""
    found = []
    for sit in sorted({sit for sit, _, _ in rows}):
        hits = Counter(confidence for each, confidence, _ in rows if each == sit)
        best: dict[str, int] = defaultdict(int)
        for each, confidence, key in rows:
            if each == sit:
                best[key] = max(best[key], confidence)
        unique = Counter(best.values())
        counts = tuple((c, hits[c], unique[c]) for c in sorted(hits, reverse=True))
        found.append(Tally(sit, counts))
    return tuple(found)


@pytest.mark.parametrize(
    ("rows", "tallies"),
    [
        ([], ()),
        ([("s", 85, "a")], (Tally("s", ((85, 1, 1),)),)),
        ([("s", 85, "a")] * 3, (Tally("s", ((85, 3, 1),)),)),
        ([("s", 65, "a"), ("s", 85, "a")], (Tally("s", ((85, 1, 1), (65, 1, 0))),)),
        ([("s", 65, "a"), ("s", 85, "b")], (Tally("s", ((85, 1, 1), (65, 1, 1))),)),
        (
            [("t", 75, "a"), ("s", 100, "a"), ("t", 1, "b")],
            (Tally("s", ((100, 1, 1),)), Tally("t", ((75, 1, 1), (1, 1, 1)))),
        ),
    ],
)
def test_tallies_count_hits_and_unique_values_at_their_best_confidence(rows, tallies):
    assert plainly(rows) == tallies
    assert tallies_of(findings(*(("r", *row) for row in rows))) == tallies


found_rows = st.lists(
    st.tuples(
        st.sampled_from(["r1", "r2", "r3"]),
        st.sampled_from(["s", "t", "u"]),
        st.sampled_from([1, 65, 75, 85, 100]),
        st.sampled_from([f"{number:032x}" for number in range(4)] + ["odd", ""]),
    ),
    max_size=60,
)


@settings(max_examples=150)
@given(found_rows, st.integers(1, 9))
def test_records_and_whole_items_are_counted_as_the_definition_says(rows, step):
    rows = sorted(rows, key=lambda row: row[0])
    batch = findings(*((*row, start) for start, row in enumerate(rows)))
    of_record = {item.record_id: item for item in items_of_batch(
        ASSET, records(*({"record_id": name} for name in ("r1", "r2", "r3"))), batch
    )}  # fmt: skip
    assert list(of_record) == sorted({row[0] for row in rows})
    for name, item in of_record.items():
        mine = [row[1:] for row in rows if row[0] == name]
        assert item.tallies == plainly(mine)
        assert item.places_total == len(mine)
        part = findings(*((name, *row) for row in mine))
        assert item.evidence == evidence_digest(part["sit_id"], part["key"])
    with ItemTallies(pairs_in_memory=3) as whole:
        for start in range(0, len(rows), step):
            whole.add(batch.slice(start, step))
        tallies, evidence = whole.result()
        assert tallies == plainly([row[1:] for row in rows]) == tallies_of(batch)
        assert evidence == evidence_digest(batch["sit_id"], batch["key"])
        assert whole.places() == list(range(len(rows)))


@given(found_rows, st.randoms())
def test_the_digest_depends_on_which_pairs_there_are_and_on_nothing_else(rows, chance):
    batch = findings(*rows)
    other = [*rows, *rows[:3]]
    chance.shuffle(other)
    other = [(record, sit, 65, key) for record, sit, _, key in other]
    again = findings(*other)
    digest = evidence_digest(batch["sit_id"], batch["key"])
    assert evidence_digest(again["sit_id"], again["key"]) == digest
    more = findings(*rows, ("r", "another", 65, "k"))
    assert evidence_digest(more["sit_id"], more["key"]) != digest


def test_the_digest_of_nothing_is_zero():
    batch = findings()
    assert evidence_digest(batch["sit_id"], batch["key"]) == "0" * 32


def test_an_item_says_what_its_parts_say():
    at = datetime(2026, 1, 2, tzinfo=UTC)
    batch = records(
        {"record_id": "before"},
        {"record_id": "r", "role": "user", "labels": ["l2", "l1"], "app": "Chat"},
        {"record_id": "r", "seq": 1, "role": "assistant", "labels": ["l1"], "actor_id": "u-7"},
        {
            "record_id": "r",
            "seq": 2,
            "role": "user",
            "model": "m",
            "created_at": at,
            "actor_id": "x",
        },
        {"record_id": "after"},
    )
    (item,) = items_of_batch(ASSET, batch, findings(("r", "s", 85, "k")))
    assert (item.level, item.record_id, item.asset) == ("record", "r", ASSET)
    assert (item.roles, item.labels) == (("assistant", "user"), ("l1", "l2"))
    assert (item.app, item.actor_id, item.model, item.created_at) == ("Chat", "u-7", "m", at)
    assert item.conversation_id is None
    assert not item.incomplete
    assert [place.sit_id for place in item.places] == ["s"]


def test_the_app_of_the_asset_stands_in_for_a_record_without_one():
    (item,) = items_of_batch(ASSET, records({"record_id": "r"}), findings(("r", "s", 85, "k")))
    assert item.app == "Assetapp"


def test_records_with_labels_only_are_items_too_and_others_are_not():
    batch = records(
        {"record_id": "a"},
        {"record_id": "b", "labels": []},
        {"record_id": "c", "labels": ["l1"]},
    )
    (item,) = items_of_batch(ASSET, batch, findings())
    assert (item.record_id, item.tallies, item.evidence) == ("c", (), "0" * 32)
    assert (item.places, item.places_total) == ((), 0)
    assert list(items_of_batch(ASSET, batch.slice(0, 2), findings())) == []


@pytest.mark.parametrize(
    ("status", "rows", "incomplete"),
    [
        ("read", (), False),
        ("no_content", (), False),
        ("unread", (), True),
        ("protected", (), True),
        ("opaque", (), True),
        ("read", (1,), True),  # a rule was not applied to the second part
        ("read", (2,), False),  # that part belongs to another record
    ],
)
def test_an_item_is_incomplete_when_a_part_or_a_rule_was_left_out(status, rows, incomplete):
    batch = records(
        {"record_id": "r"},
        {"record_id": "r", "seq": 1, "status": status, "text": None},
        {"record_id": "other"},
    )
    (item,) = items_of_batch(ASSET, batch, findings(("r", "s", 85, "k")), rows)
    assert item.incomplete is incomplete


def test_records_of_one_id_in_one_batch_are_one_item():
    batch = records({"record_id": "r"}, {"record_id": "x"}, {"record_id": "r", "role": "user"})
    rows = findings(("r", "s", 85, "k"), ("x", "s", 85, "k"), ("r", "s", 85, "k"))
    first, second = items_of_batch(ASSET, batch, rows)
    assert (first.record_id, first.tallies, first.roles) == (
        "r",
        (Tally("s", ((85, 2, 1),)),),
        ("user",),
    )
    assert second.record_id == "x"


def test_a_finding_of_a_record_that_is_not_there_is_a_fault():
    with pytest.raises(ValueError, match="not in its batch"):
        list(items_of_batch(ASSET, records({"record_id": "r"}), findings(("x", "s", 85, "k"))))


def test_an_item_with_thousands_of_findings_shows_a_hundred_places():
    many = findings(*(("r", "s", 65, f"{n:032x}", n) for n in range(3000)))
    (item,) = items_of_batch(ASSET, records({"record_id": "r"}), many)
    assert [place.start for place in item.places] == list(range(100))
    assert item.places_total == 3000


def test_facts_are_told_of_records_with_findings_or_labels_that_say_anything():
    rows = records(
        {"record_id": "found", "seq": 0, "role": "user", "actor_id": "ann"},
        {"record_id": "found", "seq": 1, "role": "tool", "app": "ChatGPT", "labels": ["l2", "l1"]},
        {"record_id": "labelled", "seq": 0, "labels": ["l1"]},
        {"record_id": "clean", "seq": 0, "role": "user"},
        {"record_id": "silent", "seq": 0},
    )
    told = facts_of_batch(rows, findings(("found", "s1", 85, "a"), ("silent", "s1", 85, "b")))
    assert told == (
        RecordFacts("found", ("tool", "user"), ("l1", "l2"), "ann", "ChatGPT", found=True),
        RecordFacts("labelled", (), ("l1",), found=False),
    )


def test_the_content_of_records_with_findings_is_kept_where_there_is_a_key():
    rows = records({"record_id": "found", "seq": 0}, {"record_id": "clean", "seq": 0})
    (told,) = facts_of_batch(rows, findings(("found", "s1", 85, "a")), Evidence(bytes(32)))
    assert told.record_id == "found"
    assert told.content is not None
