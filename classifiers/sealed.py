"""Files of a cache: whole or not there, of this user, and sealed by a digest. Data, never code."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path


def read_sealed(place: Path, magic: bytes) -> bytes | None:
    """What write_sealed() kept, if it is whole and belongs to this user."""
    try:
        with place.open("rb") as file:
            if hasattr(os, "getuid") and os.fstat(file.fileno()).st_uid != os.getuid():
                return None
            data = file.read()
    except OSError:
        return None
    body = data[len(magic) + 32 :]
    if data[: len(magic) + 32] != magic + hashlib.sha256(body).digest():
        return None
    return body


def write_sealed(place: Path, magic: bytes, body: bytes) -> None:
    """Keep bytes with a digest, whole or not at all; a cache that cannot be written is done without."""
    draft = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(magic + hashlib.sha256(body).digest() + body)
        draft.replace(place)
    except OSError:
        draft.unlink(missing_ok=True)
