"""A form or template as a file that recognises its filled-in copies without holding its text.

The template is cut where people write (blanks, colons, line ends, placeholders); what stands between
is cut into disjoint blocks of a few words, and 32 salted bits of each block are kept, sorted. From
the file one can test whether a guessed block is in the template; the text itself, the order of the
blocks and single words are not in it. docs/fingerprints.md says what that protects.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dlpagent.classifiers.normalise import Subject, lowered
from dlpagent.classifiers.words import U64, Words, hashed_words
from dlpagent.errors import ConfigurationError, RuleError

FORMAT = 1
KIND = "fingerprint"

BLOCK_WORDS = 3
"""Words of a block; of twice as many characters in scripts written without blanks."""

MIN_WORDS, MIN_BLOCKS = 30, 8
"""Less than this says too little: a few common phrases would pass for the form."""

MAX_WORDS = 200_000
"""Of a template: some 400 pages, far above any form."""

# Where something is filled in, or where a copy may break: what two sides of it say never stands
# together in a filled copy. A placeholder is replaced whole.
_PLACEHOLDER = re.compile(
    r"\{\{[^{}\n]{0,80}\}\}|\[[^\[\]\n]{0,80}\]|<[^<>\n]{1,60}>|«[^«»\n]{0,60}»"
)
_BORDER = re.compile(r"[\r\n\t\f\v:|☐☑☒□■○●]|_{2,}|\.{3,}|…|-{3,}| {3,}|\(\s*\)")

_GATE_BITS = 18


@dataclass(frozen=True)
class Form:
    """A fingerprint. hashes (ascending, distinct), lengths and weights: one entry per block.

    lengths: words of a block; weights: words of the template it stands for (more than its length
    when the template has it more than once). exact: digest of all words in order.
    """

    name: str
    salt: int
    hashes: npt.NDArray[np.uint32]
    lengths: npt.NDArray[np.uint8]
    weights: npt.NDArray[np.int64]
    all_words: int
    exact: str

    @cached_property
    def words(self) -> int:
        """Words of the template that stand in blocks: what percentages are of."""
        return int(self.weights.sum())

    @cached_property
    def gate(self) -> npt.NDArray[np.bool_]:
        """By the first bits of a hash: whether any block begins so."""
        gate = np.zeros(1 << _GATE_BITS, dtype=bool)
        gate[self.hashes >> np.uint32(32 - _GATE_BITS)] = True
        return gate

    def found(self, runs: U64, length: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Which runs of `length` words are blocks: places in `runs`, and the block of each."""
        codes = _codes(runs, self.salt)
        places = np.flatnonzero(self.gate[codes >> np.uint32(32 - _GATE_BITS)])
        codes = codes[places]
        blocks = np.minimum(np.searchsorted(self.hashes, codes), len(self.hashes) - 1)
        held = (self.hashes[blocks] == codes) & (self.lengths[blocks] == length)
        return places[held], blocks[held]

    def exact_digest(self, words: Words, part: slice) -> str:
        """The digest that `exact` is compared with."""
        return _exact(words.hashes[part], self.salt)


def _codes(runs: U64, salt: int) -> npt.NDArray[np.uint32]:
    """32 salted bits of hashes that are well mixed already (multiply and shift)."""
    return ((runs * np.uint64(salt)) >> np.uint64(32)).astype(np.uint32)


def _exact(hashes: U64, salt: int) -> str:
    key = salt.to_bytes(8, "big")
    return hashlib.blake2b(hashes.astype("<u8").tobytes(), digest_size=16, key=key).hexdigest()


# --- making -----------------------------------------------------------------------------------


def form_of(text: str, name: str, *, salt: int | None = None) -> Form:
    """The fingerprint of a template's text.

    salt: 64 bits, odd; a new random one by default, so that equal phrases of two forms do not show.
    Raises ConfigurationError when the template says too little, or is too long to be one.
    """
    salt = (secrets.randbits(64) if salt is None else salt) | 1
    shadow = lowered(Subject.of(text).text)
    every = hashed_words([shadow])
    if len(every) > MAX_WORDS:
        raise ConfigurationError(
            "the template is too long for a form", where=name,
            expected=f"at most {MAX_WORDS:,} words", found=f"{len(every):,}",
            remedy="Give the form alone, without what people wrote into it.",
        )  # fmt: skip
    blocks = _blocks(hashed_words(_between_blanks(shadow)), salt)
    words = sum(length * many for (_, length), many in blocks.items())
    if words < MIN_WORDS or len(blocks) < MIN_BLOCKS:
        raise ConfigurationError(
            "the template says too little to be recognised by", where=name,
            expected=f"at least {MIN_WORDS} words in {MIN_BLOCKS} stretches of two or more",
            found=f"{words} words in {len(blocks)}",
            remedy="Labels of one word and the places people fill in do not count; add the printed "
            "text of the form, or find it by keywords.",
        )  # fmt: skip
    kept = sorted(blocks.items())
    return Form(
        name=name,
        salt=salt,
        hashes=np.array([code for (code, _), _ in kept], dtype=np.uint32),
        lengths=np.array([length for (_, length), _ in kept], dtype=np.uint8),
        weights=np.array([length * many for (_, length), many in kept], dtype=np.int64),
        all_words=len(every),
        exact=_exact(every.hashes, salt),
    )


