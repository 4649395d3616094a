import random
from base64 import b64decode, b64encode

import pytest

from dlpagent.classifiers.validators import azure_keys as az


@pytest.mark.parametrize(
    ("octets", "high", "low"),
    [(b"", 0x30ED35C1, 0x00CD3C7D), (b"\xaf", 0x48E73FC7, 0x7D75DDC1)],
)
def test_marvin_gives_the_published_test_vectors(octets, high, low):
    # The .NET runtime's test vectors for this seed; the 32-bit hash is both halves combined.
    assert az.marvin32(octets, 0x004FB61A001BDBCC) == high ^ low


def key(signature, seed, size, rng):
    """A key built by the published rule: random bytes, signature, checksum of all before."""
    pad = -(size + 7) % 3
    text = b64encode(rng.randbytes(size)).decode()
    body = text.rstrip("=")[: (size * 8) // 6] + signature
    fill = "A" * (-len(body) % 4)
    octets = b64decode(body + fill)[: size + 3]
    check = az.marvin32(octets, int.from_bytes(seed.encode(), "big")).to_bytes(4, "little")
    assert pad in (0, 1, 2)
    return b64encode(octets + check).decode()


@pytest.mark.parametrize(
    ("signature", "seed", "size"),
    [("+ASt", "Default0", 57), ("ACDb", "MastRW00", 57), ("+ABa", "AbAcct00", 57),
     ("AzSe", "Query000", 32 + 1), ("+ASb", "Send0000", 33), ("AzFu", "Master00", 33)],
)  # fmt: skip
def test_a_key_with_signature_and_checksum_is_valid_and_a_changed_one_is_not(signature, seed, size):
    made = key(signature, seed, size, random.Random(1))
    assert az.azure_key(made)
    for at in range(len(made) - 12):
        other = "B" if made[at] != "B" else "C"
        assert not az.azure_key(made[:at] + other + made[at + 1 :])


def test_the_url_alphabet_is_read_too():
    made = key("AzFu", "Master00", 33, random.Random(5))
    assert az.azure_key(made.replace("+", "-").replace("/", "_").rstrip("="))


def cask(rng, kind="9"):
    """A common annotated key built by the published layout."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    while True:
        body = "".join(rng.choices(alphabet, k=52)) + f"JQQJ9{kind}BF" + "A" * 16 + "ACOG"
        check = az.marvin32(b64decode(body), int.from_bytes(b"Default0", "big"))
        tail = b64encode(check.to_bytes(4, "little")[:3]).decode()
        if tail.isalnum():
            return body + tail


@pytest.mark.parametrize("kind", "9DH")
def test_an_annotated_key_with_its_checksum_is_valid_for_both_validators(kind):
    made = cask(random.Random(2), kind)
    assert az.azure_cask(made)
    assert az.azure_key(made)


def test_every_changed_character_of_an_annotated_key_is_refused():
    made = cask(random.Random(3))
    for at in range(len(made)):
        other = "B" if made[at] != "B" else "C"
        assert not az.azure_cask(made[:at] + other + made[at + 1 :])


@pytest.mark.parametrize(
    "text", ["", "A" * 44, "A" * 86 + "==", "A" * 33, "A" * 78 + "+AStAAAAAA=="]
)
def test_keys_without_their_checksum_are_refused(text):
    assert not az.azure_key(text)
