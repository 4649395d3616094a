"""Options that several verbs share, each defined once."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dlpagent.state import State

PackOption = Annotated[
    list[str] | None,
    typer.Option(
        "--pack",
        help="A pack: builtin, a pack folder, a SIT file or rule package XML. May be repeated.",
        show_default="builtin",
    ),
]
ProfileOption = Annotated[
    str,
    typer.Option(help="strict: exactly what Purview publishes; extended: with our additions."),
]
PolicyOption = Annotated[
    str | None,
    typer.Option("--policy", help="A policy YAML file, or: example.", show_default="none"),
]
LabelsOption = Annotated[
    str | None,
    typer.Option(
        "--labels", help="Sensitivity labels: YAML, or JSON of Graph or Get-Label.",
        show_default="those that ship with dlpagent",
    ),
]  # fmt: skip
StateOption = Annotated[
    str | None,
    typer.Option("--state", help="State database: a file, sqlite:///… or postgresql://…",
                 show_default="a temporary one"),
]  # fmt: skip
KeyOption = Annotated[
    Path | None,
    typer.Option(
        "--key-file", help="The evidence key.", show_default="$DLPAGENT_HOME/evidence.key"
    ),
]
WorkersOption = Annotated[
    int, typer.Option("--workers", min=1, max=256, help="Processes that classify side by side.")
]
EngineOption = Annotated[
    str, typer.Option("--engine", help="local, ray or spark: who reads and classifies.")
]
NerOption = Annotated[
    str,
    typer.Option(
        "--ner",
        help="off, auto or on: look for types that need a language model (docs/named-entities.md).",
    ),
]
NerBudgetOption = Annotated[
    float | None,
    typer.Option(
        "--ner-budget", min=0.0, help="CPU seconds a process may spend on language models.",
        show_default="600",
    ),
]  # fmt: skip
HealthOption = Annotated[
    str | None,
    typer.Option("--health", metavar="HOST:PORT", help="Serve /healthz and /readyz there.",
                 show_default="nowhere"),
]  # fmt: skip
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")]
VerboseOption = Annotated[
    int, typer.Option("--verbose", "-v", count=True, help="Log to stderr; twice for debug.")
]


def set_up_logging(verbose: int) -> None:
    """Logs go to stderr. They hold places, counts and ids, never content."""
    level = {0: logging.WARNING, 1: logging.INFO}.get(verbose, logging.DEBUG)
    logging.basicConfig(
        stream=sys.stderr, level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )


def checked_choice(value: str, option: str, choices: tuple[str, ...]) -> str:
    """A word out of a few. Raises ConfigurationError."""
    from dlpagent.errors import ConfigurationError

    if value not in choices:
        raise ConfigurationError(
            "this is not a choice",
            where=option,
            expected="one of " + ", ".join(choices),
            found=value,
        )
    return value


def existing_state(place: str) -> State:
    """A state that is there; a name that is wrong makes no new one. Raises ConfigurationError."""
    from dlpagent.errors import ConfigurationError
    from dlpagent.state import open_state

    path = place.removeprefix("sqlite:///").partition("?")[0]
    if "://" not in path and not Path(path).is_file():
        raise ConfigurationError(
            "there is no such state",
            where="--state",
            expected="the state of an earlier scan or sweep",
            found=place,
            remedy="Make one: dlpagent scan SOURCE --state FILE",
        )
    return open_state(place)


def actor_of(given: str | None) -> str:
    """Who acts, as the audit log names them: as given, else this account on this machine."""
    from dlpagent.state.audit import local_actor

    return given or local_actor()
