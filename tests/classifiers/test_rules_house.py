"""House rules of the shipped SIT files; that examples hold is proven by `rules check`."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from dlpagent.classifiers.pack import BUILTIN, builtin_pack
from dlpagent.classifiers.sit import Parity, Sit
from dlpagent.violations import NAMESPACE

PURVIEW_PAGE = "Microsoft Purview sensitive information type entity definitions"
SECRET_FOLDERS = {"credentials", "secrets"}
SHORTEST_DESCRIPTION = 30
FILES = [
    path
    for path in sorted(BUILTIN.rglob("*.y*ml"))
    if path.name != "pack.yaml" and path.parent.name != "_shared"
]


@pytest.fixture(scope="module")
def sits() -> list[Sit]:
    return list(builtin_pack().sits.values())


def slug_of(sit: Sit) -> str:
    return Path(sit.file).stem


def broken(
    sits: list[Sit], rule: Callable[[Sit], object], *parities: Parity, but: str = ""
) -> list[str]:
    """The files of SITs (of these parities; all; or all but one) for which a rule is not true."""
    asked = [sit for sit in sits if sit.parity != but and (not parities or sit.parity in parities)]
    assert asked
    return [sit.file for sit in asked if not rule(sit)]


def test_every_file_is_one_type_one_folder_deep(sits: list[Sit]) -> None:
    assert [path for path in FILES if path.parent.parent != BUILTIN] == []
    assert sorted(slug_of(sit) for sit in sits) == sorted(path.stem for path in FILES)


def test_no_two_types_share_a_file_name_or_a_name(sits: list[Sit]) -> None:
    assert len({slug_of(sit) for sit in sits}) == len(sits)
    assert len({sit.name.casefold() for sit in sits}) == len(sits)


def test_a_type_has_three_different_examples(sits: list[Sit]) -> None:
    def texts(sit: Sit) -> set[tuple[str, str]]:
        return {(item.text, item.context) for item in sit.examples}

    assert broken(sits, lambda sit: len(texts(sit)) == len(sit.examples) >= 3, but="name") == []


def test_a_type_has_three_different_near_misses(sits: list[Sit]) -> None:
    def texts(sit: Sit) -> set[tuple[str, str]]:
        return {(item.text, item.context) for item in sit.near_misses}

    assert broken(sits, lambda sit: len(texts(sit)) == len(sit.near_misses) >= 3, but="name") == []


def test_a_near_miss_that_may_be_found_stays_below_some_example(sits: list[Sit]) -> None:
    def is_below(sit: Sit) -> bool:
        best = max(item.confidence for item in sit.examples)
        return all(item.max_confidence < best for item in sit.near_misses)

    assert broken(sits, is_below, but="name") == []


def test_a_type_is_described(sits: list[Sit]) -> None:
    assert broken(sits, lambda sit: len(sit.description) >= SHORTEST_DESCRIPTION) == []


def test_a_type_has_references_that_differ(sits: list[Sit]) -> None:
    assert broken(sits, lambda sit: len(set(sit.references)) == len(sit.references) >= 1) == []


def test_a_published_type_names_the_purview_page_and_another_source(sits: list[Sit]) -> None:
    def pages(sit: Sit) -> int:
        return sum(item.startswith(PURVIEW_PAGE) for item in sit.references)

    assert broken(sits, lambda sit: 1 <= pages(sit) < len(sit.references), "structure") == []


def test_the_id_of_a_type_of_our_own_is_made_from_its_file_name(sits: list[Sit]) -> None:
    def is_made(sit: Sit) -> bool:
        return sit.id == str(uuid.uuid5(NAMESPACE, f"sit:{slug_of(sit)}"))

    assert broken(sits, is_made, "own") == []


def test_a_value_is_a_secret_in_the_folders_of_secrets_and_nowhere_else(sits: list[Sit]) -> None:
    def agrees(sit: Sit) -> bool:
        return (sit.value == "secret") == (Path(sit.file).parent.name in SECRET_FOLDERS)

    assert broken(sits, agrees) == []
