import json
from base64 import b64encode, urlsafe_b64encode
from zlib import crc32

import pytest

from dlpagent.classifiers.validators import tokens

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def part(value):
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def with_checksum(prefix, body):
    """A token built by the published rule, written out longhand."""
    number, digits = crc32(body.encode()), ""
    for _ in range(6):
        digits, number = BASE62[number % 62] + digits, number // 62
    return prefix + body + digits


# Built here from a body that nobody was ever issued.
BODY = "DlpAgentTestTokenDlpAgentTestT"


@pytest.mark.parametrize("prefix", ["ghp_", "gho_", "ghu_", "ghs_", "ghr_"])
def test_a_github_token_with_its_checksum_is_valid(prefix):
    assert tokens.github_checksum(with_checksum(prefix, BODY))
    assert not tokens.npm_checksum(with_checksum(prefix, BODY))


def test_an_npm_token_with_its_checksum_is_valid():
    assert tokens.npm_checksum(with_checksum("npm_", BODY))
    assert not tokens.github_checksum(with_checksum("npm_", BODY))


def test_the_published_example_of_the_checksum_rule_is_valid():
    # GitHub's revoked example token that secret scanners use in their tests.
    assert tokens.github_checksum("ghp_" + "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ" + "0mLq17")


def test_every_changed_character_of_a_github_token_is_refused():
    token = with_checksum("ghp_", BODY)
    for at in range(4, len(token)):
        other = "x" if token[at] != "x" else "y"
        assert not tokens.github_checksum(token[:at] + other + token[at + 1 :])


@pytest.mark.parametrize(
    "text", ["", "ghp_", "ghx_" + "a" * 36, "ghp_" + "a" * 35, "GHP_" + "a" * 36]
)
def test_other_text_is_no_github_token(text):
    assert not tokens.github_checksum(text)


HEADER, CLAIMS = part({"alg": "HS256", "typ": "JWT"}), part({"sub": "1234567890"})


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}.{CLAIMS}.c2lnbmF0dXJl",
        f" {HEADER}.{CLAIMS}.c2lnbmF0dXJl\n",
        f"{part({'alg': 'none'})}.{CLAIMS}.",
        f"{part({'alg': 'RSA-OAEP', 'enc': 'A256GCM'})}.a2V5.aXY.Y2lwaGVy.dGFn",
    ],
)
def test_a_header_that_names_an_algorithm_makes_a_token(text):
    assert tokens.jwt(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "..", "a.b.c", f"{HEADER}.{CLAIMS}", f"{CLAIMS}.{CLAIMS}.c2ln", f"{HEADER}.bm90.c2ln",
        f"{part(['alg'])}.{CLAIMS}.c2ln", f"{part({'alg': 1})}.{CLAIMS}.c2ln",
        f"{part({'alg': 'dir'})}.a.b.c.d", "www.example.com", "eyJ.eyJ.x", "[" * 5000 + ".e30.x",
    ],
)  # fmt: skip
def test_other_dotted_text_is_no_token(text):
    assert not tokens.jwt(text)


def der(size):
    """A DER sequence whose content has `size` octets."""
    if size < 128:
        return b"\x30" + bytes([size]) + b"\x02" * size
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return b"\x30" + bytes([0x80 | len(length)]) + length + b"\x02" * size


@pytest.mark.parametrize("size", [20, 127, 128, 255, 256, 1190, 70_000])
def test_base64_whose_length_field_fits_is_der(size):
    text = b64encode(der(size)).decode()
    lines = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    assert tokens.der_base64(text)
    assert tokens.der_base64(f"-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----\n")
    assert not tokens.der_base64(b64encode(der(size)[:-1]).decode())
    assert not tokens.der_base64(b64encode(der(size) + b"\0").decode())


@pytest.mark.parametrize("text", ["", "MII", "MIIE" * 8, "hello world", "eyJhbGciOiJIUzI1NiIsInR5"])
def test_other_text_is_no_der(text):
    assert not tokens.der_base64(text)
