"""What OTLP spans and log records of AI calls say, in the three dialects of their attributes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from dlpagent.connectors.sources._keys import is_value_like
from dlpagent.connectors.sources._log_fields import (
    content_parts,
    dict_at,
    first_text,
    json_or_text,
    list_at,
    no_content,
    rest_of,
    role_of,
    text_at,
)
from dlpagent.connectors.sources._shapes import ShapePart, parts_of

_SPAN_KEYS = frozenset({
    "traceId", "spanId", "parentSpanId", "startTimeUnixNano", "endTimeUnixNano", "kind", "flags",
    "timeUnixNano", "observedTimeUnixNano", "severityNumber", "severityText", "traceState",
    "droppedAttributesCount", "droppedEventsCount", "droppedLinksCount", "eventName",
})  # fmt: skip
_TAKEN = ("attributes", "events", "body")
# What of the conventions is an id or a constant; everything else is scanned.
_CONSTANTS = frozenset({
    "gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.system", "openinference.span.kind",
    "gen_ai.request.model", "gen_ai.response.model", "llm.model_name", "gen_ai.conversation.id",
    "session.id", "gen_ai.output.type", "event.name",
})  # fmt: skip
_MESSAGES = frozenset({
    "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.prompt", "gen_ai.completion",
})  # fmt: skip
_AI = re.compile(r"(gen_ai|llm|openinference)\.")
_CONTENT = re.compile(
    r"gen_ai\.(input|output)\.messages|gen_ai\.system_instructions|gen_ai\.(prompt|completion)\b"
    r"|gen_ai\.tool\.call\.(arguments|result)|llm\.(input|output)_messages|(input|output)\.value"
)
_FLAT = re.compile(r"(llm\.(?:input|output)_messages\.\d+\.message)\.(.+)")
_EVENT_ROLES = {
    "gen_ai.user.message": "user", "gen_ai.system.message": "system",
    "gen_ai.assistant.message": "assistant", "gen_ai.tool.message": "tool",
    "gen_ai.choice": "assistant", "gen_ai.content.prompt": "user",
    "gen_ai.content.completion": "assistant",
}  # fmt: skip
_MAX_DEPTH = 100


def plain_value(value: Any, depth: int = 0) -> Any:
    """The value in an OTLP AnyValue ({stringValue: …}, {kvlistValue: …}); others as they are."""
    if not isinstance(value, dict) or len(value) != 1 or depth > _MAX_DEPTH:
        return value
    ((kind, inner),) = value.items()
    if kind == "arrayValue" and isinstance(dict_at(inner).get("values"), list):
        return [plain_value(one, depth + 1) for one in inner["values"]]
    if kind == "kvlistValue" and isinstance(dict_at(inner).get("values"), list):
        return attributes_of(inner["values"], depth + 1)
    if kind in ("stringValue", "intValue", "doubleValue", "boolValue", "bytesValue"):
        return inner
    return value


def attributes_of(pairs: Any, depth: int = 0) -> dict[str, Any]:
    """OTLP's list of {key, value} as an object; what is no such pair is kept by its place."""
    if not isinstance(pairs, list):
        return {} if pairs is None else {"attributes": pairs}
    found: dict[str, Any] = {}
    for place, pair in enumerate(pairs):
        key = dict_at(pair).get("key")
        if isinstance(key, str) and key not in found and pair.keys() <= {"key", "value"}:
            found[key] = plain_value(pair.get("value"), depth)
        else:
            found[f"attributes[{place}]"] = pair
    return found


def span_parts(value: Mapping[str, Any], about: Mapping[str, Any]) -> Iterator[ShapePart]:
    """The parts of a span or log record, whose attributes are `about`."""
    is_ai = any(_AI.match(key) for key in about)
    has_content = any(_CONTENT.match(key) and about[key] for key in about)
    yield from _attribute_parts(about)
    events = value.get("events")
    for place, event in enumerate(list_at(events)):
        name = text_at(event, "name") or ""
        has_content = has_content or name in _EVENT_ROLES
        yield from _event_parts(event, f"events[{place}]", name)
    if value.get("body") is not None:
        event = first_text({"name": value.get("eventName"), "old": about.get("event.name")}, "name",
                           "old")  # fmt: skip
        role = _EVENT_ROLES.get(event or "")
        has_content = True
        yield from _body_parts(plain_value(value["body"]), "body", role)
    rest = {key: one for key, one in rest_of(value, _SPAN_KEYS).items() if key not in _TAKEN}
    if events is not None and not isinstance(events, list):
        rest["events"] = events
    yield from parts_of(rest)
    if is_ai and not has_content:
        yield no_content("gen_ai.input.messages", "the call was traced without its content")


