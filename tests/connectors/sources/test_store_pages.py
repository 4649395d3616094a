"""Paging: by key, by list, in pages of a bearable size; and keys made of contents."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from dlpagent.connectors.sources._store_pages import (
    PageSize,
    content_key,
    keyset_pages,
    listed_pages,
)
from dlpagent.connectors.sources._store_rows import ColumnPage


def page(numbers: Sequence[int], text: str = "t") -> list[tuple[Any, str, Any]]:
    return [(n, str(n), {"text": f"{text}{n}"}) for n in numbers]


def test_pages_grow_and_shrink_with_what_records_hold() -> None:
    size = PageSize(200, 1_000)
    size.saw([(1, "1", {"text": "x" * 100, "m": {"k": "y" * 100}})] * 10)
    assert size.now == 1_000
    size.saw([(1, "1", {"text": "x" * 40_000})] * 10)
    assert 90 <= size.now <= 100
    size.saw([(1, "1", {"text": "x" * 9_000_000})])
    assert size.now == 1
    size.saw(ColumnPage(range(100), list(map(str, range(100))), {"text": ["x" * 40_000] * 100}))
    assert 90 <= size.now <= 100


def test_keyset_pages_go_on_behind_the_last_key_until_nothing_is_left() -> None:
    asked = []

    def fetch(after: int | None, limit: int) -> Any:
        asked.append(after)
        start = 0 if after is None else after + 1
        return page(range(start, min(start + min(limit, 3), 7)))

    found = [key for one in keyset_pages(fetch, None) for key, _, _ in one]
    assert found == list(range(7))
    assert asked == [None, 2, 5, 6]


def test_listed_pages_are_in_order_without_repeats_or_what_is_gone() -> None:
    ids = [f"{n:03d}" for n in range(50)] * 2
    random.Random(1).shuffle(ids)
    gone = {"010", "049"}

    def fetch(asked: Sequence[str]) -> Any:
        return [(one, {"text": one}) for one in reversed(asked) if one not in gone]

    found = [one for p in listed_pages(ids, fetch, "004", PageSize(7, 7)) for _, one, _ in p]
    assert found == sorted({one for one in ids if one > "004"} - gone)


def test_the_content_key_is_that_of_the_records_whatever_their_pages_and_order() -> None:
    whole = content_key([page(range(9))])
    assert content_key([page([8, 3]), page([0, 1, 2, 4, 5, 6, 7])]) == whole
    columns = ColumnPage(range(9), list(map(str, range(9))), {"text": [f"t{n}" for n in range(9)]})
    assert content_key([columns]) == whole
    for other in ([page(range(8))], [page(range(9), "u")], [page(range(9)), page([9])], []):
        assert content_key(other) != whole
    twice = [*page([1]), *page([1])]
    assert content_key([twice]) != content_key([page([1])])
