"""Change notifications of Microsoft Graph about interactions: plain, encrypted, and lifecycle ones.

Source of the encryption: "Set up change notifications that include resource data": the content is
AES-256 in CBC mode with PKCS #7 padding, its key RSA-OAEP (SHA-1) for the subscriber's certificate;
the first 16 bytes of the key are the initialisation vector, an HMAC-SHA256 by the key the signature.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dlpagent.connectors.sources._ai_interaction import KEYS, Known, LabelsOf, interaction, user_in
from dlpagent.connectors.sources._log_fields import (
    dict_at,
    first_time,
    no_content,
    rest_of,
    text_at,
)
from dlpagent.connectors.sources._log_reader import LogRecord
from dlpagent.connectors.sources._shapes import ShapePart, parts_of
from dlpagent.errors import ConfigurationError, missing_extra

KEY_VARIABLE = "DLPAGENT_NOTIFICATION_KEY"
_KEYS = frozenset({
    "id", "subscriptionId", "subscriptionExpirationDateTime", "changeType", "tenantId", "resource",
    "resourceData", "encryptedContent", "clientState", "lifecycleEvent", "organizationId",
})  # fmt: skip
# Events that say notifications were, or may have been, lost.
_LOST = frozenset({"missed", "subscriptionRemoved"})
_AES_KEY_BYTES = 32

# The content of encryptedContent; None: it is not for this key. Raises ValueError when damaged.
Opener = Callable[[Mapping[str, Any]], Any]


def opener(key_file: str) -> Opener | None:
    """What opens notifications encrypted for a key; None when no key is given.

    Raises ConfigurationError when there is no such file, or no RSA key without password in it.
    """
    given = key_file or os.environ.get(KEY_VARIABLE, "")
    return _opener(Path(given)) if given else None


def notified(
    value: Mapping[str, Any], identity: str, opens: Opener | None, labels: LabelsOf
) -> Iterator[LogRecord]:
    """The records of one notification. labels: see Known."""
    if "lifecycleEvent" in value:
        yield from _lifecycle(value, identity)
        return
    data = dict_at(value, "resourceData")
    name = text_at(data, "id") or text_at(value, "id") or identity
    resource = text_at(value, "resource") or ""
    if "body" in data:
        yield interaction(data, name, Known([data], resource, labels=labels))
    else:
        yield _without_body(value, data, name, resource, opens, labels)
    rest = rest_of(value, _KEYS)
    for key in ("resourceData", "encryptedContent"):
        rest.pop(key, None)
    if rest:
        yield LogRecord({"record_id": f"{name}#notification"}, parts_of(rest))


def _without_body(
    value: Mapping[str, Any],
    data: Mapping[str, Any],
    name: str,
    resource: str,
    opens: Opener | None,
    labels: LabelsOf,
) -> LogRecord:
    sealed = value.get("encryptedContent")
    opened, told = _opened(sealed, opens) if sealed else (None, None)
    if isinstance(opened, Mapping):
        return interaction(opened, name, Known([opened], resource, labels=labels))
    parts = list(parts_of(rest_of(data, KEYS)))
    if told is not None:
        parts.append(told)
    elif not parts:
        reason = "the notification names the interaction and does not hold its text"
        parts.append(no_content("body", reason))
    return LogRecord({"record_id": name, "actor_id": user_in(resource)}, parts)


def _opened(sealed: Any, opens: Opener | None) -> tuple[Any, ShapePart | None]:
    """The content, or the part that says why there is none."""
    if opens is None:
        return None, _told("protected", "found it encrypted for the subscriber's key")
    try:
        content = opens(dict_at(sealed))
    except ValueError:
        return None, _told("unread", "found it damaged: signature, padding or JSON are wrong")
    if content is None:
        return None, _told("protected", "found it encrypted for another key than the one given")
    if not isinstance(content, Mapping):
        return None, _told("unread", "found something else than an interaction")
    return content, None


def _told(status: Any, found: str) -> ShapePart:
    problem = f"expected readable content, {found}"
    return ShapePart("encryptedContent", None, status=status, problem=problem)


def _lifecycle(value: Mapping[str, Any], identity: str) -> Iterator[LogRecord]:
    event = text_at(value, "lifecycleEvent") or ""
    own = text_at(value, "subscriptionId") or "subscription"
    parts = list(parts_of(rest_of(value, _KEYS)))
    if event in _LOST:
        found = "that some were missed" if event == "missed" else "that the subscription has ended"
        problem = (
            f"expected a notification of every interaction, found {found}; sweep graph://copilot"
        )
        parts.append(ShapePart("lifecycleEvent", None, status="unread", problem=problem))
    elif event != "reauthorizationRequired":
        parts += parts_of({"lifecycleEvent": value["lifecycleEvent"]})
    when = first_time(value, "subscriptionExpirationDateTime")
    yield LogRecord({"record_id": f"{own}#{event}#{identity}", "created_at": when}, parts)


def _opener(path: Path) -> Opener:
    try:
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - an extra
        from cryptography.hazmat.primitives.asymmetric import padding  # noqa: PLC0415
    except ModuleNotFoundError:
        what = "opening encrypted notifications"
        raise missing_extra("cryptography", "purview", what) from None
    key = _private_key(path)
    sha1 = hashes.SHA1()  # noqa: S303 - what Graph encrypts with
    oaep = padding.OAEP(padding.MGF1(sha1), sha1, None)

    def opens(sealed: Mapping[str, Any]) -> Any:
        data, signature = _bytes(sealed, "data"), _bytes(sealed, "dataSignature")
        try:
            secret = key.decrypt(_bytes(sealed, "dataKey"), oaep)
        except ValueError:
            return None
        if len(secret) != _AES_KEY_BYTES:
            raise ValueError("the length of the key")
        if not hmac.compare_digest(hmac.digest(secret, data, "sha256"), signature):
            raise ValueError("the signature")
        return json.loads(_decrypted(secret, data))

    return opens


def _decrypted(secret: bytes, data: bytes) -> bytes:
    from cryptography.hazmat.primitives import padding  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415

    cipher = Cipher(algorithms.AES(secret), modes.CBC(secret[:16])).decryptor()
    unpadder = padding.PKCS7(128).unpadder()
    return unpadder.update(cipher.update(data) + cipher.finalize()) + unpadder.finalize()


def _bytes(sealed: Mapping[str, Any], name: str) -> bytes:
    value = sealed.get(name)
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    except binascii.Error:
        raise ValueError(name) from None


def _private_key(path: Path) -> Any:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        found = error.strerror or type(error).__name__
    except (ValueError, TypeError):
        found = "none, or one with a password"
    else:
        if isinstance(key, RSAPrivateKey):
            return key
        found = "a key of another kind"
    raise ConfigurationError(
        "the key for notifications cannot be used",
        where=str(path),
        expected="an RSA private key without password, in PEM form",
        found=found,
        remedy=f"Name another in the setting key_file, or in {KEY_VARIABLE}.",
    )
