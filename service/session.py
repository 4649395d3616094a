"""From settings to a sweep that runs: pack, policy, state, sinks, outputs and exit code.

The command line, the sweep file and the quickstart all come through here.
"""

from __future__ import annotations

import hashlib
import json
import logging
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any

from dlpagent.classifiers.detecting import classifier_of
from dlpagent.classifiers.sit import Pack, Profile
from dlpagent.errors import ConfigurationError, ExitCode, SinkError
from dlpagent.findings import LEVEL_FLOOR, LEVELS
from dlpagent.jobs import Engine, in_this_process
from dlpagent.labels.decide import PolicyDecider
from dlpagent.labels.policy import EXAMPLE_POLICY, Policy
from dlpagent.labels.policy_yaml import load_policy
from dlpagent.labels.taxonomy import Taxonomy
from dlpagent.labels.taxonomy_files import load_taxonomy as read_taxonomy
from dlpagent.outbox import Delivered, Retry, drain
from dlpagent.pool import in_workers
from dlpagent.ports import Classifier, Sink, Source
from dlpagent.service.baselines import read_baseline
from dlpagent.service.ner import Ner, choose, set_budget
from dlpagent.service.packs import BUILTIN_NAME, above, whole_packs
from dlpagent.service.settings import Home
from dlpagent.service.sink_spec import SinkSpec
from dlpagent.service.suppressing import Suppressed, evidence_for, verdicts_in_force
from dlpagent.service.wiring import Unreachable
from dlpagent.state import Counters, Run, State, open_state
from dlpagent.suppressions import NONE, Suppressions
from dlpagent.sweep import Observer, Plan, Result, Sweep
from dlpagent.violations import ZERO_TENANT

EXAMPLE_NAME = "example"

# How long a run that is otherwise over waits for a sink that fails; what is left stays in the outbox.
DELIVERY_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What a person can say about a sweep. Paths are as given; packs and policy may be names."""

    job: str
    command: str
    packs: tuple[str, ...] = (BUILTIN_NAME,)
    profile: Profile = "extended"
    policy: str | None = None
    labels: str | None = None
    state: str | None = None
    key_file: Path | None = None
    min_confidence: int = 1
    sinks: tuple[SinkSpec, ...] = ()
    tenant_id: str = ZERO_TENANT
    accept: frozenset[str] = frozenset()
    full: bool = False
    fail_on: str = "high"
    workers: int = 1
    engine: str = "local"
    targets: tuple[str, ...] = ()
    ner: Ner = "off"
    ner_budget: float | None = None
    baseline: Path | None = None


@dataclass(slots=True)
class Session:
    """An open session: everything a sweep needs, closed together."""

    settings: Settings
    home: Home
    pack: Pack
    classifier: Classifier
    decider: PolicyDecider | None
    state: State
    interrupted: list[int] = field(default_factory=list)
    left_out: frozenset[str] = frozenset()
    suppressions: Suppressions = NONE

    def sweep(
        self, sources: Sequence[Source | Unreachable], observer: Observer, resume: Run | None = None
    ) -> Result:
        """Run the sweep over what was opened; unreachable targets make it incomplete."""
        plan = Plan(
            job=self.settings.job,
            command=self.settings.command,
            config_hash=config_hash(self.settings),
            sinks=tuple(spec.name for spec in self.settings.sinks),
            tenant_id=self.settings.tenant_id,
            accept=self.settings.accept,
            full=self.settings.full,
        )
        engine = engine_of(self.settings)
        sweep = Sweep(plan, self.state, self.classifier, self.decider, observer,
                      lambda: bool(self.interrupted), engine, self.suppressions)  # fmt: skip
        lost = [(item.place, str(item.error)) for item in sources if isinstance(item, Unreachable)]
        good = [item for item in sources if not isinstance(item, Unreachable)]
        with watching_signals(self.interrupted):
            return sweep.run(good, resume=resume, unreachable=lost)

    def resumable(self) -> Run | None:
        """The job's run that was cut off, if its settings were the same."""
        run = self.state.resumable_run(self.settings.job)
        if run is None:
            return None
        other = self._differences(run)
        if other:
            raise ConfigurationError(
                "the run that was cut off had other settings",
                where=f"run {run.id}",
                expected="the same targets, pack, policy, outputs and confidence",
                found="another " + " and another ".join(other),
                remedy="Give the same settings, or start anew without --resume.",
            )
        return run

    def _differences(self, run: Run) -> list[str]:
        """What has changed since a run was begun that its findings depend on."""
        policy = self.decider.policy if self.decider else None
        return [
            name
            for name, same in (
                ("pack (or version of it)", run.pack == self.classifier.pack),
                ("policy (or version of it)", run.policy == policy),
                ("setting", run.config_hash == config_hash(self.settings)),
            )
            if not same
        ]

    def deliver(self) -> Delivered:
        """Drain the outbox into the sinks. A sink that cannot be opened leaves its events there."""
        sinks: dict[str, Sink] = {}
        failures: dict[str, str] = {}
        with ExitStack() as stack:
            for spec in self.settings.sinks:
                try:
                    sinks[spec.name] = spec.open()
                    stack.callback(sinks[spec.name].close)
                except SinkError as error:
                    failures[spec.name] = str(error)
            delivered = drain(
                self.state, sinks, at_once=True, retry=Retry(patience=DELIVERY_PATIENCE_S)
            )
        return replace(delivered, errors={**delivered.errors, **failures})


def engine_of(settings: Settings) -> Engine:
    """Who reads and classifies. Raises ConfigurationError when a package is missing."""
    if settings.engine != "local":
        from dlpagent.service.distributed import engine_named

        return engine_named(settings.engine, settings.workers)
    return in_this_process if settings.workers == 1 else in_workers(settings.workers)


