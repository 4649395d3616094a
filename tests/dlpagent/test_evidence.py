"""Evidence: masks that hide, keys that compare, and one key file for all processes."""

from __future__ import annotations

import hashlib
import hmac
import os
import pickle
import stat
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpagent.errors import StateError
from dlpagent.evidence import (
    KEY_BYTES,
    SECRET_MASK,
    Evidence,
    ValueForm,
    load_evidence,
    masked,
    normalised,
)

FORMS: list[ValueForm] = ["number", "text", "secret"]
values = st.one_of(
    st.text(max_size=90), st.from_regex(r"[0-9]{1,30}", fullmatch=True),
    st.from_regex(r"[0-9]{4}([ -][0-9]{1,4}){1,6}", fullmatch=True),
)  # fmt: skip


@pytest.mark.parametrize(
    ("value", "form", "shape"),
    [
        ("4111 1111 1111 1234", "number", "**** **** **** 1234"),
        ("4111-1111-1234", "number", "****-****-1234"),
        ("123-45-6789", "number", "***-**-**89"),
        ("1234567", "number", "*******"),
        ("DE89 3704 0044 0532", "number", "**** **** **** ****"),
        ("12345678901２", "number", "************"),
        ("a.b@example.org", "text", "*.*@*******.***"),
        ("Zoë O'Neill", "text", "*** *'*****"),
        ("कार्ड", "text", "*****"),  # vowel signs would tell of the word
        ("a\u0301😀", "text", "***"),
        ("a\x1b[31mb\x00", "text", "**[*****"),
        ("line\nbreak", "text", "**** *****"),
        ("hunter2", "secret", SECRET_MASK),
        ("", "secret", SECRET_MASK),
        ("", "number", ""),
        ("1" * 80, "number", "*" * 64 + "…"),
    ],
)
def test_a_mask_shows_the_shape_only(value: str, form: ValueForm, shape: str) -> None:
    assert masked(value, form) == shape


@given(values, st.sampled_from(FORMS))
@settings(max_examples=250)
def test_a_mask_never_shows_more_than_a_third_nor_a_letter(value: str, form: ValueForm) -> None:
    shape = masked(value, form)
    shown = [char for char in shape if char.isalnum()]
    assert all(char.isdigit() and char.isascii() for char in shown)
    assert len(shown) * 3 <= sum(char.isalnum() for char in value)
    assert len(shown) <= 4
    assert len(shape) <= 65
    assert all(
        char.isprintable() and not unicodedata.category(char).startswith("M") for char in shape
    )
    if form == "secret":
        assert shape == SECRET_MASK


@pytest.mark.parametrize(
    ("first", "second", "form", "equal"),
    [
        ("4111 1111", "4111-1111", "number", True),
        ("ab12", "AB12", "number", True),
        ("１２", "12", "number", True),
        ("12", "21", "number", False),
        ("Zoe  Smith", "zoe smith", "text", True),
        ("Zoe Smith", "ZoeSmith", "text", False),
        ("Straße", "STRASSE", "text", True),
        ("Key", "key", "secret", False),
        ("key ", "key", "secret", False),
        ("\ud800", "\udfff", "secret", False),
    ],
)
def test_equal_values_have_equal_keys(
    first: str, second: str, form: ValueForm, equal: bool
) -> None:
    evidence = Evidence(b"k" * KEY_BYTES)
    assert (evidence.key(first, form) == evidence.key(second, form)) is equal


@given(st.text(max_size=20), st.sampled_from(FORMS), st.binary(min_size=32, max_size=100))
def test_a_key_is_half_of_an_hmac_sha256(value: str, form: ValueForm, secret: bytes) -> None:
    data = normalised(value, form).encode("utf-8", "surrogatepass")
    key = Evidence(secret).key(value, form)
    assert key == hmac.new(secret, data, hashlib.sha256).hexdigest()[:32]
    assert key == pickle.loads(pickle.dumps(Evidence(secret))).key(value, form)  # noqa: S301 - our own


def test_the_secret_is_never_printed() -> None:
    evidence = Evidence(b"k" * KEY_BYTES)
    assert "kkkk" not in f"{evidence!r}{evidence}{evidence.key_id()}"
    assert evidence.key_id() != Evidence(b"j" * KEY_BYTES).key_id()


# --- the key file -----------------------------------------------------------------------------


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "evidence.key"
    first = load_evidence(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_evidence(path).key("1") == first.key("1")
    assert [item.name for item in path.parent.iterdir()] == ["evidence.key"]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o601])
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "evidence.key"
    load_evidence(path)
    path.chmod(mode)
    with pytest.raises(StateError, match=f"mode {mode:04o}") as caught:
        load_evidence(path)
    assert "chmod 600" in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "\n", "not a key", "abc", "aa" * 31, "AA" * 32, "é" * 64, "aa bb" * 20, "\0" * 64]
)
def test_a_file_that_holds_no_key_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    path = tmp_path / "evidence.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(StateError) as caught:
        load_evidence(path)
    assert not text.strip() or text.strip() not in str(caught.value).replace("not a key", "", 1)


@pytest.mark.parametrize("place", ["folder", "file/evidence.key", "x" * 300])
def test_a_place_that_cannot_hold_a_key_is_an_error_of_ours(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir(mode=0o700)
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="evidence key"):
        load_evidence(tmp_path / place)


def test_twenty_processes_agree_on_one_key(tmp_path: Path) -> None:
    path = tmp_path / "home" / "evidence.key"
    program = (
        "import sys, pathlib; from dlpagent.evidence import load_evidence; sys.stdin.read(1);"
        f"print(load_evidence(pathlib.Path({str(path)!r})).key_id())"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True)
        for _ in range(20)
    ]  # fmt: skip
    found = {process.communicate("x")[0] for process in running}
    assert len(found) == 1
    assert found != {""}
    assert os.listdir(path.parent) == ["evidence.key"]  # noqa: PTH208 - no draft is left
