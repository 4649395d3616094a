"""Codes of diseases that were ever in force: ICD-10-CM since 2019, ICD-9-CM in its last version.

The lists lie beside this file (`*.codes`, made by benchmarks/icd_codes.py), each code shortened by
what it shares with the one before. They are read at the first question.
"""

import zlib
from functools import cache
from pathlib import Path


def icd_10_cm(text: str) -> bool:
    """A category or code of ICD-10-CM, with its dot after three places or without one.

    Source: National Center for Health Statistics, ICD-10-CM, editions of 2019 to April 2026.
    """
    code = _undotted(text, 3)
    return code in _listed("icd_10_cm")


def icd_9_cm(text: str) -> bool:
    """A category or code of ICD-9-CM, with its dot or without one; E codes have it after four places.

    Source: Centers for Medicare & Medicaid Services, ICD-9-CM version 32 (diagnoses).
    """
    code = text.strip()
    return _undotted(code, 4 if code[:1] in ("E", "e") else 3) in _listed("icd_9_cm")


def _undotted(text: str, places: int) -> str:
    """The code in capitals without its dot; empty when the dot is elsewhere."""
    head, dot, tail = text.strip().upper().partition(".")
    return "" if dot and (len(head) != places or not tail) else head + tail


@cache
def _listed(name: str) -> frozenset[str]:
    data = zlib.decompress((Path(__file__).parent / f"{name}.codes").read_bytes())
    codes, code = [], ""
    for line in data.decode("ascii").split("\n"):
        code = code[: int(line[0])] + line[1:]
        codes.append(code)
    return frozenset(codes)


VALIDATORS = {"icd_10_cm": icd_10_cm, "icd_9_cm": icd_9_cm}
