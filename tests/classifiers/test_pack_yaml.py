"""What is written is what is read: packs survive the way to disk with their meaning."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dlpagent.classifiers.pack import builtin_pack, load_pack
from dlpagent.classifiers.pack_values import with_hash
from dlpagent.classifiers.pack_yaml import write_pack
from dlpagent.classifiers.sit import (
    UNLIMITED,
    AnyOf,
    Expression,
    Filter,
    Group,
    Keyword,
    Match,
    Pack,
    Pattern,
    Regex,
    Sit,
    Term,
    Union,
    ValidatorSpec,
)
from dlpagent.errors import ConfigurationError
from dlpagent.findings import PackRef

_spec = importlib.util.spec_from_file_location("building", Path(__file__).with_name("building.py"))
assert _spec
assert _spec.loader
building = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(building)


def written(pack: Pack, folder: Path) -> Pack:
    write_pack(pack, folder)
    return load_pack(folder)


def bare(sit: Sit) -> Sit:
    """Without what a file cannot keep: where it was read from."""
    examples = tuple(replace(item, line=0) for item in sit.examples)
    misses = tuple(replace(item, line=0) for item in sit.near_misses)
    return replace(sit, file="", line=1, examples=examples, near_misses=misses, description="")


def test_the_shipped_pack_comes_back_whole(tmp_path: Path) -> None:
    pack = builtin_pack()
    again = written(pack, tmp_path / "pack")
    assert again.ref == pack.ref
    assert again.filters == pack.filters
    assert (again.name, again.publisher) == (pack.name, pack.publisher)
    assert {bare(sit).id: bare(sit) for sit in again.sits.values()} == {
        bare(sit).id: bare(sit) for sit in pack.sits.values()
    }
    assert set(again.elements) == set(pack.elements)


def test_a_strict_pack_means_the_same_when_read_again(tmp_path: Path) -> None:
    pack = builtin_pack("strict")
    sits = {ident: sit for ident, sit in pack.sits.items() if sit.patterns}
    pack = with_hash(replace(pack, sits=sits))
    assert written(pack, tmp_path / "pack").ref == pack.ref


# --- any pack ---------------------------------------------------------------------------------

words = st.text(min_size=1, max_size=12).filter(
    lambda text: (
        any(char.isalnum() and char.isascii() for char in text)
        and not any("\ud800" <= char <= "\udfff" for char in text)
    )
)
proximities = st.sampled_from([None, 1, 10, 300, UNLIMITED])
origins = st.sampled_from(["purview", "ours"])
IDS = ["A", "B", "Keyword c", "U"]
matches = st.builds(
    Match, st.sampled_from(IDS), st.integers(0, 3), st.booleans(), proximities, origins
)
conditions = st.recursive(
    matches,
    lambda inner: st.lists(inner, min_size=1, max_size=3).flatmap(
        lambda children: st.integers(0, len(children)).flatmap(
            lambda least: st.builds(
                AnyOf,
                st.just(tuple(children)),
                st.just(least),
                st.sampled_from([None, least, least + 1]),
            )
        )
    ),
    max_leaves=5,
)
# files are written: looking for the smallest example would take minutes
PHASES = [phase for phase in Phase if phase not in (Phase.shrink, Phase.explain)]

sit_patterns = st.builds(
    Pattern,
    st.integers(1, 100),
    st.sampled_from(IDS),
    st.lists(conditions, max_size=3).map(tuple),
    proximities,
    st.sampled_from([(), ("F",), ("F", "G")]),
    origins,
)
groups = st.builds(
    Group,
    st.sampled_from(["word", "string"]),
    st.lists(st.builds(Term, words, st.booleans()), min_size=1, max_size=3).map(tuple),
    origins,
)
checks = st.lists(
    st.sampled_from(
        [
            ValidatorSpec("luhn"),
            ValidatorSpec("date", (("pattern", "DDMMYY"), ("offset", 1))),
            ValidatorSpec("checksum", (("weights", (1, -2)), ("mod", 7), ("check_digit", 1),
                                       ("allow_alphabets", True))),
        ]
    ),
    max_size=3,
).map(tuple)  # fmt: skip
expressions = st.lists(
    st.builds(Expression, st.sampled_from(["a", "[ab]+#: '\"x", r"\d{2}"]), origins),
    min_size=1,
    max_size=3,
).map(tuple)
elements = st.fixed_dictionaries(
    {
        "A": st.builds(Regex, st.just("A"), expressions, checks, st.booleans(), st.booleans()),
        "B": st.builds(
            Keyword,
            st.just("B"),
            st.lists(groups, min_size=1, max_size=3).map(tuple),
            st.booleans(),
        ),
        "Keyword c": st.just(Keyword("Keyword c", (), stub=True)),
        "U": st.just(Union("U", ("A", "B"))),
    }
)
FILTERS = {
    "F": Filter("F", "all_digits_same"),
    "G": Filter("G", "text_match", "prefix", "include", "B"),
}
NUMBERS = ["11111111-1111-4111-8111-11111111111", "11111111-2222-4222-8222-22222222222"]
sits = st.lists(
    st.builds(
        Sit,
        id=st.just(""),
        name=words,
        version=st.integers(1, 9),
        parity=st.sampled_from(["own", "structure"]),
        patterns=st.lists(sit_patterns, min_size=1, max_size=3).map(tuple),
        proximity=st.sampled_from([1, 300, UNLIMITED]),
        value=st.sampled_from(["number", "text", "secret"]),
        filters=st.sampled_from([(), ("G",)]),
        references=st.lists(words, max_size=2).map(tuple),
        names=st.dictionaries(st.sampled_from(["de-de", "fr-fr"]), words, max_size=2),
    ),
    min_size=1,
    max_size=4,
)


@given(sits, elements)
@settings(max_examples=60, phases=PHASES, suppress_health_check=[HealthCheck.too_slow])
def test_any_pack_means_the_same_when_read_again(
    tmp_path_factory: pytest.TempPathFactory,
    given_sits: list[Sit],
    given_elements: dict[str, object],
) -> None:
    numbered = [
        replace(sit, id=f"{NUMBERS[number % 2]}{number}") for number, sit in enumerate(given_sits)
    ]
    pack = with_hash(
        Pack(
            ref=PackRef("p", "1.0.0.0", ""),
            name="p",
            publisher="",
            profile="extended",
            sits={sit.id: sit for sit in numbered},
            elements=given_elements,  # type: ignore[arg-type]
            filters=FILTERS,
        )
    )
    again = written(pack, tmp_path_factory.mktemp("pack") / "p")
    assert again.ref == pack.ref
    for sit in numbered:
        other = again.sits[sit.id]
        assert (other.name, other.names, other.references) == (sit.name, sit.names, sit.references)
        assert [item.origin for item in other.patterns] == [item.origin for item in sit.patterns]
    assert again.elements["A"] == replace(
        given_elements["A"],  # type: ignore[type-var]
        expressions=tuple(
            item
            for origin in ("purview", "ours")
            for item in given_elements["A"].expressions  # type: ignore[attr-defined]
            if item.origin == origin
        ),
    )


def test_sits_of_one_name_get_files_of_their_own(tmp_path: Path) -> None:
    body = "elements: {A: {regex: 'a'}}\npatterns: [{confidence: 85, primary: A}]\n"
    heads = [
        f"id: {building.SIT_ID[:-1]}{number}\nname: Same\nversion: 1\nparity: own\n"
        for number in range(3)
    ]
    pack = building.pack_of(tmp_path, *(head + body for head in heads))
    assert set(written(pack, tmp_path / "again").sits) == set(pack.sits)


def test_what_the_built_in_pack_defines_is_left_to_it(tmp_path: Path) -> None:
    body = "elements: {A: {regex: 'a'}}\npatterns: [{confidence: 85, primary: A, match: [B]}]\n"
    pack = building.pack_of(tmp_path, body, shared="elements: {B: {keywords: [b]}}\n")
    write_pack(pack, tmp_path / "again", inherited=["B"])
    assert set(load_pack(tmp_path / "again", base=pack).elements) == {"A", "B"}
    assert "B:" not in "".join(path.read_text() for path in (tmp_path / "again").rglob("*.yaml"))


@pytest.mark.parametrize("name", ["file", "folder"])
def test_nothing_is_written_over(tmp_path: Path, name: str) -> None:
    place = tmp_path / "there"
    if name == "file":
        place.write_text("mine")
    else:
        place.mkdir()
        (place / "mine.txt").write_text("mine")
    pack = building.pack_of(
        tmp_path, "elements: {A: {regex: 'a'}}\npatterns: [{confidence: 85, primary: A}]"
    )
    with pytest.raises(ConfigurationError, match="not empty"):
        write_pack(pack, place)
