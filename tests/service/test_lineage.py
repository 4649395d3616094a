"""A manifest of labels is whole or not there, and any change of it or its files is noticed."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from dlpagent.errors import ConfigurationError
from dlpagent.evidence import Evidence
from dlpagent.findings import PackRef
from dlpagent.labels.taxonomy_files import load_taxonomy
from dlpagent.records import Asset
from dlpagent.service.labelling import AssetLabel, LabelledRecord, Raised
from dlpagent.service.lineage import Basis, LineageWriter, record_key, verify
from dlpagent.violations import Item, PolicyRef, Recommendation, Tally

TAXONOMY = load_taxonomy()
SECRET = TAXONOMY.ref(TAXONOMY.labels[-1])
BASIS = Basis(PackRef("p", "1", "h"), PolicyRef("q", "Policy", "1+x"), TAXONOMY)
EVIDENCE, OTHER = Evidence(bytes(32)), Evidence(b"1" * 32)
CARD = "50842eb7-edc8-4019-85dd-5a5c1f2bb085"
TEXT = "4111 1111 1111 1111"


def record(asset: Asset, ident: str, text: str = TEXT) -> LabelledRecord:
    item = Item(asset, "record", ident, (Tally(CARD, ((85, 1, 1),)),), "e")
    found = Recommendation(SECRET, None, "Found it.", (CARD,))
    return LabelledRecord(asset, item, found, (0,), {"file": "/x", "row": 0}, (("text", text),))


def whole(asset: Asset, incomplete: tuple[str, ...] = ()) -> AssetLabel:
    raised = (Raised("r1", "Found it."),)
    return AssetLabel(asset, SECRET, "Found it.", 9, {"S": 1}, raised, 1, None, (), incomplete)


def write(folder: Path, *uris: str, change: Path | None = None) -> Path:
    writer = LineageWriter(folder / "m.json", BASIS, EVIDENCE, {CARD: "Credit Card Number"})
    for uri in uris:
        asset = Asset(uri, "dataset", "jsonl")
        writer.begin(uri)
        writer.record(record(asset, "r1"))
        writer.record(record(asset, 'r"2\n'))
        if change:
            change.write_text("changed meanwhile")
        writer.end(whole(asset))
    writer.finish()
    writer.close()
    return folder / "m.json"


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    made = [tmp_path / "a.jsonl", tmp_path / "sub" / "b ü.jsonl"]
    made[1].parent.mkdir()
    for number, file in enumerate(made):
        file.write_text(f"content {number}")
    return made


def test_a_manifest_is_json_and_names_no_value(files: list[Path], tmp_path: Path) -> None:
    manifest = write(tmp_path, *(file.as_uri() for file in files), "chroma:///store#c")
    held = json.loads(manifest.read_bytes())
    assert [asset["file"] and asset["file"]["path"] for asset in held["assets"]] == [
        "a.jsonl", "sub/b ü.jsonl", None,
    ]  # fmt: skip
    assert [one["record"] for one in held["assets"][0]["records"]] == ["r1", 'r"2\n']
    assert held["pack"]["hash"] == "h"
    assert held["end"]["label"]["id"] == SECRET.id
    assert TEXT not in manifest.read_text("utf-8")
    assert not list(tmp_path.glob("*.partial"))


def test_an_untouched_manifest_holds_wherever_it_is_moved(
    files: list[Path], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    write(tmp_path, *(file.as_uri() for file in files))
    moved = tmp_path_factory.mktemp("moved") / "corpus"
    tmp_path.rename(moved)
    found = verify(moved / "m.json", EVIDENCE, BASIS)
    assert (found.files, found.problems, found.notes, found.is_sealed) == (2, (), (), True)
    moved.rename(tmp_path)


def test_any_change_of_a_byte_is_noticed(files: list[Path], tmp_path: Path) -> None:
    manifest = write(tmp_path, files[0].as_uri())
    good, chance = manifest.read_bytes(), random.Random(3)
    for place in chance.sample(range(len(good)), 300):
        other = bytes([good[place] ^ 1 << chance.randrange(7)])
        manifest.write_bytes(good[:place] + other + good[place + 1 :])
        try:
            found = verify(manifest, EVIDENCE)
        except ConfigurationError:
            continue
        harmless = json.loads(manifest.read_bytes()) == json.loads(good)
        assert found.problems or found.notes or harmless, place


def test_who_makes_a_new_digest_lacks_the_seal(files: list[Path], tmp_path: Path) -> None:
    manifest = write(tmp_path, files[0].as_uri())
    forged = LineageWriter(tmp_path / "f.json", BASIS, OTHER, {})
    forged.begin(files[0].as_uri())
    forged.end(whole(Asset(files[0].as_uri(), "dataset", "jsonl")))
    forged.finish()
    own = json.loads(manifest.read_bytes())["proof"]["key"]
    theirs = json.loads((tmp_path / "f.json").read_bytes())["proof"]["key"]
    text = (tmp_path / "f.json").read_text("utf-8").replace(theirs, own)
    (tmp_path / "f.json").write_text(text, "utf-8")
    assert "the seal is not of this manifest" in verify(tmp_path / "f.json", EVIDENCE).problems
    assert not verify(manifest).problems
    assert "seal was not checked" in verify(manifest).notes[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda file: file.write_text("other"), "is not as it was labelled"),
        (lambda file: file.unlink(), "is not there"),
        (lambda file: (file.unlink(), file.mkdir()), "is not there"),
    ],
)
def test_a_file_that_changed_is_named(
    files: list[Path], tmp_path: Path, change: object, said: str
) -> None:
    manifest = write(tmp_path, *(file.as_uri() for file in files))
    change(files[1])  # type: ignore[operator]
    assert verify(manifest, EVIDENCE).problems == (f"sub/b ü.jsonl: {said}",)


def test_another_pack_policy_or_taxonomy_is_another_basis(
    files: list[Path], tmp_path: Path
) -> None:
    manifest = write(tmp_path, files[0].as_uri())
    others = [
        ("pack", Basis(PackRef("p", "2", "h"), BASIS.policy, TAXONOMY)),
        ("policy", Basis(BASIS.pack, PolicyRef("q", "Policy", "1+y"), TAXONOMY)),
        ("taxonomy", Basis(BASIS.pack, BASIS.policy, load_taxonomy(tenant="t"))),
    ]
    for name, basis in others:
        (problem,) = verify(manifest, EVIDENCE, basis).problems
        assert problem.startswith(f"the {name} is another")


def test_a_file_that_changes_while_it_is_read_is_incomplete(
    files: list[Path], tmp_path: Path
) -> None:
    manifest = write(tmp_path, files[0].as_uri(), change=files[0])
    (asset,) = json.loads(manifest.read_bytes())["assets"]
    assert asset["incomplete"] == ["the file changed while it was read"]
    assert "was not read whole" in verify(manifest, EVIDENCE).notes[0]


def test_nothing_is_left_of_a_manifest_that_was_not_finished(tmp_path: Path) -> None:
    writer = LineageWriter(tmp_path / "m.json", BASIS, EVIDENCE, {})
    writer.begin("chroma:///x")
    writer.close()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"kind": "x"}', b'{"v": 2, "kind": "dlpagent label lineage"}',
     b'{"v": 1, "kind": "dlpagent label lineage"}',
     b'{"v": 1, "kind": "dlpagent label lineage", "assets": [1], "proof": {}}'],
)  # fmt: skip
def test_what_is_no_manifest_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(ConfigurationError, match="no label lineage"):
        verify(tmp_path / "x.json")


def test_the_digest_of_a_record_is_keyed_and_tells_texts_apart() -> None:
    asset = Asset("x", "dataset", "jsonl")
    one, same = record(asset, "1"), record(asset, "2")
    assert record_key(EVIDENCE, one) == record_key(EVIDENCE, same)
    assert record_key(EVIDENCE, one) != record_key(OTHER, one)
    assert record_key(EVIDENCE, one) != record_key(EVIDENCE, record(asset, "1", "other"))
