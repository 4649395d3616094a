"""Requests checked against the OpenAPI slices of Graph: strictly, with the place of each fault."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

from dlpagent.errors import missing_extra

VERSIONS = ("v1.0", "beta")

# Graph writes Edm.DateTimeOffset; the documentation's own examples leave the zone out.
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,7})?(Z|[+-]\d{2}:\d{2})?")


@cache
def slice_of(version: str) -> Mapping[str, Any]:
    """The OpenAPI slice of a Graph version."""
    text = files("dlpagent.connectors.testing.microsoft").joinpath("data", f"graph-{version}.json")
    found: Mapping[str, Any] = json.loads(text.read_text("utf-8"))
    return found


def template_of(version: str, method: str, path: str) -> tuple[str, Mapping[str, str]] | None:
    """The path of the slice a request is for, and what stands in its braces; None if there is none.

    Cases are not told apart and a trailing () may be left out: SDKs and documents differ in both.
    """
    for template, pattern in _patterns(version):
        if method.lower() in slice_of(version)["paths"][template] and (
            found := pattern.fullmatch(path)
        ):
            names = re.findall(r"\{([^}]+)\}", template)
            return template, dict(zip(names, found.groups(), strict=True))
    return None


@cache
def _patterns(version: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    def pattern(template: str) -> re.Pattern[str]:
        plain = template.removesuffix("()")
        parts = re.split(r"\{[^}]+\}", plain)
        return re.compile("([^/]+)".join(map(re.escape, parts)) + r"(?:\(\))?", re.IGNORECASE)

    return tuple((template, pattern(template)) for template in slice_of(version)["paths"])


def check_installed() -> None:
    """Raises ConfigurationError when the package that checks requests is not installed."""
    try:
        import jsonschema  # noqa: F401, PLC0415 - an extra
    except ModuleNotFoundError:
        raise missing_extra("jsonschema", "purview", "the loopback Microsoft") from None


def faults_of(version: str, method: str, template: str, body: Any) -> list[str]:
    """What is wrong with the body of a request; places and rules only, never the values."""
    operation = slice_of(version)["paths"][template][method.lower()]
    wanted = operation.get("requestBody")
    if wanted is None:
        return []
    schema = wanted["content"]["application/json"]["schema"]
    return list(_faults(version, json.dumps(schema), body))


def faults_of_type(version: str, name: str, value: Any) -> list[str]:
    """The same for a value of a named type, for instance contentActivity."""
    schema = {"$ref": f"#/components/schemas/microsoft.graph.{name}"}
    return list(_faults(version, json.dumps(schema), value))


def _faults(version: str, schema: str, value: Any) -> Iterator[str]:
    for error in _validator(version, schema).iter_errors(value):
        deepest = error
        while deepest.context:
            deepest = min(deepest.context, key=lambda each: len(each.absolute_path))
        place = "/".join(str(part) for part in deepest.absolute_path)
        yield f"/{place}: {deepest.validator}"


@cache
def _validator(version: str, schema: str) -> Any:
    from jsonschema import Draft202012Validator, FormatChecker  # noqa: PLC0415 - an extra

    checker = FormatChecker(formats=())
    checker.checks("date-time", ValueError)(_is_moment)
    whole = {**json.loads(schema), "components": slice_of(version)["components"]}
    return Draft202012Validator(whole, format_checker=checker)


def _is_moment(value: object) -> bool:
    if not isinstance(value, str):
        return True
    datetime.fromisoformat(value)
    return _MOMENT.fullmatch(value) is not None
