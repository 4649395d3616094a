"""Change notifications: encrypted ones as Graph encrypts them, and those about the subscription."""

from __future__ import annotations

import base64
import hmac
import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from dlpagent.connectors.sources._notification import KEY_VARIABLE
from dlpagent.connectors.sources.m365_copilot import M365Copilot
from dlpagent.errors import ConfigurationError

KEY = rsa.generate_private_key(65537, 2048)
INTERACTION = {
    "id": "17", "requestId": "r", "sessionId": "s", "interactionType": "userPrompt",
    "createdDateTime": "2026-01-02T03:04:05Z", "from": {"user": {"id": "ada"}},
    "body": {"contentType": "text", "content": "the hidden text"},
}  # fmt: skip


def sealed(value: Any, key: rsa.RSAPrivateKey = KEY, **changed: str) -> dict[str, str]:
    """As the documentation says: AES-256-CBC, the key by RSA-OAEP, an HMAC over what was sealed."""
    secret = os.urandom(32)
    padder = padding.PKCS7(128).padder()
    plain = padder.update(json.dumps(value).encode()) + padder.finalize()
    cipher = Cipher(algorithms.AES(secret), modes.CBC(secret[:16])).encryptor()
    data = cipher.update(plain) + cipher.finalize()
    sha1 = hashes.SHA1()  # noqa: S303 - what Graph encrypts with
    oaep = rsa_padding.OAEP(rsa_padding.MGF1(sha1), sha1, None)
    return {
        "data": base64.b64encode(data).decode(),
        "dataKey": base64.b64encode(key.public_key().encrypt(secret, oaep)).decode(),
        "dataSignature": base64.b64encode(hmac.digest(secret, data, "sha256")).decode(),
        "encryptionCertificateId": "c", "encryptionCertificateThumbprint": "t",
    } | changed  # fmt: skip


def notice(**more: Any) -> dict[str, Any]:
    return {
        "subscriptionId": "sub", "changeType": "created", "tenantId": "t",
        "resource": "copilot/users('ada')/interactionHistory/interactions('17')",
        "resourceData": {"@odata.type": "#Microsoft.Graph.aiInteraction", "id": "17"}, **more,
    }  # fmt: skip


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key.pem"
    path.write_bytes(
        KEY.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


def rows_of(folder: Path, *notices: dict[str, Any], **settings: Any) -> list[dict[str, Any]]:
    path = folder / "notices.json"
    path.write_text(json.dumps({"value": list(notices)}))
    assert M365Copilot.recognises(path)
    source = M365Copilot(str(path), **settings)
    (asset,) = source.discover()
    return [row for batch, _ in source.read(asset) for row in batch.to_pylist()]


def test_an_encrypted_notification_is_opened_with_the_key_and_read_as_what_it_holds(
    tmp_path: Path, key_file: Path
) -> None:
    (row,) = rows_of(tmp_path, notice(encryptedContent=sealed(INTERACTION)), key_file=str(key_file))
    assert (row["record_id"], row["text"], row["role"]) == ("17", "the hidden text", "user")
    assert (row["actor_id"], row["conversation_id"]) == ("ada", "s")


def test_a_source_with_a_key_can_go_to_another_process(tmp_path: Path, key_file: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([notice(encryptedContent=sealed(INTERACTION))]))
    source = pickle.loads(pickle.dumps(M365Copilot(str(path), key_file=str(key_file))))  # noqa: S301
    (asset,) = source.discover()
    assert [batch["text"].to_pylist() for batch, _ in source.read(asset)] == [["the hidden text"]]


def test_the_key_may_be_named_by_the_environment(
    tmp_path: Path, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, str(key_file))
    (row,) = rows_of(tmp_path, notice(encryptedContent=sealed(INTERACTION)))
    assert row["text"] == "the hidden text"


OTHER = rsa.generate_private_key(65537, 2048)


@pytest.mark.parametrize(
    ("content", "has_key", "status"),
    [
        (sealed(INTERACTION), False, "protected"),
        (sealed(INTERACTION, OTHER), True, "protected"),
        (sealed(INTERACTION, dataSignature="AAAA"), True, "unread"),
        (sealed(INTERACTION, data="AAAA"), True, "unread"),
        (sealed(INTERACTION, data="no base64!"), True, "unread"),
        (sealed(["no interaction"]), True, "unread"),
        (sealed(INTERACTION) | {"dataKey": 5}, True, "protected"),
        ("odd", True, "protected"),
    ],
)
def test_what_cannot_be_opened_is_told_with_the_reason(
    tmp_path: Path, key_file: Path, content: Any, has_key: bool, status: str
) -> None:
    settings = {"key_file": str(key_file)} if has_key else {}
    (row,) = rows_of(tmp_path, notice(encryptedContent=content), **settings)
    assert (row["record_id"], row["part"], row["status"]) == ("17", "encryptedContent", status)
    assert "hidden" not in str(row)


@pytest.mark.parametrize(
    ("event", "statuses"),
    [("missed", ["unread"]), ("subscriptionRemoved", ["unread"]), ("reauthorizationRequired", []),
     ("somethingNew", ["read"])],
)  # fmt: skip
def test_lifecycle_notifications_say_what_was_missed(
    tmp_path: Path, event: str, statuses: list[str]
) -> None:
    rows = rows_of(
        tmp_path,
        {"subscriptionId": "sub", "tenantId": "t", "clientState": "x", "lifecycleEvent": event,
         "subscriptionExpirationDateTime": "2026-02-02T10:30:34Z"},
    )  # fmt: skip
    assert [row["status"] for row in rows] == statuses


@pytest.mark.parametrize("content", [None, b"no key", b""])
def test_a_key_that_cannot_be_used_is_refused_at_once(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "bad.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="key for notifications"):
        M365Copilot("a.json", key_file=str(path))
