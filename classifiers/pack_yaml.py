"""A pack written as YAML: pack.yaml, one file per SIT, elements of several SITs in _shared/."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from dlpagent.classifiers.sit import (
    UNLIMITED,
    AnyOf,
    Condition,
    Detector,
    Element,
    Filter,
    Keyword,
    Match,
    Pack,
    Pattern,
    Regex,
    Sit,
    Union,
    ValidatorSpec,
    pattern_refs,
)
from dlpagent.errors import ConfigurationError


class _Dumper(yaml.SafeDumper):
    """Block style, keys in our order, no aliases (a reader should never meet &id001)."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the library's signature
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Quoted with escapes where a character would not come back from a plain or folded scalar."""
    is_plain = all(char.isprintable() for char in text)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if is_plain else '"')


_Dumper.add_representer(str, _text)


def write_pack(pack: Pack, folder: Path, *, inherited: Iterable[str] = ()) -> None:
    """Write a pack into a new or empty folder.

    inherited: ids of elements that the built-in pack defines; they are left to it. Raises
    ConfigurationError when the folder holds something already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigurationError(
            "the pack folder is not empty",
            where=str(folder),
            expected="a new or empty folder",
            found="other files",
            remedy="Choose another folder, or remove this one first.",
        )
    own = {name: item for name, item in pack.elements.items() if name not in set(inherited)}
    shared = _shared_elements(pack, own)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "pack.yaml", _header(pack))
    if shared or pack.filters:
        _write(folder / "_shared" / "elements.yaml", _shared_file(pack, own, shared))
    taken: set[str] = {"pack"}
    for sit in pack.sits.values():
        named = {ref for pattern in sit.patterns for ref in pattern_refs(pattern)}
        local = {name: own[name] for name in own if name in named - shared}
        _write(folder / f"{_slug(sit, taken)}.yaml", sit_document(sit, local))


def write_sit(sit: Sit, elements: Mapping[str, Element], path: Path) -> None:
    """Write one SIT with the elements of its own; its folder is made when it is missing."""
    _write(path, sit_document(sit, elements))


def write_header(header: Mapping[str, str], folder: Path) -> None:
    """Write the pack.yaml of a folder: id, version, name, publisher, description."""
    _write(folder / "pack.yaml", dict(header))


def _shared_elements(pack: Pack, own: Mapping[str, Element]) -> set[str]:
    """Elements that more than one SIT, a union or a filter names, or none does."""
    uses = Counter(
        ref
        for sit in pack.sits.values()
        for ref in {ref for pattern in sit.patterns for ref in pattern_refs(pattern)}
    )
    inner = {ref for item in own.values() if isinstance(item, Union) for ref in item.of}
    inner |= {item.processor for item in pack.filters.values()}
    return {name for name in own if uses[name] != 1 or name in inner}


def _header(pack: Pack) -> dict[str, Any]:
    return _without_empty(
        {
            "id": pack.ref.id,
            "version": pack.ref.version,
            "name": pack.name,
            "publisher": pack.publisher,
            "description": pack.description,
            "attributes": dict(pack.attributes),
        }
    )


def _shared_file(pack: Pack, own: Mapping[str, Element], shared: set[str]) -> dict[str, Any]:
    return _without_empty(
        {
            "elements": {name: element_document(own[name]) for name in sorted(shared)},
            "filters": {name: _filter(item) for name, item in sorted(pack.filters.items())},
        }
    )


def sit_document(sit: Sit, elements: Mapping[str, Element]) -> dict[str, Any]:
    """A SIT with the elements of its own, in the keys of the YAML form."""
    return _without_empty(
        {
            "id": sit.id,
            "name": sit.name,
            "version": sit.version,
            "parity": sit.parity,
            "description": sit.description,
            "proximity": _proximity(sit.proximity),
            "recommended_confidence": sit.recommended_confidence,
            "value": sit.value,
            "attributes": dict(sit.attributes),
            "names": dict(sit.names),
            "descriptions": dict(sit.descriptions),
            "filters": list(sit.filters),
            "elements": {name: element_document(item) for name, item in elements.items()},
            "patterns": [_pattern(item) for item in sit.patterns],
            "examples": [
                _without_empty(
                    {
                        "text": item.text,
                        "confidence": item.confidence,
                        "matched": item.matched,
                        "context": item.context,
                    }
                )
                for item in sit.examples
            ],
            "near_misses": [
                _without_empty(
                    {
                        "text": item.text,
                        "max_confidence": item.max_confidence,
                        "context": item.context,
                    }
                )
                for item in sit.near_misses
            ],
            "references": list(sit.references),
        },
        keep=("patterns",),
    )


