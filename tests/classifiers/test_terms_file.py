"""Files of terms: whatever is written to one comes back, and what is none is told."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.classifiers import terms_file
from dlpagent.classifiers.terms_file import read_terms
from dlpagent.errors import ConfigurationError

TERM = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=20
).filter(lambda term: term == term.strip() and "\ufeff" not in term)


@given(st.lists(TERM, min_size=1, max_size=20), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
       st.integers(1, 4))  # fmt: skip
def test_terms_that_are_written_come_back_in_order_and_once(
    tmp_path_factory: pytest.TempPathFactory, terms: list[str], encoding: str, width: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "terms.csv"
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file)
        writer.writerows(terms[at : at + width] for at in range(0, len(terms), width))
    assert read_terms(path) == list(dict.fromkeys(terms))


def test_too_many_terms_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terms_file, "MAX_TERMS", 3)
    (tmp_path / "a.txt").write_text("a\nb\nc\nd\n")
    with pytest.raises(ConfigurationError, match="Found 4"):
        read_terms(tmp_path / "a.txt")
