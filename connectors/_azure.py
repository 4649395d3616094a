"""Who we are to Microsoft: credentials of azure-identity, and the clouds they belong to.

The credentials are Microsoft's own, so managed identity, workload federation, certificates and
their renewal behave as everywhere in Azure. Sources of hosts and scopes: the documentation of
national clouds for Graph and for Azure Monitor.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from dlpagent.errors import ConfigurationError, DlpAgentError, SinkError, missing_extra

# Assertions are dated: Entra refuses those that are too early or too late.
_CLOCK_CODES: Final = frozenset({"AADSTS700024", "AADSTS500133"})

# The credentials log each failure with names of tenant and application; we report it ourselves.
logging.getLogger("azure").addHandler(logging.NullHandler())

AUTHS: Final = ("managed-identity", "workload-identity", "certificate", "secret")


@dataclass(frozen=True, slots=True)
class Cloud:
    """One of Microsoft's clouds. monitor_suffix: how the hosts of its ingestion endpoints end."""

    name: str
    authority: str
    graph_host: str
    monitor_suffix: str
    monitor_audience: str


_GOVERNMENT: Final = "https://login.microsoftonline.us"
CLOUDS: Final = (
    Cloud("public", "https://login.microsoftonline.com", "graph.microsoft.com",
          ".ingest.monitor.azure.com", "https://monitor.azure.com"),
    Cloud("us-government", _GOVERNMENT, "graph.microsoft.us",
          ".ingest.monitor.azure.us", "https://monitor.azure.us"),
    Cloud("us-defense", _GOVERNMENT, "dod-graph.microsoft.us",
          ".ingest.monitor.azure.us", "https://monitor.azure.us"),
    Cloud("china", "https://login.chinacloudapi.cn", "microsoftgraph.chinacloudapi.cn",
          ".ingest.monitor.azure.cn", "https://monitor.azure.cn"),
)  # fmt: skip
GRAPH_HOSTS: Final = frozenset(cloud.graph_host for cloud in CLOUDS)


def cloud_of(host: str) -> Cloud:
    """The cloud a host belongs to; the public one for hosts of one's own (proxies, tests)."""
    for cloud in CLOUDS:
        if host == cloud.graph_host or host.endswith(cloud.monitor_suffix):
            return cloud
    return CLOUDS[0]


@dataclass(frozen=True, slots=True)
class Login:
    """How to get a token; sinks and sources take these as settings of the same names.

    tenant_id, client_id: of the application (for managed-identity: client_id of a user-assigned one,
    or none). certificate_file: PEM with its key. secret_env: the environment variable that holds the
    client secret. authority: where tokens come from, when not the cloud's own. ca_file: authorities
    to trust there. timeout_s: how long to wait for each answer.
    """

    auth: str = "managed-identity"
    tenant_id: str | None = None
    client_id: str | None = None
    certificate_file: str | None = None
    secret_env: str | None = None
    authority: str | None = None
    ca_file: str | None = None
    timeout_s: float = 30.0


class AzureToken:
    """Tokens for one audience, asked for when needed; azure-identity keeps them until they end.

    refused: the error of who asks, raised when there is no token to be had.
    """

    def __init__(
        self,
        login: Login,
        cloud: Cloud,
        audience: str,
        refused: type[DlpAgentError] = SinkError,
    ) -> None:
        self._make = _maker(login, cloud)
        self._error = refused
        self._scope = f"{audience}/.default"
        self._credential: Any = None

    def header(self) -> str:
        """ "Bearer …". Raises the error given, naming Entra's code, and the clock when it is at fault."""
        azure_error = _azure_error()
        try:
            if self._credential is None:
                self._credential = self._make()
            token = self._credential.get_token(self._scope)
        except azure_error as error:
            raise _refused(str(error), self._error) from None
        except (ValueError, OSError) as error:
            raise _refused(type(error).__name__, self._error) from None
        return f"Bearer {token.token}"

    def renew(self) -> None:
        """Forget the credential and with it every token it keeps: they were revoked."""
        self.close()

    def close(self) -> None:
        """Let go of connections."""
        if self._credential is not None:
            self._credential.close()
        self._credential = None


def _refused(said: str, kind: type[DlpAgentError]) -> DlpAgentError:
    """Entra's messages name tenant and application and are long: only the code is kept."""
    code = re.search(r"AADSTS\d+", said)
    why = code[0] if code else "Entra could not be asked"
    if why in _CLOCK_CODES:
        why += ": the clock of this machine differs from Entra's"
    kept = "; the events stay in the outbox" if kind is SinkError else ""
    return kind(
        f"no token could be had ({why})",
        expected="a token from Entra for this application",
        remedy=f"Check auth, tenant_id, client_id and its secret or certificate{kept}.",
    )


def _azure_error() -> type[Exception]:
    try:
        from azure.core.exceptions import AzureError  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        raise missing_extra("azure-identity", "purview", "Microsoft's cloud") from None
    return AzureError


def _maker(login: Login, cloud: Cloud) -> Callable[[], Any]:
    """What makes the credential. Raises ConfigurationError for settings that are missing."""
    _azure_error()
    wanted: dict[str, tuple[str, ...]] = {
        "managed-identity": (),
        "workload-identity": (),
        "certificate": ("tenant_id", "client_id", "certificate_file"),
        "secret": ("tenant_id", "client_id", "secret_env"),
    }
    if login.auth not in wanted:
        raise ConfigurationError(
            "there is no such way to log in",
            where="the setting auth",
            expected="one of " + ", ".join(AUTHS),
            found=login.auth[:40],
        )
    missing = [name for name in wanted[login.auth] if not getattr(login, name)]
    if missing:
        raise ConfigurationError(
            f"auth {login.auth} needs more settings",
            expected=", ".join(wanted[login.auth]),
            found="no " + ", ".join(missing),
        )
    if login.auth == "secret":
        secret_of(login.secret_env)  # a secret that is missing is said before anything is sent
    return lambda: _credential(login, cloud)


def _credential(login: Login, cloud: Cloud) -> Any:
    from azure import identity  # noqa: PLC0415 - an extra, and half a second

    # The outbox tries again, with waits that everybody sees; the pipeline need not.
    common: dict[str, Any] = {
        "retry_total": 0,
        "connection_verify": login.ca_file or True,
        "connection_timeout": login.timeout_s,
        "read_timeout": login.timeout_s,
    }
    if login.auth == "managed-identity":
        return identity.ManagedIdentityCredential(client_id=login.client_id, **common)
    common["authority"] = login.authority or cloud.authority
    # Entra's list of its own hosts is not asked about a host of one's own.
    common["disable_instance_discovery"] = login.authority is not None
    named: dict[str, Any] = {"tenant_id": login.tenant_id, "client_id": login.client_id}
    if login.auth == "workload-identity":
        given = {name: value for name, value in named.items() if value}
        return identity.WorkloadIdentityCredential(**given, **common)
    if login.auth == "certificate":
        return identity.CertificateCredential(
            **named, certificate_path=login.certificate_file, **common
        )
    secret = secret_of(login.secret_env)
    return identity.ClientSecretCredential(**named, client_secret=secret, **common)


def secret_of(variable: str | None) -> str:
    """The secret an environment variable holds. Raises ConfigurationError when it holds none."""
    value = os.environ.get(variable or "")
    if not value:
        raise ConfigurationError(
            "a secret is missing",
            where=f"the environment variable {variable}",
            expected="the secret of the sink or source",
            found="nothing",
            remedy="Set it where dlpagent runs; secrets are not written into sweep files.",
        )
    return value
