"""The sections of a report but the violations, each a string of HTML."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from dlpagent import __version__
from dlpagent.connectors.sinks._event import asset_name
from dlpagent.connectors.sinks._report_charts import Bar, bar_chart, html, stacked_bar
from dlpagent.connectors.sinks._report_violations import describe
from dlpagent.connectors.sinks._text import counted
from dlpagent.connectors.sinks.report_data import AssetFigures, ReportData, Totals
from dlpagent.records import PartStatus

MAX_BARS: Final = 12
MAX_ASSETS: Final = 200
MAX_PROBLEMS: Final = 200

_STATUSES: Final[Mapping[PartStatus, str]] = {
    "read": "Read",
    "unread": "Not read",
    "protected": "Protected (encrypted)",
    "opaque": "Opaque (no text in it)",
    "no_content": "No content logged",
}
_LEVELS: Final = ("high", "medium", "low")


def headline(data: ReportData) -> str:
    """What happened, in one sentence."""
    severities = data.by_severity()
    total = sum(severities.values())
    assets = counted(data.totals.assets, "asset")
    if not total:
        found = sum(sit.total for sit in data.sits)
        tail = f"; {counted(found, 'finding')} to know of" if found else ""
        if data.is_complete:
            return f"No violations in {assets}{tail}."
        return f"No violations found in {assets}{tail}, but not everything could be checked."
    parts = ", ".join(f"{count:,} {name}" for name, count in severities.items() if count)
    return f"{counted(total, 'violation')} in {assets}: {parts}."


def lead(data: ReportData) -> str:
    """How much was looked at, and for what."""
    totals = data.totals
    policy = f" and the policy <b>{html(data.policy.name, 80)}</b>" if data.policy else ""
    pack = html(data.pack_name or data.pack.id, 80)
    return (
        f"{counted(totals.records, 'record')} with {_short(totals.chars)} characters were checked"
        f" against the pack <b>{pack}</b>{policy} in {_duration(totals.seconds)}."
    )


def state(data: ReportData) -> str:
    """Complete, or what is not."""
    if data.is_complete:
        what = html(data.left_out, 200) or "Every rule was evaluated."
        return (
            '<p class="state whole"><strong>Complete.</strong>'
            f" <span>Every part was read. {what}</span></p>"
        )
    unread = sum(count for status, count in data.coverage.items() if status != "read")
    reasons = [f"{counted(unread, 'part')} could not be checked."] if unread else []
    reasons += [html(reason, 200) for reason in data.incomplete[:3]]
    if len(data.incomplete) > 3:
        reasons.append(f"{counted(len(data.incomplete) - 3, 'more reason')} below.")
    return (
        '<p class="state partial"><strong>Incomplete.</strong>'
        f" <span>{' '.join(reasons)}</span></p>"
    )


def figures(data: ReportData) -> str:
    """The key figures."""
    totals, severities = data.totals, data.by_severity()
    violations = sum(severities.values())
    high = sum(sit.high for sit in data.sits)
    parts = sum(data.coverage.values())
    read = data.coverage.get("read", 0)
    share = f"{100 * read / parts:.1f} %" if parts else "–"
    if parts and read < parts and share == "100.0 %":
        share = "99.9 %"  # never "all" when something is missing
    speed, unit = _speed(totals)
    cells = (
        ("Violations", f"{violations:,}", f"{severities['high']:,} of high severity", violations),
        ("Findings", f"{sum(s.total for s in data.sits):,}", f"{high:,} of high confidence", 0),
        ("Records", f"{totals.records:,}", counted(totals.parts, "part"), 0),
        ("Parts read", share, f"{read:,} of {parts:,}", 0),
        ("Speed", speed, f"{unit} a second", 0),
    )
    return (
        '<dl class="figures">'
        + "".join(
            f'<div class="card{" alarm" if alarm else ""}"><dt>{name}</dt>'
            f'<dd class="big">{value}</dd><dd class="note">{note}</dd></div>'
            for name, value, note, alarm in cells
        )
        + "</dl>"
    )


def charts(data: ReportData) -> str:
    """Violations by severity, findings by SIT, assets by violations."""
    severities = data.by_severity()
    if not any(severities.values()) and not any(sit.total for sit in data.sits):
        return ""
    by_severity = bar_chart(
        "Violations by severity",
        "Severity",
        [Bar(name.capitalize(), ((name, count),)) for name, count in severities.items()],
        unit="violations",
    )
    return (
        '<h2 class="unseen">At a glance</h2><div class="charts"><div class="stack">'
        f'<div class="card"><h3>Violations by severity</h3>{by_severity}</div>'
        f'<div class="card rest"><h3>Items by recommended label</h3>{_label_chart(data)}</div>'
        '</div><div class="card"><h3>Findings by sensitive information type</h3>'
        f"{_sit_chart(data)}</div>"
        '<div class="card full"><h3>Assets with the most violations</h3>'
        f"{_asset_chart(data)}</div></div>"
    )


def _sit_chart(data: ReportData) -> str:
    ordered = sorted((sit for sit in data.sits if sit.total), key=lambda sit: -sit.total)
    if not ordered:
        return '<p class="note">Nothing was found.</p>'
    bars = [
        Bar(sit.sit.name, (("high", sit.high), ("medium", sit.medium), ("low", sit.low)))
        for sit in ordered[:MAX_BARS]
    ]
    return (
        _legend()
        + bar_chart(
            "Findings by sensitive information type and confidence level",
            "Sensitive information type",
            bars,
            unit="findings",
        )
        + _more(len(ordered) - MAX_BARS, "more type")
    )


def _asset_chart(data: ReportData) -> str:
    ordered = sorted(
        (asset for asset in data.assets if any(asset.violations.values())),
        key=lambda asset: -sum(asset.violations.values()),
    )
    if not ordered:
        return '<p class="note">No asset has violations.</p>'
    bars = [
        Bar(
            asset_name(asset.uri),
            tuple((level, asset.violations.get(level, 0)) for level in _LEVELS),
            note=f"should be {asset.labels[0][0]}" if asset.labels else "",
        )
        for asset in ordered[:MAX_BARS]
    ]
    return (
        _legend()
        + bar_chart("Assets by violations and severity", "Asset", bars, unit="violations")
        + _more(len(ordered) - MAX_BARS, "more asset")
    )


def _label_chart(data: ReportData) -> str:
    items: dict[str, int] = {}
    for asset in data.assets:
        for name, count in asset.labels:
            items[name] = items.get(name, 0) + count
    if not items:
        return '<p class="note">No item needs a label.</p>'
    ordered = sorted(items.items(), key=lambda pair: -pair[1])
    # blanks around the slash let a narrow column break a path between labels, not inside one
    bars = [
        Bar(name.replace("/", " / "), (("items", count),)) for name, count in ordered[:MAX_BARS]
    ]
    return bar_chart("Items by recommended label", "Label", bars, unit="items")


def asset_table(data: ReportData) -> str:
    """Every asset with its figures."""
    if not data.assets:
        return '<p class="calm">No asset was found where the run looked.</p>'
    ordered = sorted(
        data.assets,
        key=lambda asset: (
            *(-asset.violations.get(level, 0) for level in _LEVELS),
            -asset.high,
            -asset.findings,
            asset.uri,
        ),
    )
    rows = "".join(_asset_row(asset) for asset in ordered[:MAX_ASSETS])
    return (
        '<div class="card scroll"><table class="plain"><caption class="unseen">Assets, those with'
        ' the most severe violations first</caption><thead><tr><th scope="col">Asset</th>'
        '<th scope="col" class="number">Records</th>'
        '<th scope="col" class="number">Findings (high / medium / low)</th>'
        '<th scope="col" class="number">Violations</th><th scope="col">Recommended label</th></tr>'
        f"</thead><tbody>{rows}</tbody></table></div>"
        + _more(len(ordered) - MAX_ASSETS, "more asset")
    )


def _asset_row(asset: AssetFigures) -> str:
    violations = sum(asset.violations.values())
    labels = "<br/>".join(
        f"{html(name, 60)} <span class='note'>({counted(items, 'item')})</span>"
        for name, items in asset.labels[:5]
    )
    existing = f"<p class='note'>carries {html(asset.existing, 60)}</p>" if asset.existing else ""
    partial = " · incomplete" if asset.incomplete else ""
    return (
        f'<tr><th scope="row"><bdi>{html(asset_name(asset.uri), 60)}</bdi>'
        f'<p class="note">{html(asset.kind.replace("_", " "))} · {html(asset.connector, 40)}'
        f'{partial}</p><p class="note"><bdi>{html(asset.uri, 140)}</bdi></p></th>'
        f'<td class="number">{asset.records:,}</td>'
        f'<td class="number">{asset.high:,} / {asset.medium:,} / {asset.low:,}</td>'
        f'<td class="number">{violations:,}</td><td>{labels or "–"}{existing}</td></tr>'
    )


def coverage(data: ReportData) -> str:
    """Parts by status, every reason, and the parts that were not checked."""
    counts = [(status, data.coverage.get(status, 0)) for status in _STATUSES]
    total = sum(count for _, count in counts)
    words = ", ".join(f"{count:,} {_STATUSES[s].lower()}" for s, count in counts if count)
    bar = stacked_bar(counts, f"{counted(total, 'part')}: {words or 'none'}")
    legend = "".join(
        f'<li><span class="dot {status}" aria-hidden="true"></span>{_STATUSES[status]}'
        f" {count:,}</li>"
        for status, count in counts
        if count or status == "read"
    )
    reasons = "".join(f"<li>{html(reason, 400)}</li>" for reason in data.incomplete)
    return (
        f'<div class="card"><h3>Parts by status</h3><ul class="legend">{legend}</ul>{bar}'
        + (f"<h3 class='gap'>Why it is incomplete</h3><ul>{reasons}</ul>" if reasons else "")
        + _problems(data)
        + "</div>"
    )


def _problems(data: ReportData) -> str:
    if not data.problems:
        return ""
    rows = "".join(
        f'<tr><th scope="row"><bdi>{html(asset_name(problem.asset_uri), 60)}</bdi>'
        f'<p class="note">{html(describe(problem.locator, problem.asset_uri), 100)}</p></th>'
        f"<td><code>{html(problem.record_id, 60)}</code> <bdi>{html(problem.part, 60)}</bdi></td>"
        f"<td>{html(_STATUSES[problem.status])}</td><td>{html(problem.problem, 300)}</td></tr>"
        for problem in data.problems[:MAX_PROBLEMS]
    )
    total = data.problems_total if data.problems_total is not None else len(data.problems)
    return (
        '<details open="open"><summary>Parts that were not checked</summary><div class="scroll">'
        '<table class="plain"><caption class="unseen">Parts that were not checked</caption><thead>'
        '<tr><th scope="col">Asset and place</th><th scope="col">Record and part</th>'
        f'<th scope="col">Status</th><th scope="col">Problem</th></tr></thead><tbody>{rows}</tbody>'
        "</table></div></details>"
        + _more(total - min(len(data.problems), MAX_PROBLEMS), "more part", "in the state")
    )


def about(data: ReportData) -> str:
    """Versions and facts of the run."""
    pack = f"{data.pack.id} {data.pack.version} ({data.pack.hash[:12]})"
    facts = {"Generated": moment(data.generated_at), "dlpagent": __version__, "Pack": pack}
    if data.policy:
        facts["Policy"] = f"{data.policy.name} ({data.policy.id}), version {data.policy.version}"
    facts |= dict(data.run)
    listed = "".join(f"<dt>{html(k, 60)}</dt><dd>{html(v, 300)}</dd>" for k, v in facts.items())
    return f'<dl class="facts">{listed}</dl>'


def moment(at: datetime) -> str:
    """A time as people write it, in UTC."""
    known = at.astimezone(UTC) if at.tzinfo else at
    return f"{known.day} {known:%B %Y, %H:%M} UTC"


def _legend() -> str:
    return (
        '<ul class="legend" aria-hidden="true">'
        + "".join(
            f'<li><span class="dot {level}"></span>{level.capitalize()}</li>' for level in _LEVELS
        )
        + "</ul>"
    )


def _more(rest: int, noun: str, where: str = "in the state") -> str:
    return f'<p class="more">{counted(rest, noun)} {where}.</p>' if rest > 0 else ""


def _speed(totals: Totals) -> tuple[str, str]:
    """Figure and unit; thousands where millions would read as nothing."""
    unit = "MB" if totals.size_bytes is not None else "M characters"
    if totals.mb_per_s >= 0.1:
        return f"{totals.mb_per_s:,.1f}", unit
    return f"{totals.mb_per_s * 1000:,.1f}", unit.replace("MB", "kB").replace("M c", "k c")


def _short(number: int) -> str:
    for size, name in ((10**9, "billion"), (10**6, "million")):
        if number >= size:
            return f"{number / size:,.1f} {name}"
    return f"{number:,}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} seconds"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
