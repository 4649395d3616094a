"""The house keeps its floors: nothing imports upward or sideways."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("classifiers", "connectors", "labels", "service")
ALLOWED = {
    "dlpagent": set(),
    "classifiers": {"classifiers"},
    "connectors": {"connectors"},
    "labels": {"labels"},
    "service": set(ROOMS),
}


def imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            yield node.lineno, node.module or ""
            if node.module == "dlpagent":
                yield from ((node.lineno, f"dlpagent.{alias.name}") for alias in node.names)


def wrong_imports(folder: str) -> list[str]:
    found = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        for line, name in imports(path):
            parts = name.split(".")
            room = parts[1] if parts[0] == "dlpagent" and len(parts) > 1 else None
            if room in ROOMS and room not in ALLOWED[folder]:
                found.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
            if parts[0] in ROOMS:
                found.append(f"{path.relative_to(ROOT)}:{line} imports {name} without dlpagent.")
    return found


@pytest.mark.parametrize("folder", ALLOWED)
def test_a_floor_imports_only_what_lies_below(folder: str) -> None:
    assert wrong_imports(folder) == []


def test_every_connector_stands_alone() -> None:
    """A source never imports another source's class, a sink never a source."""
    for kind, other in (("sources", "sinks"), ("sinks", "sources")):
        for path in (ROOT / "connectors" / kind).rglob("*.py"):
            names = [name for _, name in imports(path)]
            assert not [name for name in names if f"connectors.{other}" in name], path
            public = [
                name
                for name in names
                if name.startswith(f"dlpagent.connectors.{kind}.")
                and not name.rsplit(".", 1)[-1].startswith("_")
            ]
            helpers = {"report_data", "formats"}
            assert not [n for n in public if n.rsplit(".", 1)[-1] not in helpers], path
