"""dlpagent hook: what a coding agent is about to send or read, allowed, redacted or denied."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from dlpagent.service.cli.options import (
    LabelsOption,
    PackOption,
    PolicyOption,
    ProfileOption,
    checked_choice,
)

if TYPE_CHECKING:
    from dlpagent.service.hook.answers import Answer
    from dlpagent.service.hook.verdicts import Eyes, Judge


def hook(
    deny: Annotated[
        str,
        typer.Option(help="Deny from this confidence: low, medium, high, 1–100 or never."),
    ] = "high",
    redact: Annotated[
        str, typer.Option(help="Mask what is found from this confidence, and go on.")
    ] = "never",
    ask: Annotated[str, typer.Option(help="Ask the user from this confidence.")] = "never",
    policy: PolicyOption = None,
    labels: LabelsOption = None,
    pack: PackOption = None,
    profile: ProfileOption = "extended",
    app: Annotated[
        str | None,
        typer.Option(help="The app that policies see.", show_default="as the agent's form says"),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            help="Ask a service that runs (dlpagent serve), which is ready at once; its key comes from "
            "DLPAGENT_API_KEY. With it --policy names one of its policies.",
            show_default="none",
        ),
    ] = None,
    unchecked: Annotated[
        str,
        typer.Option(help="deny or allow calls that cannot be read or checked in full."),
    ] = "deny",
) -> None:
    """Judge the call of a coding agent on standard input, and answer as that agent expects.

    Knows the hooks of Claude Code, Codex, Gemini CLI and Cursor (docs/hooks.md). With --policy the
    rules decide, else the thresholds. Exit codes: 0 the answer is on standard output (nothing means:
    go on), 2 denied, or the hook is set up wrongly.
    """
    from dlpagent.errors import ConfigurationError

    checked_choice(unchecked, "--unchecked", ("deny", "allow"))
    checked_choice(profile, "--profile", ("strict", "extended"))
    try:
        with ExitStack() as stack:
            given = _answer(
                sys.stdin.buffer.read(),
                lambda: _judge(
                    _eyes_there(stack, server, policy, redact)
                    if server
                    else _eyes_here(policy, labels, pack, profile, redact),
                    deny,
                    redact,
                    ask,
                    app,
                ),
                is_strict=unchecked == "deny",
            )
    except ConfigurationError:
        raise
    except Exception as error:  # noqa: BLE001 - agents take other exit codes for "go on"
        given = _failed(error, is_strict=unchecked == "deny")
    sys.stdout.write(given.stdout)
    sys.stderr.write(given.stderr)
    raise typer.Exit(given.code)


def _answer(raw: bytes, judge: Callable[[], Judge], *, is_strict: bool) -> Answer:
    from dlpagent.service.hook.answers import Answer, answer, refusal
    from dlpagent.service.hook.calls import read_call

    call = read_call(raw)
    if call is None:
        return Answer()
    verdict = judge().judge(call)
    if verdict.unchecked and verdict.action != "deny":
        told = f"dlpagent could not check everything: {verdict.unchecked}"
        return refusal(told) if is_strict else answer(call, verdict)._replace(stderr=f"{told}\n")
    return answer(call, verdict)


def _failed(error: Exception, *, is_strict: bool) -> Answer:
    """The message of an error that is not ours may hold content, so only its kind is told."""
    from dlpagent.errors import DlpAgentError
    from dlpagent.service.hook.answers import Answer, refusal

    ours = isinstance(error, DlpAgentError)
    told = error.render() if ours else f"dlpagent failed ({type(error).__name__})"  # type: ignore[attr-defined]
    return refusal(told) if is_strict else Answer(stderr=f"{told}\n")


def _judge(eyes: Eyes, deny: str, redact: str, ask: str, app: str | None) -> Judge:
    from dlpagent.service.hook.verdicts import Judge, Thresholds

    return Judge(eyes, Thresholds(_floor(deny), _floor(ask), _floor(redact)), app)


def _eyes_here(
    policy: str | None, labels: str | None, pack: list[str] | None, profile: str, redact: str
) -> Eyes:
    from dlpagent.assess import Assessor
    from dlpagent.classifiers.detecting import classifier_of
    from dlpagent.service.hook.here import Here
    from dlpagent.service.packs import load_packs
    from dlpagent.service.redact.operators import Marks
    from dlpagent.service.redact.rewriting import Redactor
    from dlpagent.service.session import load_decider
    from dlpagent.service.settings import Home

    home = Home.of_environment()
    loaded = load_packs(pack or ["builtin"], profile, home.path / "cache")  # type: ignore[arg-type]
    evidence = home.evidence()
    classifier = classifier_of(loaded, evidence, home.path / "cache")
    decider = load_decider(policy, loaded, labels) if policy else None
    rewriter = Redactor(
        classifier, loaded, Marks(evidence), min_confidence=_masked_from(policy, redact)
    )
    return Here(Assessor(classifier, decider), rewriter)


def _eyes_there(stack: ExitStack, server: str, policy: str | None, redact: str) -> Eyes:
    import os

    from dlpagent.service.client import Client
    from dlpagent.service.hook.there import There

    _check_server(server)
    client = stack.enter_context(Client(server, os.environ.get("DLPAGENT_API_KEY") or None))
    return There(client, policy, _masked_from(policy, redact))


def _check_server(url: str) -> None:
    """Prompts and a key go there: encrypted, or to this machine."""
    from urllib.parse import urlsplit

    from dlpagent.connectors.sources._http_store import is_local
    from dlpagent.errors import ConfigurationError

    try:
        parts = urlsplit(url)
        scheme, host = parts.scheme, parts.hostname or ""
    except ValueError:
        scheme, host = "", ""
    if not host or not (scheme == "https" or (scheme == "http" and is_local(host))):
        raise ConfigurationError(
            "prompts cannot be sent there",
            where="--server",
            expected="https://host[:port], or http:// on this machine",
            found=f"{scheme or 'no scheme'}://{host}",
            remedy="Give the service a certificate: dlpagent serve --tls-cert --tls-key.",
        )


def _masked_from(policy: str | None, redact: str) -> int:
    """Under a policy all that is likely is masked, since its rules name types, not what to mask."""
    from dlpagent.findings import LEVEL_FLOOR

    return LEVEL_FLOOR["medium"] if policy else _floor(redact) or 1


def _floor(text: str) -> int | None:
    from dlpagent.errors import ConfigurationError
    from dlpagent.findings import LEVEL_FLOOR

    if text == "never":
        return None
    if text in LEVEL_FLOOR:
        return LEVEL_FLOOR[text]  # type: ignore[index]
    if text.isdecimal() and 1 <= int(text) <= 100:
        return int(text)
    raise ConfigurationError(
        "this is no confidence", expected="low, medium, high, 1–100 or never", found=text[:40]
    )