def _attribute_parts(about: Mapping[str, Any], prefix: str = "") -> Iterator[ShapePart]:
    plain: dict[str, Any] = {}
    roles = _flat_roles(about)
    for key, given in about.items():
        if key in _CONSTANTS and text_at(about, key):
            continue
        flat = _FLAT.fullmatch(key)
        if key in _MESSAGES or key == "gen_ai.system_instructions":
            default = "system" if "system" in key else "user" if "input" in key else "assistant"
            default = "user" if key == "gen_ai.prompt" else default
            yield from _messages(json_or_text(given), prefix + key, default)
        elif flat and not is_value_like(key):
            if flat.group(2) != "role" or role_of(given) is None:
                yield from content_parts(given, roles.get(flat.group(1)), prefix + key)
        elif key in ("input.value", "output.value"):
            role = "user" if key.startswith("input") else "assistant"
            yield from content_parts(given, role, prefix + key)
        else:
            plain[key] = given
    for part in parts_of(plain):
        yield part._replace(part=prefix + part.part)


def _flat_roles(about: Mapping[str, Any]) -> dict[str, str]:
    """The role of each flattened message: as it says, else by the side it stands on."""
    found: dict[str, str] = {}
    for key in about:
        flat = _FLAT.fullmatch(key)
        if flat:
            side = "user" if flat.group(1).startswith("llm.input") else "assistant"
            found[flat.group(1)] = role_of(about.get(f"{flat.group(1)}.role")) or side
    return found


def _messages(value: Any, name: str, default: str) -> Iterator[ShapePart]:
    """Messages {role, parts: [{type, content}]}, or a list of parts, or a text."""
    if not isinstance(value, list):
        yield from content_parts(value, default, name)
        return
    for place, message in enumerate(value):
        here, role = f"{name}[{place}]", role_of(dict_at(message).get("role"))
        if role is None or not isinstance(message.get("parts"), list):
            for part in content_parts([message], role or default, name):
                yield part._replace(part=here + part.part[len(f"{name}[0]") :])
            continue
        yield from content_parts(message["parts"], role, f"{here}.parts")
        rest = rest_of(message, {"role", "finish_reason"})
        for part in parts_of({key: one for key, one in rest.items() if key != "parts"}):
            yield part._replace(part=f"{here}.{part.part}", role=role)


def _event_parts(event: Any, name: str, kind: str) -> Iterator[ShapePart]:
    if not isinstance(event, dict):
        for part in parts_of({"$": event}):
            yield part._replace(part=name + part.part.removeprefix("$"))
        return
    about = attributes_of(event.get("attributes"))
    if kind in _EVENT_ROLES:
        yield from _body_parts(about, name, _EVENT_ROLES[kind])
    else:
        yield from _attribute_parts(about, f"{name}.")
    known = {"timeUnixNano", "attributes", "droppedAttributesCount"}
    rest = rest_of(event, known | ({"name"} if kind in _EVENT_ROLES else set()))
    rest.pop("attributes", None)
    for part in parts_of(rest):
        yield part._replace(part=f"{name}.{part.part}")


def _body_parts(value: Any, name: str, role: str | None) -> Iterator[ShapePart]:
    """What an event says: `content`, or a `message` that may be JSON in a string."""
    if not isinstance(value, dict):
        yield from content_parts(value, role, name)
        return
    for key, given in value.items():
        if key in _CONSTANTS or (key == "role" and role_of(given)):
            continue
        inner = json_or_text(given)
        if role is None or is_value_like(key):
            for part in parts_of({key: inner}):
                yield part._replace(part=f"{name}.{part.part}", role=role)
        elif isinstance(inner, dict) and "role" in inner and role_of(inner["role"]) is None:
            yield from content_parts([inner], role, f"{name}.{key}")
        else:
            yield from content_parts(inner, role, f"{name}.{key}")
