"""Tokens that carry their own check: GitHub, npm, JWT, DER, Azure keys."""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from json import loads
from zlib import crc32

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_GITHUB = re.compile(r"gh[pousr]_([A-Za-z0-9]{30})([A-Za-z0-9]{6})")
_NPM = re.compile(r"npm_([A-Za-z0-9]{30})([A-Za-z0-9]{6})")


def _decoded(text: str) -> bytes:
    """Base64 in the standard or URL alphabet, padding optional; b"" when it is not base64."""
    bare = "".join(text.split()).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (Base64Error, ValueError):
        return b""


def _base62(number: int, length: int) -> str:
    places = ""
    while number:
        number, place = divmod(number, 62)
        places = _BASE62[place] + places
    return places.rjust(length, "0")


def _crc_matches(match: re.Match[str] | None) -> bool:
    return match is not None and _base62(crc32(match[1].encode()), 6) == match[2]


def github_checksum(text: str) -> bool:
    """A GitHub token (ghp_, gho_, ghu_, ghs_, ghr_): 30 characters, then their CRC-32 in base 62.

    Source: GitHub engineering, "Behind GitHub's new authentication token formats" (2021).
    """
    return _crc_matches(_GITHUB.fullmatch(text.strip()))


def npm_checksum(text: str) -> bool:
    """An npm token: npm_, 30 characters, then their CRC-32 in base 62.

    Source: GitHub changelog, "npm has a new access token format" (2021).
    """
    return _crc_matches(_NPM.fullmatch(text.strip()))


def _json_object(part: str) -> dict[str, object]:
    """The JSON object in a base64url part, empty when there is none."""
    try:
        found = loads(_decoded(part))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def jwt(text: str) -> bool:
    """A JSON Web Token: three parts (JWS) or five (JWE) whose header is JSON and names "alg".

    Source: RFC 7515, 3.1 and RFC 7516, 3.1. Signatures are not checked.
    """
    parts = text.strip().split(".")
    if len(parts) not in (3, 5) or not parts[0]:
        return False
    header = _json_object(parts[0])
    if not isinstance(header.get("alg"), str):
        return False
    return bool(_json_object(parts[1])) if len(parts) == 3 else isinstance(header.get("enc"), str)


def der_base64(text: str) -> bool:
    """Base64 of a whole DER sequence (key, certificate, PKCS#12): its length field fits the bytes.

    PEM header and footer lines are left out. Source: ITU-T X.690, 8.1.3.
    """
    lines = [line for line in text.splitlines() if not line.startswith("-----") and ":" not in line]
    octets = _decoded("".join(lines))
    if len(octets) < 16 or octets[0] != 0x30:
        return False
    if octets[1] < 0x80:
        return octets[1] == len(octets) - 2
    size = octets[1] & 0x7F
    return 0 < size <= 4 and int.from_bytes(octets[2 : 2 + size], "big") == len(octets) - 2 - size


VALIDATORS = {
    "der_base64": der_base64,
    "github_checksum": github_checksum,
    "jwt": jwt,
    "npm_checksum": npm_checksum,
}
