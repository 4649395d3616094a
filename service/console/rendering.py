"""Templates to responses: one environment, the words and filters that all pages share."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.responses import HTMLResponse, Response

from dlpagent import __version__
from dlpagent.errors import missing_extra
from dlpagent.findings import level_of
from dlpagent.service.http.access import NEEDS, Principal, Role
from dlpagent.service.http.routes import Call

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent
STATIC = HERE / "static"


class Entry(NamedTuple):
    """A page of the navigation. key: the second letter of its shortcut (g, then the letter)."""

    path: str
    name: str
    key: str

    @property
    def needs(self) -> Role | None:
        """The lowest role that sees it."""
        return NEEDS["GET", self.path]


NAVIGATION: Mapping[str, tuple[Entry, ...]] = {
    "Watch": (
        Entry("/console/violations", "Violations", "v"),
        Entry("/console/triage", "Triage", "t"),
        Entry("/console/sweeps", "Sweeps", "s"),
        Entry("/console/inventory", "Inventory", "i"),
        Entry("/console/delivery", "Delivery", "d"),
        Entry("/console/audit", "Audit log", "a"),
    ),
    "Tune": (
        Entry("/console/workbench", "Workbench", "w"),
        Entry("/console/packs", "Packs", "p"),
        Entry("/console/compare", "Compare", "c"),
        Entry("/console/curves", "Curves", "u"),
    ),
}


def navigation(who: Principal) -> dict[str, list[Entry]]:
    """What somebody may see of the navigation."""
    groups = {
        name: [entry for entry in entries if who.may(entry.needs)]
        for name, entries in NAVIGATION.items()
    }
    return {name: entries for name, entries in groups.items() if entries}


def page(call: Call, template: str, status: int = 200, **values: Any) -> Response:
    """A page. Templates see `who`, `navigation`, `here` and what is given."""
    who = call.principal
    text = environment().get_template(template).render(
        who=who,
        navigation=navigation(who) if who else {},
        here=call.request.url.path,
        has_login=call.service.settings.auth,
        version=__version__,
        **values,
    )  # fmt: skip
    return HTMLResponse(text, status)


@cache
def environment() -> Environment:
    """The templates. Raises ConfigurationError when Jinja is not installed."""
    if importlib.util.find_spec("jinja2") is None:
        raise missing_extra("jinja2", "service", "the console")
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "when": when,
        "ago": ago,
        "count": count,
        "level": level_of,
        "tail": tail,
        "times": times,
    }
    return made


def when(moment: str | None) -> str:
    """An ISO moment for people, in UTC."""
    if not moment:
        return "–"
    try:
        at = datetime.fromisoformat(moment).astimezone(UTC)
    except ValueError:
        return moment
    return f"{at.day} {at:%b %Y, %H:%M} UTC"


def ago(moment: str | None, now: datetime | None = None) -> str:
    """How long ago, in the largest unit that fits."""
    if not moment:
        return "never"
    try:
        seconds = ((now or datetime.now(UTC)) - datetime.fromisoformat(moment)).total_seconds()
    except (ValueError, TypeError):
        return moment
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        many = int(seconds // size)
        if many >= 1:
            return f"{many} {name}{'s' if many > 1 else ''} ago"
    return "just now"


def count(number: float | None) -> str:
    """A number with separators."""
    return "–" if number is None else f"{number:,}"


def tail(uri: str, most: int = 64) -> str:
    """The end of a long address, which tells more than its beginning."""
    return uri if len(uri) <= most else "…" + uri[-most + 1 :]


def times(number: int) -> str:
    """How often, in words."""
    return "once" if number == 1 else f"{number:,} times"
