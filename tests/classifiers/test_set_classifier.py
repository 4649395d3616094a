"""The classifier without Hyperscan finds what the reference finds, also when its sets run dry."""

from __future__ import annotations

import functools
import pickle
import subprocess
import sys
from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.classifiers.classify import ReferenceClassifier
from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.detecting import pattern_classifier
from dlpagent.classifiers.pack import builtin_pack
from dlpagent.classifiers.set_classifier import ExpressionSet, SetClassifier
from dlpagent.evidence import Evidence
from dlpagent.records import batch_of_columns

EVIDENCE = Evidence(bytes(32))


@functools.cache
def compiled() -> CompiledPack:
    return CompiledPack(builtin_pack())


@functools.cache
def by_sets() -> SetClassifier:
    return SetClassifier(compiled(), EVIDENCE)


@functools.cache
def reference() -> ReferenceClassifier:
    return ReferenceClassifier(compiled(), EVIDENCE)


def records(texts: Sequence[str | None], contexts: Sequence[str | None] = ()) -> pa.RecordBatch:
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


def assert_same(one: SetClassifier, batch: pa.RecordBatch) -> int:
    found = one.classify(batch)
    expected = reference().classify(batch)
    assert found.matches.equals(expected.matches)
    assert found.incomplete == expected.incomplete
    return found.matches.num_rows


def test_examples_and_near_misses_give_the_same_as_the_reference() -> None:
    texts, contexts = [], []
    for sit in list(compiled().sits)[::4]:
        for item in (*sit.examples[:2], *sit.near_misses[:2]):
            texts.append(item.text)
            contexts.append(item.context or None)
    assert assert_same(by_sets(), records(texts, contexts)) > 100


PIECES = ("4111 1111 1111 1111", "card", "123-45-6789", "ssn", "a@b.example", "é", "\n", " ", "GB82",
          "WEST12345698765432", "0", "password=", "hunter2!x", "４１１１")  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_random_texts_give_the_same_as_the_reference(pieces: list[str]) -> None:
    assert_same(by_sets(), records(["".join(pieces), None, " ".join(pieces)]))


class RunsDry:
    """What RE2 does when the states of a text outgrow its memory: it says nothing at all."""

    def Match(self, data: bytes) -> None:  # noqa: N802, ARG002 - RE2's name
        return None


def test_a_set_without_memory_leaves_everything_over() -> None:
    patterns = [(str(number), rf"[a-z]{{3,40}}{number}[0-9]{{2,30}}x") for number in range(40)]
    names = {name for name, _ in patterns}
    assert set(ExpressionSet.of(patterns, max_memory=40_000).possible(b"nothing")) == names
    assert set(ExpressionSet(tuple(sorted(names)), RunsDry()).possible(b"nothing")) == names
    assert set(ExpressionSet.of(patterns).possible(b"abc11234x")) == {"1", "11"}
    assert not set(ExpressionSet.of(patterns).possible(b"nothing"))


def test_starved_sets_find_the_same_as_the_reference() -> None:
    starved = SetClassifier(compiled(), EVIDENCE, max_memory=500_000)
    texts = ["my card is 4111 1111 1111 1111, exp 10/29", "nothing", "ssn: 536-22-8746", "ümlaut é"]
    assert assert_same(starved, records(texts)) >= 2
    names = compiled().pack.sit_names
    found = starved.classify(records(texts)).matches.to_pylist()
    assert {(0, "Credit Card Number"), (2, "U.S. Social Security Number (SSN)")} <= {
        (match["row"], names[match["sit_id"]]) for match in found
    }


def test_a_copy_in_another_process_finds_the_same() -> None:
    copy = pickle.loads(pickle.dumps(by_sets()))  # noqa: S301 - what was just made
    assert assert_same(copy, records(["my card is 4111 1111 1111 1111"])) > 0


def test_a_machine_without_hyperscan_classifies_all_the_same() -> None:
    code = (
        "import sys; sys.modules['hyperscan'] = None\n"
        "from dlpagent.classifiers.detecting import pattern_classifier\n"
        "import importlib.util as u; real = u.find_spec\n"
        "import dlpagent.classifiers.detecting as d\n"
        "d.find_spec = lambda name: None if name == 'hyperscan' else real(name)\n"
        "import dlpagent; found = dlpagent.open_pack().classify('my credit card is 4111 1111 1111 1111')\n"
        "assert 'Credit Card Number' in {item.sit for item in found}\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_sets_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLPAGENT_SCANNER", "re2")
    assert isinstance(pattern_classifier(compiled(), EVIDENCE), SetClassifier)