def config_hash(settings: Settings) -> str:
    """Names the settings a run was begun with, so that only the same job is resumed."""
    meaning = [
        settings.targets, settings.packs, settings.profile, settings.policy, settings.labels,
        [sink.identity for sink in settings.sinks], settings.min_confidence, sorted(settings.accept),
        settings.ner,
    ]  # fmt: skip
    if settings.baseline is not None:
        meaning.append(str(settings.baseline))
    return hashlib.sha256(json.dumps(meaning).encode()).hexdigest()[:16]


@contextmanager
def open_session(settings: Settings) -> Iterator[Session]:
    """Open everything the settings name. Raises DlpAgentError before anything is read."""
    for spec in settings.sinks:
        spec.open().close()  # nothing is written; settings that are wrong are said before the sweep
    home = Home.of_environment()
    key_file = settings.key_file or home.key_file
    baseline = read_baseline(settings.baseline, key_file) if settings.baseline else ()
    home.evidence(settings.key_file)  # made or refused before anything else
    pack = whole_packs(settings.packs, settings.profile, home.path / "cache")
    policy = read_policy(settings.policy, pack, settings.labels) if settings.policy else None
    decider = PolicyDecider(policy) if policy else None
    chosen = choose(pack, settings.ner, [sit.id for sit in policy.sits()] if policy else ())
    set_budget(settings.ner_budget)
    pack = chosen.pack
    if settings.min_confidence > 1:
        pack = above(pack, settings.min_confidence)
    with ExitStack() as stack:
        place: str | Path | None = settings.state
        if place is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="dlpagent-"))
            place = Path(folder) / "state.db"
        state = stack.enter_context(open_state(place))
        verdicts = verdicts_in_force(state, baseline)
        evidence = evidence_for(key_file, verdicts)
        classifier = classifier_of(pack, evidence, home.path / "cache")
        yield Session(settings, home, pack, classifier, decider, state, left_out=chosen.left_out,
                      suppressions=state.suppressions(baseline))  # fmt: skip


def load_decider(policy: str, pack: Pack, taxonomy: str | None = None) -> PolicyDecider:
    """What decides by the policy named."""
    return PolicyDecider(read_policy(policy, pack, taxonomy))


def read_policy(policy: str, pack: Pack, taxonomy: str | None = None) -> Policy:
    """The policy named (`example`, or a YAML file), its SITs resolved in the pack."""
    path = EXAMPLE_POLICY if policy == EXAMPLE_NAME else Path(policy)
    return load_policy(
        path,
        taxonomy=load_taxonomy(taxonomy),
        sit_names=pack.sit_names,
        recommended={sit.id: sit.recommended_confidence for sit in pack.sits.values()},
        unknown_sits="warning" if policy == EXAMPLE_NAME else "error",
    )


def load_taxonomy(path: str | None) -> Taxonomy:
    """The labels of a file (YAML, Graph or Get-Label JSON) or of the tenant it says how to ask, else
    those that ship with dlpagent. What its reader should know is logged as a warning."""
    taxonomy = _taxonomy(Path(path)) if path else read_taxonomy()
    for warning in taxonomy.warnings:
        logging.getLogger(__name__).warning("%s", warning)
    return taxonomy


def _taxonomy(path: Path) -> Taxonomy:
    from dlpagent.service.tenant_labels import is_graph_file, read_graph_file, tenant_labels

    if not is_graph_file(path):
        return read_taxonomy(path)
    return tenant_labels(read_graph_file(path), Home.of_environment().path / "cache").taxonomy


@contextmanager
def watching_signals(received: list[int]) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM asks the sweep to stop behind the batch at hand; a second ends it."""

    def note(number: int, _frame: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    previous: dict[int, Any] = {}
    try:
        for asked in (signal.SIGINT, signal.SIGTERM):
            previous[asked] = signal.signal(asked, note)
    except ValueError:  # not the main thread: whoever owns it handles signals
        pass
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def exit_code(
    result: Result,
    settings: Settings,
    delivered: Delivered | None,
    suppressed: Suppressed | None = None,
) -> ExitCode:
    """The contract: delivery failed (4), else incomplete (3), else findings (1), else clean (0).

    Findings that verdicts suppress do not count.
    """
    if delivered is not None and (delivered.pending or delivered.dead or delivered.errors):
        return ExitCode.DELIVERY
    if result.status != "complete":
        return ExitCode.INCOMPLETE
    found = counts_at(result, settings.fail_on, suppressed)
    return ExitCode.FINDINGS if found else ExitCode.CLEAN


def counts_at(result: Result, level: str, suppressed: Suppressed | None = None) -> int:
    """Findings at or above a level, those of unchanged assets included; none for `never`."""
    if level == "never":
        return 0
    total: Counters = result.counters + result.unchanged
    wanted = LEVELS[LEVELS.index(level) :]
    hidden = sum(suppressed.levels[name] for name in wanted) if suppressed else 0
    return sum(total.levels.get(name, 0) for name in wanted) - hidden


def parse_level(text: str) -> int:
    """A confidence from 1 to 100, or the first of low, medium, high. Raises ConfigurationError."""
    for level in LEVELS:
        if text == level:
            return LEVEL_FLOOR[level]
    if text.isdigit() and 1 <= int(text) <= 100:
        return int(text)
    raise ConfigurationError(
        "this is not a confidence",
        where="--min-confidence",
        expected="low, medium, high or a number from 1 to 100",
        found=text,
    )


Printer = Callable[[str], None]
