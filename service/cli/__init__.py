"""The command line: one file per group of verbs. Heavy modules are imported by the verb that runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from dlpagent import __version__
from dlpagent.errors import DlpAgentError, ExitCode
from dlpagent.service.cli import (
    audit,
    bench,
    diffs,
    doctor,
    edm,
    evals,
    explain,
    hook,
    inventory,
    labels,
    mcp,
    policies,
    push,
    quarantine,
    quickstart,
    redact,
    rules,
    scan,
    serve,
    sweeps,
    triage,
    tune,
    violations,
    watch,
)

app = typer.Typer(
    name="dlpagent",
    help="Find sensitive information in prompts, AI logs, vector stores and training corpora, "
    "as Microsoft Purview defines it, on your own machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"dlpagent {__version__}\n")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    pass


app.command("quickstart")(quickstart.quickstart)
app.command("scan")(scan.scan)
app.add_typer(sweeps.app, name="sweep")
app.command("watch")(watch.watch)
app.command("redact")(redact.redact)
app.command("quarantine")(quarantine.quarantine)
app.command("push")(push.push)
app.command("hook")(hook.hook)
app.command("mcp")(mcp.mcp)
app.add_typer(rules.app, name="rules")
app.add_typer(policies.app, name="policy")
app.add_typer(labels.app, name="label")
app.add_typer(edm.app, name="edm")
app.command("explain")(explain.explain)
app.command("eval")(evals.evaluate)
app.command("diff")(diffs.diff)
app.command("tune")(tune.tune)
app.add_typer(triage.app, name="triage")
app.add_typer(violations.app, name="violations")
app.add_typer(audit.app, name="audit")
app.add_typer(inventory.app, name="inventory")
app.command("serve")(serve.serve)
app.add_typer(serve.keys_app, name="keys")
app.command("bench")(bench.bench)
app.command("doctor")(doctor.doctor)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with the codes of docs/cli.md."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code. Errors of ours go to stderr, as they read."""
    command = typer.main.get_command(app)
    try:
        code = command.main(
            args=None if arguments is None else list(arguments),
            prog_name="dlpagent",
            standalone_mode=False,
        )
    except DlpAgentError as error:
        sys.stderr.write(f"{error.render()}\n")
        return int(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # whoever read our output has gone; nothing more can be said to them
        sys.stdout = None
        return int(ExitCode.INTERRUPTED)
    except Exception as error:
        shown = getattr(error, "show", None)  # usage errors of the command-line library
        if shown is None:
            raise
        shown(file=sys.stderr)
        return int(getattr(error, "exit_code", ExitCode.USAGE))
    return int(code or 0)
