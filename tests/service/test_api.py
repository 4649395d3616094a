"""The Python API as a data team uses it: texts, tables of every make, files; and nothing raw kept."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

import dlpagent
from dlpagent.errors import ConfigurationError
from dlpagent.service.api import Findings, OpenPack

CARD = "4111 1111 1111 1111"


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> OpenPack:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLPAGENT_HOME", str(tmp_path_factory.mktemp("home")))
        return dlpagent.open_pack()


def cards(found: Findings) -> list[tuple[str, str, int, int, int]]:
    return [
        (item.record, item.part, item.start, item.end, item.confidence)
        for item in found
        if item.sit == "Credit Card Number"
    ]


def test_a_text_is_classified_with_places_in_code_points(pack: OpenPack) -> None:
    found = pack.classify(f"é😀 my credit card is {CARD}")
    assert cards(found) == [("0", "text", 21, 40, 85)]
    assert found.is_complete
    assert {item.level for item in found.at_least("high")} == {"high"}


def test_words_beside_a_text_support_it(pack: OpenPack) -> None:
    assert cards(pack.classify(CARD))[0][4] == 65
    assert cards(pack.classify(CARD, context="credit card"))[0][4] == 85


@pytest.mark.parametrize("make", ["arrow", "batch", "mapping", "pandas", "polars"])
def test_tables_of_every_make_give_the_same_findings(make: str, pack: OpenPack) -> None:
    columns = {
        "credit card": [CARD, None, "none"],
        "note": ["a", f"card {CARD}", ""],
        "n": [1, 2, 3],
    }
    table = pa.table(columns)
    if make in ("pandas", "polars"):
        module = pytest.importorskip(make)
        data = module.DataFrame(columns)
    else:
        data = {"arrow": table, "batch": table.to_batches()[0], "mapping": columns}[make]
    assert cards(pack.scan(data)) == [
        ("0", "credit card", 0, 19, 85), ("1", "note", 5, 24, 75),
    ]  # fmt: skip


def test_only_the_columns_named_are_read_and_numbers_are_read_as_text(pack: OpenPack) -> None:
    table = pa.table({"card number": [4111111111111111], "other": [f"card {CARD}"]})
    assert cards(pack.scan(table, ["card number"])) == [("0", "card number", 0, 16, 85)]
    with pytest.raises(ConfigurationError, match="no such column"):
        pack.scan(table, ["nothing"])


def test_a_path_is_scanned_and_what_is_unread_is_told(tmp_path: Path, pack: OpenPack) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"id": "x", "text": f"card {CARD}"}) + '\n{"id": "y", "te')
    found = pack.scan(path)
    assert cards(found)[0][:2] == ("x", "text")
    assert not found.is_complete
    assert "Unterminated" in found.unchecked[0].reason
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("conversations.json", "[]" * 1000)
    (tmp_path / "b.zip").write_bytes((tmp_path / "b.zip").read_bytes()[:-40])
    assert "zip with its directory" in pack.scan(tmp_path / "b.zip").unchecked[0].reason
    with pytest.raises(ConfigurationError):
        pack.scan(tmp_path / "missing")


def test_what_cannot_be_scanned_is_refused(pack: OpenPack) -> None:
    with pytest.raises(ConfigurationError, match="cannot be scanned"):
        pack.scan(42)
    with pytest.raises(ConfigurationError, match="nothing to scan"):
        pack.scan(pa.table({"n": [1]}))


def test_findings_are_an_arrow_table_without_a_value_in_it(pack: OpenPack) -> None:
    table = pack.classify(f"card {CARD}").to_arrow()
    assert table.column_names[:4] == ["asset", "record_id", "part", "start"]
    assert CARD not in str(table.to_pylist())
    assert CARD not in repr(pack.classify(f"card {CARD}"))


def test_a_notebook_shows_the_text_with_its_matches_masked_and_nothing_executed(
    pack: OpenPack,
) -> None:
    shown = pack.classify(f"<script>alert(1)</script> my card {CARD} ends")._repr_html_()
    assert CARD not in shown
    assert "**** **** **** 1111" in shown
    assert "&lt;script&gt;" in shown
    assert "Credit Card Number: 75 (medium), Func_credit_card with &quot;card&quot; " in shown
    assert shown.endswith(" ends</div>")
    assert "<td>" in pack.scan({"text": [f"card {CARD}"]})._repr_html_()


def test_an_explanation_says_why_without_the_value(pack: OpenPack) -> None:
    why = str(pack.explain(f"my credit card is {CARD}"))
    assert '"credit card" 15 away' in why
    assert CARD not in why


def test_importing_dlpagent_loads_no_room() -> None:
    code = "import sys, dlpagent; assert not [m for m in sys.modules if 'pyarrow' in m]; dlpagent.open_pack"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError):
        dlpagent.nothing_of_the_kind  # noqa: B018
    assert "open_pack" in dir(dlpagent)
