"""dlpagent serve: the HTTP service. dlpagent keys: its API keys."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlpagent.service.cli.options import (
    LabelsOption,
    NerOption,
    PackOption,
    ProfileOption,
    StateOption,
    VerboseOption,
    checked_choice,
    set_up_logging,
)

if TYPE_CHECKING:
    from dlpagent.service.http.api_keys import ApiKeys
    from dlpagent.service.http.serve_file import ServeFile
    from dlpagent.state import State

keys_app = typer.Typer(no_args_is_help=True, help="API keys of the service.")

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="YAML: tenants, Entra ID, limits.", show_default="none"),
]
TenantOption = Annotated[
    str | None,
    typer.Option("--tenant", help="The tenant, where --config has several.", show_default="first"),
]


def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8080,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key, PEM.")] = None,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="No keys, no tokens; on loopback addresses only.")
    ] = False,
    config: ConfigOption = None,
    state: StateOption = None,
    policy: Annotated[
        list[str] | None,
        typer.Option("--policy", help="A policy YAML file, or: example. May be repeated.",
                     show_default="example"),
    ] = None,
    labels: LabelsOption = None,
    pack: PackOption = None,
    profile: ProfileOption = "extended",
    ner: NerOption = "off",
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=64, help="1: a thread; more: processes.")
    ] = 1,
    traces: Annotated[
        bool, typer.Option("--traces", help="Spans by OTLP, where OTEL_* variables say.")
    ] = False,
    item_scores: Annotated[
        bool, typer.Option("--item-scores/--no-item-scores",
                           help="/anonymize gives scores, as Presidio does from 2.2.366 on."),
    ] = True,
    verbose: VerboseOption = 0,
) -> None:  # fmt: skip
    """Serve the HTTP API, Presidio's API and the console."""
    _with_extra()
    from dlpagent.service.http.serving import serve as run
    from dlpagent.service.http.settings import ServeSettings, TenantSettings
    from dlpagent.service.http.tracing import export_over_http

    set_up_logging(verbose)
    checked_choice(profile, "--profile", ("strict", "extended"))
    checked_choice(ner, "--ner", ("off", "auto", "on"))
    found = _file(config, state=state, policy=policy, labels=labels)
    tenants = found.tenants
    if config is None:
        only = TenantSettings(state=state, policies=tuple(policy or ["example"]), labels=labels)
        tenants = (only,)
    settings = ServeSettings(
        host=host,
        port=port,
        tls_cert=tls_cert,
        tls_key=tls_key,
        auth=not no_auth,
        packs=tuple(pack or ["builtin"]),
        profile=profile,
        ner=ner,  # type: ignore[arg-type]
        workers=workers,
        tenants=tenants,
        entra=found.entra,
        limits=found.limits,
        traces=traces,
        item_scores=item_scores,
    )
    if traces:
        export_over_http()
    run(settings)


def _file(config: Path | None, **others: object) -> ServeFile:
    from dlpagent.errors import ConfigurationError
    from dlpagent.service.http.serve_file import ServeFile, read_serve_file

    if config is None:
        return ServeFile()
    given = [f"--{name}" for name, value in others.items() if value]
    if given:
        raise ConfigurationError(
            "the file says this of each tenant", where=", ".join(given), expected="it in --config"
        )
    return read_serve_file(config)


def _with_extra() -> None:
    from importlib.util import find_spec

    from dlpagent.errors import missing_extra

    for package in ("starlette", "uvicorn", "prometheus_client", "jwt", "multipart", "httptools"):
        if find_spec(package) is None:
            raise missing_extra(package, "service", "the HTTP service")


@keys_app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is, for people.")],
    role: Annotated[str, typer.Option(help="reader, analyst, architect or admin.")] = "reader",
    days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="Good for so long.", show_default="ever")
    ] = None,
    state: StateOption = None,
    config: ConfigOption = None,
    tenant: TenantOption = None,
) -> None:
    """Make a key. It is printed once, to standard output, and kept nowhere."""
    from dlpagent.state.audit import local_actor

    opened, keys = _keys(state, config, tenant)
    with opened:
        expires = opened.database.now() + timedelta(days=days) if days else None
        made = keys.create(name, role, local_actor(), expires)
    sys.stderr.write(f"Key {made.stored.id} ({role}), shown this once:\n")
    sys.stdout.write(f"{made.key}\n")


@keys_app.command("list")
def list_(
    state: StateOption = None, config: ConfigOption = None, tenant: TenantOption = None
) -> None:
    """List keys: id, role, name, made, good until, revoked."""
    opened, keys = _keys(state, config, tenant)
    with opened:
        for each in keys.all():
            until = each.expires_at or "-"
            gone = each.revoked_at or "-"
            sys.stdout.write(
                "\t".join((each.id, each.role, each.name, each.created_at, until, gone)) + "\n"
            )


@keys_app.command("revoke")
def revoke(
    ident: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as in the list.")],
    state: StateOption = None,
    config: ConfigOption = None,
    tenant: TenantOption = None,
) -> None:
    """Revoke a key. A running service refuses it within two seconds."""
    from dlpagent.errors import ConfigurationError
    from dlpagent.state.audit import local_actor

    opened, keys = _keys(state, config, tenant)
    with opened:
        if not keys.revoke(ident, local_actor()):
            raise ConfigurationError(
                "there is no such key", where=ident[:40], remedy="See: dlpagent keys list"
            )
    sys.stderr.write(f"Key {ident} is revoked.\n")


def _keys(place: str | None, config: Path | None, tenant: str | None) -> tuple[State, ApiKeys]:
    _with_extra()
    from dlpagent.errors import ConfigurationError
    from dlpagent.service.http.api_keys import KEY_FILE, ApiKeys, load_service_secret
    from dlpagent.service.http.service import place_of
    from dlpagent.service.http.settings import TenantSettings
    from dlpagent.service.settings import Home
    from dlpagent.state import open_state

    home = Home.of_environment()
    tenants = _file(config, state=place).tenants if config else (TenantSettings(state=place),)
    wanted = next((each for each in tenants if tenant in {None, each.id}), None)
    if wanted is None:
        raise ConfigurationError(
            "there is no such tenant", where="--tenant",
            expected=" or ".join(each.id for each in tenants), found=str(tenant)[:40],
        )  # fmt: skip
    secret = load_service_secret(home.path / KEY_FILE)
    opened = open_state(place_of(wanted, home))
    return opened, ApiKeys(wanted.id, opened, secret)
