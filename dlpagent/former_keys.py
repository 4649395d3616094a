"""Evidence keys that were rotated out, kept as long as verdicts stand under them.

A key of a value cannot be made anew without the value. So after a rotation the values that verdicts
stand on (and only those) keep the key they had, until a source that holds them was read again
under both keys (service/rekeying.py); then the old key is dropped. Former keys lie beside the key
file, as <name>.former-<id of the key>, of the same form.
"""

from __future__ import annotations

import glob
import os
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from dlpagent.errors import StateError
from dlpagent.evidence import KEY_BYTES, Evidence, ValueForm, load_evidence, load_secret

SUFFIX = ".former-"


class HoldingEvidence(Evidence):
    """Evidence under which some values keep the key they had under a former secret."""

    __slots__ = ("_former", "_held")

    def __init__(self, secret: bytes, former: tuple[Evidence, ...], held: frozenset[str]) -> None:
        super().__init__(secret)
        self._former = former
        self._held = held

    def __reduce__(self) -> tuple[object, ...]:
        return (HoldingEvidence, (self._secret, self._former, self._held))

    def key(self, value: str, form: ValueForm = "number") -> str:
        """The former key of a value that is held, else the key under the present secret."""
        for evidence in self._former:
            found = evidence.key(value, form)
            if found in self._held:
                return found
        return super().key(value, form)


@dataclass(frozen=True, slots=True)
class Rotation:
    """The names of the key that was and the key that is."""

    before: str
    after: str


def former_files(path: Path) -> list[Path]:
    """The files of the former keys of a key file, the newest first."""
    found = path.parent.glob(f"{glob.escape(path.name + SUFFIX)}*")
    return sorted(found, key=lambda file: (-file.stat().st_mtime_ns, file.name))


def load_former(path: Path) -> tuple[Evidence, ...]:
    """The evidence of every former key of a key file, the newest first. Raises StateError."""
    return tuple(load_evidence(file) for file in former_files(path))


def holding(path: Path, keys: Collection[tuple[str, str]]) -> Evidence:
    """The evidence of a key file, under which these values keep their former keys.

    keys: (key id, key) of values that verdicts stand on; those of the present key and of keys that
    are not there are of no account.
    """
    present = load_evidence(path)
    wanted = {key_id for key_id, _ in keys}
    former = tuple(item for item in load_former(path) if item.key_id() in wanted)
    known = {item.key_id() for item in former}
    held = frozenset(key for key_id, key in keys if key_id in known)
    if not held:
        return present
    return HoldingEvidence(load_secret(path), former, held)


def rotate(path: Path) -> Rotation:
    """Make a new key and keep the present one among the former. Raises StateError.

    The old key is written down before the new one takes its place, so that a crash loses neither.
    """
    secret = load_secret(path)
    before = Evidence(secret)
    new = secrets.token_bytes(KEY_BYTES)
    _write(path.with_name(f"{path.name}{SUFFIX}{before.key_id()}"), secret)
    _write(path, new)
    return Rotation(before.key_id(), Evidence(new).key_id())


def drop_former(path: Path, keep: Collection[str]) -> list[str]:
    """Forget the former keys but those named (ids); returns the ids of those forgotten."""
    gone = []
    for file in former_files(path):
        name = load_evidence(file).key_id()
        if name not in keep:
            file.unlink()
            gone.append(name)
    return gone


def _write(path: Path, secret: bytes) -> None:
    """Replace a key file at once, mode 0600."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secret.hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise StateError(
            f"the evidence key cannot be written ({error.strerror})",
            where=str(path),
            expected="a folder this user may write",
            remedy="Nothing has changed. Correct its owner and mode, and rotate again.",
        ) from None
    finally:
        draft.unlink(missing_ok=True)
