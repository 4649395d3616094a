"""Who the sinks are to Microsoft: see dlpagent.connectors._azure, which sources use too."""

from dlpagent.connectors._azure import (
    AUTHS,
    CLOUDS,
    GRAPH_HOSTS,
    AzureToken,
    Cloud,
    Login,
    cloud_of,
    secret_of,
)

__all__ = [
    "AUTHS",
    "CLOUDS",
    "GRAPH_HOSTS",
    "AzureToken",
    "Cloud",
    "Login",
    "cloud_of",
    "secret_of",
]
