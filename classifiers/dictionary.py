"""Keyword dictionaries: terms one a line or comma-separated, or as Get-DlpKeywordDictionary gives them.

Source: Purview, "Create a keyword dictionary" (text files in Unicode; 1 MB after compression; a
dictionary's terms are one text with commas between them).
"""

from __future__ import annotations

import json
import uuid
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dlpagent.classifiers.pack_values import with_hash
from dlpagent.classifiers.sit import Group, Keyword, Pack, Pattern, Sit, Term
from dlpagent.classifiers.sit_yaml import GUID
from dlpagent.classifiers.terms_file import MAX_TERMS, read_terms, wrong_dictionary
from dlpagent.classifiers.xml_nodes import decoded
from dlpagent.findings import PackRef

MAX_COMPRESSED_BYTES = 1 << 20
"""Of a dictionary in a tenant."""

# Ids made from names, so that the same dictionary always gives the same type.
_IDS = uuid.UUID("5d1a7e0c-8c3b-5f6e-9a44-2b7c1d9e3f10")


def read_dictionary(path: Path, ident: str = "") -> list[str]:
    """The terms of a dictionary, in order, none twice.

    ident: which one, by GUID, of a JSON file that holds several. Raises ConfigurationError, and
    ProblemsError for a file that is not Unicode.
    """
    if path.suffix.lower() != ".json":
        return read_terms(path)
    entries = _entries(path)
    found = entries.get(ident.strip("{} ").lower()) if ident else next(iter(entries.values()), None)
    if found is None or (not ident and len(entries) > 1):
        raise wrong_dictionary(
            path,
            "the file does not hold the dictionary that is asked for",
            f"one with the Identity {ident}" if ident else "one dictionary",
            f"{len(entries)} other(s)",
        )
    return found


def identities(path: Path) -> list[str]:
    """The GUIDs of the dictionaries in a JSON file. Raises what read_dictionary() raises."""
    return list(_entries(path))


def _entries(path: Path) -> dict[str, list[str]]:
    """GUID → terms, as `Get-DlpKeywordDictionary | ConvertTo-Json` writes one or several."""
    try:
        data = json.loads(decoded(path.read_bytes(), path))
    except OSError as error:
        raise wrong_dictionary(
            path, f"the dictionary cannot be read ({error.strerror})", "a file that can be read"
        ) from None
    except (json.JSONDecodeError, RecursionError):
        data = None
    found = {}
    for item in data if isinstance(data, list) else [data]:
        if not isinstance(item, dict) or not isinstance(item.get("KeywordDictionary"), str):
            raise wrong_dictionary(
                path,
                "the file does not hold keyword dictionaries",
                "the JSON of Get-DlpKeywordDictionary, with Identity and KeywordDictionary",
                "something else",
                "Write it with: Get-DlpKeywordDictionary | ConvertTo-Json",
            )
        terms = dict.fromkeys(term.strip() for term in item["KeywordDictionary"].split(","))
        terms.pop("", None)
        if not 0 < len(terms) <= MAX_TERMS:
            raise wrong_dictionary(
                path,
                "a dictionary has no usable number of terms",
                f"1 to {MAX_TERMS:,}",
                f"{len(terms):,}",
            )
        found[_identity(item)] = list(terms)
    return found


def _identity(item: Mapping[str, Any]) -> str:
    ident = str(item.get("Identity") or item.get("Guid") or "").strip("{} ").lower()
    return ident if GUID.match(ident) else str(item.get("Name", ident))


def compressed_bytes(terms: Iterable[str]) -> int:
    """About what a tenant counts against its limit."""
    return len(zlib.compress("\r\n".join(terms).encode("utf-16-le", "replace")))


def dictionary_pack(path: Path, name: str = "", confidence: int = 75) -> Pack:
    """A pack of one type that finds the terms of a dictionary, as a tenant's dictionary type does.

    name: default the file's. Raises what read_dictionary() raises.
    """
    name = name or path.stem
    ident = str(uuid.uuid5(_IDS, name))
    element = Keyword(name, (Group("word", tuple(map(Term, read_dictionary(path)))),))
    sit = Sit(
        id=ident,
        name=name,
        version=1,
        parity="own",
        patterns=(Pattern(confidence, name),),
        recommended_confidence=confidence,
        description=f"The terms of the dictionary {path.name}.",
        value="text",
        file=str(path),
    )
    pack = Pack(
        ref=PackRef(str(uuid.uuid5(_IDS, f"pack {name}")), "1.0.0.0", ""),
        name=name,
        publisher="",
        profile="extended",
        sits={ident: sit},
        elements={name: element},
    )
    return with_hash(pack)
