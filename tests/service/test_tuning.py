"""Tuning finds what was hidden in made texts, on folds it was not chosen by, and applies nothing."""

from __future__ import annotations

import copy
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from dlpagent.classifiers.diff import diff_packs
from dlpagent.classifiers.evaluation import Counts, Document, Span
from dlpagent.classifiers.evaluation_matching import Names, TypeMap
from dlpagent.classifiers.pack import load_pack
from dlpagent.classifiers.sit import Pack
from dlpagent.errors import ConfigurationError
from dlpagent.service.cli import run
from dlpagent.service.tune_view import tuning_json, tuning_patch, tuning_text
from dlpagent.service.tuning import Tuning, score, tune

BADGE = "11111111-1111-4111-8111-111111111111"
SIT = f"""
id: {BADGE}
name: Badge
version: 1
parity: own
proximity: 300
elements:
  value: {{regex: '(?<![0-9])[0-9]{{8}}(?![0-9])'}}
  words: {{keywords: [badge, reference]}}
patterns:
  - {{confidence: 85, primary: value, match: [words]}}
  - {{confidence: 65, primary: value}}
"""
OTHER = """
id: 22222222-2222-4222-8222-222222222222
name: Other
version: 1
parity: own
elements:
  other: {regex: 'X[0-9]{8}'}
patterns:
  - {confidence: 85, primary: other, match: [words]}
"""
TYPES = TypeMap(Names({}), Names({"Badge": "BADGE"}))
FILLER = (
    "amber", "brook", "cedar", "delta", "ember", "fjord", "grove", "harbour", "island", "juniper",
    "kettle", "lagoon", "meadow", "north", "orchard", "pebble", "quarry", "river", "summit",
    "timber", "umbra", "valley", "willow", "yonder", "zephyr",
)  # fmt: skip


def texts(seed: int = 1) -> list[Document]:
    """Badges stand by `badge` or `membership`; order numbers by `invoice`, `reference` near them."""
    chance = random.Random(seed)
    made = []
    for number in range(120):
        words = chance.sample(FILLER, 6)
        value = f"{chance.randrange(10**8):08}"
        kind = number % 4
        lead = ("badge", "membership", "invoice with reference", "")[kind]
        far = "1234 " * 12 if kind == 2 else ""
        text = f"{' '.join(words[:3])} {lead} {far} {value} {' '.join(words[3:])}"
        start = text.index(value)
        spans = (Span(start, start + 8, "BADGE"),) if kind < 2 else ()
        made.append(Document(str(number), "made", text, spans, where=f"f:{number}"))
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pack")
    (path / "pack.yaml").write_text("id: test\nname: test\nversion: 1.0.0.0\n")
    (path / "badge.yaml").write_text(SIT)
    return path


@pytest.fixture(scope="module")
def pack(folder: Path) -> Pack:
    return load_pack(folder)


@pytest.fixture(scope="module")
def tuned(pack: Pack) -> Tuning:
    return tune(pack, pack.sits[BADGE], texts(), TYPES)


def changes(found: Tuning) -> dict[str, Any]:
    return {item.text: item for item in found.suggestions}


def test_the_figures_now_are_those_of_the_texts(tuned: Tuning) -> None:
    assert (tuned.base.gold, tuned.base.found, tuned.base.overlapping) == (60, 60, 30)
    assert (tuned.documents, tuned.groups) == (120, 120)


def test_a_word_that_stands_by_right_matches_is_suggested_with_what_it_brings(
    tuned: Tuning,
) -> None:
    found = changes(tuned)["words: add “membership”"]
    assert found.kind == "keyword"
    assert (found.before.overlapping, found.after.overlapping) == (30, 60)
    assert found.after.found - found.before.found == 30
    assert found.gain == score(found.after, "f1") - score(found.before, "f1") > 0.1
    assert len(found.fold_gains) == 5
    assert min(found.fold_gains) > 0


def test_words_near_which_matches_are_wrong_are_excluded_or_taken_out(tuned: Tuning) -> None:
    for text in ("nothing is found near “invoice”", "words: remove “reference”"):
        found = changes(tuned)[text]
        assert (found.before.found, found.after.found) == (60, 30)
        assert found.after.precision == 1.0