def _between_blanks(text: str) -> list[str]:
    """The printed stretches of a template."""
    return [piece for piece in _BORDER.split(_PLACEHOLDER.sub("\n", text)) if piece.strip()]


def _blocks(words: Words, salt: int) -> dict[tuple[int, int], int]:
    """(code, length) → how often. Every stretch is cut into blocks; its end goes with the last."""
    size = BLOCK_WORDS * (2 if _is_unspaced(words) else 1)
    found: dict[tuple[int, int], int] = {}
    for owner in range(int(words.owners[-1]) + 1 if len(words) else 0):
        part = words.of(owner)
        start = part.start
        while part.stop - start >= max(2, size // 2):
            left = part.stop - start
            length = size if left >= 2 * size else left
            code = int(_codes(words.runs(length)[start : start + 1], salt)[0])
            found[code, length] = found.get((code, length), 0) + 1
            start += length
    by_code: dict[int, tuple[int, int]] = {}
    for (code, length), many in found.items():  # of two that fall together by chance one is kept
        by_code.setdefault(code, (length, many))
    return {(code, length): many for code, (length, many) in by_code.items()}


def _is_unspaced(words: Words) -> bool:
    """Whether most words are single characters, as in scripts written without blanks."""
    return len(words) > 0 and float(np.mean(words.ends - words.starts == 1)) > 0.5


# --- the file ---------------------------------------------------------------------------------


def write_form(form: Form, path: Path) -> None:
    """Write a fingerprint file."""
    document = {
        "v": FORMAT,
        "kind": KIND,
        "name": form.name,
        "salt": f"{form.salt:016x}",
        "words": form.words,
        "all_words": form.all_words,
        "exact": form.exact,
        "blocks": len(form.hashes),
        "hashes": _packed(form.hashes, "<u4"),
        "lengths": _packed(form.lengths, "u1"),
        "weights": _packed(form.weights, "<u4"),
    }
    path.write_text(json.dumps(document, indent=1) + "\n", "utf-8")


def _packed(values: npt.NDArray[Any], kind: str) -> str:
    return base64.b64encode(values.astype(kind).tobytes()).decode("ascii")


def read_form(path: Path) -> Form:
    """Read a fingerprint file. Raises RuleError when it is missing, damaged or of another version."""
    try:
        return _form(json.loads(path.read_text("utf-8")))
    except OSError as error:
        why = f"none that can be read ({error.strerror})"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"another file ({error})" if str(error).startswith("version") else "another file"
    raise RuleError(
        "the fingerprint cannot be used", where=str(path),
        expected=f"a fingerprint file of version {FORMAT}", found=why,
        remedy="Make it anew: dlpagent rules fingerprint TEMPLATE -o PACKDIR --name NAME",
    )  # fmt: skip


def _form(document: dict[str, Any]) -> Form:
    if document["kind"] != KIND or document["v"] != FORMAT:
        raise ValueError(f"version {int(document['v'])}")
    hashes = np.frombuffer(base64.b64decode(document["hashes"]), dtype="<u4")
    lengths = np.frombuffer(base64.b64decode(document["lengths"]), dtype="u1")
    weights = np.frombuffer(base64.b64decode(document["weights"]), dtype="<u4")
    is_whole = (
        len(hashes) == len(lengths) == len(weights) > 0
        and bool(np.all(hashes[1:] > hashes[:-1]))
        and bool(np.all(lengths >= 2))
        and bool(np.all(weights >= 1))
    )
    if not is_whole:
        raise ValueError("damaged")
    return Form(
        name=str(document["name"]),
        salt=int(document["salt"], 16) | 1,
        hashes=hashes.astype(np.uint32),
        lengths=lengths,
        weights=weights.astype(np.int64),
        all_words=int(document["all_words"]),
        exact=str(document["exact"]),
    )
