"""How fast the engines are: MB/s of CPU time on seeded corpora, and ratios to what they replace.

    python benchmarks/engine.py [--mb 8] [--sample-kb 60] [--only NAME,NAME] [--cache DIR]

re: a loop over every text with every expression of the pack, as plain Python would do it. reference:
the evaluator that defines the findings. Both see a sample; the cascade sees the whole corpus, and its
findings on the sample are compared with the reference's.
"""

from __future__ import annotations

import argparse
import functools
import random
import re
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from dlpagent.classifiers.cascade.classifier import CascadeClassifier
from dlpagent.classifiers.classify import ReferenceClassifier
from dlpagent.classifiers.pack import builtin_pack
from dlpagent.classifiers.regex_syntax import translate
from dlpagent.classifiers.sit import Pack, Regex
from dlpagent.evidence import Evidence
from dlpagent.records import batch_of_columns

WORDS = [
    "the",
    "of",
    "and",
    "to",
    "in",
    "a",
    "is",
    "that",
    "for",
    "it",
    "was",
    "as",
    "with",
    "be",
    "by",
    "on",
    "not",
    "he",
    "his",
    "but",
    "at",
    "are",
    "this",
    "have",
    "from",
    "or",
    "had",
    "an",
    "they",
    "which",
    "one",
    "you",
    "were",
    "her",
    "all",
    "she",
    "there",
    "would",
    "their",
    "we",
    "him",
    "been",
    "has",
    "when",
    "who",
    "will",
    "more",
    "no",
    "if",
    "out",
    "so",
    "said",
    "what",
    "up",
    "its",
    "about",
    "into",
    "than",
    "them",
    "can",
    "only",
    "other",
    "new",
    "some",
    "could",
    "time",
    "these",
    "two",
    "may",
    "then",
    "do",
    "first",
    "any",
    "my",
    "now",
    "such",
    "like",
    "our",
    "over",
    "man",
    "me",
    "even",
    "most",
    "made",
    "after",
    "also",
    "did",
    "many",
    "before",
    "must",
    "through",
    "back",
    "years",
    "where",
    "much",
    "your",
    "way",
    "well",
    "down",
    "should",
    "because",
    "each",
    "just",
    "those",
    "people",
    "mr",
    "how",
    "too",
    "little",
    "state",
    "good",
    "very",
    "make",
    "world",
    "still",
    "own",
    "see",
    "men",
    "work",
    "long",
    "get",
    "here",
    "between",
    "both",
    "life",
    "being",
    "under",
    "never",
    "day",
    "same",
    "another",
    "know",
    "while",
    "last",
    "might",
    "us",
    "great",
    "old",
    "year",
    "off",
    "come",
    "since",
    "against",
    "go",
    "came",
    "right",
    "used",
    "take",
    "three",
    "account",
    "number",
    "address",
    "order",
    "payment",
    "report",
    "bank",
    "customer",
    "service",
    "table",
    "model",
    "training",
    "value",
    "letter",
    "garden",
    "harbour",
    "library",
    "morning",
    "village",
    "bridge",
    "council",
    "meeting",
]
CJK = "的一是了我不人在他有这个上们来到时大地为子中你说生国年着就那和要她出也得里后自以会家可下而过天去能对小多然于心学"
CODE = (
    "def read(self, path: Path) -> bytes:\n    with path.open('rb') as file:\n        return file.read()\n",
    "for index, item in enumerate(sorted(items, key=lambda one: (one.rank, one.name))):\n    total += item\n",
    '    raise ValueError(f"expected {expected!r}, found {found!r}")\n',
    "import os, sys\nfrom collections.abc import Iterator, Mapping\n\nVERSION = (3, 11, 7)\n",
    "const url = new URL('/api/v2/items?page=' + page, base); // see RFC 3986\n",
)


def prose(rng: random.Random, size: int) -> str:
    """Sentences of common words, one token in 25 a small number or a year."""
    out: list[str] = []
    length = 0
    while length < size:
        word = rng.choice(WORDS)
        if rng.random() < 0.04:
            word = rng.choice(
                [
                    str(rng.randrange(100)),
                    str(rng.randrange(1900, 2030)),
                    f"{rng.randrange(99)}.{rng.randrange(99)}",
                ]
            )
        if rng.random() < 0.07:
            word += rng.choice([",", ".", ".", ";"])
        out.append(word)
        length += len(word) + 1
    return " ".join(out)[:size]