def test_a_closer_proximity_is_suggested_where_wrong_support_is_far(tuned: Tuning) -> None:
    found = [item for item in tuned.suggestions if item.kind == "proximity"]
    assert found
    assert max(item.after.precision for item in found) == 1.0


def test_what_does_not_help_is_not_suggested(tuned: Tuning) -> None:
    assert tuned.tried > len(tuned.suggestions)
    assert all(item.gain > 0 for item in tuned.suggestions)
    gains = [item.gain for item in tuned.suggestions]
    assert gains == sorted(gains, reverse=True)
    assert not any(f"“{word}”" in item.text for item in tuned.suggestions for word in FILLER)


def test_the_same_seed_gives_the_same_and_labels_without_meaning_give_nothing(
    pack: Pack, tuned: Tuning
) -> None:
    assert tuning_json(tune(pack, pack.sits[BADGE], texts(), TYPES)) == tuning_json(tuned)
    chance = random.Random(3)
    shuffled = []
    for document in texts():
        value = next(word for word in document.text.split() if word.isdigit())
        start = document.text.index(value)
        spans = (Span(start, start + 8, "BADGE"),) if chance.random() < 0.5 else ()
        bare = " ".join(w for w in document.text.split() if w in FILLER)
        text = f"{bare} {value}"
        place = text.index(value)
        spans = tuple(Span(place, place + 8, "BADGE") for _ in spans)
        shuffled.append(replace(document, text=text, spans=spans))
    found = tune(pack, pack.sits[BADGE], shuffled, TYPES, floor=1, objective="precision")
    assert [item for item in found.suggestions if item.kind != "tier"] == []


def test_no_part_of_a_value_is_ever_suggested(pack: Pack) -> None:
    named = []
    for document in texts():
        name = "Ann Example" if document.spans else "Order"
        text = f"{document.text} {name}"
        start = text.index(name)
        spans = (*document.spans, Span(start, start + len(name), "PERSON"))
        named.append(replace(document, text=text, spans=spans if document.spans else ()))
    found = tuning_text(tune(pack, pack.sits[BADGE], named, TYPES))
    assert "membership" in found
    assert "ann" not in found.casefold().split()
    assert "example" not in found.casefold()


def test_copies_of_one_template_stand_on_one_side(pack: Pack) -> None:
    copies = []
    for number in range(60):
        value = f"{number * 1234567:08}"
        word = "membership" if number % 2 else "invoice"
        text = f"the {word} number {value} was sent"
        spans = (Span(text.index(value), text.index(value) + 8, "BADGE"),) if number % 2 else ()
        copies.append(Document(str(number), "made", text, spans))
    with pytest.raises(ConfigurationError, match="too few different texts"):
        tune(pack, pack.sits[BADGE], copies, TYPES)


def test_texts_that_say_nothing_about_the_type_are_refused(pack: Pack) -> None:
    nothing = [replace(item, spans=()) for item in texts()]
    with pytest.raises(ConfigurationError, match="say nothing about the SIT"):
        tune(pack, pack.sits[BADGE], nothing, TYPES)
    with pytest.raises(ConfigurationError, match="say nothing"):
        tune(pack, pack.sits[BADGE], texts(), TYPES, labelled={"made": ["OTHER"]})


def test_other_types_that_a_change_concerns_are_named(tmp_path: Path) -> None:
    (tmp_path / "_shared").mkdir()
    (tmp_path / "pack.yaml").write_text("id: test\nname: test\nversion: 1.0.0.0\n")
    (tmp_path / "a.yaml").write_text(SIT.replace("  words: {keywords: [badge, reference]}\n", ""))
    (tmp_path / "b.yaml").write_text(OTHER)
    (tmp_path / "_shared" / "w.yaml").write_text(
        "elements:\n  words: {keywords: [badge, reference]}\n"
    )
    shared = load_pack(tmp_path)
    found = tune(shared, shared.sits[BADGE], texts(), TYPES)
    assert changes(found)["words: add “membership”"].concerns == ("Other",)
    assert "changes 1 other type(s), too: Other" in tuning_text(found)


