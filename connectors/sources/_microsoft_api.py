"""Settings of the sources that read Microsoft's services: who we are, which cloud, which endpoint."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dlpagent.connectors._azure import CLOUDS, AzureToken, Cloud, Login
from dlpagent.errors import ConfigurationError, SourceError

if TYPE_CHECKING:
    from dlpagent.connectors.sources._live_api import LiveApi

LOGIN_SETTINGS = (
    "auth", "tenant_id", "client_id", "certificate_file", "secret_env", "authority", "ca_file",
    "cloud", "endpoint",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class MicrosoftApi:
    """One service of a cloud, before it is asked anything."""

    login: Login
    cloud: Cloud
    endpoint: str
    audience: str

    def opened(self, remedies: Mapping[int, str]) -> LiveApi:
        """A connection; close it."""
        from dlpagent.connectors.sources._live_api import LiveApi  # noqa: PLC0415 - loads httpx

        token = AzureToken(self.login, self.cloud, self.audience, SourceError)
        return LiveApi(
            self.endpoint,
            token=token,
            ca_file=self.login.ca_file,
            timeout_s=self.login.timeout_s,
            remedies=remedies,
        )


def login_of(settings: Mapping[str, Any]) -> Login:
    """How to get a token, by settings; what they leave out by azure-identity's own variables."""
    given = {name: str(settings.get(name) or "") or None for name in LOGIN_SETTINGS}
    tenant = given["tenant_id"] or os.environ.get("AZURE_TENANT_ID")
    client = given["client_id"] or os.environ.get("AZURE_CLIENT_ID")
    login = Login(
        tenant_id=tenant,
        client_id=client,
        certificate_file=given["certificate_file"],
        secret_env=given["secret_env"],
        authority=given["authority"],
        ca_file=given["ca_file"],
    )
    if given["auth"]:
        return replace(login, auth=given["auth"])
    certificate = login.certificate_file or os.environ.get("AZURE_CLIENT_CERTIFICATE_PATH")
    if certificate:
        return replace(login, auth="certificate", certificate_file=certificate)
    if login.secret_env or os.environ.get("AZURE_CLIENT_SECRET"):
        return replace(login, auth="secret", secret_env=login.secret_env or "AZURE_CLIENT_SECRET")
    if os.environ.get("AZURE_FEDERATED_TOKEN_FILE"):
        return replace(login, auth="workload-identity")
    return login


def cloud_named(name: str) -> Cloud:
    """Raises ConfigurationError naming the clouds there are."""
    for cloud in CLOUDS:
        if cloud.name == (name or CLOUDS[0].name):
            return cloud
    raise ConfigurationError(
        "there is no such cloud",
        where="the setting cloud",
        expected="one of " + ", ".join(cloud.name for cloud in CLOUDS),
        found=name[:40],
    )


def endpoint_of(given: str, host: str, allowed: tuple[str, ...]) -> str:
    """https://host of the cloud, or the endpoint given (a proxy, a test).

    Raises ConfigurationError when the token would go to a host that is not the cloud's and not in
    the setting allowed_hosts.
    """
    url = (given or f"https://{host}").rstrip("/")
    found = (urlsplit(url).hostname or "").lower()
    if found == host or found in {one.lower() for one in allowed}:
        return url
    raise ConfigurationError(
        "the endpoint is not a host that may get a token",
        where=found or "the setting endpoint",
        expected=host,
        found=found or "no host",
        remedy="Name it in the setting allowed_hosts if it is yours.",
    )
