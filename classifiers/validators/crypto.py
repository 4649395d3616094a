"""Addresses of cryptocurrency wallets, and the hash Ethereum signs their letters with."""

import hashlib
import re

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


def _walk() -> list[tuple[int, int, int]]:
    """Rho and pi together: lane `to` gets lane `source`, turned left by `places` bits.

    Lane (x, y) stands at 5 * y + x. Source: FIPS 202, 3.2.2 and 3.2.3.
    """
    moves, x, y = [(0, 0, 0)], 1, 0
    for step in range(24):
        to = y, (2 * x + 3 * y) % 5
        moves.append((5 * to[1] + to[0], 5 * y + x, (step + 1) * (step + 2) // 2 % 64))
        x, y = to
    return moves


_WALK = _walk()
_ROWS = [(i, 5 * (i // 5) + (i + 1) % 5, 5 * (i // 5) + (i + 2) % 5) for i in range(25)]


def _permuted(lanes: list[int]) -> list[int]:
    """Keccak-f[1600] over 25 lanes: theta, rho, pi, chi and iota, 24 times. Source: FIPS 202, 3.2.

    Written for speed: a list of wallets has thousands of addresses.
    """
    moved = [0] * 25
    for constant in _ROUND_CONSTANTS:
        a, b, c, d, e = (
            lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20]
            for x in range(5)
        )
        mixed = (
            e ^ (b << 1 & _MASK | b >> 63),
            a ^ (c << 1 & _MASK | c >> 63),
            b ^ (d << 1 & _MASK | d >> 63),
            c ^ (e << 1 & _MASK | e >> 63),
            d ^ (a << 1 & _MASK | a >> 63),
        ) * 5
        for to, source, places in _WALK:
            lane = lanes[source] ^ mixed[source]
            moved[to] = (lane << places & _MASK) | lane >> (64 - places)
        lanes = [moved[i] ^ (moved[k] & (moved[j] ^ _MASK)) for i, j, k in _ROWS]
        lanes[0] ^= constant
    return lanes


def keccak_256(data: bytes) -> bytes:
    """The Keccak-256 digest Ethereum uses: padding 0x01, where SHA3-256 has 0x06."""
    padded = bytearray(data + bytes(_RATE_BYTES - len(data) % _RATE_BYTES))
    padded[len(data)] ^= 0x01
    padded[-1] ^= 0x80
    lanes = [0] * 25
    for start in range(0, len(padded), _RATE_BYTES):
        for index in range(_RATE_BYTES // 8):
            place = start + 8 * index
            lanes[index] ^= int.from_bytes(padded[place : place + 8], "little")
        lanes = _permuted(lanes)
    return b"".join(lanes[index].to_bytes(8, "little") for index in range(4))


VALIDATORS = {
    "base58check": base58check,
    "bech32_address": bech32_address,
    "ethereum_address": ethereum_address,
}
