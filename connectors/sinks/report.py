"""One run as one HTML file: for a manager to read, for an engineer to act on.

The file is whole in itself: style and charts are inline, its one script is named by hash in the
content security policy, nothing is requested from anywhere, and it holds no value.
"""

from __future__ import annotations

import os
import secrets
from importlib.resources import files
from pathlib import Path
from string import Template

from dlpagent.connectors.sinks._report_charts import html
from dlpagent.connectors.sinks._report_script import SCRIPT, SCRIPT_HASH
from dlpagent.connectors.sinks._report_sections import (
    about,
    asset_table,
    charts,
    coverage,
    figures,
    headline,
    lead,
    moment,
    state,
)
from dlpagent.connectors.sinks._report_violations import violation_section
from dlpagent.connectors.sinks.report_data import (
    AssetFigures,
    ReadProblem,
    ReportData,
    SitFindings,
    Totals,
)
from dlpagent.errors import SinkError

__all__ = [
    "AssetFigures",
    "ReadProblem",
    "ReportData",
    "SitFindings",
    "Totals",
    "render_report",
    "write_report",
]


def render_report(data: ReportData) -> str:
    """The report as HTML text; well-formed XML behind its DOCTYPE."""
    folder = files("dlpagent.connectors.sinks")
    template = Template(folder.joinpath("report.html").read_text("utf-8"))
    return template.substitute(
        title=html(headline(data)),
        style=folder.joinpath("report.css").read_text("utf-8"),
        script=SCRIPT,
        script_hash=SCRIPT_HASH,
        generated=moment(data.generated_at),
        headline=html(headline(data)),
        lead=lead(data),
        state=state(data),
        figures=figures(data),
        charts=charts(data),
        violations=violation_section(data.violations, sum(data.by_severity().values())),
        assets=asset_table(data),
        coverage=coverage(data),
        about=about(data),
    )


def write_report(path: str | Path, data: ReportData) -> None:
    """Write the report, readable by its owner only; an old report stays whole until it is replaced.

    Raises SinkError when the file cannot be written.
    """
    target = Path(path)
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    text = render_report(data)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(draft, text)
        draft.replace(target)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise SinkError(
            f"the report cannot be written ({error.strerror})",
            where=str(target),
            remedy="Name a file in a folder this user can write.",
        ) from None


def _write(draft: Path, text: str) -> None:
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
