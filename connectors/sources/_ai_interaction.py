"""An interaction with Microsoft 365 Copilot (a prompt or an answer), as Microsoft Graph gives it.

Source of the shape: the aiInteraction resource of Microsoft Graph.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from dlpagent.connectors.sources._adaptive_card import CARD_TYPE, card_parts
from dlpagent.connectors.sources._log_fields import (
    chat_parts,
    first_time,
    json_or_text,
    list_at,
    no_content,
    rest_of,
    text_at,
    without,
)
from dlpagent.connectors.sources._log_reader import LogRecord
from dlpagent.connectors.sources._shapes import ShapePart, parts_of

# The sensitivity labels an interaction touched; None when none is known.
LabelsOf = Callable[[Mapping[str, Any]], list[str] | None]

APP = "Microsoft 365 Copilot"
ROLES = {"userPrompt": "user", "aiResponse": "assistant"}
KEYS = frozenset({
    "id", "sessionId", "requestId", "appClass", "interactionType", "conversationType", "etag",
    "createdDateTime", "locale", "@odata.type", "@odata.etag", "@odata.id",
})  # fmt: skip
_PLACEHOLDER = re.compile(r'<attachment id="[^"]*">\s*</attachment>')
_USER_IN_URL = re.compile(r"users\(?[/']([^'/)]+)")
_INNER_IDS = frozenset({"id", "attachmentId", "@odata.type", "tenantId", "userIdentityType",
                        "applicationIdentityType", "contentType", "linkType", "contextType"})  # fmt: skip


def user_in(address: str) -> str | None:
    """The user an address of Graph is about."""
    found = _USER_IN_URL.search(address)
    return found.group(1)[:100] if found else None


class Known:
    """What interactions read together say about each other: answers name no user, prompts do."""

    def __init__(
        self,
        found: Sequence[Any],
        context: str = "",
        user: str | None = None,
        labels: LabelsOf = lambda _: None,
    ) -> None:
        """labels: gives the sensitivity labels an interaction touched, where they are known."""
        self.labels = labels
        self._default = user or user_in(context)
        self._prompts: dict[str, tuple[str | None, str | None]] = {}
        self._users: dict[str, str] = {}
        for one in found:
            user, session = text_at(one, "from", "user", "id"), text_at(one, "sessionId")
            if user and session:
                self._users.setdefault(session, user)
            request = text_at(one, "requestId")
            if request and text_at(one, "interactionType") == "userPrompt":
                self._prompts.setdefault(request, (text_at(one, "id"), user))

    def user_of(self, one: Mapping[str, Any]) -> str | None:
        """Its own, else that of its prompt, of its session, of the page's address."""
        own = text_at(one, "from", "user", "id")
        asked = self._prompts.get(text_at(one, "requestId") or "", (None, None))[1]
        in_session = self._users.get(text_at(one, "sessionId") or "")
        return own or asked or in_session or self._default

    def prompt_of(self, one: Mapping[str, Any]) -> str | None:
        """The id of the prompt that an answer answers."""
        if text_at(one, "interactionType") == "userPrompt":
            return None
        return self._prompts.get(text_at(one, "requestId") or "", (None, None))[0]


def interaction(value: Mapping[str, Any], identity: str, known: Known) -> LogRecord:
    """The record of one interaction, named by its id."""
    session = text_at(value, "sessionId")
    columns = {
        "record_id": text_at(value, "id") or identity,
        "conversation_id": session,
        "parent_id": known.prompt_of(value),
        "actor_id": known.user_of(value),
        "created_at": first_time(value, "createdDateTime"),
        "attachments": [attachment_of(one) for one in list_at(value, "attachments")] or None,
        "labels": known.labels(value),
    }
    return LogRecord(columns, _parts(value))


def attachment_of(value: Any) -> dict[str, Any]:
    """An attachment of an interaction or a chat message, as a value of the column."""
    mime, ref = text_at(value, "contentType"), text_at(value, "contentUrl")
    return {"name": text_at(value, "name"), "mime": mime, "size": None, "ref": ref}


def _parts(value: Mapping[str, Any]) -> Iterator[ShapePart]:
    role = ROLES.get(text_at(value, "interactionType") or "")
    rest = rest_of(value, KEYS)
    body, attachments = rest.pop("body", None), rest.pop("attachments", None)
    said = 0
    for part in body_parts(body, role):
        said += 1
        yield part
    for place, one in enumerate(list_at(attachments)):
        for part in attachment_parts(one, f"attachments[{place}]", role):
            said += 1
            yield part
    if attachments is not None and not isinstance(attachments, list):
        yield from chat_parts({"attachments": attachments}, role)
    if not said:
        yield no_content("body.content", "the interaction was saved without its text")
    yield from chat_parts(without(rest, is_inner_id), role)


def body_parts(body: Any, role: str | None) -> Iterator[ShapePart]:
    """The parts of a body; none when it only names the attachment that holds the text."""
    rest = rest_of(body, {"contentType"}) if isinstance(body, Mapping) else {"": body}
    content = rest.get("content")
    if isinstance(content, str) and not _PLACEHOLDER.sub("", content).strip():
        del rest["content"]  # the answer is in the attachment it names
    for part in chat_parts({"body": rest} if "" not in rest else {"body": body}, role):
        yield part._replace(context=None)


def attachment_parts(value: Any, name: str, role: str | None) -> Iterator[ShapePart]:
    """The parts of an attachment: of an Adaptive Card the texts a person sees, once each."""
    if not isinstance(value, Mapping):
        for part in parts_of({"$": value}):
            yield part._replace(part=name + part.part.removeprefix("$"), role=role)
        return
    content = json_or_text(value.get("content"))
    is_card = text_at(value, "contentType") == CARD_TYPE or isinstance(content, dict)
    if is_card and not isinstance(content, str):
        yield from card_parts(content, f"{name}.content", role)
    else:
        yield from card_parts({"content": content}, name, role)
    rest = {key: one for key, one in without(value, is_inner_id).items() if key != "content"}
    for part in parts_of(rest):
        yield part._replace(part=f"{name}.{part.part}", role=role)


def is_inner_id(key: str, value: Any) -> bool:
    """Ids and constants inside an interaction; display names that are ids too (8:orgid:…)."""
    if key in _INNER_IDS:
        return isinstance(value, str) and len(value) <= 200
    return key == "displayName" and isinstance(value, str) and value.startswith("8:orgid:")
