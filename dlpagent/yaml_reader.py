"""YAML files read with their line numbers, every problem of a file gathered before any is raised.

A Reader holds one node of the file. Its methods give plain values and note a Problem, with file and
line, where the file says something else than expected; they then give the default so that reading
goes on. Duplicate and unknown keys are problems. Only plain YAML is read: tags build no objects.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dlpagent.errors import Problem

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is ten times faster

MAX_BYTES = 32 * 1024 * 1024
MAX_DEPTH = 100
# libyaml's composer recurses in C: beyond some ten thousand levels it takes the process with it.
MAX_NESTING = 1_000
# What aliases (*name) may blow a file up to, in nodes; without aliases the size of the file bounds it.
MAX_NODES = 1_000_000


def read_yaml(path: Path, problems: list[Problem], *, name: str = "") -> Reader | None:
    """The root of a YAML file, or None with a problem noted when it cannot be read as YAML.

    name is how problems call the file (default: the path).
    """
    label = name or str(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        problems.append(
            Problem(label, 1, f"the file cannot be read ({error.strerror})", "a readable YAML file")
        )
        return None
    return parse_yaml(data, label, problems, path.parent)


def parse_yaml(
    data: bytes | str, name: str, problems: list[Problem], folder: Path = Path()
) -> Reader | None:
    """The root of YAML text, or None with a problem noted. folder: where its relative paths start."""
    if len(data) > MAX_BYTES:
        problems.append(
            Problem(
                name, 1, "the file is too large", f"at most {MAX_BYTES} bytes", f"{len(data)} bytes"
            )
        )
        return None
    try:
        deep = _too_deep(data)
        if deep:
            problems.append(
                Problem(name, deep, "the file is nested too deep", f"{MAX_NESTING} levels")
            )
            return None
        node = yaml.compose(data, Loader=_Loader)
    except yaml.reader.ReaderError as error:
        problems.append(
            Problem(
                name,
                _line_at(data, error.position),
                f"not valid YAML: {error.reason}",
                "YAML text in UTF-8 or UTF-16",
            )
        )
        return None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(part for part in (error.context, error.problem) if part)
        problems.append(Problem(name, mark.line + 1 if mark else 1, f"not valid YAML: {what}"))
        return None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        problems.append(
            Problem(
                name, 1, f"not valid YAML: {type(error).__name__}", "YAML text in UTF-8 or UTF-16"
            )
        )
        return None
    if node is None:
        problems.append(Problem(name, 1, "the file is empty", "a mapping"))
        return None
    if ("*" if isinstance(data, str) else b"*") in data and _expanded_nodes(node) > MAX_NODES:  # type: ignore[operator]
        problems.append(
            Problem(
                name, 1, "aliases make the file too large", f"at most {MAX_NODES:,} nodes in all"
            )
        )
        return None
    return Reader(node, name, problems, folder=folder)


def _too_deep(data: bytes | str) -> int:
    """The line at which nesting passes MAX_NESTING, 0 when it never does.

    A level costs an opening bracket or a column, so that most files need no second look.
    """
    text = data if isinstance(data, str) else data.decode("latin-1")
    if (
        text.count("[") + text.count("{") + max(map(len, text.splitlines()), default=0)
        < MAX_NESTING
    ):
        return 0
    depth = 0
    for event in yaml.parse(data, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_NESTING:
            mark: Any = event.start_mark
            return int(mark.line) + 1
    return 0


def _expanded_nodes(root: Any) -> int:
    """Nodes that a walk through the tree would meet, each alias followed; past MAX_NODES if endless."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()
    waiting = [(root, False)]
    while waiting:
        node, is_done = waiting.pop()
        children = [part for pair in node.value for part in pair] if (
            isinstance(node, yaml.MappingNode)
        ) else node.value if isinstance(node, yaml.SequenceNode) else []  # fmt: skip
        if is_done:
            open_nodes.discard(id(node))
            sizes[id(node)] = 1 + sum(sizes[id(child)] for child in children)
        elif id(node) in open_nodes:
            return MAX_NODES + 1
        elif id(node) not in sizes:
            open_nodes.add(id(node))
            waiting.append((node, True))
            waiting += [(child, False) for child in children]
    return sizes[id(root)]


def _line_at(data: bytes | str, position: int) -> int:
    head = data[:position]
    return 1 + (head.count("\n") if isinstance(head, str) else head.count(b"\n"))


