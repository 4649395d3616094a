"""Azure keys that carry a signature and a Marvin32 checksum ("identifiable" and CASK keys)."""

import re
from base64 import b64decode, b64encode

_MASK = 0xFFFFFFFF
# Fixed signature in the key -> names whose eight ASCII characters seed the checksum.
# Source: Microsoft, security-utilities (MIT), published key metadata.
_MESSAGING = ("Send0000", "Manage00", "Listen00", "System00", "Unknown0", "SendRecv")
_SEEDS = {
    "+ABa": ("AbAcct00",),
    "+ACR": ("ACRDflt0",),
    "+AEh": _MESSAGING,
    "+AMC": ("Classic0",),
    "+ARm": _MESSAGING,
    "+ASb": _MESSAGING,
    "+ASt": ("Default0",),
    "+SQL": ("UsrPwd00",),
    "ACDb": (
        "SysAll00", "Resour00", "MastRO00", "SystRO00", "Encryp00", "MastRW00", "SystRW00",
    ),
    "AIoT": ("IoTHub00", "DpsKey00", "Device00"),
    "APIM": ("Tenant00", "IoTHub00", "Gatewy00", "GitKey00"),
    "AZEG": ("SendRecv", "Default0"),
    "AzCa": ("Access00",),
    "AzFu": ("Master00", "System00", "Functi00"),
    "AzSe": ("Query000", "PAdmin00"),
}  # fmt: skip
_KEY = re.compile(r"[A-Za-z0-9+/_-]{32,512}={0,2}")
_CASK = re.compile(
    r"([A-Za-z0-9]{52}JQQJ9[9DH][A-Za-z0-9][A-L][A-Za-z0-9]{16}[A-Za-z][A-Za-z0-9]{3})"
    r"([A-Za-z0-9]{4})(?:[A-Za-z0-9]{2}==)?"
)


def _rotated(word: int, bits: int) -> int:
    return (word << bits | word >> (32 - bits)) & _MASK


def _mixed(low: int, high: int) -> tuple[int, int]:
    high ^= low
    low = (_rotated(low, 20) + high) & _MASK
    high = _rotated(high, 9) ^ low
    low = (_rotated(low, 27) + high) & _MASK
    return low, _rotated(high, 19)


def marvin32(octets: bytes, seed: int) -> int:
    """The Marvin32 hash of the bytes under a 64-bit seed, as .NET computes it."""
    low, high = seed & _MASK, seed >> 32
    padded = octets + b"\x80" + b"\0" * (3 - len(octets) % 4)
    for at in range(0, len(padded), 4):
        low = (low + int.from_bytes(padded[at : at + 4], "little")) & _MASK
        low, high = _mixed(low, high)
    low, high = _mixed(low, high)
    return low ^ high


def _seed(name: str) -> int:
    return int.from_bytes(name.encode(), "big")


def azure_cask(text: str) -> bool:
    """A common annotated security key (52 characters, JQQJ9, ...) with its Marvin32 checksum.

    Source: Microsoft, Common Annotated Security Keys; security-utilities (MIT).
    """
    match = _CASK.fullmatch(text.strip())
    if match is None:
        return False
    check = marvin32(b64decode(match[1]), _seed("Default0")).to_bytes(4, "little")
    return b64encode(check[:3]).decode() == match[2]


def azure_key(text: str) -> bool:
    """An Azure key with provider signature (+ASt, ACDb, AzFu, ...) and Marvin32 checksum, or CASK.

    The last four bytes are the checksum of all before them. Older keys carry none and fail here.
    Source: Microsoft, security-utilities (MIT), published signatures and seeds.
    """
    key = text.strip()
    if not _KEY.fullmatch(key):
        return False
    bare = key.rstrip("=").replace("-", "+").replace("_", "/")
    if len(bare) % 4 == 1:
        return False
    octets = b64decode(bare + "=" * (-len(bare) % 4))
    check = int.from_bytes(octets[-4:], "little")
    names = _SEEDS.get(bare[-10:-6], ())
    return any(marvin32(octets[:-4], _seed(n)) == check for n in names) or azure_cask(key)


VALIDATORS = {"azure_cask": azure_cask, "azure_key": azure_key}
