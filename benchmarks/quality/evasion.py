"""Regenerates docs/evasion.md: how many hidden values are found, by way of hiding and by type.

    python benchmarks/quality/evasion.py [--seed N] [--each N] [-o docs/evasion.md]

The texts are made by evasions.py beside this file; another seed makes others.
"""

from __future__ import annotations

import argparse
import secrets
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import evasions
import pyarrow as pa

from dlpagent.classifiers.cascade.classifier import CascadeClassifier
from dlpagent.classifiers.decoded import DecodingClassifier
from dlpagent.evidence import KEY_BYTES, Evidence
from dlpagent.ports import Classifier
from dlpagent.records import PartRows
from dlpagent.service.packs import BUILTIN_NAME, load_packs
from dlpagent.service.settings import Home

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "evasion.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--each", type=int, default=10)
    parser.add_argument("-o", "--output", type=Path, default=PAGE)
    asked = parser.parse_args()
    cases = list(evasions.cases(asked.seed, asked.each))
    pack = load_packs([BUILTIN_NAME], "extended")
    cache = Home.of_environment().path / "cache"
    cascade = CascadeClassifier.of(pack, Evidence(secrets.token_bytes(KEY_BYTES)), cache)
    cascade.warm_up()
    batch = batch_of(cases)
    plain = right(cases, batch, cascade)
    began = time.process_time()
    decoded = right(cases, batch, DecodingClassifier(cascade))
    spent = time.process_time() - began
    lines = page(cases, plain, decoded, asked.seed, spent)
    asked.output.write_text("\n".join(lines) + "\n", "utf-8")


def batch_of(cases: Sequence[evasions.Case]) -> pa.RecordBatch:
    rows = PartRows("memory:evasion", max_rows=len(cases))
    for number, case in enumerate(cases):
        rows.add(record_id=str(number), part="text", seq=0, text=case.text)
    return rows.take()


def right(
    cases: Sequence[evasions.Case], batch: pa.RecordBatch, classifier: Classifier
) -> list[bool]:
    """For each case, whether its type is found inside the hidden value's place."""
    found = [False] * len(cases)
    for item in classifier.classify(batch).matches.to_pylist():
        case = cases[item["row"]]
        if classifier.sit_names[item["sit_id"]] in case.sits:
            found[item["row"]] |= case.start <= item["start"] and item["end"] <= case.end
    return found


def page(
    cases: Sequence[evasions.Case],
    plain: Sequence[bool],
    decoded: Sequence[bool],
    seed: int,
    spent: float,
) -> Iterable[str]:
    chars = sum(len(case.text) for case in cases)
    yield from (
        "# Evasion",
        "",
        "How many hidden values the built-in pack finds. This page is written by a program:",
        "`python benchmarks/quality/evasion.py`. What is undone, and how, is told in",
        "[normalisation](normalisation.md).",
        "",
        f"{len(cases)} texts of {len(evasions.KINDS)} types in several languages, hidden in "
        f"{len(evasions.FORMS)} ways; seed {seed}. Right: a finding of the type that lies inside the",
        "place of the hidden value (of the rewritten sentence, where all of it is rewritten).",
        f"{chars / 1e3:.0f} thousand characters in {spent:.1f} s of CPU time, every text with a value.",
        "",
    )
    for title, keys in (
        ("Way of hiding", [case.form for case in cases]),
        ("Type", [case.kind for case in cases]),
    ):
        yield f"| {title} | texts | found as written | found decoded |"
        yield "| --- | --: | --: | --: |"
        for key in dict.fromkeys(keys):
            yield row(
                key, [number for number, one in enumerate(keys) if one == key], plain, decoded
            )
        yield row("**all**", range(len(cases)), plain, decoded)
        yield ""


def row(name: str, numbers: Sequence[int], plain: Sequence[bool], decoded: Sequence[bool]) -> str:
    shares = (sum(found[number] for number in numbers) / len(numbers) for found in (plain, decoded))
    name = name.replace("\\", "\\\\")
    return f"| {name} | {len(numbers)} | " + " | ".join(f"{share:.3f}" for share in shares) + " |"


if __name__ == "__main__":
    main()
