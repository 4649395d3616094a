"""What a person can say about the service: where it listens, whom it serves, how much it takes."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from dlpagent.errors import ConfigurationError
from dlpagent.service.ner import Ner
from dlpagent.service.packs import BUILTIN_NAME
from dlpagent.service.session import EXAMPLE_NAME
from dlpagent.violations import ZERO_TENANT


@dataclass(frozen=True, slots=True)
class TenantSettings:
    """One tenant: its own state and its own evidence key, so that nothing of another can be named.

    id: the Entra tenant (GUID), or the zero GUID where there is only one. policies: `example`, or
    YAML files.
    """

    id: str = ZERO_TENANT
    state: str | None = None
    key_file: Path | None = None
    policies: tuple[str, ...] = (EXAMPLE_NAME,)
    labels: str | None = None


@dataclass(frozen=True, slots=True)
class EntraSettings:
    """Whose tokens are taken. audience: the API's application id or its URI.

    authority: where issuers and signing keys lie; another one for sovereign clouds.
    """

    audience: tuple[str, ...]
    authority: str = "https://login.microsoftonline.com"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one principal may ask for. rate: requests a second, on average; burst: at once.

    rate 0: no limit. guesses: wrong credentials of one address at once, one a second behind them;
    0: no limit. body_bytes: of a request; file_bytes: of an uploaded file or a stream.
    """

    rate: float = 200.0
    burst: int = 400
    guesses: int = 20
    body_bytes: int = 4 * 1024 * 1024
    file_bytes: int = 64 * 1024 * 1024
    waiting_chars: int = 64_000_000
    body_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """All settings of `dlpagent serve`. auth False: everyone who can connect is the local admin.

    item_scores: whether items of /anonymize have a score, as from Presidio 2.2.366 on.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    tls_cert: Path | None = None
    tls_key: Path | None = None
    auth: bool = True
    packs: tuple[str, ...] = (BUILTIN_NAME,)
    profile: str = "extended"
    ner: Ner = "off"
    workers: int = 1
    tenants: tuple[TenantSettings, ...] = (TenantSettings(),)
    entra: EntraSettings | None = None
    limits: Limits = field(default_factory=Limits)
    traces: bool = False
    item_scores: bool = True

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return is_loopback(self.host)

    @property
    def has_tls(self) -> bool:
        return self.tls_cert is not None


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    if host.casefold().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check(settings: ServeSettings) -> None:
    """Raises ConfigurationError for settings that would put content or keys at risk."""
    if not settings.auth and not settings.is_loopback:
        raise ConfigurationError(
            "without authentication the service listens on this machine only",
            where="--no-auth",
            expected="a loopback address such as 127.0.0.1",
            found=settings.host,
            remedy="Make keys with: dlpagent keys create, and leave --no-auth out.",
        )
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise ConfigurationError(
            "a certificate and its key come together",
            where="--tls-cert, --tls-key",
            expected="both or neither",
            found="one of them",
        )
    if len({tenant.id for tenant in settings.tenants}) != len(settings.tenants):
        raise ConfigurationError(
            "two tenants have the same id", where="tenants", expected="each id once"
        )
