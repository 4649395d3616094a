"""Wallet addresses: published ones pass, one character changed does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlpagent.classifiers.validators.crypto import (
    base58check,
    bech32_address,
    ethereum_address,
    keccak_256,
)

BASE58 = [
    "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",  # the first block of Bitcoin
    "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",  # Bitcoin wiki, pay to script hash
    "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t",  # Tron, contract of a stablecoin
]
BECH32 = [
    "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",  # BIP 173
    "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
    "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",  # BIP 350
]
EIP55 = [
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]


@pytest.mark.parametrize("address", BASE58)
def test_a_published_base58_address_passes_and_each_changed_character_is_noticed(address):
    assert base58check(address)
    for place, letter in enumerate(address):
        other = "2" if letter != "2" else "3"
        assert not base58check(address[:place] + other + address[place + 1 :])


@pytest.mark.parametrize("address", BECH32)
def test_a_published_bech32_address_passes_and_each_changed_character_is_noticed(address):
    assert bech32_address(address)
    for place in range(3, len(address)):
        other = "q" if address[place] not in "qQ" else "p"
        changed = address[:place] + (other.upper() if address.isupper() else other)
        assert not bech32_address(changed + address[place + 1 :])


@pytest.mark.parametrize(
    "address",
    [
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8F3t4",  # mixed case
        "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx",  # the test network
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd",  # Bech32, not Bech32m
        "bc1",
        "",
    ],
)
def test_a_bech32_address_of_another_kind_does_not_pass(address):
    assert not bech32_address(address)


@pytest.mark.parametrize("address", EIP55)
def test_an_ethereum_address_passes_with_its_checksum_and_without_case(address):
    assert ethereum_address(address)
    assert ethereum_address("0x" + address[2:].lower())
    assert ethereum_address("0x" + address[2:].upper())
    assert not ethereum_address("0x" + address[2:].swapcase())


@pytest.mark.parametrize(
    "address",
    [
        "0x" + "0" * 40,
        "0x" + "dead" * 10,
        "5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
        "0x5aaeb6053f",
    ],
)
def test_null_burn_and_half_addresses_do_not_pass(address):
    assert not ethereum_address(address)


@pytest.mark.parametrize(
    ("data", "digest"),
    [
        (b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        (b"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
    ],
)
def test_keccak_256_gives_the_published_digests(data, digest):
    assert keccak_256(data).hex() == digest


@given(st.binary(max_size=400))
def test_keccak_256_gives_32_bytes_for_any_length(data):
    assert len(keccak_256(data)) == 32
