"""Addresses of stores: `scheme://host:port/path?setting=value#collection`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from dlpagent.errors import ConfigurationError, SourceError
from dlpagent.records import Asset


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of an address. only: the one collection meant (what stands behind #), or ""."""

    target: str
    scheme: str
    host: str
    port: int | None
    path: str
    settings: Mapping[str, str]
    only: str

    def flag(self, name: str) -> bool:
        """A setting that is true or false; false when it is not given."""
        return self.choice(name, ("false", "true")) == "true"

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        """A setting that is one of a few words; the first when it is not given.

        Raises ConfigurationError for any other.
        """
        given = self.settings.get(name, allowed[0])
        if given not in allowed:
            raise ConfigurationError(
                f"the setting {name} means nothing",
                where=self.shown,
                expected=" or ".join(allowed),
                found=given[:40],
            )
        return given

    @property
    def shown(self) -> str:
        """The address without its settings, for messages."""
        return f"{self.scheme}://{self._place}{self.path}"

    @property
    def _place(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


def address_of(target: str, example: str, settings: Collection[str] = ()) -> Address:
    """The address taken apart.

    Raises ConfigurationError for settings not among those named, and for a name or password in it:
    addresses are stored and shown, so secrets come by the environment.
    """
    try:
        parts = urlsplit(target)
        port = parts.port
        given = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise _refused(target.split("?", maxsplit=1)[0], "something else", example) from None
    shown = f"{parts.scheme}://{parts.hostname or ''}{parts.path}"
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(
            "holds a name or a password",
            where=shown,
            expected="an address without secrets, for it is stored with findings",
            remedy="Give them by the environment variables named in the connector's page.",
        )
    unknown = sorted(set(given) - set(settings))
    if unknown:
        raise _refused(shown, f"the setting {', '.join(unknown)[:80]}", example)
    return Address(
        target,
        parts.scheme,
        parts.hostname or "",
        port,
        unquote(parts.path),
        {name: values[-1] for name, values in given.items()},
        unquote(parts.fragment),
    )


def found_or_refused(assets: Iterator[Asset], only: str, where: str) -> Iterator[Asset]:
    """The assets; SourceError when one was named and there is none of that name."""
    is_empty = True
    for asset in assets:
        is_empty = False
        yield asset
    if is_empty and only:
        raise SourceError(
            "there is no such collection",
            where=f"{where}#{only}",
            expected="the name of a collection, table or index that is there",
            found="none of that name that may be read",
            remedy="Check the name, or leave out what stands behind # to read them all.",
        )


def _refused(where: str, found: str, example: str) -> ConfigurationError:
    return ConfigurationError(
        "is no address of a store",
        where=where,
        expected=example,
        found=found,
        remedy="See the connector's page for its settings.",
    )
