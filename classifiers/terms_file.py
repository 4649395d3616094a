"""A text file of terms, one a line or separated by commas, in UTF-8 or UTF-16."""

from __future__ import annotations

import csv
from pathlib import Path

from dlpagent.classifiers.xml_nodes import decoded
from dlpagent.errors import ConfigurationError

MAX_TERMS = 1_000_000


def read_terms(path: Path) -> list[str]:
    """The terms of a file, in order, none twice. Raises ConfigurationError,
    and ProblemsError for a file that is not Unicode.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise wrong_dictionary(
            path,
            f"the dictionary cannot be read ({error.strerror})",
            "a text file with one term a line",
        ) from None
    rows = csv.reader(decoded(data, path).splitlines(), strict=True)
    try:
        terms = dict.fromkeys(cell.strip() for row in rows for cell in row if cell.strip())
    except csv.Error as error:
        raise ConfigurationError(
            f"the dictionary cannot be read ({error})",
            where=f"{path}:{rows.line_num}",
            expected="one term a line, or terms separated by commas",
            remedy="Look for a quotation mark that is not closed.",
        ) from None
    if not 0 < len(terms) <= MAX_TERMS:
        raise wrong_dictionary(
            path,
            "the dictionary has no usable number of terms",
            f"1 to {MAX_TERMS:,}",
            f"{len(terms):,}",
        )
    return list(terms)


def wrong_dictionary(
    path: Path, what: str, expected: str, found: str = "", remedy: str = ""
) -> ConfigurationError:
    """The error for a dictionary file that cannot be used."""
    return ConfigurationError(what, where=str(path), expected=expected, found=found, remedy=remedy)
