"""A pack on disk: pack.yaml, SIT files in folders, elements used by several SITs in _shared/.

Loading reads everything, checks every reference, and raises all problems of all files at once.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dlpagent.classifiers.detectors import THROUGH, placed, problems_of, with_inner
from dlpagent.classifiers.pack_values import as_profile, with_hash
from dlpagent.classifiers.sit import (
    Detector,
    Element,
    Filter,
    Pack,
    Profile,
    Regex,
    Sit,
    Union,
    ValidatorSpec,
    pattern_refs,
)
from dlpagent.classifiers.sit_yaml import read_elements, read_filters, read_sit
from dlpagent.classifiers.validators import VALIDATORS
from dlpagent.errors import ConfigurationError, Problem, ProblemsError, RuleError
from dlpagent.findings import PackRef
from dlpagent.yaml_reader import read_yaml

BUILTIN = Path(__file__).parent / "rules"


def builtin_pack(profile: Profile = "extended") -> Pack:
    """The pack that ships with dlpagent."""
    return load_pack(BUILTIN, profile=profile)


@dataclass(slots=True)
class _Draft:
    """A pack while it is being read: definitions with the place each was first seen."""

    problems: list[Problem] = field(default_factory=list)
    sits: dict[str, Sit] = field(default_factory=dict)
    elements: dict[str, Element] = field(default_factory=dict)
    filters: dict[str, Filter] = field(default_factory=dict)
    homes: dict[str, tuple[str, int]] = field(default_factory=dict)

    def add_elements(
        self, elements: Mapping[str, Element], lines: Mapping[str, int], file: str
    ) -> None:
        for name, element in elements.items():
            if name in self.elements and self.elements[name] != element:
                self.problems.append(
                    Problem(
                        file,
                        lines[name],
                        f"element {name} is defined twice with different content",
                        "one definition",
                        "another in {}:{}".format(*self.homes[name]),
                        "Keep one; a list used by several SITs belongs in _shared/.",
                    )
                )
            self.elements.setdefault(name, element)
            self.homes.setdefault(name, (file, lines[name]))

    def circle(self, name: str, inside: tuple[str, ...]) -> None:
        """Note, once, a union that is part of itself."""
        problem = Problem(
            *self.homes[name],
            f"the union {name} is part of itself",
            "a union of other elements",
            " → ".join([*inside[inside.index(name) :], name]),
            "Take it out of one of them.",
        )
        if problem not in self.problems:
            self.problems.append(problem)

    def add_filters(self, filters: Mapping[str, Filter], line: int, file: str) -> None:
        for name, item in filters.items():
            if self.filters.setdefault(name, item) != item:
                self.problems.append(
                    Problem(
                        file,
                        line,
                        f"filter {name} is defined twice with different content",
                        "one definition",
                        "another in this pack",
                        "Keep one; a filter used by several SITs belongs in _shared/.",
                    )
                )

    def add_sit(self, sit: Sit) -> None:
        if sit.id in self.sits:
            other = self.sits[sit.id]
            self.problems.append(
                Problem(
                    sit.file,
                    sit.line,
                    f"two SITs have the id {sit.id}",
                    "an id of its own",
                    f"{other.name} in {other.file}",
                    "Give the new SIT a new GUID.",
                )
            )
            return
        self.sits[sit.id] = sit


def load_pack(path: Path, *, profile: Profile = "extended", base: Pack | None = None) -> Pack:
    """Read a pack folder (or a single SIT file).

    base: a pack whose elements and filters may be referred to (Func_*, Keyword_* of the built-in
    pack); what is used is copied in. Raises ProblemsError with every problem of every file, or
    ConfigurationError when there is no such folder.
    """
    draft = _Draft()
    files = sorted(set(_sit_files(path)))
    header = _read_header(path, draft.problems)
    for file in files:
        _read_file(file, _shown(file, path), draft)
    _resolve(draft, base)
    if draft.problems:
        raise ProblemsError(
            draft.problems, f"The pack {path} cannot be used: {len(draft.problems)} problem(s)."
        )
    return _assemble(header, draft, profile)


def element_places(path: Path) -> dict[str, tuple[str, int]]:
    """Element id → file and line of its definition, for every element of a pack that can be loaded."""
    draft = _Draft()
    for file in sorted(set(_sit_files(path))):
        _read_file(file, _shown(file, path), draft)
    return draft.homes


def _sit_files(path: Path) -> Iterator[Path]:
    """The YAML files of a pack. A part of a pack (one file, one folder) brings the pack's _shared/."""
    if path.is_file():
        yield path
    elif path.is_dir():
        yield from _yaml_below(path)
    else:
        raise ConfigurationError(
            "there is no such pack",
            where=str(path),
            expected="a folder with pack.yaml and SIT files, or one SIT file",
            found="nothing there",
            remedy="Check the path, or make a pack with: dlpagent rules import FILE -o PACKDIR",
        )
    for root in path.resolve().parents:
        if (root / "pack.yaml").is_file():
            yield from _yaml_below(root / "_shared")
            return


