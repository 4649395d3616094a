"""dlpagent mcp: the tools of dlpagent for AI applications that speak the Model Context Protocol."""

from __future__ import annotations

from typing import Annotated

import typer

from dlpagent.service.cli.options import (
    KeyOption,
    LabelsOption,
    NerOption,
    PackOption,
    PolicyOption,
    ProfileOption,
    VerboseOption,
    checked_choice,
    set_up_logging,
)

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def mcp(
    http: Annotated[
        str | None,
        typer.Option(
            "--http",
            metavar="HOST:PORT",
            help="Serve streamable HTTP at /mcp on a loopback address.",
            show_default="standard input and output",
        ),
    ] = None,
    policy: PolicyOption = None,
    labels: LabelsOption = None,
    pack: PackOption = None,
    profile: ProfileOption = "extended",
    ner: NerOption = "off",
    key_file: KeyOption = None,
    verbose: VerboseOption = 0,
) -> None:
    """Offer classify, explain, redact, list_types and, with --policy, decide as MCP tools.

    Exit codes: 0 the client has gone, 2 usage or configuration error.
    """
    set_up_logging(verbose)
    checked_choice(profile, "--profile", ("strict", "extended"))
    checked_choice(ner, "--ner", ("off", "auto", "on"))
    where = _address(http) if http is not None else None

    from dlpagent.service.api import open_pack
    from dlpagent.service.mcp_server import Tools, server_of
    from dlpagent.service.redact.operators import Marks
    from dlpagent.service.session import load_decider
    from dlpagent.service.settings import Home

    evidence = Home.of_environment().evidence(key_file)
    opened = open_pack(*(pack or []), profile=profile, ner=ner, evidence=evidence)  # type: ignore[arg-type]
    decider = load_decider(policy, opened.pack, labels) if policy else None
    server = server_of(Tools(opened, Marks(evidence), decider))
    if where is None:
        server.run("stdio")
    else:
        server.run("streamable-http", host=where[0], port=where[1])


def _address(text: str) -> tuple[str, int]:
    from dlpagent.errors import ConfigurationError

    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    if host not in _LOOPBACK or not port.isdigit() or not 0 < int(port) < 65_536:
        raise ConfigurationError(
            "the MCP server cannot listen there",
            where="--http",
            expected="a loopback address and a port, as in 127.0.0.1:8765",
            found=text,
            remedy="It knows no logins, so it stays on this machine; for others there is dlpagent "
            "serve.",
        )
    return host, int(port)
