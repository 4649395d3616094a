"""dlpagent policy: policies checked, brought from and to Purview, tried on findings at hand."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dlpagent.service.cli.options import (
    LabelsOption,
    PackOption,
    ProfileOption,
    checked_choice,
    existing_state,
)

if TYPE_CHECKING:
    from dlpagent.errors import Problem
    from dlpagent.labels.policy import Policy
    from dlpagent.service.simulating import Outcome, Simulated

app = typer.Typer(help="Policies: checked, imported, exported, simulated, explained.")

PolicyArgument = Annotated[str, typer.Argument(help="A policy YAML file, or: example.")]
StateOption = Annotated[
    str, typer.Option("--state", help="The state of earlier scans or sweeps, or its URL.")
]
FormatOption = Annotated[str, typer.Option("--format", help="text or json.")]
OutputOption = Annotated[Path, typer.Option("--output", "-o", help="The file to write.")]
StrictOption = Annotated[
    bool, typer.Option("--strict", help="Write nothing when anything would be left out.")
]
_FORMATS = ("text", "json")


@app.command()
def check(
    policy: PolicyArgument,
    pack: PackOption = None,
    profile: ProfileOption = "extended",
    labels: LabelsOption = None,
) -> None:
    """Prove a policy: it can be read, its SITs are in the pack, every example does as it says.

    Exits 0 when all holds (warnings are shown), 2 when not.
    """
    from dlpagent.errors import ExitCode
    from dlpagent.labels.check import check_policy

    loaded_pack = _pack(pack, profile)
    loaded = _policy(policy, loaded_pack, labels)
    problems = check_policy(loaded, loaded_pack.sits)
    _say(problems)
    errors = sum(problem.severity == "error" for problem in problems)
    examples = sum(len(rule.examples) for rule in loaded.rules)
    sys.stdout.write(
        f"{loaded.name} {loaded.ref().version}: {len(loaded.rules)} rules, "
        f"{len(loaded.auto_labels)} auto-labels, {examples} examples: "
        f"{f'{errors} problem(s)' if errors else 'all proven'}\n"
    )
    raise typer.Exit(int(ExitCode.USAGE if errors else ExitCode.CLEAN))


@app.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            help="Rules as Get-DlpComplianceRule | ConvertTo-Json prints them, policyFiles of Graph, "
            "or a graph file that says how to ask the tenant for these."
        ),
    ],
    output: OutputOption,
    name: Annotated[str, typer.Option("--name", help="The policy's name.")] = "",
    label: Annotated[
        str, typer.Option("--label", help="What auto-label rules apply, if their policy is not in.")
    ] = "",
    location: Annotated[
        list[str] | None,
        typer.Option("--location", help="Where the rules apply; may be repeated."),
    ] = None,
    strict: StrictOption = False,
    pack: PackOption = None,
    profile: ProfileOption = "extended",
    labels: LabelsOption = None,
) -> None:
    """Turn Purview's DLP rules and auto-label rules into a policy; say what could not be carried over."""
    from dlpagent.labels.locations import LOCATIONS
    from dlpagent.labels.policy_text import policy_yaml
    from dlpagent.labels.purview_rules import import_rules
    from dlpagent.service.session import load_taxonomy

    for place in location or ():
        checked_choice(place, "--location", LOCATIONS)
    loaded = _pack(pack, profile)
    imported = import_rules(
        _rules(file),
        str(file),
        taxonomy=load_taxonomy(labels),
        sit_names=loaded.sit_names,
        recommended={sit.id: sit.recommended_confidence for sit in loaded.sits.values()},
        name=name,
        label=label,
        locations=tuple(location or ()),  # type: ignore[arg-type]  # each was checked above
    )
    _say(imported.notes)
    _refuse_if(strict, imported.notes)
    _write(output, policy_yaml(imported.policy))
    sys.stdout.write(
        f"{output}: {len(imported.policy.rules)} rules, {len(imported.policy.auto_labels)} "
        f"auto-labels, {len(imported.notes)} note(s)\n"
    )


