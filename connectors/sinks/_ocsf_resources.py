"""Where the sensitive data lies, in OCSF objects: file, database and table, bucket, resources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from dlpagent.connectors.sinks._event import asset_name, object_id
from dlpagent.violations import Violation

# URI scheme → (database.type_id, database.type); OCSF has no number for vector databases.
_DATABASES: Final[Mapping[str, tuple[int, str]]] = {
    "mysql": (1, "Relational"),
    "postgresql": (1, "Relational"),
    "sqlite": (1, "Relational"),
}
_VECTOR_DATABASE: Final = (99, "Vector")

# URI scheme → (databucket.type_id, databucket.type).
_BUCKETS: Final[Mapping[str, tuple[int, str]]] = {
    "abfs": (2, "Azure Blob"),
    "abfss": (2, "Azure Blob"),
    "az": (2, "Azure Blob"),
    "gs": (3, "GCP Bucket"),
    "s3": (1, "S3"),
}


def places_of(violation: Violation) -> dict[str, Any]:
    """The attributes of the event that say where: those that fit, and always `resources`."""
    uri = violation.asset_uri
    scheme = uri.partition(":")[0].lower()
    objects: dict[str, Any] = {}
    if scheme == "file":
        objects["file"] = _file(uri)
    elif scheme in _BUCKETS:
        objects["databucket"] = _bucket(uri, *_BUCKETS[scheme])
    elif violation.asset_kind == "vector_collection" or scheme in _DATABASES:
        type_id, caption = _DATABASES.get(scheme, _VECTOR_DATABASE)
        objects["database"] = {
            "name": violation.connector,
            "uid": uri.partition("#")[0],
            "type_id": type_id,
            "type": caption,
        }
        objects["table"] = {"name": asset_name(uri), "uid": uri}
    return objects | {"resources": _resources(violation)}


def _file(uri: str) -> dict[str, Any]:
    path = unquote(_split(uri)[1]) or uri
    return {"name": asset_name(uri), "path": path, "uri": uri, "type_id": 1, "type": "Regular File"}


def _bucket(uri: str, type_id: int, caption: str) -> dict[str, Any]:
    host, path = _split(uri)
    bucket: dict[str, Any] = {"name": host or uri, "uid": uri, "type_id": type_id, "type": caption}
    if path.strip("/"):
        bucket["file"] = {
            "name": asset_name(uri),
            "path": unquote(path),
            "type_id": 1,
            "type": "Regular File",
        }
    return bucket


def _resources(violation: Violation) -> list[dict[str, Any]]:
    asset: dict[str, Any] = {
        "uid": violation.asset_uri,
        "name": asset_name(violation.asset_uri),
        "type": violation.asset_kind,
    }
    if violation.existing_label:
        asset["labels"] = [violation.existing_label.name]
    if not violation.record_id:
        return [asset]
    return [asset, {"uid": object_id(violation), "name": violation.record_id, "type": "record"}]


def _split(uri: str) -> tuple[str, str]:
    """Host and path; both empty when a hostile URI cannot be taken apart."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return "", ""
    return parts.netloc, parts.path
