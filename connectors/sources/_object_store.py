"""Opening a store by its address, and calling it: with retries, and errors a person can act on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, TypeVar

from dlpagent.errors import ConfigurationError, SourceError, missing_extra

_T = TypeVar("_T")
# scheme → (extra, package, how its credentials are given)
_S3 = (
    "s3",
    "s3fs",
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or a role of this machine",
)
_AZURE = (
    "azure", "adlfs", "AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT_NAME with "
    "AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_TOKEN or a login of azure-identity",
)  # fmt: skip
_GCS = (
    "gcs",
    "gcsfs",
    "GOOGLE_APPLICATION_CREDENTIALS, gcloud auth application-default login, or a role of this machine",
)
STORES = {
    "s3": _S3, "s3a": _S3, "abfs": _AZURE, "abfss": _AZURE, "az": _AZURE, "adl": _AZURE,
    "gs": _GCS, "gcs": _GCS,
}  # fmt: skip
_WAITS_S = (0.5, 1.0, 2.0, 4.0)
_REFUSED = (
    "credential",
    "authentication",
    "unauthorized",
    "forbidden",
    "accessdenied",
    "permission",
)
_REFUSED_STATUS = frozenset({401, 403})
_GONE_STATUS = frozenset({404, 410})


def scheme_of(url: str) -> str:
    """The scheme of an address, in lower case."""
    return url.partition("://")[0].lower()


def without_password(url: str) -> str:
    """The address. Raises ConfigurationError for one that holds a password: it would stand in findings,
    events and errors. (A container before an @, as Azure writes it, is none.)"""
    user, at, _ = url.partition("://")[2].partition("/")[0].rpartition("@")
    if at and ":" in user:
        raise ConfigurationError(
            "an address may not hold a password",
            where=f"{scheme_of(url)}://…",
            expected="credentials as the store's own tools take them, from the environment",
            found="a password before the host",
            remedy="Take it out of the address; docs/object-stores.md shows where it goes.",
        )
    return url


def is_object_url(url: str) -> bool:
    """True for the schemes of STORES, and for any that fsspec has a file system for."""
    scheme = scheme_of(url)
    if "://" not in url or scheme in ("file", "local"):
        return False
    if scheme in STORES:
        return True
    try:
        from fsspec.registry import known_implementations, registry  # noqa: PLC0415 - an extra
    except ImportError:
        return False
    return scheme in known_implementations or scheme in registry


def file_system(url: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it.

    Raises ConfigurationError for a missing package, SourceError for missing credentials.
    """
    scheme = scheme_of(url)
    extra, package, _ = STORES.get(scheme, ("", "", ""))
    try:
        from fsspec.core import url_to_fs  # noqa: PLC0415 - an extra
    except ImportError:
        raise missing_extra(package or "fsspec", extra or "s3", f"{scheme}://") from None
    try:
        system, path = call(url, lambda: url_to_fs(url, **_options(scheme)))
    except SourceError as error:
        if isinstance(error.__cause__, ImportError):
            raise _not_installed(scheme, extra, package, error.__cause__) from None
        raise
    return system, path


def _options(scheme: str) -> dict[str, Any]:
    if scheme in ("abfs", "abfss", "az") and "AZURE_STORAGE_ANON" not in os.environ:
        # adlfs would try without a name at first: what it cannot see it would then call missing
        return {"anon": False}
    return {}


def _not_installed(scheme: str, extra: str, package: str, error: ImportError) -> ConfigurationError:
    if extra:
        return missing_extra(package, extra, f"{scheme}://")
    return ConfigurationError(
        f"{scheme}:// needs a package that is not installed",
        found=str(error)[:200],
        remedy="Install that package beside dlpagent.",
    )


def call(url: str, ask: Callable[[], _T]) -> _T:
    """What the store answers, asked again after a while when it fails for the moment.

    Raises SourceError; its __cause__ is what the store's client raised.
    """
    for wait in (*_WAITS_S, None):
        try:
            return ask()
        except (SourceError, KeyboardInterrupt, MemoryError):
            raise
        except Exception as error:
            if wait is None or not _is_passing(error):
                raise _told(url, error) from error
            time.sleep(wait)
    raise AssertionError


def changed(url: str) -> SourceError:
    """The error for an object that is another one than was listed."""
    return SourceError(
        "was changed while it was being read",
        where=url,
        expected="the version that was listed",
        found="another one",
        remedy="Run again: it is then read anew, from its beginning.",
    )


def _status(error: BaseException) -> int | None:
    for name in ("status_code", "status", "code"):
        value = getattr(error, name, None)
        if isinstance(value, int):
            return value
    return None


def _is_refused(error: BaseException) -> bool:
    name = type(error).__name__.lower()
    return (
        isinstance(error, PermissionError)
        or _status(error) in _REFUSED_STATUS
        or any(word in name for word in _REFUSED)
        or (isinstance(error, ValueError) and "credential" in str(error).lower())
    )


def _is_passing(error: BaseException) -> bool:
    """True for what may go away by itself: timeouts, lost connections, 429 and 5xx."""
    if isinstance(error, FileNotFoundError | ImportError | TypeError | ValueError):
        return False
    if _is_refused(error) or _status(error) in _GONE_STATUS:
        return False
    status = _status(error)
    return status in (408, 429) or ((status or 500) >= 500 and not _is_definite(error))


def _is_definite(error: BaseException) -> bool:
    return isinstance(error, IsADirectoryError | NotADirectoryError | FileExistsError) or (
        type(error).__name__ in ("ResourceNotFoundError", "NoSuchBucket", "FileExpired")
    )


def _told(url: str, error: Exception) -> SourceError:
    """No words of the client: they may hold tokens that are part of an address."""
    status = _status(error)
    kind = type(error).__name__ + (f", status {status}" if status else "")
    scheme = scheme_of(url)
    how = STORES.get(scheme, ("", "", "the credentials its fsspec package takes"))[2]
    if isinstance(error, FileNotFoundError) or status in _GONE_STATUS:
        return SourceError(
            "is not there",
            where=url,
            expected="a bucket or container, and an object or prefix in it",
            found="none of that name",
            remedy="Check the address; it may also be hidden from these credentials.",
        )
    if type(error).__name__ == "FileExpired":
        return changed(url)
    if _is_refused(error):
        return SourceError(
            "is not open to these credentials",
            where=url,
            expected="the right to list and to read",
            found=kind,
            remedy=f"Give them by {how}.",
        )
    return SourceError(
        "cannot be read",
        where=url,
        expected="an answer of the store",
        found=kind,
        remedy="Check the address and the network, then run again with --resume.",
    )
