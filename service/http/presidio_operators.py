"""Presidio's operators: what stands in place of an entity, and back."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from dlpagent.service.http.presidio_errors import PresidioError
from dlpagent.service.http.presidio_spans import check_type, invalid

Parameters = Mapping[str, Any]
Operate = Callable[[str, Parameters, str], str]
"""(text, parameters, entity) → what stands in its place. Raises PresidioError."""

_BLOCK_BITS = 128
_KEY_BYTES = (16, 24, 32)
_HASHES = ("sha256", "sha512")
_SALT_BYTES = 16


def _required(given: Parameters, name: str, kind: type) -> Any:
    value = given.get(name)
    if value is None:
        raise invalid(f"Expected parameter {name}")
    check_type(value, name, kind)
    return value


def _replace(_: str, given: Parameters, entity: str) -> str:
    new = given.get("new_value")
    check_type(new, "new_value", str)
    return str(new) if new else f"<{entity}>"


def _redact(_text: str, _given: Parameters, _entity: str) -> str:
    return ""


def _keep(text: str, _given: Parameters, _entity: str) -> str:
    return text


def _mask(text: str, given: Parameters, _entity: str) -> str:
    char = _required(given, "masking_char", str)
    if not isinstance(char, str):
        raise PresidioError(500, "Internal server error")
    if len(char) > 1:
        raise invalid("Invalid input, masking_char must be a character")
    many = _required(given, "chars_to_mask", int)
    from_end = _required(given, "from_end", bool)
    if not isinstance(many, int):
        raise PresidioError(500, "Internal server error")
    many = min(len(text), many) if many > 0 else 0
    if from_end:
        return text[: len(text) - many] + char * many
    return char * many + text[many:]


def _hash(text: str, given: Parameters, _entity: str) -> str:
    name = given.get("hash_type", "sha256")
    if name is None:
        raise invalid("Expected parameter hash_type")
    if name not in _HASHES:
        raise invalid(f"Parameter hash_type value {name} is not in range of values {list(_HASHES)}")
    salt = os.urandom(32)
    if "salt" in given:
        if not isinstance(given["salt"], str):
            raise PresidioError(500, "Internal server error")
        salt = given["salt"].encode("utf-8", "surrogatepass")
        if not salt:
            raise invalid(
                "Salt parameter cannot be empty. Either omit the salt parameter to auto-generate a "
                "random salt, or provide a salt of at least 16 bytes (128 bits)."
            )
        if len(salt) < _SALT_BYTES:
            raise invalid(
                f"Salt must be at least 16 bytes (128 bits). Provided salt is {len(salt)} bytes."
            )
    return hashlib.new(name, text.encode("utf-8", "surrogatepass") + salt).hexdigest()


def _key(given: Parameters) -> bytes:
    key = given.get("key")
    if not isinstance(key, str):
        _required(given, "key", bytes)
        raise PresidioError(500, "Internal server error")
    if len(key.encode("utf-8", "surrogatepass")) not in _KEY_BYTES:
        raise invalid("Invalid input, key must be of length 128, 192 or 256 bits")
    return key.encode()


def _encrypt(text: str, given: Parameters, _entity: str) -> str:
    key, iv = _key(given), os.urandom(_BLOCK_BITS // 8)
    padder = padding.PKCS7(_BLOCK_BITS).padder()
    padded = padder.update(text.encode("utf-8", "surrogatepass")) + padder.finalize()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return base64.urlsafe_b64encode(iv + encryptor.update(padded) + encryptor.finalize()).decode()


def _decrypt(text: str, given: Parameters, _entity: str) -> str:
    key = _key(given)
    try:
        sealed = base64.urlsafe_b64decode(text)
        size = _BLOCK_BITS // 8
        decryptor = Cipher(algorithms.AES(key), modes.CBC(sealed[:size])).decryptor()
        padded = decryptor.update(sealed[size:]) + decryptor.finalize()
        unpadder = padding.PKCS7(_BLOCK_BITS).unpadder()
        return (unpadder.update(padded) + unpadder.finalize()).decode()
    except (ValueError, binascii.Error):
        raise PresidioError(500, "Internal server error") from None


def _custom(_text: str, _given: Parameters, _entity: str) -> str:
    raise PresidioError(400, "Custom type anonymizer is not supported")


ANONYMIZERS: Mapping[str, Operate] = {
    "custom": _custom,
    "encrypt": _encrypt,
    "hash": _hash,
    "keep": _keep,
    "mask": _mask,
    "redact": _redact,
    "replace": _replace,
}
DEANONYMIZERS: Mapping[str, Operate] = {"decrypt": _decrypt, "deanonymize_keep": _keep}
