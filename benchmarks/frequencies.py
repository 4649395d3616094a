"""How often three characters follow each other in ordinary text: makes classifiers/cascade/ordinary.py.

    python benchmarks/frequencies.py KIND=FILE [KIND=FILE …] > classifiers/cascade/ordinary.py

Files are plain text, or JSONL with a field `text`. Kinds (prose, chat, code, tables) weigh the same,
however much text there is of each. Letters count as lower case. Only counts leave the texts.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from pathlib import Path

LEAST_PER_MILLION = 80


def texts_in(path: Path) -> list[str]:
    if path.suffix != ".jsonl":
        return [path.read_text("utf-8", "replace")]
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines]


def counted(texts: list[str]) -> tuple[Counter[str], int]:
    found: Counter[str] = Counter()
    total = 0
    for text in texts:
        low = text.lower()
        total += len(low)
        found.update(low[place : place + 3] for place in range(len(low) - 2))
    return found, total


def main() -> None:
    kinds: dict[str, list[str]] = defaultdict(list)
    for argument in sys.argv[1:]:
        kind, _, name = argument.partition("=")
        kinds[kind] += texts_in(Path(name))
    rates: Counter[str] = Counter()
    for texts in kinds.values():
        found, total = counted(texts)
        for three, count in found.items():
            if three.isascii() and three.isprintable():
                rates[three] += count * 1_000_000 / total / len(kinds)
    common = sorted(three for three, rate in rates.items() if rate >= LEAST_PER_MILLION)
    print(
        '"""How often three characters follow each other in ordinary text, per million characters.\n'
    )
    print(
        "Made by benchmarks/frequencies.py; prose, chat, code and tables weigh the same. Triples that are"
    )
    print('rarer than LEAST are left out.\n"""\n')
    print("from __future__ import annotations\n")
    print(f"LEAST = {LEAST_PER_MILLION}\n")
    print("_TRIPLES = (")
    joined = "".join(common)
    for first in range(0, len(joined), 90):
        print(f"    {joined[first : first + 90]!r}")
    print(")\n_RATES = (")
    numbers = " ".join(str(round(rates[three])) for three in common)
    for first in range(0, len(numbers), 90):
        print(f"    {numbers[first : first + 90]!r}")
    print(")\n")
    print("RATES: dict[str, int] = dict(")
    print("    zip(")
    print("        (_TRIPLES[place : place + 3] for place in range(0, len(_TRIPLES), 3)),")
    print("        map(int, _RATES.split()),")
    print("        strict=True,")
    print("    )")
    print(")")


if __name__ == "__main__":
    main()