def _yaml_below(path: Path) -> Iterator[Path]:
    for folder, names, files in os.walk(path):
        names.sort()
        yield from (
            Path(folder, name)
            for name in files
            if name.endswith((".yaml", ".yml")) and name != "pack.yaml"
        )


def _shown(file: Path, pack: Path) -> str:
    """How problems name a file: relative to the current directory where that is shorter."""
    try:
        return str(file.relative_to(Path.cwd()))
    except ValueError:
        return str(file.relative_to(pack.parent)) if pack in file.parents else str(file)


def _read_header(path: Path, problems: list[Problem]) -> dict[str, object]:
    file = path / "pack.yaml"
    if not file.is_file():
        return {
            "id": "",
            "version": "1.0.0.0",
            "name": path.stem,
            "publisher": "",
            "description": "",
        }
    reader = read_yaml(file, problems)
    if reader is None:
        return {}
    keys = reader.mapping(
        ("id", "version", "name", "publisher", "description", "attributes"),
        required=("id", "version", "name"),
    )
    header: dict[str, object] = {
        key: keys[key].text() if key in keys else ""
        for key in ("id", "version", "name", "publisher", "description")
    }
    header["attributes"] = (
        {key: child.text(allow_empty=True) for key, child in keys["attributes"].mapping().items()}
        if "attributes" in keys
        else {}
    )
    return header


def _read_file(file: Path, shown: str, draft: _Draft) -> None:
    reader = read_yaml(file, draft.problems, name=shown)
    if reader is None:
        return
    if file.parent.name == "_shared":
        keys = reader.mapping(("elements", "filters"))
        if "elements" in keys:
            elements, lines = read_elements(keys["elements"])
            draft.add_elements(placed(elements, file.parent), lines, shown)
        if "filters" in keys:
            draft.add_filters(read_filters(keys["filters"]), keys["filters"].line, shown)
        return
    sit, elements, lines, filters = read_sit(reader)
    draft.add_elements(placed(elements, file.parent), lines, shown)
    draft.add_filters(filters, sit.line, shown)
    if sit.id:
        draft.add_sit(sit)


# --- references -------------------------------------------------------------------------------


def _resolve(draft: _Draft, base: Pack | None) -> None:
    """Check that every reference leads somewhere; bring in what base defines."""
    for sit in draft.sits.values():
        for pattern in sit.patterns:
            for name in pattern_refs(pattern):
                _bring_element(name, sit, draft, base, pattern.line)
        for name in [*sit.filters, *(name for pattern in sit.patterns for name in pattern.filters)]:
            _bring_filter(name, sit, draft, base)
    for name, element in list(draft.elements.items()):
        if isinstance(element, Detector):
            _fill_in(name, element, draft, base)
        _check_element(name, element, draft)


def _fill_in(name: str, element: Detector, draft: _Draft, base: Pack | None) -> None:
    """Give a detector the elements it works with, of this pack or of base."""
    elements = {**(base.elements if base else {}), **draft.elements}
    own = (elements, draft.sits)
    filled = with_inner(element, [own, (base.elements, base.sits)] if base else [own])
    if filled is not None:
        draft.elements[name] = filled
        return
    named = str(element.param(THROUGH))
    known = [*elements, *(sit.name for sit in (base.sits if base else {}).values())]
    near = difflib.get_close_matches(named, known, 1)
    draft.problems.append(
        Problem(
            *draft.homes[name],
            f"{name} goes through {named}, which finds nothing here",
            "an element, or a SIT by GUID or name, with patterns",
            "none of that name",
            f"Did you mean {near[0]}?" if near else "",
        )
    )


