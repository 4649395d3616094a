"""Loaders of others, as a user would write them; imported by name in the tests of bridges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

ROWS = [{"id": f"r{n}", "text": f"row {n}", "meta": {"n": n}} for n in range(25)]
EXPECTED = {f"r{n}": [f"r{n}", f"row {n}", str(n)] for n in range(25)}
FAIL_AT: list[int] = []


def rows() -> Iterator[dict[str, Any]]:
    for n, row in enumerate(ROWS):
        if n in FAIL_AT:
            raise RuntimeError("4111 1111 1111 1111 must not be told")
        yield row


def dlt_rows() -> Any:
    import dlt

    return dlt.resource(rows, name="rows", primary_key="id")()


def dlt_lists() -> Any:
    import dlt
    import pyarrow as pa

    def given() -> Iterator[Any]:
        yield ROWS[:10]
        yield pa.Table.from_pylist(ROWS[10:])

    return dlt.resource(given, name="lists")()


def dlt_source() -> Any:
    import dlt

    @dlt.source
    def both() -> Any:
        return dlt.resource(rows, name="a"), dlt.resource([{"id": "x", "text": "one"}], name="b")

    return both()


def documents() -> Any:
    from langchain_core.document_loaders import BaseLoader
    from langchain_core.documents import Document

    class Loader(BaseLoader):
        def lazy_load(self) -> Iterator[Document]:
            for row in rows():
                yield Document(row["text"], metadata={"source": row["id"], "page": 1})
            yield Document("again", metadata={"source": "r0", "page": 1})

    return Loader()


nothing_of_theirs = 3
