"""The label lineage of a training corpus: which label each file and record has, why, by which rules.

A manifest holds no value and no word of the data. Files are named relative to it and by SHA-256;
records by a digest keyed with this installation's secret, for a bare one of a short text can be
undone by trying. Its last line is a digest of all before it and a seal under the same secret.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final
from urllib.parse import unquote, urlsplit

from dlpagent import __version__
from dlpagent.errors import ConfigurationError
from dlpagent.evidence import Evidence
from dlpagent.findings import PackRef
from dlpagent.labels.taxonomy import Taxonomy
from dlpagent.service.labelling import AssetLabel, LabelledRecord, highest, sits_of
from dlpagent.violations import LabelRef, PolicyRef

KIND: Final = "dlpagent label lineage"
_END: Final = b'],\n"end": '


@dataclass(frozen=True, slots=True)
class Basis:
    """By what labels were given: pack, policy and taxonomy. Each changes whenever its meaning may."""

    pack: PackRef
    policy: PolicyRef
    taxonomy: Taxonomy

    def to_json(self) -> dict[str, Any]:
        return {
            "pack": {"id": self.pack.id, "version": self.pack.version, "hash": self.pack.hash},
            "policy": {
                "id": self.policy.id,
                "name": self.policy.name,
                "version": self.policy.version,
            },
            "taxonomy": {
                "name": self.taxonomy.name,
                "tenant": self.taxonomy.tenant,
                "digest": self.taxonomy.digest(),
            },
        }


@dataclass(slots=True)
class LineageWriter:
    """Writes a manifest as assets are labelled; memory does not grow with them. finish() makes it
    appear, whole; without it nothing is left."""

    path: Path
    basis: Basis
    evidence: Evidence
    names: Mapping[str, str]
    _labels: list[AssetLabel] = field(default_factory=list)
    _digest: Any = field(default_factory=hashlib.sha256)
    _file: BinaryIO | None = None
    _in_asset: bool = False
    _before: tuple[int, int] | None = None

    def begin(self, uri: str) -> None:
        """Before the records of an asset."""
        if self._file is None:
            self._open()
        self._before = _stat_of(file_of(uri))
        self._write(b",\n" if self._labels else b"\n")
        self._write(f'{{"uri": {json.dumps(uri)}, "records": ['.encode())
        self._in_asset = False

    def record(self, record: LabelledRecord) -> None:
        """A record of the asset that was begun."""
        found = record.recommendation
        value = {
            "record": record.item.record_id,
            "label": _label(found.label),
            "existing": _label(found.existing),
            "reason": found.reason,
            "sits": sits_of(record.item.tallies, self.names),
            "locator": {key: one for key, one in record.locator.items() if key != "file"},
            "content": record_key(self.evidence, record),
        }
        self._write(b",\n  " if self._in_asset else b"\n  ")
        self._write(json.dumps(value, ensure_ascii=False).encode())
        self._in_asset = True

    def end(self, found: AssetLabel) -> AssetLabel:
        """Behind the records of an asset; what it gives says so when the file changed meanwhile."""
        file = file_of(found.asset.uri)
        content: dict[str, Any] | None = None
        if file is not None:
            content = {"path": self._relative(file), **hashes_of(file)}
            if _stat_of(file) != self._before:
                gaps = (*found.incomplete, "the file changed while it was read")
                found = replace(found, incomplete=gaps)
        value = {
            "kind": found.asset.kind,
            "connector": found.asset.connector,
            "file": content,
            "label": _label(found.label),
            "reason": found.reason,
            "raised_by": {
                "total": found.raised_total,
                "records": [raised.record_id for raised in found.raised_by],
            },
            "records_read": found.records,
            "labels": dict(found.labels),
            "sits": sits_of(found.tallies, self.names),
            "incomplete": list(found.incomplete),
        }
        self._write(b"\n], " + json.dumps(value, ensure_ascii=False).encode()[1:])
        self._labels.append(found)
        return found

    def finish(self) -> None:
        """Write the label of all of it, the digest and the seal. Raises ConfigurationError."""
        if self._file is None:
            self._open()
        end: dict[str, Any] = {
            "label": _label(highest(self._labels)),
            "assets": len(self._labels),
            "records_read": sum(one.records for one in self._labels),
            "incomplete": sum(bool(one.incomplete) for one in self._labels),
        }
        self._write(b"\n" + _END + json.dumps(end).encode() + b",\n")
        digest = self._digest.hexdigest()
        seal = {
            "sha256": digest,
            "key": self.evidence.key_id(),
            "seal": _seal(self.evidence, digest),
        }
        self._write(b'"proof": ' + json.dumps(seal).encode() + b"}\n")
        assert self._file is not None  # opened above
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._draft.replace(self.path)

    def close(self) -> None:
        """Leave nothing behind of a manifest that was not finished."""
        if self._file is not None:
            self._file.close()
            self._draft.unlink(missing_ok=True)

    @property
    def _draft(self) -> Path:
        return self.path.with_name(self.path.name + ".partial")

    def _open(self) -> None:
        head = {
            "v": 1,
            "kind": KIND,
            "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "tool": f"dlpagent {__version__}",
            **self.basis.to_json(),
        }
        try:
            self._file = self._draft.open("wb")
        except OSError as error:
            raise ConfigurationError(
                f"the manifest cannot be written ({error.strerror})", where=str(self.path)
            ) from None
        text = json.dumps(head, ensure_ascii=False, indent=1)
        self._write(text.removesuffix("\n}").encode() + b',\n"assets": [')

    def _write(self, data: bytes) -> None:
        assert self._file is not None  # every caller is behind begin() or finish()
        self._digest.update(data)
        self._file.write(data)

    def _relative(self, file: Path) -> str:
        """Relative to the manifest, so that both can move together; absolute on another drive."""
        try:
            return Path(os.path.relpath(file, self.path.absolute().parent)).as_posix()
        except ValueError:
            return file.as_posix()


@dataclass(frozen=True, slots=True)
class Verified:
    """What verifying a manifest found. problems: what does not hold; notes: what was not checked;
    is_sealed: by the installation whose evidence was given."""

    files: int
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    is_sealed: bool = False


def verify(path: Path, evidence: Evidence | None = None, basis: Basis | None = None) -> Verified:
    """Whether a manifest is as it was written, and its files are as they were labelled.

    evidence: of the installation that wrote it, to check the seal. basis: what labels would be given
    by now. Raises ConfigurationError for what is no manifest.
    """
    data = _read(path)
    value = _parsed(data, path)
    problems, notes = list(_proof_problems(data, value)), []
    proof, is_sealed = value["proof"], False
    if evidence is None or proof["key"] != evidence.key_id():
        notes.append(f"the seal was not checked: it is of the key {proof['key']}")
    elif _seal(evidence, proof["sha256"]) != proof["seal"]:
        problems.append("the seal is not of this manifest")
    else:
        is_sealed = not problems
    files = 0
    try:
        if basis is not None:
            problems += _basis_problems(value, basis)
        for asset in value["assets"]:
            if asset["file"] is None:
                notes.append(f"{asset['uri']}: no file; its content was not checked")
                continue
            files += 1
            problems += _file_problems(asset["file"], path.absolute().parent)
            if asset["incomplete"]:
                notes.append(f"{asset['file']['path']}: was not read whole when it was labelled")
    except (KeyError, TypeError, ValueError, AttributeError):
        # only somebody who changed it leaves such a thing; its digest does not fit either
        problems.append("what stands in it has not the form of a manifest")
        is_sealed = False
    return Verified(files, tuple(problems), tuple(notes), is_sealed)


def record_key(evidence: Evidence, record: LabelledRecord) -> str:
    """The keyed digest of a record's parts, their names and texts, in reading order."""
    return evidence.key(json.dumps(record.texts, ensure_ascii=False), "secret")


