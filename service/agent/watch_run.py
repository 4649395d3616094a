"""`dlpagent watch`: settings to a watch that runs, reloads and stops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dlpagent.errors import ConfigurationError, DlpAgentError, ExitCode
from dlpagent.service.agent.asked import asked_by_signals
from dlpagent.service.agent.health import Health, serving_health
from dlpagent.service.agent.hints import hints_of
from dlpagent.service.agent.json_log import say
from dlpagent.service.agent.units import Units
from dlpagent.service.agent.watching import Pace, Watch
from dlpagent.service.session import Session, Settings, open_session
from dlpagent.service.settings import Home
from dlpagent.service.sink_spec import file_sink
from dlpagent.service.sweep_file import read_sweep_file


@dataclass(frozen=True, slots=True)
class WatchRequest:
    """A watch as asked for. file: a sweep file whose settings apply (its sources do not)."""

    folders: tuple[Path, ...]
    file: Path | None = None
    packs: tuple[str, ...] = ("builtin",)
    policy: str | None = None
    state: str | None = None
    events: Path | None = None
    health: str | None = None
    pace: Pace = field(default_factory=Pace)


def run_watch(request: WatchRequest) -> ExitCode:
    """Watch until a signal asks to stop; SIGHUP reads settings, policy and verdicts again."""
    roots = [_folder(folder) for folder in request.folders]
    settings = settings_of(request)
    health = Health()
    with (
        asked_by_signals() as asked,
        serving_health(health, request.health) as port,
        hints_of(roots, asked.wake) as hints,
    ):
        if port:
            say("health", port=port)
        while not asked.stop:
            with open_session(settings) as session:
                units = Units(roots, own_files(session))
                Watch(session, units, hints, asked, health, request.pace).run()
            if asked.take_reload() and not asked.stop:
                settings = _again(lambda: settings_of(request), settings)
        health.ready = False
    return ExitCode.CLEAN


def _again(read: Callable[[], Settings], before: Settings) -> Settings:
    """Settings read again; wrong ones are told, and those of before stay."""
    try:
        found = read()
        with open_session(found):
            pass
    except DlpAgentError as error:
        say("not-reloaded", reason=str(error))
        return before
    say("reloaded")
    return found


def settings_of(request: WatchRequest) -> Settings:
    """The settings of a watch. Raises DlpAgentError for what a person must mend."""
    folders = [str(folder.resolve()) for folder in request.folders]
    job = "watch " + " ".join(folders)
    if request.file is not None:
        of_file = read_sweep_file(request.file).settings
        return replace(of_file, job=f"{of_file.job} watch", command="watch", targets=tuple(folders))
    if request.events is not None and request.policy is None:
        raise ConfigurationError(
            "events are violations, and only a policy makes those", where="--events",
            expected="--policy", found="none", remedy="Add --policy FILE, or --policy example.",
        )  # fmt: skip
    home = Home.of_environment()
    home.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Settings(
        job=job,
        command="watch",
        packs=request.packs,
        policy=request.policy,
        state=request.state or str(home.state),
        sinks=(file_sink("o365", str(request.events)),) if request.events else (),
        targets=tuple(folders),
    )


def own_files(session: Session) -> Sequence[Path]:
    """What the watch itself writes: never watched."""
    settings = session.settings
    places = [settings.state or "", *(sink.target for sink in settings.sinks)]
    found = [Path(place.removeprefix("sqlite:///").partition("?")[0]).resolve()
             for place in places if place and "://" not in place.removeprefix("sqlite:///")]  # fmt: skip
    return [*found, session.home.path.resolve()]


def _folder(folder: Path) -> Path:
    if not folder.is_dir():
        raise ConfigurationError(
            "this cannot be watched", where=str(folder), expected="an existing folder",
            found="a file" if folder.exists() else "nothing",
        )  # fmt: skip
    return folder.resolve()
