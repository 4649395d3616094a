"""Paging through a store: pages of a size that fits memory, and a key for content without versions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from dlpagent.connectors.sources._store_rows import ColumnPage, Fields, Unread

# One page as a store gives it: (key that the cursor is made of, record id, fields).
RecordPage = Sequence[tuple[Any, str, Fields | Unread]]
Page = RecordPage | ColumnPage
_PAGE_CHARS = 4_000_000
_MODULUS = 1 << 128
_SAMPLED = 32


class PageSize:
    """How many records to ask for next, so that a page stays around four million characters."""

    def __init__(self, first: int = 200, most: int = 1_000) -> None:
        self.now, self._most = first, most

    def saw(self, page: Page) -> None:
        """Learn from a page that was read."""
        if page:
            self.now = max(1, min(self._most, _PAGE_CHARS // (_chars_each(page) + 1)))


def keyset_pages(
    fetch: Callable[[Any, int], Page], start: Any, size: PageSize | None = None
) -> Iterator[Page]:
    """Pages of a store in the order of keys: fetch(after, how many) gives those behind a key.

    A page shorter than asked for may be followed by others: only an empty one ends it.
    """
    size, after = size or PageSize(), start
    while True:
        page = fetch(after, size.now)
        if not page:
            return
        yield page
        size.saw(page)
        after = page.keys[-1] if isinstance(page, ColumnPage) else page[-1][0]


def listed_pages(
    ids: Iterable[str],
    fetch: Callable[[Sequence[str]], Iterable[tuple[str, Fields | Unread]]],
    start: str | None,
    size: PageSize | None = None,
) -> Iterator[Page]:
    """Pages for a store without a stable order: all its ids are listed first and read in theirs.

    Records deleted since the listing are left out. The key is the last id that was asked for, so
    that records which come and go move nothing.
    """
    rest = sorted({one for one in ids if start is None or one > start})
    size, place = size or PageSize(), 0
    while place < len(rest):
        asked = rest[place : place + size.now]
        place += len(asked)
        found = dict(fetch(asked))
        page = [(one, one, found[one]) for one in asked if one in found]
        if page:
            yield page
            size.saw(page)


def content_key(pages: Iterable[Page]) -> str:
    """A change key made of what the records say, whatever their order: equal if they are."""
    total, count = 0, 0
    for page in pages:
        for _, record_id, fields in records_in(page):
            digest = hashlib.blake2b(_bytes_of([record_id, fields]), digest_size=16)
            total = (total + int.from_bytes(digest.digest(), "big")) % _MODULUS
            count += 1
    return f"content-{count}-{total:032x}"


def records_in(page: Page) -> RecordPage:
    """A page record by record."""
    if not isinstance(page, ColumnPage):
        return page
    return list(zip(page.keys, page.ids, page.records(), strict=True))


def _chars_each(page: Page) -> int:
    """About how many characters a record of the page has, by looking at some."""
    if isinstance(page, ColumnPage):
        columns = page.columns.values()
        return sum(_chars({"": one}) for column in columns for one in column[:_SAMPLED]) // min(
            _SAMPLED, len(page)
        )
    step = max(1, len(page) // _SAMPLED)
    some = page[::step]
    return sum(_chars(fields) for _, _, fields in some) // len(some)


def _bytes_of(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, default=str, skipkeys=True)
    return text.encode()


def _chars(fields: Fields | Unread) -> int:
    if isinstance(fields, Unread):
        return 0
    total = 0
    for value in fields.values():
        if isinstance(value, str):
            total += len(value)
        elif isinstance(value, Mapping):
            total += _chars(value)
    return total
