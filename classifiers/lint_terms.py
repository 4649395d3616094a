"""What is wrong with a list of terms."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from dlpagent.classifiers.lint_rules import Note

MAX_TERM_CHARS = 50
MAX_TERMS = 2048

# Chinese and Japanese are written without blanks, so a whole word never ends there.
_WITHOUT_BLANKS = re.compile(
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)


def term_notes(text: str, style: str, others: Iterable[str] = ()) -> Iterator[Note]:
    """Findings on one term. others: the terms beside it."""
    if not text.strip():
        yield Note("term-empty", "a Term has no text", "Write the term, or remove it.")
        return
    if len(text) > MAX_TERM_CHARS:
        yield Note(
            "term-too-long",
            f"a term has {len(text)} characters, {MAX_TERM_CHARS} are allowed",
            "Shorten it, or put it into a keyword dictionary.",
        )
    if "&" in text and re.sub(r"\s*&\s*", " & ", text) not in {text, *others}:
        yield Note("term-ampersand", "a term with & is only found as written",
                   "Add the form with blanks around the &.")  # fmt: skip
    if style == "word" and _WITHOUT_BLANKS.search(text):
        yield Note(
            "word-match-script",
            "Purview never finds a Chinese or Japanese term with word match",
            'Write matchStyle="string" for it.',
        )


def list_notes(texts: list[str], name: str) -> Iterator[Note]:
    """Findings on a list as a whole."""
    if not any(text.strip() for text in texts):
        yield Note("list-empty", f"the keyword list {name} has no terms", "Add a Term.")
    if len(texts) > MAX_TERMS:
        yield Note(
            "list-too-long",
            f"the keyword list {name} has {len(texts)} terms, {MAX_TERMS} are allowed",
            "Use a keyword dictionary of the tenant and refer to its GUID.",
        )