# --- the patch -----------------------------------------------------------------------------------


def patched(document: Any, operations: list[dict[str, Any]]) -> Any:
    """The document with the operations applied, as docs/tune.md says."""
    made = copy.deepcopy(document)
    for operation in operations:
        *path, last = operation["path"].split("/")[1:]
        place = made
        for name in path:
            place = place[int(name) if isinstance(place, list) else name]
        inner = place[int(last)] if isinstance(place, list) and last != "-" else None
        if operation["op"] == "remove" and "value" in operation:
            (inner or place[last]).remove(operation["value"])
        elif operation["op"] == "remove":
            del place[int(last) if isinstance(place, list) else last]
        elif last == "-":
            place.append(operation["value"])
        else:
            place[int(last) if isinstance(place, list) else last] = operation["value"]
    return made


def test_every_patch_makes_of_the_file_what_was_measured(
    folder: Path, pack: Pack, tmp_path: Path
) -> None:
    from dlpagent.classifiers.tuning import (
        exclusion_edits,
        fixed_edits,
        keyword_edits,
        removal_edits,
    )
    from dlpagent.service.tuning import patch_of

    sit = pack.sits[BADGE]
    edits = [*fixed_edits(sit), *keyword_edits(pack, sit, ["membership"]),
             *exclusion_edits(sit, ["invoice"]), *removal_edits(pack, sit, ["reference"])]  # fmt: skip
    assert {edit.kind for edit in edits} == {
        "proximity", "tier", "filter", "keyword", "exclusion", "remove keyword",
    }  # fmt: skip
    document = yaml.safe_load((folder / "badge.yaml").read_text())
    for number, edit in enumerate(edits):
        after = edit.apply(pack)
        made = tmp_path / f"{number}"
        made.mkdir()
        (made / "pack.yaml").write_text("id: test\nname: test\nversion: 1.0.0.0\n")
        changed = patched(document, list(patch_of(pack, after, BADGE)))
        (made / "badge.yaml").write_text(yaml.safe_dump(changed))
        assert diff_packs(load_pack(made), after).changes == (), edit.text
        assert diff_packs(pack, after).changes != (), edit.text


def test_the_command_prints_a_patch_and_leaves_the_files_alone(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"id": item.id, "source": "made", "text": item.text,
             "spans": [{"start": s.start, "end": s.end, "type": "Badge"} for s in item.spans]}
            for item in texts()]  # fmt: skip
    corpus = tmp_path / "c.jsonl"
    corpus.write_text("".join(json.dumps(row) + "\n" for row in rows))
    before = {path: path.read_text() for path in folder.iterdir()}
    code = run(["tune", "badge", "--on", str(corpus), "--pack", str(folder),
                "--format", "yaml-patch", "-q"])  # fmt: skip
    found = yaml.safe_load(capsys.readouterr().out)
    assert code == 0
    assert {path: path.read_text() for path in folder.iterdir()} == before
    added = next(item for item in found if item["change"] == "words: add “membership”")
    assert added["patch"] == [
        {"op": "add", "path": "/elements/words/keywords/-", "value": "membership"}
    ]
    assert added["gain"]["after"] == {"gold": 60, "found": 90, "overlapping": 60}


def test_texts_and_json_hold_no_value(tuned: Tuning) -> None:
    shown = tuning_text(tuned) + tuning_patch(tuned) + json.dumps(tuning_json(tuned))
    values = [word for document in texts() for word in document.text.split() if word.isdigit()]
    assert not [value for value in values if value in shown]


@pytest.mark.parametrize(
    ("objective", "expected"),
    [("precision", 0.5), ("recall", 0.25), ("f1", 1 / 3), ("f2", 5 * 0.125 / (4 * 0.5 + 0.25))],
)
def test_what_is_to_rise_can_be_chosen(objective: Any, expected: float) -> None:
    assert score(Counts(gold=8, found=4, overlapping=2), objective) == pytest.approx(expected)
