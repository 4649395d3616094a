"""Entity names of Presidio ⇄ types of a pack: presidio_entities.yaml, and a rule for all others."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from dlpagent.classifiers.sit import Pack, Sit, refs_of
from dlpagent.errors import Problem, ProblemsError
from dlpagent.findings import level_of
from dlpagent.yaml_reader import read_yaml

TABLE = Path(__file__).parent / "presidio_entities.yaml"


def entity_names(pack: Pack) -> dict[str, str]:
    """SIT id → entity name, for every SIT of the pack that finds something."""
    known = _known()
    return {
        sit.id: known.get(sit.name) or plain_name(sit.name)
        for sit in pack.sits.values()
        if sit.patterns
    }


def plain_name(name: str) -> str:
    """A SIT's name as an entity name: capitals and digits with underscores."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().upper()
    return re.sub(r"[^A-Z0-9]+", "_", plain.replace("'", "").replace(".", "")).strip("_")


def explained(sit: Sit, index: int) -> str:
    """Which pattern of a type held: its confidence, primary and supporting elements; never a value."""
    pattern = sit.patterns[index]
    near = sorted({ref for condition in pattern.conditions for ref in refs_of(condition)})
    tail = f" near {', '.join(near)}" if near else ""
    return (
        f"{sit.name}: confidence {pattern.confidence} ({level_of(pattern.confidence)}), "
        f"{pattern.primary}{tail}"
    )


@functools.cache
def _known() -> Mapping[str, str]:
    """SIT name → entity name of the table. Raises ProblemsError when the table is broken."""
    problems: list[Problem] = []
    reader = read_yaml(TABLE, problems)
    if reader is None:
        raise ProblemsError(problems)
    return {name: entity for entity, row in reader.mapping().items() for name in row.texts()}
