"""One item with very many findings: the same answer in bounded memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import dlpagent
from dlpagent.item_tallies import ItemTallies
from dlpagent.violations import Tally

ROOT = Path(dlpagent.__file__).parents[1]

FEED = """
import resource, sys
import numpy as np, pyarrow as pa
from dlpagent.item_tallies import ItemTallies
from dlpagent.pairs import DistinctPairs

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

hexes = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
chance = np.random.default_rng(1)
many = 50_000
with ItemTallies(pairs_in_memory=200_000) as tallies:
    for step in range(int(sys.argv[1])):
        text = hexes[chance.integers(0, 16, (many, 32))].tobytes()
        offsets = pa.py_buffer(np.arange(0, 32 * many + 1, 32, dtype=np.int32))
        keys = pa.StringArray.from_buffers(many, offsets, pa.py_buffer(text))
        tallies.add(pa.record_batch({
            "sit_id": pa.array(["s"] * many), "key": keys,
            "confidence": pa.array(np.full(many, 85, dtype=np.uint8)),
        }))
        if step == 9:
            before = peak()
    counts, _ = tallies.result()
assert counts[0].unique() == many * int(sys.argv[1]), counts
print(int(peak() - before))
"""


@pytest.mark.parametrize("steps", [60, pytest.param(400, marks=pytest.mark.slow)])
def test_memory_does_not_grow_with_the_number_of_findings(steps):
    done = subprocess.run(
        [sys.executable, "-c", FEED, str(steps)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    # 3,000,000 distinct pairs would take 63 MB; 20,000,000 would take 420 MB.
    assert int(done.stdout) < 40


def test_new_sits_may_turn_up_at_any_time():
    def batch(*sits):
        many = len(sits)
        return pa.record_batch(
            {
                "sit_id": pa.array(sits),
                "key": pa.array(["k"] * many),
                "confidence": pa.array(np.full(many, 75, dtype=np.uint8)),
            }
        )

    with ItemTallies() as tallies:
        for sits in (("z", "a"), (), ("m", "a")):
            tallies.add(batch(*sits) if sits else batch("q").slice(0, 0))
        counts, _ = tallies.result()
        assert tallies.total == 4
    assert counts == (
        Tally("a", ((75, 2, 1),)),
        Tally("m", ((75, 1, 1),)),
        Tally("z", ((75, 1, 1),)),
    )
