"""Microsoft 365 Copilot interactions saved from Microsoft Graph: pages, and change notifications.

Source of the shapes: the aiInteraction resource of Microsoft Graph (getAllEnterpriseInteractions).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from dlpagent.connectors.sources._adaptive_card import CARD_TYPE, card_parts
from dlpagent.connectors.sources._json_split import MAX_RECORD_BYTES
from dlpagent.connectors.sources._log_fields import (
    chat_parts,
    dict_at,
    first_time,
    json_or_text,
    list_at,
    no_content,
    rest_of,
    text_at,
    without,
)
from dlpagent.connectors.sources._log_heads import head_records
from dlpagent.connectors.sources._log_reader import LogFile, LogRecord, generic_record
from dlpagent.connectors.sources._shapes import ShapePart, parts_of
from dlpagent.records import Asset, Checkpoint

_APP = "Microsoft 365 Copilot"
_ROLES = {"userPrompt": "user", "aiResponse": "assistant"}
_KEYS = frozenset({
    "id", "sessionId", "requestId", "appClass", "interactionType", "conversationType", "etag",
    "createdDateTime", "locale", "@odata.type", "@odata.etag", "@odata.id",
})  # fmt: skip
_NOTICE_KEYS = frozenset({
    "id", "subscriptionId", "subscriptionExpirationDateTime", "changeType", "tenantId", "resource",
    "resourceData", "encryptedContent", "clientState", "lifecycleEvent",
})  # fmt: skip
_PLACEHOLDER = re.compile(r'<attachment id="[^"]*">\s*</attachment>')
_USER_IN_URL = re.compile(r"users\(?[/']([^'/)]+)")
_INNER_IDS = frozenset({"id", "attachmentId", "@odata.type", "tenantId", "userIdentityType",
                        "applicationIdentityType", "contentType", "linkType", "contextType"})  # fmt: skip


class M365Copilot:
    """Each interaction (a prompt or an answer) is a record, named by its id."""

    name = "m365-copilot"

    def __init__(
        self, target: str, *, batch_rows: int = 2000, max_record_bytes: int = MAX_RECORD_BYTES
    ) -> None:
        """max_record_bytes: larger pages are reported unread, so that memory stays bounded."""
        self._log = LogFile(Path(target), self.name, _APP, batch_rows, max_record_bytes)

    @staticmethod
    def recognises(path: Path) -> bool:
        """By interactions, or notifications about them, bare or in `value`."""
        for head in head_records(path):
            for value in (head, *list_at(head, "value")[:3]):
                if text_at(value, "interactionType") in _ROLES and "requestId" in value:
                    return True
                if "subscriptionId" in dict_at(value) and "interaction" in _resource(value):
                    return True
        return False

    def discover(self) -> Iterator[Asset]:
        yield self._log.asset()

    def read(
        self, asset: Asset, after: Checkpoint | None = None
    ) -> Iterator[tuple[pa.RecordBatch, Checkpoint]]:
        """Resumes behind any interaction."""
        return self._log.read(asset, after, records_of)


def records_of(value: Any, identity: str) -> Iterator[LogRecord]:
    """The interactions in a page, an array of them, or one alone."""
    if isinstance(value, dict) and isinstance(value.get("value"), list):
        found = value["value"]
        rest = {key: one for key, one in value.items() if not key.startswith("@odata")}
        del rest["value"]
        if rest:
            yield generic_record(rest, f"{identity}#page")
        context = text_at(value, "@odata.context") or text_at(value, "@odata.nextLink") or ""
    else:
        found, context = [value], ""
    known = _Page(found, context)
    for place, one in enumerate(found):
        yield from _entry(one, identity if len(found) == 1 else f"{identity}.{place}", known)


class _Page:
    """What interactions of one page say about each other: answers name no user, prompts do."""

    def __init__(self, found: list[Any], context: str) -> None:
        in_url = _USER_IN_URL.search(context)
        self._default = in_url.group(1)[:100] if in_url else None
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


def _resource(value: object) -> str:
    kind = text_at(value, "resourceData", "@odata.type") or ""
    return f"{text_at(value, 'resource') or ''} {kind}".lower()


def _entry(value: Any, identity: str, page: _Page) -> Iterator[LogRecord]:
    if not isinstance(value, dict):
        yield generic_record(value, identity)
    elif "subscriptionId" in value and "body" not in value:
        yield from _notification(value, identity)
    else:
        yield _interaction(value, identity, page)


def _notification(value: Mapping[str, Any], identity: str) -> Iterator[LogRecord]:
    data = dict_at(value, "resourceData")
    name = text_at(data, "id") or text_at(value, "id") or identity
    if "body" in data:
        page = _Page([data], text_at(value, "resource") or "")
        yield _interaction(data, name, page)
    else:
        parts = list(parts_of(rest_of(data, _KEYS)))
        user = _USER_IN_URL.search(text_at(value, "resource") or "")
        if value.get("encryptedContent"):
            problem = "expected readable content, found it encrypted for the subscriber's key"
            parts.append(ShapePart("encryptedContent", None, status="protected", problem=problem))
        elif not parts:
            reason = "the notification names the interaction and does not hold its text"
            parts.append(no_content("body", reason))
        columns = {"record_id": name, "actor_id": user.group(1)[:100] if user else None}
        yield LogRecord(columns, parts)
    rest = rest_of(value, _NOTICE_KEYS)
    for key in ("resourceData", "encryptedContent"):
        rest.pop(key, None)
    if rest:
        yield LogRecord({"record_id": f"{name}#notification"}, parts_of(rest))


def _interaction(value: Mapping[str, Any], identity: str, page: _Page) -> LogRecord:
    session = text_at(value, "sessionId")
    columns = {
        "record_id": text_at(value, "id") or identity,
        "conversation_id": session,
        "parent_id": page.prompt_of(value),
        "actor_id": page.user_of(value),
        "created_at": first_time(value, "createdDateTime"),
        "attachments": [_attachment(one) for one in list_at(value, "attachments")] or None,
    }
    return LogRecord(columns, _parts(value))


def _attachment(value: Any) -> dict[str, Any]:
    mime, ref = text_at(value, "contentType"), text_at(value, "contentUrl")
    return {"name": text_at(value, "name"), "mime": mime, "size": None, "ref": ref}


def _parts(value: Mapping[str, Any]) -> Iterator[ShapePart]:
    role = _ROLES.get(text_at(value, "interactionType") or "")
    rest = rest_of(value, _KEYS)
    body, attachments = rest.pop("body", None), rest.pop("attachments", None)
    said = 0
    for part in _body_parts(body, role):
        said += 1
        yield part
    for place, one in enumerate(list_at(attachments)):
        for part in _attachment_parts(one, f"attachments[{place}]", role):
            said += 1
            yield part
    if attachments is not None and not isinstance(attachments, list):
        yield from chat_parts({"attachments": attachments}, role)
    if not said:
        yield no_content("body.content", "the interaction was saved without its text")
    yield from chat_parts(without(rest, _is_inner_id), role)


def _body_parts(body: Any, role: str | None) -> Iterator[ShapePart]:
    rest = rest_of(body, {"contentType"}) if isinstance(body, Mapping) else {"": body}
    content = rest.get("content")
    if isinstance(content, str) and not _PLACEHOLDER.sub("", content).strip():
        del rest["content"]  # the answer is in the attachment it names
    for part in chat_parts({"body": rest} if "" not in rest else {"body": body}, role):
        yield part._replace(context=None)


def _attachment_parts(value: Any, name: str, role: str | None) -> Iterator[ShapePart]:
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
    rest = {key: one for key, one in without(value, _is_inner_id).items() if key != "content"}
    for part in parts_of(rest):
        yield part._replace(part=f"{name}.{part.part}", role=role)


def _is_inner_id(key: str, value: Any) -> bool:
    """Ids and constants inside an interaction; display names that are ids too (8:orgid:…)."""
    if key in _INNER_IDS:
        return isinstance(value, str) and len(value) <= 200
    return key == "displayName" and isinstance(value, str) and value.startswith("8:orgid:")