def hashes_of(file: Path) -> dict[str, Any]:
    """Size and SHA-256 of a file."""
    digest, size = hashlib.sha256(), 0
    with file.open("rb") as opened:
        for block in iter(partial(opened.read, 1 << 20), b""):
            digest.update(block)
            size += len(block)
    return {"bytes": size, "sha256": digest.hexdigest()}


def file_of(uri: str) -> Path | None:
    """The one file an asset is; None for stores, folders and what lies elsewhere."""
    parts = urlsplit(uri)
    if parts.scheme != "file" or parts.fragment:
        return None
    path = Path(unquote(parts.path))
    return path if path.is_file() else None


def _stat_of(file: Path | None) -> tuple[int, int] | None:
    if file is None:
        return None
    found = file.stat()
    return found.st_size, found.st_mtime_ns


def _label(label: LabelRef | None) -> dict[str, Any] | None:
    return {"id": label.id, "name": label.name, "priority": label.priority} if label else None


def _seal(evidence: Evidence, digest: str) -> str:
    return evidence.key(f"{KIND} {digest}", "secret")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _no_manifest(path, error.strerror or type(error).__name__) from None


def _parsed(data: bytes, path: Path) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise _no_manifest(path, "no JSON") from None
    if not isinstance(value, dict) or value.get("kind") != KIND or value.get("v") != 1:
        raise _no_manifest(path, "JSON of another kind or version")
    try:
        for asset in value["assets"]:
            for name in ("uri", "file", "incomplete"):
                asset[name]
        for name in ("sha256", "key", "seal"):
            str(value["proof"][name])
    except (KeyError, TypeError):
        raise _no_manifest(path, "a manifest without all its parts") from None
    return value


def _no_manifest(path: Path, found: str) -> ConfigurationError:
    return ConfigurationError(
        "this is no label lineage",
        where=str(path),
        expected="a manifest of version 1, as dlpagent label --lineage writes it",
        found=found,
    )


def _proof_problems(data: bytes, value: Mapping[str, Any]) -> Iterator[str]:
    body, mark, _ = data.rpartition(b'"proof": ')
    if not mark or hashlib.sha256(body).hexdigest() != value["proof"]["sha256"]:
        yield "the manifest was changed after it was written"


def _basis_problems(value: Mapping[str, Any], basis: Basis) -> Iterator[str]:
    now = basis.to_json()
    for name in ("pack", "policy", "taxonomy"):
        if value.get(name) != now[name]:
            yield f"the {name} is another one than labels were given by"


def _file_problems(content: Mapping[str, Any], folder: Path) -> Iterator[str]:
    name = str(content["path"])
    file = folder / name
    try:
        if not file.is_file():
            yield f"{name}: is not there"
        elif {key: content[key] for key in ("bytes", "sha256")} != hashes_of(file):
            yield f"{name}: is not as it was labelled"
    except OSError as error:
        yield f"{name}: cannot be read ({error.strerror or type(error).__name__})"
