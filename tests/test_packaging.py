"""What is installed is what lies on disk."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
ROOMS = ("classifiers", "connectors", "labels", "service")


def packages_on_disk() -> set[str]:
    found = set()
    for top in ("dlpagent", *ROOMS):
        for init in (ROOT / top).rglob("__init__.py"):
            parts = init.parent.relative_to(ROOT).parts
            found.add(".".join(parts if top == "dlpagent" else ("dlpagent", *parts)))
    return found


def test_every_package_on_disk_is_listed_and_none_else() -> None:
    assert packages_on_disk() == set(PROJECT["tool"]["setuptools"]["packages"])


def test_every_folder_with_modules_is_a_package() -> None:
    for top in ("dlpagent", *ROOMS):
        for path in (ROOT / top).rglob("*.py"):
            assert (path.parent / "__init__.py").is_file(), path


def test_every_data_file_is_matched_by_a_pattern_of_its_package() -> None:
    data = PROJECT["tool"]["setuptools"]["package-data"]
    directories = PROJECT["tool"]["setuptools"]["package-dir"]
    matched: set[Path] = set()
    for package, patterns in data.items():
        folder = ROOT / directories.get(package, package.replace(".", "/"))
        for pattern in patterns:
            hits = {path for path in folder.glob(pattern) if path.is_file()}
            assert hits, f"{package}: {pattern} matches nothing"
            matched |= hits
    for top in ("dlpagent", *ROOMS):
        for path in (ROOT / top).rglob("*"):
            if path.is_file() and path.suffix in {
                ".yaml",
                ".css",
                ".html",
                ".json",
                ".jsonl",
                ".csv",
            }:
                assert path in matched, f"{path.relative_to(ROOT)} would not be installed"


def test_the_extras_a_user_may_name_exist() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    assert {"postgres", "test", "lint", "all"} <= set(extras)
