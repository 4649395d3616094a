"""Write the code lists of classifiers/validators/diseases.py from files of codes.

    python benchmarks/icd_codes.py icd_10_cm codes.txt more.txt …

Each file has one code a line, with or without its dot; other lines (chapters, ranges) are left out.
Sources of the lists that ship: the ICD-10-CM code list of April 2026 (National Center for Health
Statistics) with the codes of the editions of 2019 to 2025, and ICD-9-CM version 32 (Centers for
Medicare & Medicaid Services); works of the US government, in the public domain.
"""

from __future__ import annotations

import re
import sys
import zlib
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "classifiers" / "validators"
SHAPES = {
    "icd_10_cm": re.compile(r"[A-Z]\d[0-9A-Z]{1,5}"),
    "icd_9_cm": re.compile(r"(?:\d{3}|V\d\d|E\d{3})\d{0,2}"),
}


def codes(name: str, files: list[Path]) -> set[str]:
    """The codes in the files, and of ICD-9-CM the categories and subcategories above them."""
    lines = (
        line.strip().replace(".", "") for file in files for line in file.open(encoding="utf-8")
    )
    found = {line for line in lines if SHAPES[name].fullmatch(line)}
    if name == "icd_9_cm":
        found |= {code[:end] for code in found for end in range(3 + (code[0] == "E"), len(code))}
    return found


def packed(codes: set[str]) -> bytes:
    """The codes in order; of each how much it shares with the one before, then the rest."""
    lines, before = [], ""
    for code in sorted(codes):
        shared = next(
            (at for at, (one, two) in enumerate(zip(code, before, strict=False)) if one != two),
            min(len(code), len(before)),
        )
        lines.append(f"{shared}{code[shared:]}")
        before = code
    return zlib.compress("\n".join(lines).encode(), 9)


if __name__ == "__main__":
    name = sys.argv[1]
    listed = codes(name, [Path(item) for item in sys.argv[2:]])
    (FOLDER / f"{name}.codes").write_bytes(packed(listed))
    print(f"{len(listed)} codes of {name}")
