"""SITs whose content is made from samples (forms, classes), added to a pack folder.

The content is a file or folder beside the SIT file. The SIT file is written once; made again, only
the content is replaced, so that what a person added to the SIT (keywords, tiers) stays.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlpagent.classifiers.pack_yaml import slug_of, write_header, write_sit
from dlpagent.classifiers.sit import Detector, DetectorParam, Element, Pattern, Sit
from dlpagent.errors import ConfigurationError

LEVEL_CONFIDENCE = {"high": 85, "medium": 75, "low": 65}
"""Purview's usual confidence of each level."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What a SIT is made of: the kind of detector, and the parameters of each level it has."""

    kind: str
    levels: Mapping[str, Sequence[tuple[str, DetectorParam]]]
    description: str
    reference: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a SIT of this name lies in a pack folder, and its content beside it."""

    sit: Path
    content: Path


def place_of(name: str, folder: Path, suffix: str) -> Place:
    """The files of a SIT. Raises ConfigurationError for a name or folder that cannot be."""
    if folder.exists() and not folder.is_dir():
        raise ConfigurationError(
            "the pack is not a folder", where=str(folder), expected="a folder, new or of a pack",
            found="a file",
        )  # fmt: skip
    slug = slug_of(name) or f"sit-{uuid.uuid5(uuid.NAMESPACE_DNS, name).hex[:8]}"
    if slug == "pack":
        slug = "pack-sit"
    return Place(folder / f"{slug}.yaml", folder / f"{slug}{suffix}")


def add_to_pack(place: Place, name: str, learned: Learned) -> bool:
    """Write the SIT file, and pack.yaml where there is none. False: the SIT file was there already."""
    folder = place.sit.parent
    if not (folder / "pack.yaml").is_file():
        header = {"id": str(uuid.uuid4()), "version": "1.0.0.0", "name": folder.resolve().name}
        write_header(header, folder)
    if place.sit.is_file():
        return False
    sit, elements = _sit(place, name, learned)
    write_sit(sit, elements, place.sit)
    return True


def _sit(place: Place, name: str, learned: Learned) -> tuple[Sit, dict[str, Element]]:
    elements: dict[str, Element] = {}
    patterns = []
    for level, params in learned.levels.items():
        element = f"{place.sit.stem}_{level}"
        elements[element] = Detector(element, learned.kind, tuple(params))
        patterns.append(Pattern(LEVEL_CONFIDENCE[level], element))
    sit = Sit(
        id=str(uuid.uuid4()),
        name=name,
        version=1,
        parity="own",
        patterns=tuple(patterns),
        description=learned.description,
        value="text",
        references=(learned.reference,),
    )
    return sit, elements
