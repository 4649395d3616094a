"""The key of an EDM store: 32 bytes in a file only its owner can read, kept apart from the store.

Whoever holds store and key can try values against it, as everyone could with an unkeyed hash; whoever
holds the store alone learns nothing of a value.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from dlpagent.errors import ConfigurationError, StateError

KEY_BYTES = 32
SUFFIX = ".key"


def key_id(key: bytes) -> str:
    """Names a key without revealing it."""
    return hmac.new(key, b"dlpagent edm key id", "sha256").hexdigest()[:16]


def derived(key: bytes, salt: bytes, purpose: str) -> bytes:
    """A key for one purpose in one store."""
    return hmac.new(key, salt + b"\0" + purpose.encode(), "sha256").digest()


def key_places(store: Path, ident: str, given: Path | None = None) -> Iterator[Path]:
    """Where the key of a store is looked for: as told, beside the store, in the home folder."""
    if given is not None:
        yield given
        return
    place = store.absolute()
    yield place.with_name(place.name + SUFFIX)
    home = key_home()
    if home is not None:
        yield home / f"{ident}{SUFFIX}"


def key_home() -> Path | None:
    """The folder of keys of this installation ($DLPAGENT_HOME, else ~/.dlpagent); None: no home."""
    given = os.environ.get("DLPAGENT_HOME")
    try:
        return (Path(given) if given else Path.home() / ".dlpagent") / "edm"
    except RuntimeError:
        return None


def find_key(store: Path, ident: str, given: Path | None = None) -> bytes:
    """The key with which a store was built. Raises ConfigurationError naming every place searched."""
    places = list(key_places(store, ident, given))
    for place in places:
        if place.is_file():
            key = read_key(place)
            if key_id(key) == ident:
                return key
            raise ConfigurationError(
                "the EDM store was built with another key",
                where=str(store),
                expected=f"the key {ident}",
                found=f"the key {key_id(key)} in {place}",
                remedy="Bring the key file of the machine that built it, or build it again here.",
            )
    raise ConfigurationError(
        "the key of the EDM store is not here",
        where=str(store),
        expected="a key file in " + " or ".join(map(str, places)),
        found="none",
        remedy="Copy the key file from where the store was built (mode 0600), or name it with key.",
    )


def read_key(path: Path) -> bytes:
    """The key in a file. Raises StateError when others may read it or it holds no key."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text("ascii", errors="replace").strip()
    except OSError as error:
        raise StateError(
            f"the key of the EDM store cannot be read ({error.strerror})", where=str(path)
        ) from None
    if os.name == "posix" and mode & 0o077:
        raise StateError(
            "the key of the EDM store can be read by others",
            where=str(path),
            expected="mode 0600",
            found=f"mode {mode:04o}",
            remedy=f"Run: chmod 600 {path}",
        )
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise StateError(
            "the file does not hold the key of an EDM store",
            where=str(path),
            expected="one line of 64 hexadecimal digits",
            found=f"{len(text)} characters",
            remedy="Restore it from a backup, or build the store with a new key.",
        )
    return bytes.fromhex(text)


def new_key(path: Path | None) -> tuple[bytes, Path]:
    """A new key in a new file; path None: in the home folder, under its id. Raises StateError."""
    key = secrets.token_bytes(KEY_BYTES)
    home = key_home()
    if path is None and home is None:
        raise StateError(
            "there is no place for the key of the EDM store",
            expected="a home folder, DLPAGENT_HOME, or --key-file",
            found="none of them",
        )
    place = path or (home or Path()) / f"{key_id(key)}{SUFFIX}"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(key.hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StateError(
            f"the key of the EDM store cannot be made ({error.strerror})",
            where=str(place),
            expected="a new file in a folder this user may write",
            remedy="Name another with --key-file, or set DLPAGENT_HOME.",
        ) from None
    return key, place
