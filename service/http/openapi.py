"""The OpenAPI document, made of the same rows as the app and the table of roles."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from dlpagent import __version__
from dlpagent.service.http.access import ROLES
from dlpagent.service.http.problems import MEDIA_TYPE, Problem
from dlpagent.service.http.routes import Answer, Route

_REF = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"{(\w+)}")
_DOCUMENT_PROBLEMS = {
    400: "The request is wrong; the problem names the place",
    401: "Who asks is not known",
    403: "The role does not suffice",
    413: "The body is too large",
    415: "The content type is not taken",
    429: "Too many requests; Retry-After says how long to wait",
    503: "The service is starting, or too much waits",
}
# Lines may have the other keys of TextItem, too; a pattern of all that JSON allows helps nobody.
_LINES = {
    "type": "string",
    "description": "One JSON object (TextItem) on each line",
    "pattern": r'^(\{"text": "[A-Za-z0-9 .-]{0,99}"\}\n)+$',
}
_PROBLEM_EXAMPLE = {
    "type": "invalid",
    "title": "Expected `str`, got `int`",
    "status": 400,
    "where": "body text",
}


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """The whole document."""
    rows = [row for row in routes if row.is_documented and row.style != "page"]
    types = _types(rows)
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    known = dict(zip(map(repr, types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for row in rows:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row, known)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "dlpagent",
            "version": __version__,
            "description": "Sensitive information types, policies, clean copies and findings. "
            "Offsets are code points, half-open. No answer tells a value that was found.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}, {"bearer": []}, {"basic": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer",
                           "description": "An API key, or a token of Entra ID"},
                "basic": {"type": "http", "scheme": "basic",
                          "description": "An API key as the password"},
            },
        },
    }  # fmt: skip


def _types(rows: Iterable[Route]) -> list[Any]:
    found: dict[str, Any] = {repr(each): each for each in (Problem, dict[str, str])}
    for row in rows:
        wanted = [row.body, row.query]
        wanted += [each for answer in row.answers.values() for each in _either(answer.type)]
        found.update((repr(each), each) for each in wanted if each is not None)
    return list(found.values())


def _either(kind: Any) -> tuple[Any, ...]:
    return kind if isinstance(kind, tuple) else (kind,)


def _operation(row: Route, known: Mapping[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _id(row),
        "summary": row.summary,
        "tags": [row.tag],
        "responses": {
            str(status): _response(answer, known)
            for status, answer in sorted(_answers(row).items())
        },
    }
    if row.needs is None:
        operation["security"] = []
    else:
        above = " or ".join(ROLES[ROLES.index(row.needs) :])
        operation["description"] = f"Role: {above}."
    parameters = [_path_parameter(name) for name in _PARAMETER.findall(row.path)]
    if row.query is not None:
        parameters += _query_parameters(row.query)
    if row.path in {"/supportedentities", "/recognizers"}:
        parameters.append({"name": "language", "in": "query", "schema": {"type": "string"}})
    if parameters:
        operation["parameters"] = parameters
    content = _request_content(row, known)
    if content:
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _id(row: Route) -> str:
    return re.sub(r"\W+", "_", f"{row.method.lower()}{row.path}").strip("_")


def _answers(row: Route) -> dict[int, Answer]:
    """The route's own answers and those of the gate."""
    statuses = [503]
    if row.needs is not None:
        statuses += [401, 403, 429]
    if row.body is not None or row.query is not None or row.style == "presidio":
        statuses.append(400)
    if row.method == "POST":
        statuses += [408, 413, 415]
    found: dict[int, Answer] = {}
    for status in statuses:
        what = _DOCUMENT_PROBLEMS.get(status, "The body did not arrive in time")
        found[status] = (
            Answer(what, dict[str, str], example={"error": "…"})
            if row.style == "presidio"
            else Answer(what)
        )
    return {**found, **row.answers}


def _response(answer: Answer, known: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {"description": answer.what}
    if answer.type is not None:
        schemas = [known[repr(each)] for each in _either(answer.type)]
        body: dict[str, Any] = {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}
        if answer.example is not None:
            body["example"] = answer.example
        told["content"] = {answer.media: body}
        if answer.also:
            told["content"][answer.also] = {"schema": {"type": "string"}}
    elif answer.media == "application/json":
        told["content"] = {
            MEDIA_TYPE: {"schema": known[repr(Problem)], "example": _PROBLEM_EXAMPLE}
        }
    elif answer.media:
        told["content"] = {answer.media: {"schema": {"type": "string"}}}
    return told


def _request_content(row: Route, known: Mapping[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if row.body is not None:
        content["application/json"] = {"schema": known[repr(row.body)]}
        if row.body_example is not None:
            content["application/json"]["example"] = row.body_example
    for media, example in row.media.items():
        content[media] = _other_body(media, example)
    return content


def _other_body(media: str, example: Any) -> dict[str, Any]:
    if media == "multipart/form-data":
        file = {"type": "string", "format": "binary"}
        whole = {"type": "object", "properties": {"file": file}, "required": ["file"]}
        return {"schema": {**whole, "additionalProperties": False}}
    schema = _LINES if isinstance(example, str) else {"type": "object"}
    return {"schema": schema, "example": example}


def _path_parameter(name: str) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(kind: type[msgspec.Struct]) -> list[dict[str, Any]]:
    schema = msgspec.json.schema_components([kind], ref_template=_REF)[1][kind.__name__]
    return [
        {"name": name, "in": "query", "required": False, "schema": _without_null(each)}
        for name, each in schema["properties"].items()
    ]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query has no null: a key that is not wanted is left out."""
    options: list[dict[str, Any]] = [
        each for each in schema.get("anyOf", []) if each.get("type") != "null"
    ]
    if len(options) == 1:
        return options[0]
    return {name: value for name, value in schema.items() if name != "default" or value is not None}
