"""How fast fingerprints and trained classes look at text: python benchmarks/learned.py [MB]

Unrelated text is sentences of the letters of the tests, matching text filled-in forms of the tests.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from dlpagent.classifiers.fingerprint import stretches
from dlpagent.classifiers.fingerprint_form import form_of
from dlpagent.classifiers.trainable_model import windows_of
from dlpagent.classifiers.trainable_samples import Sample
from dlpagent.classifiers.trainable_training import train
from dlpagent.classifiers.words import hashed_words
from tests.classifiers.forms import TEMPLATES, filled, template
from tests.classifiers.letters import others, resignations


def timed(what: str, size: int, work: Callable[[], object]) -> object:
    best, result = float("inf"), None
    for _ in range(3):
        start = time.perf_counter()
        result = work()
        best = min(best, time.perf_counter() - start)
    print(f"{what:<46} {best * 1000:8.0f} ms {size / best / 1e6:8.1f} MB/s")
    return result


def main(megabytes: float) -> None:
    size = int(megabytes * 1e6)
    letters = [text.lower() for text in others(6_000)]
    many = (letters * (size // sum(map(len, letters)) + 1))[: size // 250]
    count = sum(map(len, many))
    whole = "\n".join(many)
    copies = "\n".join(filled(template("tax"), seed) for seed in range(200)).lower()
    copies = (copies * (size // len(copies) + 1))[:size]
    print(
        f"{megabytes} MB: {len(many)} short texts, one long text, {copies.count('form r-12')} copies"
    )
    form = form_of(template("tax"), "tax")
    forms = [form_of(template(name), name) for name in TEMPLATES] * 10
    for what, texts in (("short texts", many), ("one long text", [whole]), ("copies", [copies])):
        words = timed(f"words, {what}", count, lambda texts=texts: hashed_words(texts))
        words.runs(2)  # type: ignore[attr-defined]
        timed(f"one form, {what}", count, lambda words=words: stretches(form, words))
    words = hashed_words(many)
    timed("fifty forms, short texts", count, lambda: [stretches(item, words) for item in forms])
    samples = [Sample(text, True, "") for text in resignations(50)]
    samples += [Sample(text, False, "") for text in others(150)]
    start = time.perf_counter()
    model = train(samples, "resignation")
    print(f"{'training on 200 samples':<46} {(time.perf_counter() - start) * 1000:8.0f} ms")
    for what, texts in (("short texts", many), ("one long text", [whole])):
        words = hashed_words(texts)
        windows = windows_of(words, model.min_words)
        timed(f"one class, {what}", count, lambda w=words, n=windows: model.scores(w, n))
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 10)
