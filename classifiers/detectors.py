"""Elements that a model or a store finds: the table of kinds, and the port they all come through.

A kind is a module with two functions: `problems(element, file, line)` says what is wrong with its
parameters when a pack is loaded, without loading a model; `open_detector(element)` gives a Looker.
With `describe(element)` it may tell more to `rules show`. A new kind is one such module and one row of
KINDS.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from dlpagent.classifiers.normalise import Subject
from dlpagent.classifiers.sit import Detector, Element, Pack, Sit, Union, elements_of
from dlpagent.errors import Problem

Span = tuple[int, int]

KINDS: Mapping[str, str] = {
    "entity": "dlpagent.classifiers.entities",
    "presidio": "dlpagent.classifiers.presidio_recognizers",
    "edm": "dlpagent.classifiers.edm",
    "fingerprint": "dlpagent.classifiers.fingerprint",
    "trainable": "dlpagent.classifiers.trainable",
}
"""Kind of detector → the module that finds it."""

NEED_MODEL = frozenset({"entity", "presidio"})
"""Kinds that need a language model: slow, optional, and off unless asked for (service/ner.py)."""

CONTENT_PARAMS = ("store", "form", "model")
"""Parameters that name a file or folder whose content decides what is found."""

MANIFEST = "manifest.json"
"""In a folder that a detector reads: changes whenever the content does, small enough to be hashed."""


@dataclass(frozen=True, slots=True)
class Sightings:
    """What a detector found in one text. Spans are half-open code points of the shadow, by start.

    skipped: why the text was not looked at, or not to its end; empty when it was. notes: what a
    trace may say of a span (a score, a count; never a value).
    """

    spans: tuple[Span, ...] = ()
    skipped: str = ""
    notes: Mapping[Span, str] = field(default_factory=dict)


class NotLookedAt(Exception):  # noqa: N818 - says what happened to the text
    """A detector did not look at a text, or not to its end; the message says why."""


class Looker(Protocol):
    """A detector at work: looks at many texts at once, and answers for each, in order."""

    def look(self, subjects: Sequence[Subject]) -> list[Sightings]:
        """Raises ConfigurationError when the model or store cannot be used at all."""
        ...


def detector_of(element: Detector) -> Looker:
    """The detector behind an element, opened once per process."""
    key = (element, element.folder)  # the folder is no part of an element's equality
    if key not in _OPEN:
        _OPEN[key] = importlib.import_module(KINDS[element.kind]).open_detector(element)
    return _OPEN[key]


_OPEN: dict[tuple[Detector, str], Looker] = {}


def spans_seen(element: Detector, subject: Subject) -> list[Span]:
    """What a detector sees in one text. Raises NotLookedAt."""
    (seen,) = detector_of(element).look([subject])
    if seen.skipped:
        raise NotLookedAt(seen.skipped)
    return list(seen.spans)


def note_seen(element: Detector, subject: Subject, span: Span) -> str:
    """What a detector notes of a place it saw in a text; for traces."""
    (seen,) = detector_of(element).look([subject])
    return seen.notes.get(span, "")


def problems_of(element: Detector, file: str, line: int) -> Iterator[Problem]:
    """What is wrong with a detector's kind and parameters; nothing heavy is loaded."""
    if element.kind not in KINDS:
        near = difflib.get_close_matches(element.kind, KINDS, 1)
        yield Problem(
            file,
            line,
            f"{element.id} names a kind of detector that does not exist",
            f"one of {', '.join(KINDS)}",
            element.kind,
            f"Did you mean {near[0]}?" if near else "",
        )
        return
    yield from importlib.import_module(KINDS[element.kind]).problems(element, file, line)


def description_of(element: Detector) -> list[str]:
    """What its kind says of a detector beyond its parameters (`describe(element)`); never a value."""
    module = importlib.import_module(KINDS[element.kind])
    return list(module.describe(element)) if hasattr(module, "describe") else []


def unavailable(element: Detector) -> str:
    """Why a detector cannot be opened here (`unavailable(element)` of its kind); empty if it can."""
    module = importlib.import_module(KINDS[element.kind])
    return str(module.unavailable(element)) if hasattr(module, "unavailable") else ""


def has_content(element: Element) -> bool:
    """Whether what an element finds stands in a store, form or model, not in the SIT file."""
    return isinstance(element, Detector) and any(element.param(name) for name in CONTENT_PARAMS)


def placed(elements: Mapping[str, Element], folder: Path) -> dict[str, Element]:
    """Elements with their detectors told where relative paths start, and what content they have."""
    return {
        name: _placed(item, folder) if isinstance(item, Detector) else item
        for name, item in elements.items()
    }


def _placed(element: Detector, folder: Path) -> Detector:
    digest = hashlib.sha256()
    for name in CONTENT_PARAMS:
        value = element.param(name)
        if isinstance(value, str) and value:
            place = folder / value
            file = place / MANIFEST if place.is_dir() else place
            if file.is_file():
                digest.update(file.read_bytes())
    known = digest.hexdigest()[:16] if digest.digest() != hashlib.sha256().digest() else ""
    return replace(element, folder=str(folder), digest=known)


THROUGH = "through"
"""The parameter that names an element, or a SIT by GUID or name, whose patterns a detector starts from."""


Scope = tuple[Mapping[str, Element], Mapping[str, Sit]]
"""Elements and SITs among which a name is looked for."""


def with_inner(element: Detector, scopes: Sequence[Scope]) -> Detector | None:
    """A detector with the elements its `through` names; None when nothing of that name has patterns.

    scopes: the pack itself, then its base; the first that knows the name counts.
    """
    name = element.param(THROUGH)
    if not isinstance(name, str) or not name or element.inner:
        return element
    return next(filter(None, (_inner_of(element, name, *scope) for scope in scopes)), None)


def _inner_of(
    element: Detector, name: str, elements: Mapping[str, Element], sits: Mapping[str, Sit]
) -> Detector | None:
    names = [name] if name in elements else _primaries(name, sits)
    inner: dict[str, Element] = {}
    while names:
        item = elements.get(names.pop())
        if item is None or isinstance(item, Detector) or item.id in inner:
            continue
        inner[item.id] = item
        names += item.of if isinstance(item, Union) else ()
    if not inner:
        return None
    parts = tuple(inner[name] for name in sorted(inner))
    digest = hashlib.sha256(f"{element.digest} {parts!r}".encode()).hexdigest()[:16]
    return replace(element, inner=parts, digest=digest)


def _primaries(name: str, sits: Mapping[str, Sit]) -> list[str]:
    """The primary elements of a SIT by GUID or name."""
    key = name.strip("{} ").casefold()
    found = sits.get(key) or next(
        (sit for sit in sits.values() if sit.name.casefold() == key), None
    )
    return [pattern.primary for pattern in found.patterns] if found else []


def content_path(element: Detector, param: str) -> Path:
    """Where the file or folder named by a parameter lies."""
    return Path(element.folder) / str(element.param(param))


def sits_with_detectors(pack: Pack, kinds: Collection[str] | None = None) -> frozenset[str]:
    """The SITs that ask a detector of some kind anywhere: as primary, supporting or in a filter."""
    asking = {
        name
        for name, item in pack.elements.items()
        if isinstance(item, Detector) and (kinds is None or item.kind in kinds)
    }
    if not asking:
        return frozenset()
    return frozenset(
        ident for ident, sit in pack.sits.items() if not asking.isdisjoint(elements_of(pack, sit))
    )
