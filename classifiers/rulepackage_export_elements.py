"""Elements of a pack as a rule package can hold them: one of ours may become several of Purview's.

What Purview defines itself is referred to; what is ours is written out. A Union, a Regex of several
expressions and a list of Purview's with additions of ours become several ids that stand for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from dlpagent.classifiers.origins import added_elements, of_origin
from dlpagent.classifiers.purview_ids import PURVIEW_IDS, VALIDATOR_FUNCTIONS
from dlpagent.classifiers.regexes import VALUE_GROUP
from dlpagent.classifiers.sit import Element, Expression, Keyword, Pack, Regex, Union, ValidatorSpec
from dlpagent.classifiers.sit_yaml import GUID
from dlpagent.classifiers.xml_nodes import Node
from dlpagent.classifiers.xml_writing import comment, is_writable, node, writable

MAX_REGEX_CHARS = 1024
"""Length of a regex. Source: Purview, "Sensitive information type limits"."""

_SAFE_ID = re.compile(r"[^A-Za-z0-9_.'-]+")
_VALUE = re.compile(rf"\(\?P?<{VALUE_GROUP}>")


@dataclass(slots=True)
class ElementWriter:
    """Writes elements when they are first asked for. warn: (what, remedy) of the element at hand."""

    pack: Pack
    base: Pack | None
    warn: Callable[[str, str], None]
    nodes: list[Node] = field(default_factory=list)
    validators: dict[tuple[ValidatorSpec, ...], str] = field(default_factory=dict)
    _ids: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)
    _added: frozenset[str] | None = None

    def ids(self, name: str) -> tuple[str, ...]:
        """The ids that together stand for an element in the package; empty when none can."""
        if name not in self._ids:
            self._ids[name] = ()  # a union that holds itself ends here
            self._ids[name] = self._write(name, self.pack.elements[name])
        return self._ids[name]

    def _write(self, name: str, element: Element) -> tuple[str, ...]:
        if self._is_purviews(name, element):
            return (name, *self._additions(name, element))
        if isinstance(element, Union):
            self.warn(f"the union {name} is written as its parts", "")
            return tuple(dict.fromkeys(part for of in element.of for part in self.ids(of)))
        if isinstance(element, Keyword | Regex) and element.stub:
            return self._stub(name)
        if isinstance(element, Keyword) and GUID.match(name.strip("{}").lower()):
            self.warn(f"the terms of {name} are not written: it is a dictionary of the tenant", "")
            return (name,)
        if isinstance(element, Keyword | Regex):
            self._mark(name, element)
        if isinstance(element, Keyword):
            return self._keyword(self._safe(name), element)
        if isinstance(element, Regex):
            return self._regex(self._safe(_regex_id(element)), element)
        self.warn(f"{name} is of a kind that a rule package does not know; it is not written", "")
        return ()

    def _mark(self, name: str, element: Keyword | Regex) -> None:
        """Say before an element what of it is an addition of ours to Purview's types."""
        if self._added is None:
            self._added = added_elements(self.pack)
        if name in self._added or of_origin(element, "purview") is None:
            self.nodes.append(comment(f"added by dlpagent: {name}"))
        elif of_origin(element, "ours") is not None:
            self.nodes.append(comment(f"added to by dlpagent: {name}"))

    def _stub(self, name: str) -> tuple[str, ...]:
        known = name in PURVIEW_IDS or GUID.match(name.strip("{}").lower())
        kept = any(key.endswith(f":{name}") for key in self.pack.attributes)
        if not (known or kept or name.startswith("EDM:")):
            self.warn(
                f"{name} has no content here; the package refers to it and does not define it",
                "Purview refuses a package that refers to nothing: define it.",
            )
        return (name,)

    # --- what Purview defines -----------------------------------------------------------------

    def _is_purviews(self, name: str, element: Element) -> bool:
        """Whether the element is the base pack's stand-in for one that Purview defines."""
        return (
            name in PURVIEW_IDS
            and self.base is not None
            and self.base.elements.get(name) == element
        )

    def _additions(self, name: str, element: Element) -> tuple[str, ...]:
        """Our additions to an element of Purview's: written out when the pack itself made them."""
        ours = of_origin(element, "ours") if isinstance(element, Keyword | Regex) else None
        if ours is None:
            return ()
        if self.base is None or self.pack.ref.id != self.base.ref.id:
            self.warn(
                f"{name} is Purview's, without the additions that dlpagent makes to it",
                "Measure with --profile strict to see what the tenant will find.",
            )
            return ()
        self.nodes.append(comment(f"added by dlpagent to {name}"))
        if isinstance(ours, Regex):
            return self._regex(self._safe(f"{_regex_id(ours)}_ours"), ours)
        return self._keyword(self._safe(f"{name}_ours"), ours)

    # --- what we define -----------------------------------------------------------------------

    def _keyword(self, ident: str, element: Keyword) -> tuple[str, ...]:
        groups = []
        for group in element.groups:
            terms = []
            for term in group.terms:
                if not is_writable(term.text):
                    self.warn(f"a term of {ident} begins or ends with a blank or holds a control "
                              "character; it is written without", "")  # fmt: skip
                case = {"caseSensitive": "true"} if term.case_sensitive else {}
                written = node("Term", case, text=writable(term.text))
                if written.text:
                    terms.append(written)
            if terms:
                groups.append(node("Group", {"matchStyle": group.match}, *terms))
        if not groups:
            self.warn(f"the keyword list {ident} has no terms; it is not written", "")
            return ()
        self.nodes.append(node("Keyword", {"id": ident}, *groups))
        return (ident,)

    def _regex(self, ident: str, element: Regex) -> tuple[str, ...]:
        patterns = [self._pattern(ident, item) for item in element.expressions]
        if not patterns:
            self.warn(f"{ident} has no expression; it is not written", "")
            return ()
        merged = _merged(patterns)
        if len(patterns) > len(merged):
            self.warn(f"the {len(patterns)} expressions of {ident} are written as one, with |", "")
        elif len(patterns) > 1:
            self.warn(f"the {len(patterns)} expressions of {ident} are written one by one", "")
        checks = self._validators(ident, element)
        attributes = {"validators": " ".join(checks)} if checks else {}
        ids = [ident, *(self._safe(f"{ident}_{many}") for many in range(2, len(merged) + 1))]
        for one, pattern in zip(ids, merged, strict=True):
            self.nodes.append(node("Regex", {"id": one, **attributes}, text=pattern))
        return tuple(ids)

    def _pattern(self, ident: str, item: Expression) -> str:
        pattern = item.pattern
        if _VALUE.search(pattern):
            self.warn(
                f"{ident} marks a value inside its match; in Purview the whole match counts, with "
                "the words around the value",
                "",
            )
            pattern = _VALUE.sub("(", pattern)
        pattern = pattern.replace("(?P<", "(?<")  # Boost knows no P
        if not is_writable(pattern):
            pattern = "".join(
                char if is_writable(char) or char == " " else f"\\x{{{ord(char):x}}}"
                for char in pattern
            )
            pattern = re.sub(r"\A | \Z", r"\\x20", pattern)
        return pattern

    def _validators(self, ident: str, element: Regex) -> list[str]:
        """Names for a Regex's `validators`: functions of Purview and Validators groups of ours."""
        names: list[str] = []
        rest = list(element.validators)
        while rest:
            parametric = _leading(rest, lambda spec: bool(spec.params))
            if parametric:
                names.append(self._group(tuple(parametric)))
                rest = rest[len(parametric) :]
                continue
            function, length = self._function(rest)
            if function:
                names.append(function)
            else:
                self.warn(
                    f"the check {rest[0].name} of {ident} has no function in Purview; the exported "
                    "regex finds more than it does here",
                    "Demand supporting words where only the check kept false positives away.",
                )
            rest = rest[length:]
        return [*names, *self.pack.attributes.get(f"validators:{element.id}", "").split()]

    def _group(self, specs: tuple[ValidatorSpec, ...]) -> str:
        if specs not in self.validators:
            ident = self._safe(f"Validators_{len(self.validators) + 1}")
            self.validators[specs] = ident
            self.nodes.append(node("Validators", {"id": ident}, *map(_validator_node, specs)))
        return self.validators[specs]

    def _function(self, specs: list[ValidatorSpec]) -> tuple[str, int]:
        """The function of Purview that stands for the most of the leading checks."""
        best = ("", 1)
        for name in sorted(VALIDATOR_FUNCTIONS):
            item = self.base.elements.get(name) if self.base else None
            checks = list(item.validators) if isinstance(item, Regex) else []
            if checks and specs[: len(checks)] == checks and (len(checks) > best[1] or not best[0]):
                best = (name, len(checks))
        return best

    def _safe(self, name: str) -> str:
        """An id that Purview takes and that nothing else has."""
        ident = _SAFE_ID.sub("_", name) or "Element"
        if ident != name:
            self.warn(f"the id {name} is written {ident}", "")
        many = 2
        free = ident
        while free in self._taken:
            free, many = f"{ident}_{many}", many + 1
        self._taken.add(free)
        return free


