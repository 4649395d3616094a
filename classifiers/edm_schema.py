"""The schema of an exact data match (EDM) store: Purview's XML, its fields and how they are compared.

Source: Purview, "Create the schema for exact data match based sensitive information types", and
"Modify Exact Data Match schema to use configurable matching".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlpagent.classifiers.xml_nodes import Node, read_xml
from dlpagent.errors import Problem, ProblemsError

MAX_FIELDS = 32
MAX_SEARCHABLE = 5
"""Of one schema in a tenant, as documented in 2021; here is no such limit, so more is a warning."""

_KNOWN = ("name", "searchable", "caseInsensitive", "ignoredDelimiters")


@dataclass(frozen=True, slots=True)
class Field:
    """A column. searchable: it may be a primary element. ignored_delimiters: left out on both sides."""

    name: str
    searchable: bool = False
    case_insensitive: bool = False
    ignored_delimiters: str = ""


@dataclass(frozen=True, slots=True)
class Schema:
    """A data store: its name, under which rule packages refer to it, and its columns in order."""

    name: str
    fields: tuple[Field, ...]
    description: str = ""
    version: str = "1"

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(item.name for item in self.fields)

    @property
    def searchable(self) -> tuple[str, ...]:
        """The columns that may be primary elements."""
        return tuple(item.name for item in self.fields if item.searchable)

    def to_json(self) -> dict[str, Any]:
        """Plain values, for a manifest."""
        return {
            "name": self.name,
            "description": self.description,
            "version": self.version,
            "fields": [
                {
                    "name": item.name,
                    "searchable": item.searchable,
                    "case_insensitive": item.case_insensitive,
                    "ignored_delimiters": item.ignored_delimiters,
                }
                for item in self.fields
            ],
        }

    @classmethod
    def of_json(cls, data: dict[str, Any]) -> Schema:
        """The schema of a manifest. Raises KeyError or TypeError when it is none."""
        fields = tuple(Field(**item) for item in data["fields"])
        return cls(data["name"], fields, data["description"], data["version"])


def read_schema(path: Path) -> tuple[Schema, tuple[Problem, ...]]:
    """A schema file and what a person should know of it. Raises ProblemsError with every problem."""
    root = read_xml(path)
    reading = _Reading(str(path))
    schema = reading.schema(root)
    if reading.problems:
        many = len(reading.problems)
        raise ProblemsError(
            reading.problems, f"The EDM schema {path} cannot be used: {many} problem(s)."
        )
    return schema, tuple(sorted(reading.warnings))


class _Reading:
    """A schema while it is read."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []

    def problem(self, node: Node, what: str, expected: str, found: str, remedy: str = "") -> None:
        self.problems.append(Problem(self.file, node.line, what, expected, found, remedy))

    def warn(self, node: Node, what: str, remedy: str = "") -> None:
        self.warnings.append(Problem(self.file, node.line, what, remedy=remedy, severity="warning"))

    def schema(self, root: Node) -> Schema:
        if root.tag != "EdmSchema":
            self.problem(
                root, "this is not an EDM schema", "the root element EdmSchema", f"<{root.tag}>"
            )
            return Schema("?", ())
        stores = list(root.all("DataStore"))
        if len(stores) != 1:
            self.problem(root, "a schema has one DataStore", "one", str(len(stores)))
            return Schema("?", ())
        (store,) = stores
        name = store.attributes.get("name", "").strip()
        if not name:
            self.problem(store, "the DataStore has no name", "a name", "none")
        fields = tuple(self._fields(store))
        self._check(store, fields)
        return Schema(
            name,
            fields,
            store.attributes.get("description", ""),
            store.attributes.get("version", "1"),
        )

    def _fields(self, store: Node) -> Iterator[Field]:
        seen: set[str] = set()
        for node in store.all("Field"):
            name = node.attributes.get("name", "").strip()
            if not name or name.casefold() in seen:
                self.problem(node, "a Field needs a name of its own", "a name", name or "none")
            seen.add(name.casefold())
            for unknown in sorted(set(node.attributes) - set(_KNOWN)):
                self.warn(node, f"the attribute {unknown} of the Field {name} is not evaluated")
            yield Field(
                name,
                self._flag(node, "searchable"),
                self._flag(node, "caseInsensitive"),
                self._delimiters(node),
            )

    def _flag(self, node: Node, name: str) -> bool:
        text = node.attributes.get(name, "false").strip().lower()
        if text not in ("true", "false", "1", "0"):
            self.problem(node, f"{name} is wrong", "true or false", text[:20])
        return text in ("true", "1")

    def _delimiters(self, node: Node) -> str:
        """Single characters separated by commas; a comma itself stands between two more."""
        text = node.attributes.get("ignoredDelimiters", "")
        if not text:
            return ""
        with_comma = ",,," in text or text in (",", ",,") or text.endswith(",,")
        pieces = [piece for piece in text.split(",") if piece]
        if any(len(piece) != 1 or piece.isalnum() for piece in pieces):
            self.problem(
                node,
                "ignoredDelimiters is wrong",
                "characters that are neither letters nor digits, separated by commas",
                "something else",
                'For example ignoredDelimiters="-,/, ".',
            )
        return "".join(dict.fromkeys("".join(pieces) + ("," if with_comma else "")))

    def _check(self, store: Node, fields: tuple[Field, ...]) -> None:
        searchable = sum(item.searchable for item in fields)
        if not searchable:
            self.problem(
                store,
                "no Field is searchable",
                "at least one that can be a primary element",
                f"{len(fields)} Field(s)",
                'Write searchable="true" on it.',
            )
        if len(fields) > MAX_FIELDS:
            self.warn(store, f"{len(fields)} Fields; a tenant takes {MAX_FIELDS}")
        if searchable > MAX_SEARCHABLE:
            self.warn(store, f"{searchable} searchable Fields; a tenant takes {MAX_SEARCHABLE}")
