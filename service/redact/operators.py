"""What stands in a clean copy in place of a value, and how it is known again.

Tokens, hashes and ciphertexts prove themselves under the key, so that a second run leaves them as
they are, while a value that somebody only dressed up as a token is redacted like any other.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dlpagent.errors import missing_extra
from dlpagent.evidence import Evidence, ValueForm, load_evidence, masked

Operator = Literal["mask", "hash", "token", "encrypt", "keep"]
OPERATORS: tuple[Operator, ...] = ("mask", "hash", "token", "encrypt", "keep")

# 48 bits tell 10^6 values of a type apart with odds of 1 in 500; 16 bits prove who wrote the token.
_TOKEN_CHARS, _HASH_CHARS, _CHECK_CHARS = 12, 28, 4
_OWN = re.compile(
    r"\[([A-Z][A-Z0-9_]{0,79})_([0-9A-F]{32}|[0-9A-F]{16})\]|\[ENC_([\w-]{22,})\]", re.A
)
_NOT_NAME = re.compile(r"[^A-Z0-9]+")


@dataclass(frozen=True, slots=True)
class Stretch:
    """A token, hash or ciphertext of ours in a text. value: of a ciphertext, what it hides."""

    start: int
    end: int
    value: str | None = None


class Cipher:
    """AES-SIV under a key file: the same value gives the same ciphertext, and both ways lead back."""

    __slots__ = ("_siv",)

    def __init__(self, secret: bytes) -> None:
        try:
            from cryptography.hazmat.primitives.ciphers.aead import AESSIV
        except ImportError:
            raise missing_extra("cryptography", "redact", "the operator encrypt") from None
        self._siv = AESSIV(hmac.digest(secret, b"dlpagent redact encrypt 1", hashlib.sha512))

    @classmethod
    def of_file(cls, path: Path) -> Cipher:
        """From a key file of 64 hexadecimal digits or more, made on first use with mode 0600."""
        load_evidence(path)  # makes it, and refuses one that others may read
        return cls(bytes.fromhex(path.read_text("ascii").strip()))

    def encrypt(self, value: str) -> str:
        """The ciphertext as it stands in a text."""
        sealed = self._siv.encrypt(value.encode("utf-8", "surrogatepass"), None)
        return f"[ENC_{base64.urlsafe_b64encode(sealed).decode().rstrip('=')}]"

    def decrypt(self, body: str) -> str | None:
        """The value; None when this key did not make it."""
        from cryptography.exceptions import InvalidTag

        try:
            sealed = base64.b64decode(body + "=" * (-len(body) % 4), b"-_", validate=True)
            return self._siv.decrypt(sealed, None).decode("utf-8", "surrogatepass")
        except (InvalidTag, binascii.Error, ValueError):
            return None


@dataclass(frozen=True, slots=True)
class Marks:
    """Makes what stands in place of values, and knows it again."""

    evidence: Evidence
    cipher: Cipher | None = None

    def put(self, operator: Operator, value: str, *, sit: str, form: ValueForm, key: str) -> str:
        """What stands for a value. sit: the name of its type. key: the evidence key of the value."""
        if operator == "token":
            name = _NOT_NAME.sub("_", sit.upper()).strip("_")[:80].strip("_")
            return self._proved(
                name if name[:1].isalpha() else f"SIT_{name}"[:80], key, _TOKEN_CHARS
            )
        if operator == "hash":
            return self._proved("HASH", key, _HASH_CHARS)
        if operator == "encrypt":
            assert self.cipher is not None
            return self.cipher.encrypt(value)
        if operator == "mask":
            return masked(value, form).replace("…", "...")  # not every encoding has an ellipsis
        return value

    def own(self, text: str) -> Iterator[Stretch]:
        """The stretches of a text that this key has made, in order."""
        for found in _OWN.finditer(text):
            name, digest, body = found.groups()
            if body is not None:
                value = self.cipher.decrypt(body) if self.cipher else None
                if value is not None:
                    yield Stretch(found.start(), found.end(), value)
            elif digest[-_CHECK_CHARS:] == self._check(name, digest[:-_CHECK_CHARS]):
                yield Stretch(found.start(), found.end())

    def _proved(self, name: str, key: str, chars: int) -> str:
        digest = key.upper()[:chars]
        return f"[{name}_{digest}{self._check(name, digest)}]"

    def _check(self, name: str, digest: str) -> str:
        return self.evidence.key(f"redact {name} {digest}", "secret")[:_CHECK_CHARS].upper()


def ciphertexts(text: str) -> int:
    """How many stretches of a text look like ciphertexts, whoever made them."""
    return sum(found[3] is not None for found in _OWN.finditer(text))


def number_masked(digits: str) -> str:
    """A number of as many digits in place of a number: a few last ones kept, as in masks.

    A number that is such a mask already loses its last digits too, and in the end becomes 0.
    """
    sign, rest = ("-", digits[1:]) if digits.startswith("-") else ("", digits)
    shown = 4 if len(rest) >= 12 else 2 if len(rest) >= 8 else 0
    bare = "1" + "0" * (len(rest) - 1)
    if rest == bare or not rest.isdigit():
        return "0"
    kept = bare[: len(rest) - shown] + rest[len(rest) - shown :]
    return sign + (bare if rest == kept else kept)