def _bring_element(
    name: str,
    sit: Sit,
    draft: _Draft,
    base: Pack | None,
    line: int = 0,
    inside: tuple[str, ...] = (),
) -> None:
    """Bring an element and what its unions name. inside: the unions on the way to it."""
    if name in inside:
        draft.circle(name, inside)
        return
    if name not in draft.elements:
        found = base.elements.get(name) if base else None
        if found is None:
            known = [*draft.elements, *(base.elements if base else ())]
            _dangling("element", name, sit, draft, known, line)
            return
        draft.elements[name] = found
        draft.homes[name] = (base.name if base else "", 1)
    element = draft.elements[name]
    if isinstance(element, Union):
        for part in element.of:
            _bring_element(part, sit, draft, base, line, (*inside, name))


def _bring_filter(name: str, sit: Sit, draft: _Draft, base: Pack | None) -> None:
    if name not in draft.filters:
        found = base.filters.get(name) if base else None
        if found is None:
            _dangling("filter", name, sit, draft, list(draft.filters))
            return
        draft.filters[name] = found
    processor = draft.filters[name].processor
    if processor:
        _bring_element(processor, sit, draft, base)


def _dangling(
    kind: str, name: str, sit: Sit, draft: _Draft, known: list[str], line: int = 0
) -> None:
    near = difflib.get_close_matches(name, known, 1)
    draft.problems.append(
        Problem(
            sit.file,
            line or sit.line,
            f"{sit.name} refers to the {kind} {name}, which nothing defines",
            "one of this file, of _shared/ or of the built-in pack",
            "none of that name",
            f"Did you mean {near[0]}?"
            if near
            else f"Define it, or remove the reference to {name}.",
        )
    )


def _check_element(name: str, element: Element, draft: _Draft) -> None:
    if isinstance(element, Detector):
        draft.problems.extend(problems_of(element, *draft.homes[name]))
    if not isinstance(element, Regex):
        return
    from dlpagent.classifiers.regexes import regex_problem  # noqa: PLC0415 - loads re2, only here

    home = draft.homes[name]
    for expression in element.expressions:
        problem = regex_problem(expression.pattern)
        if problem:
            draft.problems.append(
                Problem(
                    *home,
                    f"the regex of {name} cannot be used: {problem}",
                    "a regex in the syntax of docs/sits.md",
                    "one that does not compile",
                )
            )
    for spec in element.validators:
        if spec.params:
            _check_parameters(name, spec, draft)
        elif spec.name not in VALIDATORS:
            near = difflib.get_close_matches(spec.name, VALIDATORS, 1)
            draft.problems.append(
                Problem(
                    *home,
                    f"{name} names the validator {spec.name}, which does not exist",
                    "a validator of docs/validators.md",
                    spec.name,
                    f"Did you mean {near[0]}?" if near else "",
                )
            )


def _check_parameters(name: str, spec: ValidatorSpec, draft: _Draft) -> None:
    from dlpagent.classifiers.compiled import validator_of  # noqa: PLC0415 - loads re2, only here

    try:
        validator_of(spec)
    except RuleError as error:
        draft.problems.append(
            Problem(*draft.homes[name], f"{name}: {error.what}", error.expected, error.found)
        )


# --- assembly ---------------------------------------------------------------------------------


def _assemble(header: dict[str, object], draft: _Draft, profile: Profile) -> Pack:
    pack = Pack(
        ref=PackRef(str(header["id"]), str(header["version"]), ""),
        name=str(header["name"]),
        publisher=str(header["publisher"]),
        profile=profile,
        sits=draft.sits,
        elements=draft.elements,
        filters=draft.filters,
        description=str(header["description"]),
        attributes=header.get("attributes", {}),  # type: ignore[arg-type]
    )
    return with_hash(as_profile(pack, profile))
