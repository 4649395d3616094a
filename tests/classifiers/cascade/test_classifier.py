"""The cascade gives what the reference gives: whole pack, every place in a text, any pack."""

from __future__ import annotations

import functools
import pickle
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlpagent.classifiers.cascade.classifier import CascadeClassifier
from dlpagent.classifiers.classify import ReferenceClassifier
from dlpagent.classifiers.pack import builtin_pack
from dlpagent.classifiers.sit import Keyword, Pack, Regex, Sit, pattern_refs
from dlpagent.evidence import Evidence
from dlpagent.records import batch_of_columns

EVIDENCE = Evidence(b"0123456789abcdef0123456789abcdef")

PLAIN = (
    "The minutes of the meeting were read and approved without changes by everyone present "
    "and the committee then turned to the plans for the garden which had been put off twice. "
)
NEIGHBOURS = ("é", "中", "ñ ", "Жук ", "\u200b", "\u00ad", "😀", "\u00a0", "ﬁ", "٣ ", "\u0000", "ﾞ")


@pytest.fixture(scope="module", autouse=True)
def never_cold() -> Iterator[None]:
    """Small first scans would be left to the reference: here that would prove nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dlpagent.classifiers.cascade.classifier.COLD_CHARS", 0)
        yield


@functools.cache
def pack() -> Pack:
    return builtin_pack()


@pytest.fixture(scope="session")
def cascade(request: pytest.FixtureRequest) -> CascadeClassifier:
    # compiled databases outlive the run: their names say what they were made of
    return CascadeClassifier.of(pack(), EVIDENCE, request.config.cache.mkdir("cascade"))


@functools.cache
def reference() -> ReferenceClassifier:
    return ReferenceClassifier.of(pack(), EVIDENCE)


def batch_of(texts: Sequence[str | None], contexts: Sequence[str | None] = ()) -> pa.RecordBatch:
    count = len(texts)
    return batch_of_columns(
        "test:///x",
        count,
        {
            "record_id": pa.array([str(row) for row in range(count)], pa.string()),
            "part": pa.array(["text"] * count, pa.string()),
            "text": pa.array(texts, pa.large_string()),
            "context": pa.array(list(contexts) or [None] * count, pa.string()),
        },
    )


def assert_same(one: CascadeClassifier, other: ReferenceClassifier, batch: pa.RecordBatch) -> int:
    found, expected = one.classify(batch), other.classify(batch)
    # values are synthetic: showing rows helps to see what was lost
    assert found.matches.to_pylist() == expected.matches.to_pylist()
    assert found.incomplete == expected.incomplete
    return int(found.matches.num_rows)


@functools.cache
def samples() -> list[tuple[Sit, str, str | None]]:
    return [
        (sit, item.text, item.context or None)
        for sit in pack().sits.values()
        for item in (*sit.examples, *sit.near_misses)
    ]


def some(count: int, seed: int) -> list[tuple[Sit, str, str | None]]:
    return random.Random(seed).sample(samples(), count)


def test_examples_and_near_misses_give_the_same_in_both_engines(cascade: CascadeClassifier) -> None:
    chosen = some(150, seed=1)
    batch = batch_of([text for _, text, _ in chosen], [context for _, _, context in chosen])
    assert assert_same(cascade, reference(), batch) > 50


def test_every_example_of_the_pack_is_found_by_the_cascade(cascade: CascadeClassifier) -> None:
    plain = cascade.compiled.sits  # those that ask detectors are found beside the cascade
    wanted = [(sit, item) for sit in plain for item in sit.examples if item.confidence]
    batch = batch_of(
        [item.text for _, item in wanted], [item.context or None for _, item in wanted]
    )
    matches = cascade.classify(batch).matches
    got = {
        (row, sit): confidence
        for row, sit, confidence in zip(
            matches.column("row").to_pylist(),
            matches.column("sit_id").to_pylist(),
            matches.column("confidence").to_pylist(),
            strict=True,
        )
    }
    assert [
        (sit.name, item.text) for row, (sit, item) in enumerate(wanted) if (row, sit.id) not in got
    ] == []


@pytest.mark.parametrize("place", ["start", "middle", "end", "alone", "between lines"])
def test_values_are_found_wherever_they_stand_in_long_plain_text(
    place: str, cascade: CascadeClassifier
) -> None:
    texts: list[str | None] = []
    for _, text, _ in some(40, seed=len(place)):
        texts.append(
            {
                "start": text + " " + PLAIN * 8,
                "middle": PLAIN * 4 + text + " " + PLAIN * 4,
                "end": PLAIN * 8 + text,
                "alone": text,
                "between lines": PLAIN + "\n" + text + "\n" + PLAIN,
            }[place]
        )
        texts.append(None if len(texts) % 3 else "")
    assert assert_same(cascade, reference(), batch_of(texts)) > 10


def test_neighbours_outside_ascii_do_not_hide_or_move_anything(cascade: CascadeClassifier) -> None:
    rng = random.Random(3)
    texts = []
    for _, text, _ in some(60, seed=5):
        before, after = rng.choice(NEIGHBOURS), rng.choice(NEIGHBOURS)
        cut = rng.randrange(len(text) + 1)
        texts.append(rng.choice([before + text + after, text[:cut] + before + text[cut:]]))
    assert assert_same(cascade, reference(), batch_of(texts)) > 10


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_random_rows_with_planted_values_give_the_same(
    data: st.DataObject, cascade: CascadeClassifier
) -> None:
    piece = st.one_of(
        st.sampled_from([text for _, text, _ in samples()]),
        st.text(max_size=20),
        st.sampled_from(NEIGHBOURS),
        st.text("0123456789 -./ABab@:", max_size=24),
    )
    rows = data.draw(st.lists(st.lists(piece, max_size=4).map(" ".join), min_size=1, max_size=6))
    rows = [row.encode("utf-8", "replace").decode() for row in rows]
    assert_same(cascade, reference(), batch_of(rows))


@pytest.mark.slow
def test_the_whole_pack_gives_the_same_everywhere(cascade: CascadeClassifier) -> None:
    """100,000 texts: every example and near miss in turn, cut, joined and surrounded at random."""
    rng, found = random.Random(11), 0
    for _ in range(1_000):
        texts = []
        for _ in range(100):
            _, text, _ = rng.choice(samples())
            cut = rng.randrange(len(text) + 1)
            filler = PLAIN * rng.choice([0, 0, 0, 1, 3])
            texts.append(
                rng.choice(
                    [
                        filler + text + filler,
                        text[:cut] + rng.choice(NEIGHBOURS) + text[cut:],
                        text[cut:] + " " + rng.choice(samples())[1],
                        text + rng.choice(samples())[1] + filler,
                    ]
                )
            )
        found += assert_same(cascade, reference(), batch_of(texts))
    assert found > 50_000


def test_a_copy_in_another_process_finds_the_same(cascade: CascadeClassifier) -> None:
    batch = batch_of([text for _, text, _ in some(5, seed=9)])
    copy = pickle.loads(pickle.dumps(cascade))  # noqa: S301 - our own value
    assert copy.classify(batch).matches.equals(cascade.classify(batch).matches)
    assert copy.classify(batch).matches.num_rows > 0
    assert copy.cache == cascade.cache


def test_no_rows_and_no_texts_give_no_matches(cascade: CascadeClassifier) -> None:
    assert cascade.classify(batch_of([])).matches.num_rows == 0
    assert cascade.classify(batch_of([None, "", None])).matches.num_rows == 0


def test_a_batch_that_is_a_slice_is_read_from_where_it_starts(cascade: CascadeClassifier) -> None:
    texts = [text for _, text, _ in some(20, seed=13)]
    whole = batch_of([PLAIN, *texts, PLAIN])
    assert assert_same(cascade, reference(), whole.slice(1, len(texts))) > 5


def two_sits() -> Pack:
    """A pack of two SITs that name patterns and keywords only, all of them at hand."""
    elements = pack().elements
    named = {
        sit.id: {ref for one in sit.patterns for ref in pattern_refs(one)}
        for sit in pack().sits.values()
        if sit.examples and sit.patterns and not sit.filters
    }
    simple = [
        key
        for key, names in named.items()
        if all(isinstance(elements[name], (Regex, Keyword)) for name in names)
        and not any(one.filters for one in pack().sits[key].patterns)
    ][:2]
    names = sorted({name for key in simple for name in named[key]})
    return replace(
        pack(),
        sits={key: pack().sits[key] for key in simple},
        elements={name: elements[name] for name in names},
    )


def test_a_damaged_cache_is_made_anew(tmp_path: Path) -> None:
    small = two_sits()
    texts = batch_of([item.text for sit in small.sits.values() for item in sit.examples])
    expected = CascadeClassifier.of(small, EVIDENCE).classify(texts).matches
    CascadeClassifier.of(small, EVIDENCE, tmp_path).classify(texts)
    assert expected.num_rows
    assert list(tmp_path.iterdir())
    for file in sorted(tmp_path.iterdir()):
        assert file.stat().st_mode & 0o077 == 0
        whole = file.read_bytes()
        for place in (0, 30, len(whole) // 2, len(whole) - 1):
            for damaged in (
                whole[:place],
                whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :],
            ):
                file.write_bytes(damaged)
                fresh = CascadeClassifier.of(small, EVIDENCE, tmp_path)
                assert fresh.classify(texts).matches.equals(expected)
                # answers that only served to make the plan are not asked for again
                assert file.suffix == ".accepted" or file.read_bytes() != damaged


def test_a_small_first_scan_compiles_nothing_and_finds_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlpagent.classifiers.cascade.classifier.COLD_CHARS", 1_000)
    texts = batch_of(["my credit card is 4111 1111 1111 1111"])
    cold = CascadeClassifier.of(pack(), EVIDENCE, tmp_path)
    assert assert_same(cold, reference(), texts)
    assert not list(tmp_path.iterdir())