@app.command()
def export(
    policy: PolicyArgument,
    output: OutputOption,
    strict: StrictOption = False,
    pack: PackOption = None,
    profile: ProfileOption = "extended",
    labels: LabelsOption = None,
) -> None:
    """Write a policy as JSON for New-DlpComplianceRule (AdvancedRule) and auto-label rules.

    Exits 2 when a rule could not be exported whole; the others are written all the same.
    """
    from dlpagent.errors import ExitCode
    from dlpagent.labels.purview_export import export_rules, exported_json

    exported = export_rules(_policy(policy, _pack(pack, profile), labels))
    _say(exported.notes)
    _refuse_if(strict, exported.notes)
    _write(output, exported_json(exported))
    errors = sum(note.severity == "error" for note in exported.notes)
    sys.stdout.write(f"{output}: {len(exported.objects) - 1} rules, {errors} not exported\n")
    raise typer.Exit(int(ExitCode.USAGE if errors else ExitCode.CLEAN))


@app.command()
def simulate(
    policy: PolicyArgument,
    state: StateOption,
    output_format: FormatOption = "text",
    pack: PackOption = None,
    profile: ProfileOption = "extended",
    labels: LabelsOption = None,
) -> None:
    """Say what a policy would have decided on the findings of the last runs. Nothing is written.

    Exits 0 when every item was decided on, 3 when something could not be.
    """
    from dlpagent.errors import ExitCode
    from dlpagent.service.simulating import simulate as run

    checked_choice(output_format, "--format", _FORMATS)
    loaded = _policy(policy, _pack(pack, profile), labels)
    with existing_state(state) as opened:
        found = run(opened, loaded)
    if output_format == "json":
        _print_json(_as_json(found))
    else:
        _print_summary(found)
    unsure = found.incomplete or any(may for _, may in found.rules.values())
    raise typer.Exit(int(ExitCode.INCOMPLETE if unsure else ExitCode.CLEAN))


@app.command()
def explain(
    policy: PolicyArgument,
    state: StateOption,
    rule: Annotated[str, typer.Option("--rule", help="Only this rule, by name or id.")] = "",
    asset: Annotated[str, typer.Option("--asset", help="Only assets whose URI holds this.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="Items shown.")] = 50,
    output_format: FormatOption = "text",
    pack: PackOption = None,
    profile: ProfileOption = "extended",
    labels: LabelsOption = None,
) -> None:
    """Say item by item which rules fire on the findings of a state, which label it calls for, and why."""
    from itertools import islice

    from dlpagent.service.simulating import outcomes
    from dlpagent.state.readings import latest_readings

    checked_choice(output_format, "--format", _FORMATS)
    loaded = _policy(policy, _pack(pack, profile), labels)
    wanted = _rule_id(loaded, rule) if rule else ""
    with existing_state(state) as opened:
        readings = [each for each in latest_readings(opened.database) if asset in each.asset.uri]
        told = (each for each in outcomes(opened, loaded, readings) if _tells(each, wanted))
        for outcome in islice(told, limit):
            value = _explained(outcome, wanted)
            if output_format == "json":
                sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
            else:
                _print_explained(value)


def _pack(names: list[str] | None, profile: str) -> Any:
    from dlpagent.service.packs import whole_packs

    checked_choice(profile, "--profile", ("strict", "extended"))
    return whole_packs(names or ["builtin"], profile)  # type: ignore[arg-type]  # checked above


def _policy(name: str, pack: Any, labels: str | None) -> Policy:
    from dlpagent.service.session import read_policy

    return read_policy(name, pack, labels)


def _rules(file: Path) -> bytes:
    """The rules in a file, or of the tenant it says how to ask."""
    from dlpagent.service.tenant_labels import is_graph_file, read_graph_file

    if not is_graph_file(file):
        return _read(file)
    tenant = read_graph_file(file).open()
    try:
        return json.dumps({"value": tenant.policy_files()}).encode()
    finally:
        tenant.close()


def _read(file: Path) -> bytes:
    from dlpagent.errors import ConfigurationError

    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"the rules cannot be read ({error.strerror})", where=str(file), expected="a JSON file"
        ) from None


def _write(path: Path, text: str) -> None:
    from dlpagent.errors import ConfigurationError

    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"the file cannot be written ({error.strerror})", where=str(path)
        ) from None