def _without_empty(items: dict[str, Any], keep: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        key: value for key, value in items.items() if key in keep or value not in ("", [], {}, 0)
    }


def _proximity(value: int) -> int | str:
    return "unlimited" if value == UNLIMITED else value


def element_document(element: Element) -> dict[str, Any]:
    """An element in the keys of the YAML form."""
    if isinstance(element, Union):
        return {"union": list(element.of)}
    if isinstance(element, Detector):
        params = {
            key: list(value) if isinstance(value, tuple) else value for key, value in element.params
        }
        return {"detector": {"kind": element.kind, **params}}
    if isinstance(element, Keyword):
        document: dict[str, Any] = {"stub": True} if element.stub else {"keywords": []}
        for key, origin in (("keywords", "purview"), ("ours", "ours")):
            groups = [group for group in element.groups if group.origin == origin]
            if groups:
                document[key] = [
                    entry for group in groups for entry in _terms(group.match, group.terms)
                ]
        return document
    return _regex(element)


def _terms(match: str, terms: Iterable[Any]) -> list[Any]:
    """Groups by case sensitivity; a plain list when words match without regard to case."""
    found: list[Any] = []
    for sensitive in (False, True):
        texts = [term.text for term in terms if term.case_sensitive is sensitive]
        if texts:
            entry: dict[str, Any] = {"match": match}
            if sensitive:
                entry["case_sensitive"] = True
            found.append({**entry, "terms": texts})
    return found


def _regex(element: Regex) -> dict[str, Any]:
    document: dict[str, Any] = {"regex": []}
    if element.function:
        document["function"] = True
    if element.stub:
        document["stub"] = True
    for key, origin in (("regex", "purview"), ("ours", "ours")):
        patterns = [item.pattern for item in element.expressions if item.origin == origin]
        if patterns:
            document[key] = patterns[0] if len(patterns) == 1 and key == "regex" else patterns
    if element.validators:
        document["validators"] = [_validator(spec) for spec in element.validators]
    return document


def _validator(spec: ValidatorSpec) -> Any:
    if not spec.params:
        return spec.name
    return {
        spec.name: {
            key: list(value) if isinstance(value, tuple) else value for key, value in spec.params
        }
    }


def _pattern(pattern: Pattern) -> dict[str, Any]:
    document: dict[str, Any] = {"confidence": pattern.confidence, "primary": pattern.primary}
    matches = [_condition(item) for item in pattern.conditions if isinstance(item, Match)]
    groups = [_any(item) for item in pattern.conditions if isinstance(item, AnyOf)]
    if matches:
        document["match"] = matches
    if groups:
        document["any"] = groups
    if pattern.proximity is not None:
        document["proximity"] = _proximity(pattern.proximity)
    if pattern.filters:
        document["filters"] = list(pattern.filters)
    if pattern.origin == "ours":
        document["ours"] = True
    return document


def _any(group: AnyOf) -> dict[str, Any]:
    document: dict[str, Any] = {"min": group.min_matches}
    if group.max_matches is not None:
        document["max"] = group.max_matches
    document["of"] = [_condition(child) for child in group.children]
    return document


def _condition(condition: Condition) -> Any:
    if isinstance(condition, AnyOf):
        return {"any": _any(condition)}
    document: dict[str, Any] = {"id": condition.ref}
    if condition.min_count != 1:
        document["min_count"] = condition.min_count
    if condition.unique:
        document["unique"] = True
    if condition.proximity is not None:
        document["proximity"] = _proximity(condition.proximity)
    if condition.origin == "ours":
        document["ours"] = True
    return condition.ref if document == {"id": condition.ref} else document


def _filter(item: Filter) -> dict[str, Any]:
    if item.kind == "all_digits_same":
        return {"kind": item.kind}
    return {
        "kind": item.kind,
        "direction": item.direction,
        "logic": item.logic,
        "processor": item.processor,
    }


def slug_of(name: str) -> str:
    """A name as a file name: lower-case ASCII letters, digits and hyphens; may be empty."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:80]


def _slug(sit: Sit, taken: set[str]) -> str:
    slug = slug_of(sit.name) or sit.id
    if slug in taken:
        slug = f"{slug}-{sit.id}"
    taken.add(slug)
    return slug


def _write(path: Path, document: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.dump(
        document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100, indent=2
    )
    path.write_text(text, encoding="utf-8")
