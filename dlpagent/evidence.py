"""Evidence without the value: a masked shape and a keyed digest.

A digest without a key protects nothing: all 10^9 US social security numbers hash in minutes on one
core. So every value is keyed with a secret of this installation, kept in a file only its owner can
read. Equal values give equal keys; suppressions, de-duplication and diffs work on those.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import stat
import unicodedata
from pathlib import Path
from typing import Literal

from dlpagent.errors import StateError

# How a value is compared and shown: number = identifiers whose separators and case do not matter;
# text = words, names, addresses; secret = every character matters and nothing may be shown.
ValueForm = Literal["number", "text", "secret"]

KEY_BYTES = 32
DIGEST_HEX_CHARS = 32  # 128 bits: no accidental collision below 10^18 values
SECRET_MASK = "********"
MASKED_CHARS = 64
"""A mask is not longer than this, and an ellipsis."""

_ASCII = [chr(code) for code in range(128)]
_NOT_ALNUM = "".join(char for char in _ASCII if not char.isalnum()).encode()
# what masked() makes of a character that is not shown
_HIDING = bytes(
    ord(" " if char.isspace() else char if char.isprintable() and not char.isalnum() else "*")
    for char in _ASCII
) + bytes(128)


def normalised(value: str, form: ValueForm) -> str:
    """The form of a value under which two writings of it are the same."""
    if form == "secret":
        return value
    if value.isascii():  # the same as below, faster
        if form == "text":
            return " ".join(value.lower().split())
        return value.upper().encode().translate(None, _NOT_ALNUM).decode()
    folded = unicodedata.normalize("NFKC", value)
    if form == "text":
        return " ".join(folded.casefold().split())
    return "".join(char for char in folded.upper() if char.isalnum())


def masked(value: str, form: ValueForm) -> str:
    """The shape of a value: separators kept, characters starred, a few last digits of long numbers.

    Separators are blanks and punctuation. Everything else is starred: marks and symbols (vowel signs,
    emoji) would tell of the value, control characters would reach a terminal.
    Last characters are shown only of numbers that are all digits: 4 of 12 or more, 2 of 8 to 11.
    At least two thirds of the digits stay hidden; a secret shows nothing, not even its length.
    """
    if form == "secret":
        return SECRET_MASK
    if value.isascii() and len(value) <= MASKED_CHARS:
        plain = _masked_ascii(value, form)
        if plain is not None:
            return plain
    shown = 0
    if form == "number" and value.isascii():
        signs = [char for char in value if char.isalnum()]
        if all(char.isdigit() for char in signs):
            shown = 4 if len(signs) >= 12 else 2 if len(signs) >= 8 else 0
    hidden = sum(not _separates(char) for char in value) - shown
    out = []
    for char in value[:MASKED_CHARS]:
        if _separates(char):
            out.append(" " if char.isspace() else char)
        elif hidden > 0:
            out.append("*")
            hidden -= 1
        else:
            out.append(char)
    return "".join(out) + ("…" if len(value) > MASKED_CHARS else "")


def _masked_ascii(value: str, form: ValueForm) -> str | None:
    """The same for the usual cases, faster; None for others."""
    octets = value.encode()
    hidden = octets.translate(_HIDING).decode()
    signs = octets.translate(None, _NOT_ALNUM) if form == "number" else b""
    if len(signs) < 8 or not signs.isdigit():
        return hidden
    shown = 4 if len(signs) >= 12 else 2
    return hidden[:-shown] + value[-shown:] if value[-shown:].isdigit() else None


def _separates(char: str) -> bool:
    if char.isascii():
        return char.isspace() or (char.isprintable() and not char.isalnum())
    return char.isspace() or unicodedata.category(char).startswith("P")


class Evidence:
    """Makes keys and masks under one installation's secret. Holds the secret; never prints it."""

    __slots__ = ("_inner", "_outer", "_secret")

    def __init__(self, secret: bytes) -> None:
        if len(secret) < KEY_BYTES:
            raise StateError(
                "the evidence key is too short",
                expected=f"at least {KEY_BYTES} bytes",
                found=f"{len(secret)}",
                remedy="Restore the key file from a backup, or remove it to make a new one "
                "(old findings then no longer compare with new ones).",
            )
        self._secret = secret
        # The two keyed blocks of HMAC-SHA256 are prepared once: a key per finding then costs two
        # copies and two updates instead of four compressions.
        block = (hashlib.sha256(secret).digest() if len(secret) > 64 else secret).ljust(64, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def __repr__(self) -> str:
        return "Evidence(…)"

    def __reduce__(self) -> tuple[object, ...]:
        return (Evidence, (self._secret,))

    def key(self, value: str, form: ValueForm = "number") -> str:
        """Keyed digest of a value: 32 hex characters, the first half of HMAC-SHA256."""
        inner = self._inner.copy()
        inner.update(normalised(value, form).encode("utf-8", "surrogatepass"))
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.hexdigest()[:DIGEST_HEX_CHARS]

    def key_id(self) -> str:
        """Names the secret without revealing it, so that findings of two installations are told apart."""
        return hmac.new(self._secret, b"dlpagent key id", "sha256").hexdigest()[:12]


def load_evidence(path: Path) -> Evidence:
    """The installation's evidence from its key file, made on first use with mode 0600.

    Raises StateError when the file is readable by others, too short, or cannot be read or made.
    """
    return Evidence(load_secret(path))


def load_secret(path: Path, what: str = "evidence key") -> bytes:
    """The bytes of a key file, made on first use with mode 0600. what: its name in messages.

    Raises StateError when the file is readable by others, or cannot be read or made.
    """
    try:
        return _read_key(path, what) if path.exists() else _made(path, what)
    except OSError as error:
        raise StateError(
            f"the {what} cannot be read ({error.strerror})",
            where=str(path),
            remedy="Make the file readable for this user, or name another with --key-file.",
        ) from None


def _made(path: Path, what: str) -> bytes:
    try:
        return _make_key(path, what)
    except OSError as error:
        raise StateError(
            f"the {what} cannot be made ({error.strerror})",
            where=str(path),
            expected="a folder this user may write",
            remedy="Set DLPAGENT_HOME to one, or name another file with --key-file.",
        ) from None


def _read_key(path: Path, what: str) -> bytes:
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "posix" and mode & 0o077:
        raise StateError(
            f"the {what} can be read by others",
            where=str(path),
            expected="mode 0600",
            found=f"mode {mode:04o}",
            remedy=f"Run: chmod 600 {path}",
        )
    text = path.read_text("ascii", errors="replace").strip()
    if not re.fullmatch(r"[0-9a-f]+", text) or len(text) % 2:
        raise StateError(
            f"the {what} file does not hold a key",
            where=str(path),
            expected="one line of hexadecimal digits",
            found=f"{len(text)} other characters",
            remedy="Restore it from a backup; removing it makes a new key.",
        )
    return bytes.fromhex(text)


def _make_key(path: Path, what: str) -> bytes:
    """Write a new key so that a crash leaves no half file and two processes agree on one key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_bytes(KEY_BYTES).hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # fails if another process was first: then its key counts
        except FileExistsError:
            pass
        except OSError:
            if not path.exists():
                draft.rename(path)  # file systems without hard links
    finally:
        draft.unlink(missing_ok=True)
    return _read_key(path, what)
