"""Ids, names and the extension that all events share."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dlpagent.connectors.sinks._event import (
    as_guid,
    asset_name,
    extension,
    is_address,
    milliseconds,
)
from dlpagent.connectors.sinks._text import shortened, visible
from dlpagent.connectors.sinks.formats import FORMATS
from dlpagent.violations import Event

DOCS = Path(__file__).parents[3] / "docs"
GUID = "50842eb7-edc8-4019-85dd-5a5c1f2bb085"


@pytest.mark.parametrize("given", [GUID, GUID.upper(), f"{{{GUID}}}", GUID.replace("-", "")])
def test_a_guid_is_kept_in_one_form(given: str) -> None:
    assert as_guid("sit", given) == GUID


def test_other_ids_become_guids_that_differ_by_kind_and_by_parts() -> None:
    made = [
        as_guid("rule", "p", "cards"),
        as_guid("rule", "q", "cards"),
        as_guid("rule", "p", "card"),
        as_guid("policy", "cards"),
        as_guid("sit", "cards"),
        as_guid("sit", ""),
    ]
    assert len(set(made)) == len(made)
    assert all(uuid.UUID(each).version == 5 for each in made)
    assert made[0] == as_guid("rule", "p", "cards")


def test_the_documented_recipe_gives_the_same_guid() -> None:
    namespace = uuid.UUID("6c1b6e0e-5f0b-5a53-9a0a-0d1f5a0e7a11")
    text = "guid:rule\x1f9:my-policy\x1f5:cards"
    assert as_guid("rule", "my-policy", "cards") == str(uuid.uuid5(namespace, text))


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("file:///a/b/c%20d.jsonl", "c d.jsonl"),
        ("file:///a/b/", "b"),
        ("qdrant-edge:///srv/shards#claims", "claims"),
        ("postgresql://db/claims#public.notes", "public.notes"),
        ("s3://bucket", "bucket"),
        ("graph://copilot?user=ann", "copilot"),
        ("-", "-"),
        ("", ""),
        ("http://[broken", "http://[broken"),
    ],
)
def test_an_asset_is_called_by_its_last_name(uri: str, name: str) -> None:
    assert asset_name(uri) == name


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("1970-01-01T00:00:01Z", 1_000),
        ("1970-01-01T00:00:01", 1_000),
        ("1970-01-01T02:00:00.250+02:00", 250),
    ],
)
def test_times_are_milliseconds_of_utc(at: str, expected: int) -> None:
    assert milliseconds(at) == expected


@pytest.mark.parametrize(
    ("actor", "expected"),
    [
        ("ann@example.org", True),
        ("a.b+c@sub.example.org", True),
        ("ann", False),
        ("ann@example", False),
        ("S-1-5-21", False),
        ("ann@example.org\n", False),
        ("a b@example.org", False),
    ],
)
def test_addresses_are_told_from_other_actors(actor: str, expected: bool) -> None:
    assert is_address(actor) is expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("plain Ærø 機密 👩‍🔬", "plain Ærø 機密 👩‍🔬"),
        ("a\x00b\x1b[31m\n", "a\ufffdb\ufffd[31m\ufffd"),
        ("\u202egpj.exe\u2066", "\ufffdgpj.exe\ufffd"),
        ("\ud800\uffff", "\ufffd\ufffd"),
    ],
)
def test_what_cannot_be_seen_is_shown(given: str, expected: str) -> None:
    assert visible(given) == expected


@pytest.mark.parametrize("limit", [1, 2, 5, 10, 11])
def test_shortened_text_keeps_both_ends(limit: int) -> None:
    short = shortened("abcdefghijk", limit)
    assert len(short) == min(limit, 11)
    assert limit < 5 or (short[0], short[-1]) == ("a", "k")


def keys_of(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, held in value.items():
            yield key
            yield from keys_of(held)
    elif isinstance(value, list):
        for held in value:
            yield from keys_of(held)


def test_every_key_of_the_extension_is_documented(any_event: Event) -> None:
    section = (DOCS / "events.md").read_text("utf-8").partition("## The extension")[2]
    assert {key for key in keys_of(extension(any_event)) if f"`{key}`" not in section} == set()


def test_every_format_is_documented() -> None:
    text = (DOCS / "sinks.md").read_text("utf-8")
    assert [name for name in FORMATS if f"| `{name}` |" not in text] == []


def test_the_extension_holds_no_more_than_masked_evidence(
    make_event: Callable[..., Event], make_place: Callable[..., Any]
) -> None:
    event = make_event(places=(make_place(), replace(make_place(), start=99)))
    for place in extension(event)["places"]:
        assert set(place) == {
            *("record", "part", "start", "end", "sit"),
            *("confidence", "level", "masked", "key", "locator"),
        }