def _say(notes: Any) -> None:
    for note in notes:
        sys.stderr.write(f"{note}\n")


def _refuse_if(strict: bool, notes: tuple[Problem, ...]) -> None:
    from dlpagent.errors import ConfigurationError

    if strict and notes:
        raise ConfigurationError(
            "something would be left out",
            where="--strict",
            expected="rules that can be carried over whole",
            found=f"{len(notes)} note(s)",
            remedy="Run without --strict to have the rest.",
        )


def _rule_id(policy: Policy, wanted: str) -> str:
    from dlpagent.errors import ConfigurationError

    for rule in policy.rules:
        if wanted.casefold() in (rule.id, rule.name.casefold()):
            return rule.id
    raise ConfigurationError(
        "the policy has no such rule",
        where="--rule",
        expected="the name or id of a rule",
        found=wanted,
        remedy="It has: " + ", ".join(rule.name for rule in policy.rules),
    )


def _tells(outcome: Outcome, wanted: str) -> bool:
    rules = (*outcome.fired, *outcome.may_fire)
    if wanted:
        return any(rule.rule_id == wanted for rule in rules)
    return bool(rules or outcome.recommendation)


def _explained(outcome: Outcome, wanted: str) -> dict[str, Any]:
    rules = [(rule, True) for rule in outcome.fired]
    rules += [(rule, False) for rule in outcome.may_fire]
    label = outcome.recommendation
    return {
        "v": 1,
        "asset": outcome.item.asset.uri,
        "record": outcome.item.record_id,
        "label": {"name": label.label.name, "reason": label.reason} if label else None,
        "rules": [
            {
                "id": rule.rule_id,
                "name": rule.rule_name,
                "certain": certain,
                "severity": rule.severity,
                "mode": rule.mode,
                "location": rule.location,
                "actions": rule.actions,
                "reason": rule.reason,
            }
            for rule, certain in rules
            if wanted in ("", rule.rule_id)
        ],
    }


def _print_explained(value: dict[str, Any]) -> None:
    record = f", record {value['record']}" if value["record"] else ""
    sys.stdout.write(f"{value['asset']}{record}\n")
    if value["label"]:
        sys.stdout.write(f"  label {value['label']['name']}: {value['label']['reason']}\n")
    for rule in value["rules"]:
        verb = "fires" if rule["certain"] else "may fire"
        sys.stdout.write(
            f"  {verb} at {rule['location']}: {rule['name']} ({rule['severity']}, {rule['mode']}, "
            f"{' '.join(rule['actions'])}): {rule['reason']}\n"
        )


def _as_json(found: Simulated) -> dict[str, Any]:
    return {
        "v": 1,
        "policy": found.policy,
        "assets": found.assets,
        "items": found.items,
        "rules": [
            {"name": name, "fires": fires, "may_fire": may}
            for name, (fires, may) in found.rules.items()
        ],
        "labels": found.labels,
        "incomplete": found.incomplete,
    }


def _print_json(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def _print_summary(found: Simulated) -> None:
    sys.stdout.write(f"{found.policy}: {found.items} items of {found.assets} assets\n")
    for name, (fires, may) in found.rules.items():
        unsure = f", may fire on {may} more" if may else ""
        sys.stdout.write(f"  {name}: fires on {fires}{unsure}\n")
    for name, many in sorted(found.labels.items()):
        sys.stdout.write(f"  label {name}: {many}\n")
    for text in found.incomplete:
        sys.stderr.write(f"incomplete: {text}\n")
