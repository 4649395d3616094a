"""dlpagent hook: what a coding agent is about to send or read, allowed, redacted or denied."""

from __future__ import annotations

import sys
from collections.abc import Callable
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
    from dlpagent.service.hook.verdicts import Judge


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
        given = _answer(
            sys.stdin.buffer.read(),
            lambda: _judge(deny, redact, ask, policy, labels, pack, profile, app),
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


def _judge(
    deny: str,
    redact: str,
    ask: str,
    policy: str | None,
    labels: str | None,
    pack: list[str] | None,
    profile: str,
    app: str | None,
) -> Judge:
    from dlpagent.assess import Assessor
    from dlpagent.classifiers.detecting import classifier_of
    from dlpagent.findings import LEVEL_FLOOR
    from dlpagent.service.hook.verdicts import Judge, Thresholds
    from dlpagent.service.packs import load_packs
    from dlpagent.service.redact.operators import Marks
    from dlpagent.service.redact.rewriting import Redactor
    from dlpagent.service.session import load_decider
    from dlpagent.service.settings import Home

    home = Home.of_environment()
    thresholds = Thresholds(_floor(deny), _floor(ask), _floor(redact))
    loaded = load_packs(pack or ["builtin"], profile, home.path / "cache")  # type: ignore[arg-type]
    evidence = home.evidence()
    classifier = classifier_of(loaded, evidence, home.path / "cache")
    decider = load_decider(policy, loaded, labels) if policy else None
    # under a policy all that is likely goes, since rules name types and not confidences to mask
    least = LEVEL_FLOOR["medium"] if decider else thresholds.redact or 1
    rewriter = Redactor(classifier, loaded, Marks(evidence), min_confidence=least)
    return Judge(Assessor(classifier, decider), rewriter, thresholds, app)


def _floor(text: str) -> int | None:
    from dlpagent.service.session import parse_level

    return None if text == "never" else parse_level(text)
