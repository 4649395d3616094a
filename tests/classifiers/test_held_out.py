"""The built-in pack on texts drawn anew from published formats (benchmarks/quality/held_out.py)."""

import importlib.util
import json
import random
from functools import cache
from pathlib import Path

import pytest

from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.pack import builtin_pack
from dlpagent.classifiers.reference import evaluate

QUALITY = Path(__file__).resolve().parents[2] / "benchmarks" / "quality"
MEDIUM = 66
SAMPLE = 60


@cache
def pack():
    return CompiledPack(builtin_pack())


@cache
def texts(name):
    """The lines of one corpus of the generator."""
    spec = importlib.util.spec_from_file_location("held_out", QUALITY / "held_out.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return tuple(getattr(module, name)(random.Random(3)))


@cache
def sits_of(kind):
    """The SITs that map.json counts for a type."""
    types = json.loads((QUALITY / "map.json").read_text("utf-8"))["pred"]
    return tuple(sit for sit in pack().sits if types.get(sit.name) == kind)


def is_found(line, span):
    """Whether a SIT of the label's type is found from medium at its place."""
    hits = evaluate(pack(), line["text"], "", sits_of(span["type"])).hits
    return any(
        hit.confidence >= MEDIUM and hit.start < span["end"] and span["start"] < hit.end
        for hit in hits
    )


def judged(name, key):
    """Which of a sample of labels or look-alikes are found."""
    lines = [line for line in texts(name) if line[key]]
    sample = random.Random(4).sample(lines, min(SAMPLE, len(lines)))
    return [(line["id"], is_found(line, line[key][0])) for line in sample]


@pytest.mark.parametrize("name", ["secrets", "numbers", "phones"])
def test_nineteen_in_twenty_fresh_values_are_found(name):
    results = judged(name, "spans")
    missed = [ident for ident, found in results if not found]
    assert len(missed) <= len(results) / 20, missed


@pytest.mark.parametrize("name", ["secrets", "numbers"])
def test_stand_ins_and_wrong_check_digits_are_left_alone(name):
    results = judged(name, "decoys")
    assert len(results) == SAMPLE
    assert [ident for ident, found in results if found] == []
