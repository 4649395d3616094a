"""dlpagent explain: why a SIT matched a text, or what was missing."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from dlpagent.service.cli.options import NerOption, PackOption, ProfileOption, checked_choice


def explain(
    text: Annotated[
        str | None, typer.Argument(help="The text; - or nothing reads standard input.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Read the text from a file.")
    ] = None,
    sit: Annotated[
        list[str] | None,
        typer.Option("--sit", help="Only this SIT (GUID or name). May be repeated."),
    ] = None,
    context: Annotated[
        str, typer.Option(help="Words that stand beside the text: column heading, JSON key.")
    ] = "",
    pack: PackOption = None,
    profile: ProfileOption = "extended",
    ner: NerOption = "auto",
    all_: Annotated[
        bool, typer.Option("--all", help="Also places where nothing was found in the end.")
    ] = False,
    output_format: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
    show_values: Annotated[
        bool, typer.Option("--show-values", help="Show matched values; on a terminal only.")
    ] = False,
) -> None:
    """Explain a text: which pattern held, what supported it and how far away, what is missing.

    Exits 0 when nothing was found, 1 when something was, 3 when a rule ran out of time.
    """
    from dlpagent.classifiers.compiled import CompiledPack
    from dlpagent.classifiers.explain import explain as trace
    from dlpagent.errors import ExitCode
    from dlpagent.service.cli.rules import find_sit
    from dlpagent.service.ner import parse
    from dlpagent.service.packs import load_packs
    from dlpagent.service.trace_view import explanation_json, explanation_text

    checked_choice(output_format, "--format", ("text", "json"))
    checked_choice(profile, "--profile", ("strict", "extended"))
    content = _content(text, file)
    loaded = load_packs(pack or ["builtin"], profile, ner=parse(ner))  # type: ignore[arg-type]
    chosen = [find_sit(loaded, name) for name in sit] if sit else None
    found = trace(CompiledPack(loaded), content, context, chosen)
    visible = content if show_values and sys.stdout.isatty() else None
    if output_format == "json":
        sys.stdout.write(json.dumps(explanation_json(found, loaded, content), indent=1) + "\n")
    else:
        everything = all_ or bool(sit)
        sys.stdout.write(explanation_text(found, loaded, content, visible, everything=everything))
    if found.incomplete:
        raise typer.Exit(int(ExitCode.INCOMPLETE))
    if any(item.confidence for item in found.traces):
        raise typer.Exit(int(ExitCode.FINDINGS))


def _content(text: str | None, file: Path | None) -> str:
    from dlpagent.errors import ConfigurationError

    if file is not None:
        try:
            return file.read_text("utf-8", errors="replace")
        except OSError as error:
            raise ConfigurationError(
                f"the text cannot be read ({error.strerror})", where=str(file)
            ) from None
    if text is None or text == "-":
        return sys.stdin.buffer.read().decode("utf-8", errors="replace")
    return text
