"""A loaded pack kept on disk: reading 400 YAML files takes longer than scanning a megabyte.

The file is named by the contents of every file of the pack, the profile and the code that reads
them; times and sizes are not trusted. One that is torn or foreign is made anew.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from dlpagent.classifiers.cascade.frozen import from_bytes, to_bytes
from dlpagent.classifiers.pack import load_pack
from dlpagent.classifiers.sealed import read_sealed, write_sealed
from dlpagent.classifiers.sit import (
    AnyOf,
    Detector,
    Example,
    Expression,
    Filter,
    Group,
    Keyword,
    Match,
    NearMiss,
    Pack,
    Pattern,
    Profile,
    Regex,
    Sit,
    Term,
    Union,
    ValidatorSpec,
)
from dlpagent.findings import PackRef

_MAGIC = b"dlpagent pack 2\n"
_CLASSES = (
    Pack, PackRef, Sit, Pattern, Match, AnyOf, Regex, Expression, ValidatorSpec, Keyword, Group,
    Term, Union, Detector, Filter, Example, NearMiss,
)  # fmt: skip


def kept_pack(path: Path, cache: Path, *, profile: Profile = "extended") -> Pack:
    """What load_pack() gives for a pack folder; read from the cache when nothing has changed.

    The places of SITs (Sit.file) are those of the first reading. Raises what load_pack() raises.
    """
    place = cache / f"pack-{_name(path, profile)}.bin"
    body = read_sealed(place, _MAGIC)
    if body is not None:
        try:
            pack = from_bytes(body, _CLASSES)
        except (ValueError, TypeError, IndexError):
            pack = None
        if isinstance(pack, Pack):
            return pack
    pack = load_pack(path, profile=profile)
    write_sealed(place, _MAGIC, to_bytes(pack, _CLASSES))
    return pack


def _name(path: Path, profile: Profile) -> str:
    digest = hashlib.sha256(f"{profile} {path.resolve()} {_code()}".encode())
    for file in sorted(item for item in path.rglob("*") if item.suffix in (".yaml", ".yml")):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(path)} {content}\n".encode())
    return digest.hexdigest()[:32]


@functools.cache
def _code() -> str:
    """Changes when what reads or judges a pack does."""
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    names = ("pack", "pack_yaml", "sit", "sit_yaml", "regexes", "regex_syntax", "detectors")
    for file in (
        *(folder / f"{name}.py" for name in names),
        *sorted((folder / "validators").glob("*.py")),
    ):
        digest.update(file.read_bytes() if file.exists() else file.name.encode())
    return digest.hexdigest()
