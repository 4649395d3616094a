"""Addresses of cryptocurrency wallets, and the hash Ethereum signs their letters with."""

import hashlib
import re
from itertools import product

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_ETHEREUM = re.compile(r"0x[0-9a-fA-F]{40}")
_MASK = (1 << 64) - 1
_RATE_BYTES = 136
"""Keccak-256 takes in 1088 of its 1600 bits at a time."""


def base58check(text: str) -> bool:
    """An address in Base58Check: version byte, 20 bytes, and 4 bytes of a double SHA-256.

    Bitcoin, Litecoin, Dogecoin and Tron use it. Source: Bitcoin wiki, Base58Check encoding.
    """
    code = text.strip()
    if not 26 <= len(code) <= 35 or set(code) - set(_BASE58):
        return False
    number = 0
    for letter in code:
        number = number * 58 + _BASE58.index(letter)
    if number >> 200:
        return False
    octets = number.to_bytes(25, "big")
    digest = hashlib.sha256(hashlib.sha256(octets[:21]).digest()).digest()
    return octets[21:] == digest[:4]


def bech32_address(text: str) -> bool:
    """A Bitcoin or Litecoin SegWit address: bc or ltc, version, 2 to 40 bytes, six check letters.

    Version 0 is checked as Bech32 (BIP 173), later versions as Bech32m (BIP 350).
    """
    code = text.strip()
    if code not in (code.lower(), code.upper()):
        return False
    prefix, _, rest = code.lower().rpartition("1")
    if prefix not in ("bc", "ltc") or not 8 <= len(rest) <= 71 or set(rest) - set(_BECH32):
        return False
    data = [_BECH32.index(letter) for letter in rest]
    expand = [*(ord(c) >> 5 for c in prefix), 0, *(ord(c) & 31 for c in prefix)]
    return data[0] <= 16 and _polymod([*expand, *data]) == (1 if data[0] == 0 else 0x2BC830A3)


def _polymod(values: list[int]) -> int:
    """The remainder of the BCH code of BIP 173."""
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate(_BECH32_GENERATOR):
            check ^= generator if top >> place & 1 else 0
    return check


def ethereum_address(text: str) -> bool:
    """0x and 40 hexadecimal digits; where case is mixed, it must be the checksum of EIP-55.

    Addresses of few different digits (null and burn addresses) are refused.
    """
    code = text.strip()
    if not _ETHEREUM.fullmatch(code):
        return False
    digits = code[2:]
    low = digits.lower()
    if len(set(low)) < 6:
        return False
    if digits in (low, digits.upper()):
        return True
    signs = keccak_256(low.encode()).hex()
    return all(
        letter.isupper() == (int(sign, 16) > 7)
        for letter, sign in zip(digits, signs, strict=False)
        if letter.isalpha()
    )


# --- Keccak-256, as it was before SHA-3 changed the padding (hashlib has only the latter) ---------


def _round_constants() -> list[int]:
    """The 24 constants of iota, from the linear feedback shift register of FIPS 202, 3.2.5."""
    constants, state = [], 1
    for _ in range(24):
        constant = 0
        for place in range(7):
            if state & 1:
                constant |= 1 << ((1 << place) - 1)
            state = (state << 1) ^ (0x171 if state & 0x80 else 0)
        constants.append(constant)
    return constants


_ROUND_CONSTANTS = _round_constants()


def _rotated(lane: int, places: int) -> int:
    places %= 64
    return ((lane << places) | (lane >> (64 - places))) & _MASK


def _permuted(lanes: list[list[int]]) -> list[list[int]]:
    """Keccak-f[1600]: theta, rho, pi, chi and iota, 24 times. Source: FIPS 202, 3.2."""
    for constant in _ROUND_CONSTANTS:
        columns = [a ^ b ^ c ^ d ^ e for a, b, c, d, e in lanes]
        mixed = [columns[x - 1] ^ _rotated(columns[(x + 1) % 5], 1) for x in range(5)]
        lanes = [[lane ^ mixed[x] for lane in lanes[x]] for x in range(5)]
        x, y, current = 1, 0, lanes[1][0]
        for step in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            current, lanes[x][y] = lanes[x][y], _rotated(current, (step + 1) * (step + 2) // 2)
        old = [row[:] for row in lanes]
        for x, y in product(range(5), range(5)):
            lanes[x][y] = old[x][y] ^ (~old[(x + 1) % 5][y] & old[(x + 2) % 5][y])
        lanes[0][0] ^= constant
    return lanes


def keccak_256(data: bytes) -> bytes:
    """The Keccak-256 digest Ethereum uses: padding 0x01, where SHA3-256 has 0x06."""
    padded = bytearray(data + bytes(_RATE_BYTES - len(data) % _RATE_BYTES))
    padded[len(data)] ^= 0x01
    padded[-1] ^= 0x80
    lanes = [[0] * 5 for _ in range(5)]
    for start in range(0, len(padded), _RATE_BYTES):
        for index in range(_RATE_BYTES // 8):
            place = start + 8 * index
            lanes[index % 5][index // 5] ^= int.from_bytes(padded[place : place + 8], "little")
        lanes = _permuted(lanes)
    return b"".join(lanes[index][0].to_bytes(8, "little") for index in range(4))


VALIDATORS = {
    "base58check": base58check,
    "bech32_address": bech32_address,
    "ethereum_address": ethereum_address,
}
