"""The violations of a report: what fired, why, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from dlpagent.connectors.sinks._event import asset_name
from dlpagent.connectors.sinks._report_charts import html
from dlpagent.connectors.sinks._text import counted
from dlpagent.findings import level_of
from dlpagent.violations import Place, Violation

MAX_VIOLATIONS: Final = 500
MAX_PLACES: Final = 5_000

# Places shown before one has to unfold the rest.
_SHOWN_PLACES: Final = 2

_ORDER: Final = {"high": 0, "medium": 1, "low": 2}
_MODES: Final = {
    "enforce": "Enforced rule",
    "audit": "Audit only: recorded, nothing is blocked",
    "simulate": "Simulation: the rule is not in force",
}


def violation_section(violations: Sequence[Violation], total: int) -> str:
    """The filter, the table, and how many more there are. total: all, listed or not."""
    if not total:
        return '<p class="calm">No policy rule fired on any item.</p>'
    ordered = sorted(violations, key=lambda held: (_ORDER[held.severity], -held.places_total))
    listed = ordered[:MAX_VIOLATIONS]
    sits = {sit.id: sit.name for held in listed for sit in held.sits}
    assets = {held.asset_uri: held.asset_uri for held in listed}
    sit_keys = {sit_id: f"s{number}" for number, sit_id in enumerate(sits)}
    asset_keys = {uri: f"a{number}" for number, uri in enumerate(assets)}
    budget = iter(range(MAX_PLACES))
    rows = "".join(
        _row(held, sit_keys, asset_keys[held.asset_uri], sits, budget) for held in listed
    )
    rest = total - len(listed)
    more = f'<p class="more">{counted(rest, "more violation")} in the state.</p>' if rest else ""
    return (
        _filters(sits, sit_keys, asset_keys)
        + '<table class="violations" id="violations"><caption class="unseen">Violations, the most'
        ' severe first</caption><thead><tr><th scope="col">Severity</th><th scope="col">Rule and'
        ' reason</th><th scope="col">Item</th><th scope="col">Evidence</th><th scope="col">What to'
        f" do</th></tr></thead><tbody>{rows}</tbody></table>{more}"
    )


def _filters(
    sits: Mapping[str, str], sit_keys: Mapping[str, str], asset_keys: Mapping[str, str]
) -> str:
    """Hidden until the script shows it: without the script it would do nothing."""
    severity = [("high", "High"), ("medium", "Medium"), ("low", "Low")]
    sit = sorted(((sit_keys[key], name) for key, name in sits.items()), key=lambda pair: pair[1])
    asset = sorted(((key, uri) for uri, key in asset_keys.items()), key=lambda pair: pair[1])
    return (
        '<div class="filters" id="filters" hidden="hidden">'
        + _select("severity", "Severity", "All severities", severity)
        + _select("sit", "Sensitive information type", "All types", sit)
        + _select("asset", "Asset", "All assets", asset)
        + '<p id="shown" role="status"></p></div>'
    )


def _select(name: str, label: str, every: str, options: Sequence[tuple[str, str]]) -> str:
    listed = "".join(f'<option value="{key}">{html(text, 70)}</option>' for key, text in options)
    return (
        f'<label for="by-{name}">{label}<select id="by-{name}">'
        f'<option value="">{every}</option>{listed}</select></label>'
    )


def _row(
    violation: Violation,
    sit_keys: Mapping[str, str],
    asset_key: str,
    sits: Mapping[str, str],
    budget: Iterator[int],
) -> str:
    keys = " ".join(sit_keys[sit.id] for sit in violation.sits)
    severity = violation.severity
    return (
        f'<tr data-severity="{severity}" data-sit="{keys}" data-asset="{asset_key}">'
        f'<td data-label="Severity"><span class="badge {severity}">{severity}</span></td>'
        f'<td data-label="Rule and reason"><strong>{html(violation.rule_name, 120)}</strong>'
        f"<p>{html(violation.reason, 400)}</p>"
        f'<p class="note">{html(violation.policy.name, 80)} · {_MODES[violation.mode]}</p></td>'
        f'<td data-label="Item">{_item(violation)}</td>'
        f'<td data-label="Evidence">{_evidence(violation, sits, budget)}</td>'
        f'<td data-label="What to do">{_remedy(violation)}</td></tr>'
    )


def _item(violation: Violation) -> str:
    record = f"<p>record <code>{html(violation.record_id, 80)}</code></p>"
    about = {
        "by": violation.actor_id,
        "app": violation.app,
        "model": violation.model,
        "conversation": violation.conversation_id,
        "created": violation.item_created_at,
    }
    facts = "".join(
        f"<p>{name} {html(value, 60)}</p>" for name, value in about.items() if value is not None
    )
    return (
        f"<strong><bdi>{html(asset_name(violation.asset_uri), 60)}</bdi></strong>"
        + (record if violation.record_id else "")
        + f'<div class="note">{facts}<p class="uri"><bdi>{html(violation.asset_uri, 160)}</bdi>'
        "</p></div>"
    )


def _evidence(violation: Violation, sits: Mapping[str, str], budget: Iterator[int]) -> str:
    counts = "".join(
        f'<li><span class="dot {level_of(sit.confidence)}" aria-hidden="true"></span>'
        f"{html(sit.name, 60)}: {sit.count:,} ({sit.unique:,} unique),"
        f" confidence {sit.confidence}</li>"
        for sit in violation.sits
    )
    listed = [place for place, _ in zip(violation.places, budget, strict=False)]
    lines = [_place(place, sits, violation.asset_uri) for place in listed]
    first, others = "".join(lines[:_SHOWN_PLACES]), "".join(lines[_SHOWN_PLACES:])
    folded = (
        f"<details><summary>{counted(len(listed) - _SHOWN_PLACES, 'more place')}</summary>"
        f'<ul class="places">{others}</ul></details>'
        if others
        else ""
    )
    rest = violation.places_total - len(listed)
    more = f'<p class="note">{counted(rest, "more place")} in the state</p>' if rest > 0 else ""
    places = f'<ul class="places">{first}</ul>' if first else ""
    return f'<ul class="sits">{counts}</ul>{places}{folded}{more}'


def _place(place: Place, sits: Mapping[str, str], asset_uri: str) -> str:
    return (
        f'<li><code class="masked" title="{html(sits.get(place.sit_id, place.sit_id), 80)},'
        f' confidence {place.confidence}">{html(place.masked)}</code>'
        f'<span class="note"><bdi>{html(place.part, 60)}</bdi> {place.start:,}–{place.end:,}'
        f"{_locator(place, asset_uri)}</span></li>"
    )


def _locator(place: Place, asset_uri: str) -> str:
    where = describe(place.locator, asset_uri)
    record = f" · record {html(place.record_id, 40)}" if place.record_id else ""
    return record + (f" · {html(where, 100)}" if where else "")


def describe(locator: Mapping[str, Any], asset_uri: str) -> str:
    """A locator in words: byte, row group and row (from 1, as people count); a file only when it
    is not the asset itself (a member of an archive, a shard)."""
    words = []
    name = asset_name(str(locator.get("file") or ""))
    if name and name != asset_name(asset_uri):
        words.append(name)
    if locator.get("offset") is not None:
        words.append(f"byte {locator['offset']:,}")
    if locator.get("row_group") is not None:
        words.append(f"row group {locator['row_group'] + 1:,}")
    if locator.get("row") is not None:
        words.append(f"row {locator['row'] + 1:,}")
    return ", ".join(words)


def _remedy(violation: Violation) -> str:
    actions = "".join(f"<li>{html(action, 60)}</li>" for action in violation.actions)
    chips = f'<ul class="chips">{actions}</ul>' if actions else ""
    return chips + "".join(f"<p>{sentence}</p>" for sentence in _advice(violation))


def _advice(violation: Violation) -> Iterator[str]:
    label, existing = violation.recommended_label, violation.existing_label
    if label and (existing is None or existing.priority < label.priority):
        now = f"now {html(existing.name, 60)}" if existing else "it carries none"
        yield f"Label it <b>{html(label.name, 60)}</b> ({now})."
    if violation.ceiling:
        yield (
            f"This place may hold at most <b>{html(violation.ceiling.name, 60)}</b>: move, redact"
            " or delete the item."
        )
    if violation.incomplete:
        yield "Scan it again: a part of the item could not be checked."
    if not violation.actions and not label and not violation.ceiling:
        yield "Review the item; the rule names no action."