def with_hits(rng: random.Random, pack: Pack, size: int, hits: float) -> str:
    """Prose with examples of SITs planted in it, `hits` of them on average."""
    count = int(hits) + (rng.random() < hits - int(hits))
    values = [rng.choice(_examples(pack)) for _ in range(count)]
    room = max(40, (size - sum(map(len, values))) // (count + 1))
    parts = [prose(rng, room)]
    for value in values:
        parts += [value, prose(rng, room)]
    return " ".join(parts)


_EXAMPLES: list[str] = []


def _examples(pack: Pack) -> list[str]:
    if not _EXAMPLES:
        _EXAMPLES.extend(
            item.text for sit in pack.sits.values() for item in sit.examples if len(item.text) < 120
        )
    return _EXAMPLES


def chat(rng: random.Random, pack: Pack) -> str:
    turns = [f"{who}: {prose(rng, rng.randrange(40, 400))}" for who in ("User", "Assistant") * 3]
    if rng.random() < 0.3:
        turns.insert(1, "User: " + rng.choice(_examples(pack)))
    return "\n".join(turns)


def customer(rng: random.Random) -> str:
    """A CSV row of ten columns, six of them sensitive."""
    digits = "".join(rng.choice("0123456789") for _ in range(30))
    card = luhn("4" + digits[:14])
    return (
        f"{rng.randrange(10**6)},{rng.choice(WORDS).title()} {rng.choice(WORDS).title()},"
        f"{rng.choice(WORDS)}.{rng.choice(WORDS)}@example.com,{card},"
        f"{rng.randrange(100, 665):03}-{rng.randrange(1, 99):02}-{rng.randrange(1, 9999):04},"
        f"+1 {rng.randrange(200, 999)}-{rng.randrange(200, 999)}-{rng.randrange(9999):04},"
        f"{rng.randrange(1, 28):02}/{rng.randrange(1, 12):02}/{rng.randrange(1940, 2005)},"
        f"10.{rng.randrange(255)}.{rng.randrange(255)}.{rng.randrange(255)},active,{rng.random():.4f}"
    )


def luhn(body: str) -> str:
    total = 0
    for place, char in enumerate(reversed(body)):
        digit = int(char) * (2 if place % 2 == 0 else 1)
        total += digit - 9 if digit > 9 else digit
    return body + str(-total % 10)


def corpora(pack: Pack, rng: random.Random) -> dict[str, Callable[[], str]]:
    return {
        "prose 500 B, no hits": lambda: prose(rng, 500),
        "prose 500 B, 0.2 hits": lambda: with_hits(rng, pack, 500, 0.2),
        "prose 500 B, 1 hit": lambda: with_hits(rng, pack, 500, 1),
        "prose 500 B, 10 hits": lambda: with_hits(rng, pack, 500, 10),
        "chat": lambda: chat(rng, pack),
        "customer rows": lambda: customer(rng),
        "source code": lambda: "".join(rng.choice(CODE) for _ in range(12)),
        "CJK": lambda: "".join(rng.choice(CJK) for _ in range(160)) + f" {rng.randrange(3000)}。",
        "prose 100 B": lambda: prose(rng, 100),
        "prose 4 KB, 0.2 hits": lambda: with_hits(rng, pack, 4_000, 0.2),
        "prose 1 MB, 400 hits": lambda: with_hits(rng, pack, 1_000_000, 400),
        # no two rows alike: rows that repeat are read once
        "hostile: digits and blanks": lambda: prose(rng, 30) + " " + "1 " * 235,
        "hostile: a card with a wrong digit": lambda: prose(rng, 30) + " 4111-1111-1111-1112" * 23,
        "hostile: cards with a wrong digit": lambda: " ".join(near_miss(rng) for _ in range(25)),
        "hostile: keywords": lambda: prose(rng, 30) + " passport number ssn account" * 17,
    }


def near_miss(rng: random.Random) -> str:
    """A card number whose check digit is wrong."""
    card = luhn("4" + "".join(rng.choice("0123456789") for _ in range(14)))
    return card[:-1] + str((int(card[-1]) + rng.randrange(1, 10)) % 10)


def texts_of(make: Callable[[], str], size: int) -> list[str]:
    texts, total = [], 0
    while total < size or not texts:
        texts.append(make())
        total += len(texts[-1].encode())
    return texts


def batch_of(texts: list[str]) -> pa.RecordBatch:
    names = pa.array(map(str, range(len(texts))), pa.string())
    columns = {"record_id": names, "part": names, "text": pa.array(texts, pa.large_string())}
    return batch_of_columns("bench", len(texts), columns)


def size_of(texts: list[str]) -> int:
    return sum(len(text.encode()) for text in texts)


def seconds(work: Callable[[], object]) -> float:
    """CPU time of one run."""
    start = time.process_time()
    work()
    return time.process_time() - start


def plain_re(pack: Pack) -> Callable[[list[str]], object]:
    patterns = []
    for element in pack.elements.values():
        if isinstance(element, Regex):
            patterns += [re.compile(translate(item.pattern).python) for item in element.expressions]
    return lambda texts: [len(one.findall(text)) for text in texts for one in patterns]


def latency(cascade: CascadeClassifier, pack: Pack, count: int = 300) -> None:
    """How long one prompt of 2,000 characters takes when everything is warm, in CPU time."""
    rng = random.Random(5)
    kinds = {
        "no hits": lambda: prose(rng, 2_000),
        "one hit": lambda: with_hits(rng, pack, 2_000, 1),
    }
    for name, make in kinds.items():
        prompts = [batch_of([make()]) for _ in range(2 * count)]
        for prompt in prompts[:count]:
            cascade.classify(prompt)
        taken = sorted(
            seconds(functools.partial(cascade.classify, prompt)) for prompt in prompts[count:]
        )
        middle, late = taken[count // 2] * 1e3, taken[count * 99 // 100] * 1e3
        print(
            f"one prompt of 2,000 characters, {name}: p50 {middle:.2f} ms, p99 {late:.2f} ms (CPU)"
        )


def long_record(cascade: CascadeClassifier, pack: Pack, size_mb: float) -> None:
    """One record of many megabytes against the same text in records of 500 bytes."""
    rng = random.Random(6)
    texts = texts_of(lambda: with_hits(rng, pack, 500, 0.2), int(size_mb * 1e6))
    small = seconds(lambda: cascade.classify(batch_of(texts)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    long = seconds(lambda: cascade.classify(batch_of([" ".join(texts)])))
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"one record of {size_mb:.0f} MB: {long / small:.2f} × the time of small records, "
          f"peak memory + {more:.0f} MiB")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mb", type=float, default=8)
    parser.add_argument("--sample-kb", type=float, default=60)
    parser.add_argument("--only", default="")
    parser.add_argument("--long-mb", type=float, default=20)
    parser.add_argument("--cache", default="")
    given = parser.parse_args()
    pack = builtin_pack()
    evidence = Evidence(b"0" * 32)
    cascade = CascadeClassifier.of(pack, evidence, Path(given.cache or tempfile.mkdtemp()))
    reference = ReferenceClassifier.of(pack, evidence)
    print(f"{len(pack.sits)} SITs; compile (CPU): {seconds(cascade.warm_up):.2f} s")
    loop = plain_re(pack)
    # every matcher is made once before anything is timed
    warm = batch_of(_examples(pack))
    cascade.classify(warm)
    print("| corpus | MB/s | krec/s | findings/record | × re | × reference | same |")
    print("|---|---|---|---|---|---|---|")
    for name, make in corpora(pack, random.Random(7)).items():
        if given.only and not any(part in name for part in given.only.split(",")):
            continue
        texts = texts_of(make, int(given.mb * 1e6))
        sample = texts_of(make, int(given.sample_kb * 1e3))[: max(1, len(texts))]
        batches = [batch_of(texts[start : start + 8_000]) for start in range(0, len(texts), 8_000)]
        found = 0
        start = time.process_time()
        for batch in batches:
            found += cascade.classify(batch).matches.num_rows
        speed = size_of(texts) / (time.process_time() - start) / 1e6
        line = [
            name,
            f"{speed:.1f}",
            f"{speed * 1e3 * len(texts) / size_of(texts):.1f}",
            f"{found / len(texts):.2f}",
        ]
        if given.sample_kb and size_of(sample) < 20 * given.sample_kb * 1e3:
            small = batch_of(sample)
            reference.classify(small.slice(0, 1))
            slow = size_of(sample) / seconds(lambda: loop(sample)) / 1e6  # noqa: B023
            ours = size_of(sample) / seconds(lambda: reference.classify(small)) / 1e6  # noqa: B023
            same = cascade.classify(small).matches.equals(reference.classify(small).matches)
            line += [f"{speed / slow:.0f}", f"{speed / ours:.0f}", str(same)]
        print("| " + " | ".join(line) + " |", flush=True)
    if not given.only:
        latency(cascade, pack)
        long_record(cascade, pack, given.long_mb)
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")


if __name__ == "__main__":
    main()