def _regex_id(element: Regex) -> str:
    """A function of ours is a Regex to Purview, and called one."""
    return re.sub(r"\AFunc_", "Regex_", element.id) if element.function else element.id


def _merged(patterns: list[str]) -> list[str]:
    """Several expressions as one choice where that is the same and short enough."""
    joined = "|".join(patterns)
    plain = not any(re.search(r"\(\?[ims-]+\)|\\[1-9gk]", pattern) for pattern in patterns)
    return [joined] if plain and len(joined) <= MAX_REGEX_CHARS else patterns


def _leading(
    specs: Iterable[ValidatorSpec], wanted: Callable[[ValidatorSpec], bool]
) -> list[ValidatorSpec]:
    found = []
    for spec in specs:
        if not wanted(spec):
            break
        found.append(spec)
    return found


def _validator_node(spec: ValidatorSpec) -> Node:
    params = dict(spec.params)
    if spec.name == "date":
        parts = [_param("Pattern", str(params["pattern"]))]
        if params.get("offset"):
            parts.append(_param("StartOffset", str(params["offset"])))
        return node("Validator", {"type": "DateSimple"}, *parts)
    weights: Any = params["weights"]
    parts = [
        _param("Weights", ", ".join(map(str, weights))),
        _param("Mod", str(params["mod"])),
        _param("CheckDigit", str(params["check_digit"])),
    ]
    if params.get("allow_alphabets"):
        parts.append(_param("AllowAlphabets", "1"))
    return node("Validator", {"type": "Checksum"}, *parts)


def _param(name: str, value: str) -> Node:
    return node("Param", {"name": name}, text=value)
