"""Where a rule applies: the words a policy may use for a place, and the globs that narrow it.

docs/policies.md holds the table that this module is.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from dlpagent.records import Asset, AssetKind

Location = Literal[
    "upload",
    "response",
    "prompt",
    "vector-collection",
    "dataset",
    "file",
    "copilot",
    "chatgpt",
    "claude",
    "other-ai-app",
    "any",
]

# Most telling first: a violation names the first of its rule's locations that holds.
LOCATIONS: tuple[Location, ...] = (
    "upload",
    "response",
    "prompt",
    "vector-collection",
    "dataset",
    "file",
    "copilot",
    "chatgpt",
    "claude",
    "other-ai-app",
    "any",
)
APPS: tuple[Location, ...] = ("copilot", "chatgpt", "claude", "other-ai-app")

# Everything that goes to the model is a prompt, also what a tool or the app puts there unseen.
_RESPONSE_ROLES = frozenset({"assistant", "model", "ai", "bot", "response"})
_UPLOAD_ROLES = frozenset({"upload", "attachment", "file"})

_CONVERSATIONS: frozenset[AssetKind] = frozenset({"chat_log", "stream"})
_BY_KIND: dict[AssetKind, Location] = {
    "vector_collection": "vector-collection",
    "dataset": "dataset",
    "document": "file",
}


def app_location(kind: AssetKind, app: str | None) -> Location | None:
    """Which AI app a name means; a chat log whose app is not named is another AI app.

    GitHub Copilot is not Microsoft 365 Copilot: it is another AI app, as in Purview.
    """
    name = (app or "").casefold()
    if "copilot" in name and "github" not in name:
        return "copilot"
    if "chatgpt" in name:
        return "chatgpt"
    if "claude" in name:
        return "claude"
    return "other-ai-app" if name or kind == "chat_log" else None


def turn_locations(kind: AssetKind, roles: Sequence[str]) -> set[Location]:
    """prompt, response or upload, as the roles of a conversation say; without roles: prompt."""
    if kind not in _CONVERSATIONS:
        return set()
    named = {role.casefold() for role in roles if role}
    if not named:
        return {"prompt"}
    found: set[Location] = set()
    if named & _RESPONSE_ROLES:
        found.add("response")
    if named & _UPLOAD_ROLES:
        found.add("upload")
    if named - _RESPONSE_ROLES - _UPLOAD_ROLES:
        found.add("prompt")
    return found


def locations_of(kind: AssetKind, roles: Sequence[str], app: str | None) -> tuple[Location, ...]:
    """Every location an item is at, most telling first; "any" is always among them."""
    found = turn_locations(kind, roles) | {"any"}
    if kind in _BY_KIND:
        found.add(_BY_KIND[kind])
    named = app_location(kind, app)
    if named:
        found.add(named)
    return tuple(location for location in LOCATIONS if location in found)


def possible_locations(asset: Asset) -> set[Location]:
    """Every location some item of the asset could be at: roles and apps are known only per item."""
    found: set[Location] = {"any"}
    if asset.kind in _CONVERSATIONS:
        found |= {"prompt", "response", "upload"}
    if asset.kind in _BY_KIND:
        found.add(_BY_KIND[asset.kind])
    return found | set(APPS)


@dataclass(frozen=True, slots=True)
class Globs:
    """Patterns a name must and must not match: * any characters, ? one, [ab] one of these.

    Case is ignored; * also passes over "/". An empty include takes everything; exclude wins. A name
    nobody knows is never included by a pattern and never excluded.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.include or self.exclude)


EVERYTHING = Globs()


def glob_test(globs: Globs) -> Callable[[str | None], bool]:
    """The patterns as one function, made once."""
    include, exclude = _any_of(globs.include), _any_of(globs.exclude)

    def admits(name: str | None) -> bool:
        if name is None:
            return include is None
        if exclude and exclude.match(name):
            return False
        return include is None or include.match(name) is not None

    return admits


def _any_of(patterns: Sequence[str]) -> re.Pattern[str] | None:
    if not patterns:
        return None
    return re.compile("|".join(map(fnmatch.translate, patterns)), re.IGNORECASE)
