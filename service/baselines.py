"""Baselines: verdicts in a file that goes from one state or machine to another (docs/triage.md).

Two forms are read: what `dlpagent triage export` writes, and the findings of a scan (JSON Lines),
each of which then counts as accepted in the file it was found in.
"""

from __future__ import annotations

import glob
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dlpagent.errors import ConfigurationError, Problem, ProblemsError
from dlpagent.evidence import DIGEST_HEX_CHARS, load_evidence
from dlpagent.former_keys import load_former
from dlpagent.suppressions import EVERYWHERE, RULINGS, Verdict

KIND = "dlpagent verdicts"
VERSION = 1


def baseline_json(verdicts: Iterable[Verdict]) -> dict[str, Any]:
    """Verdicts as the JSON of a baseline file, version 1, in an order of their own."""
    rows = [
        {
            "key": item.key,
            "key_id": item.key_id,
            "sit": {"id": item.sit_id, "name": item.sit_name},
            "scope": item.scope,
            "verdict": item.ruling,
            "reason": item.reason,
            "owner": item.owner,
            "expires_at": item.expires_at,
            "masked": item.masked,
            "former_key": item.former_key,
        }
        for item in verdicts
    ]
    rows.sort(key=lambda row: (row["sit"]["name"], row["key"], row["scope"]))  # type: ignore[index]
    return {"v": VERSION, "kind": KIND, "verdicts": rows}


def read_baseline(path: Path, key_file: Path) -> tuple[Verdict, ...]:
    """The verdicts of a baseline file.

    key_file: the evidence key of this installation; verdicts made under another could suppress
    nothing here, so they are refused. Raises ConfigurationError, ProblemsError with every line that
    cannot be used, StateError for the key.
    """
    text = _text(path)
    document = _document(text)
    present = load_evidence(key_file).key_id()
    if document is None:
        return tuple(_of_findings(path, text, present))
    if document.get("kind") != KIND or document.get("v") != VERSION:
        raise ConfigurationError(
            "this is not a baseline that can be read",
            where=str(path),
            expected=f'"kind": "{KIND}", "v": {VERSION}, or the findings of a scan as JSON Lines',
            found=f"kind {document.get('kind')!r}, v {document.get('v')!r}"[:80],
        )
    found = tuple(_of_document(path, document))
    _check_keys(path, found, {present, *(item.key_id() for item in load_former(key_file))})
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"the baseline cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8'})",
            where=str(path),
            expected="a file written by: dlpagent triage export -o FILE",
        ) from None


def _document(text: str) -> dict[str, Any] | None:
    """The file as one JSON object; None when it is (or may be) lines of findings."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "key" not in found else None


def _of_document(path: Path, document: Mapping[str, Any]) -> Iterator[Verdict]:
    rows = document.get("verdicts")
    if not isinstance(rows, list):
        raise ConfigurationError(
            "the baseline holds no verdicts", where=str(path), expected='"verdicts": a list'
        )
    problems = []
    for number, row in enumerate(rows, 1):
        verdict = _verdict(row)
        if verdict is None:
            what = f"verdict {number} is not usable"
            problems.append(Problem(str(path), 1, what, "key, sit, scope, verdict and reason"))
        else:
            yield verdict
    if problems:
        raise ProblemsError(problems, f"{len(problems)} verdict(s) cannot be used")


def _verdict(row: Any) -> Verdict | None:
    if not isinstance(row, dict) or not isinstance(row.get("sit"), dict):
        return None
    words = {name: row.get(name, "") for name in ("key", "key_id", "reason", "owner", "masked",
                                                  "scope", "former_key")}  # fmt: skip
    sit, expires = row["sit"], row.get("expires_at")
    named = [*words.values(), sit.get("id"), sit.get("name", ""), expires or ""]
    if not all(isinstance(item, str) for item in named) or row.get("verdict") not in RULINGS:
        return None
    if len(words["key"]) != DIGEST_HEX_CHARS:
        return None
    return Verdict(
        sit_id=sit["id"], sit_name=sit.get("name", ""), ruling=row["verdict"],
        expires_at=expires or None, **{**words, "scope": words["scope"] or EVERYWHERE},
    )  # fmt: skip


def _check_keys(path: Path, verdicts: Collection[Verdict], known: set[str]) -> None:
    strange = {item.key_id for item in verdicts} - known
    if strange:
        raise ConfigurationError(
            "the baseline was made under another evidence key",
            where=str(path),
            expected="verdicts under the key of this installation, or one it had before",
            found=", ".join(sorted(strange)),
            remedy="Give the key they were made under with --key-file; keys of values compare "
            "under the same evidence key only.",
        )


def _of_findings(path: Path, text: str, key_id: str) -> Iterator[Verdict]:
    """Every (value, SIT, file) of the finding lines of a scan, accepted where it was found."""
    seen: dict[tuple[str, str, str], Verdict] = {}
    problems = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            key, sit, name, asset = row["key"], row["sit"]["id"], row["sit"]["name"], row["asset"]
            masked = str(row.get("masked", ""))
        except (ValueError, KeyError, TypeError):
            expected = "a line of: dlpagent scan --format jsonl"
            problems.append(Problem(str(path), number, "this is not a finding", expected))
            continue
        scope = scope_of(asset)
        seen.setdefault((key, sit, scope), Verdict(
            key, sit, "accepted", f"in the baseline {path.name}", "", key_id=key_id, scope=scope,
            sit_name=name, masked=masked,
        ))  # fmt: skip
    if problems:
        raise ProblemsError(problems, f"{len(problems)} line(s) of the baseline cannot be used")
    yield from seen.values()


def scope_of(asset_uri: str) -> str:
    """A scope that takes in one asset: a file by its name, in whatever folder a checkout lies."""
    parts = urlsplit(asset_uri)
    if parts.scheme == "file" and "/" in parts.path:
        return "*/" + glob.escape(parts.path.rsplit("/", 1)[1])
    return glob.escape(asset_uri)
