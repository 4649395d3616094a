"""dlpagent redact: clean copies of files, and values put back where they were encrypted."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlpagent.service.cli.options import (
    KeyOption,
    NerOption,
    PackOption,
    ProfileOption,
    QuietOption,
    checked_choice,
)

if TYPE_CHECKING:
    from dlpagent.service.redact.operators import Operator
    from dlpagent.service.redact.rewriting import Redactor, Restorer


def redact(
    source: Annotated[
        list[Path], typer.Argument(help="Files: text, JSON, JSON Lines, CSV, Parquet.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The copy; a folder for several files.")
    ],
    operator: Annotated[
        str, typer.Option(help="What stands for a value: mask, hash, token, encrypt or keep.")
    ] = "mask",
    sit: Annotated[
        list[str] | None,
        typer.Option("--sit", help="NAME=OPERATOR: another operator for a SIT. May be repeated."),
    ] = None,
    min_confidence: Annotated[
        str, typer.Option(help="low, medium, high or 1–100: findings below are left as they are.")
    ] = "low",
    drop_unreadable: Annotated[
        bool, typer.Option("--drop-unreadable", help="Leave out records that cannot be read.")
    ] = False,
    restore: Annotated[
        bool, typer.Option("--restore", help="Put encrypted values back, with the cipher key.")
    ] = False,
    cipher_key: Annotated[
        Path | None,
        typer.Option(
            "--cipher-key", help="The key of encrypt.", show_default="$DLPAGENT_HOME/cipher.key"
        ),
    ] = None,
    pack: PackOption = None,
    profile: ProfileOption = "extended",
    ner: NerOption = "off",
    key_file: KeyOption = None,
    quiet: QuietOption = False,
) -> None:
    """Write clean copies of files, with a manifest beside each.

    Exit codes: 0 every copy is written and whole, 2 usage or configuration error, 3 something could
    not be read (no copy of that file, unless --drop-unreadable).
    """
    from dlpagent.errors import DlpAgentError, ExitCode, SourceError
    from dlpagent.service.redact.copying import copy_file

    checked_choice(profile, "--profile", ("strict", "extended"))
    checked_choice(ner, "--ner", ("off", "auto", "on"))
    if restore:
        rewriter: Redactor | Restorer = _restorer(key_file, cipher_key)
    else:
        rewriter = _redactor(
            pack, profile, ner, min_confidence, operator, sit or [], key_file, cipher_key
        )
    is_folder = len(source) > 1 or output.is_dir()
    code = ExitCode.CLEAN
    for path in source:
        target = output / path.name if is_folder else output
        try:
            copied = copy_file(path, target, rewriter, drop_unreadable=drop_unreadable)
        except SourceError as error:
            sys.stderr.write(f"{error.render()}\n")
            code = ExitCode.INCOMPLETE
            continue
        except DlpAgentError:
            raise
        done = copied.done
        for item in done.unread[:10]:
            sys.stderr.write(f"{path}: record {item.place}: {item.problem}\n")
        if done.unread:
            code = ExitCode.INCOMPLETE
        if not quiet:
            what = f"→ {target}" if copied.is_written else "no copy: see --drop-unreadable"
            sys.stderr.write(
                f"{path}: {done.records} records, {done.changed} changed, "
                f"{len(done.unread)} unreadable; {what}\n"
            )
    raise typer.Exit(int(code))


def _redactor(
    names: list[str] | None,
    profile: str,
    ner: str,
    min_confidence: str,
    operator: str,
    sits: list[str],
    key_file: Path | None,
    cipher_key: Path | None,
) -> Redactor:
    from dlpagent.classifiers.detecting import classifier_of
    from dlpagent.service.cli.rules import find_sit
    from dlpagent.service.packs import load_packs
    from dlpagent.service.redact.operators import OPERATORS, Cipher, Marks
    from dlpagent.service.redact.rewriting import Redactor
    from dlpagent.service.session import parse_level
    from dlpagent.service.settings import Home

    home = Home.of_environment()
    checked_choice(operator, "--operator", OPERATORS)
    floor = parse_level(min_confidence)
    loaded = load_packs(names or ["builtin"], profile, home.path / "cache", ner)  # type: ignore[arg-type]
    chosen: dict[str, Operator] = {}
    for item in sits:
        name, _, word = item.rpartition("=")
        checked_choice(word, f"--sit {name}", OPERATORS)
        chosen[find_sit(loaded, name).id] = word  # type: ignore[assignment]
    evidence = home.evidence(key_file)
    wants_cipher = "encrypt" in (operator, *chosen.values())
    key = cipher_key or home.path / "cipher.key"
    # known ciphertexts are left alone: so the key is read wherever there is one
    cipher = Cipher.of_file(key) if wants_cipher or key.exists() else None
    return Redactor(
        classifier_of(loaded, evidence, home.path / "cache"),
        loaded,
        Marks(evidence, cipher),
        operator,  # type: ignore[arg-type]
        chosen,
        floor,
    )


def _restorer(key_file: Path | None, cipher_key: Path | None) -> Restorer:
    from dlpagent.errors import ConfigurationError
    from dlpagent.service.redact.operators import Cipher, Marks
    from dlpagent.service.redact.rewriting import Restorer
    from dlpagent.service.settings import Home

    home = Home.of_environment()
    key = cipher_key or home.path / "cipher.key"
    if not key.exists():
        raise ConfigurationError(
            "there is no key to restore with",
            where=str(key),
            expected="the key file that values were encrypted with",
            remedy="Name it with --cipher-key.",
        )
    return Restorer(Marks(home.evidence(key_file), Cipher.of_file(key)))