@dataclass(frozen=True, slots=True)
class Reader:
    """One node of a YAML file. where: how problems name its place inside the file.

    folder: where relative paths in the file start.
    """

    node: Any
    file: str
    problems: list[Problem]
    where: str = ""
    depth: int = 0
    folder: Path = Path()

    @property
    def line(self) -> int:
        """Line of the file, from 1."""
        return int(self.node.start_mark.line) + 1

    def problem(self, what: str, expected: str = "", found: str = "", remedy: str = "") -> None:
        """Note a problem at this node."""
        place = f"{self.where}: " if self.where else ""
        self.problems.append(Problem(self.file, self.line, place + what, expected, found, remedy))

    def is_mapping(self) -> bool:
        return isinstance(self.node, yaml.MappingNode)

    def is_list(self) -> bool:
        return isinstance(self.node, yaml.SequenceNode)

    def is_scalar(self) -> bool:
        return isinstance(self.node, yaml.ScalarNode)

    def is_null(self) -> bool:
        return self.is_scalar() and self.node.tag == "tag:yaml.org,2002:null"

    def _found(self) -> str:
        kinds = {"map": "a mapping", "seq": "a list", "null": "nothing", "str": "text"}
        short = str(self.node.tag).rsplit(":", 1)[-1]
        return kinds.get(short, f"{short} {self.node.value}" if self.is_scalar() else short)

    def _child(self, node: Any, key: str) -> Reader:
        where = f"{self.where}.{key}" if self.where and key[:1] != "[" else f"{self.where}{key}"
        return Reader(node, self.file, self.problems, where, self.depth + 1, self.folder)

    def mapping(
        self, known: Sequence[str] | None = None, required: Sequence[str] = ()
    ) -> dict[str, Reader]:
        """The keys of a mapping. known: the keys allowed (None: any); required: those that must be."""
        if not self.is_mapping() or self.depth > MAX_DEPTH:
            self.problem("wrong shape", "a mapping", self._found())
            return {}
        found: dict[str, Reader] = {}
        for key_node, value_node in self.node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else "?"
            child = self._child(value_node, key)
            at_key = self._child(key_node, key)
            if key in found:
                at_key.problem("the key appears twice", remedy="Remove one of the two.")
            elif known is not None and key not in known:
                near = difflib.get_close_matches(key, known, 1)
                remedy = f"Did you mean {near[0]}?" if near else ""
                at_key.problem("unknown key", "one of " + ", ".join(known), key, remedy)
            else:
                found[key] = child
        for key in required:
            if key not in found:
                self.problem(f"the key {key} is missing")
        return found

    def items(self) -> Iterator[Reader]:
        """The entries of a list."""
        if not self.is_list() or self.depth > MAX_DEPTH:
            self.problem("wrong shape", "a list", self._found())
            return
        for index, node in enumerate(self.node.value):
            yield self._child(node, f"[{index}]")

    def text(self, default: str = "", *, allow_empty: bool = False) -> str:
        """A string. Numbers and the like are taken as written, so 0012 stays 0012."""
        if not self.is_scalar() or self.is_null():
            self.problem("wrong shape", "text", self._found())
            return default
        value = str(self.node.value)
        if not value.strip() and not allow_empty:
            self.problem("wrong value", "text that is not empty", "nothing")
            return default
        return value

    def integer(self, default: int = 0, *, low: int | None = None, high: int | None = None) -> int:
        """A whole number, in the range given (ends included)."""
        try:
            value = int(self.node.value) if self.is_scalar() else None
        except (TypeError, ValueError):
            value = None
        span = f" from {low if low is not None else '-∞'} to {high if high is not None else '∞'}"
        wanted = "a whole number" + (span if (low, high) != (None, None) else "")
        if value is None:
            self.problem("wrong value", wanted, self._found())
            return default
        if (low is not None and value < low) or (high is not None and value > high):
            self.problem("number out of range", wanted, str(value))
            return default
        return value

    def boolean(self, default: bool = False) -> bool:
        """true or false."""
        word = str(self.node.value).lower() if self.is_scalar() else ""
        if word not in ("true", "false"):
            self.problem("wrong value", "true or false", self._found())
            return default
        return word == "true"

    def choice(self, options: Sequence[str], default: str) -> str:
        """One of a few words."""
        word = self.node.value if self.is_scalar() else None
        if word not in options:
            self.problem("wrong value", "one of " + ", ".join(options), self._found())
            return default
        return str(word)

    def texts(self) -> tuple[str, ...]:
        """A list of strings."""
        return tuple(item.text() for item in self.items())

    def plain(self) -> Any:
        """The node as plain Python values (strings, numbers, lists, dicts), for open-ended data."""
        if self.is_mapping():
            return {key: child.plain() for key, child in self.mapping().items()}
        if self.is_list():
            return [item.plain() for item in self.items()]
        try:
            return yaml.SafeLoader("").construct_object(self.node)
        except (yaml.YAMLError, ValueError, TypeError, AttributeError) as error:
            self.problem(
                "wrong value", "a plain value", f"one that cannot be read ({type(error).__name__})"
            )
            return None
