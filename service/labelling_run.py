"""dlpagent label at work: sources or states in, labels out, with manifest, copies and opinions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dlpagent.classifiers.detecting import classifier_of
from dlpagent.classifiers.sit import Pack, Profile
from dlpagent.errors import ConfigurationError, ExitCode, SourceError
from dlpagent.labels.decide import PolicyDecider
from dlpagent.labels.policy import Policy
from dlpagent.ports import Source
from dlpagent.records import Asset
from dlpagent.service.labelled_copies import RowLabels, can_be_labelled, check_copy, write_copy
from dlpagent.service.labelling import AssetLabel, LabelledRecord, Labeller, highest, sits_of
from dlpagent.service.labelling_state import asset_labels, is_state
from dlpagent.service.lineage import Basis, LineageWriter, file_of
from dlpagent.service.ner import Ner, choose
from dlpagent.service.packs import whole_packs
from dlpagent.service.second_opinion import Opinion, SecondOpinion
from dlpagent.service.session import read_policy
from dlpagent.service.settings import Home
from dlpagent.service.tenant_labels import is_graph_file, read_graph_file
from dlpagent.service.wiring import Unreachable, open_sources
from dlpagent.state import open_state
from dlpagent.violations import Item, LabelRef

_NAMED = 5  # records named in a line of text


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asked for."""

    targets: tuple[str, ...]
    policy: str
    labels: str | None = None
    connector: str | None = None
    lineage: Path | None = None
    write: Path | None = None
    fail_above: str | None = None
    second_opinion: bool = False
    packs: tuple[str, ...] = ("builtin",)
    profile: Profile = "extended"
    ner: Ner = "off"
    key_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """Something to show: a record with its label, or an asset with its own."""

    found: AssetLabel | LabelledRecord
    names: dict[str, str]
    opinion: Opinion | None = None

    def to_json(self) -> dict[str, Any]:
        """One line of the documented form (docs/labels.md)."""
        found = self.found
        value: dict[str, Any] = {"v": 1}
        if isinstance(found, LabelledRecord):
            value |= {
                "asset": found.asset.uri,
                "record": found.item.record_id,
                "label": _label(found.recommendation.label),
                "existing": _label(found.recommendation.existing),
                "reason": found.recommendation.reason,
                "sits": sits_of(found.item.tallies, self.names),
                "locator": dict(found.locator),
            }
        else:
            value |= {
                "asset": found.asset.uri,
                "label": _label(found.label),
                "reason": found.reason,
                "records": found.records,
                "labels": dict(found.labels),
                "raised_by": [one.record_id for one in found.raised_by],
                "raised_total": found.raised_total,
                "sits": sits_of(found.tallies, self.names),
                "incomplete": list(found.incomplete),
            }
        return value | ({"second_opinion": self.opinion.to_json()} if self.opinion else {})

    def lines(self) -> Iterator[str]:
        """The same for people."""
        found = self.found
        if isinstance(found, LabelledRecord):
            text = f"  record {found.item.record_id}: {found.recommendation.label.name}"
            yield f"{text}: {found.recommendation.reason}"
        else:
            yield f"{found.asset.uri}: {found.label.name if found.label else 'no label'}"
            yield f"  {found.reason}"
            yield from _counts(found)
            yield from (f"  incomplete: {text}" for text in found.incomplete)
        if self.opinion:
            yield f"  {self.opinion.text()}"


@dataclass(slots=True)
class Labelling:
    """A run of the command. done: the assets labelled so far; notes: what is said at the end; left_out:
    files of which no labelled copy can be made."""

    wanted: Wanted
    home: Home
    policy: Policy
    labeller: Labeller
    lineage: LineageWriter | None = None
    opinions: SecondOpinion | None = None
    ceiling: int | None = None
    done: list[AssetLabel] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left_out: int = 0
    _copies: set[Path] = field(default_factory=set)

    def run(self, *, with_records: bool) -> Iterator[Shown]:
        """Label everything; what is to be shown comes as it is known."""
        states = [target for target in self.wanted.targets if is_state(target)]
        sources = [target for target in self.wanted.targets if target not in states]
        self._check(states)
        for target in states:
            with open_state(target) as state:
                for found in asset_labels(state, self.policy):
                    yield self._asset(found)
        if sources:
            yield from self._sources(tuple(sources), with_records=with_records)
        if self.lineage:
            self.lineage.finish()
            self.notes.append(f"lineage → {self.lineage.path}")

    def highest(self) -> LabelRef | None:
        """The label of all of it."""
        return highest(self.done)

    def exit_code(self) -> ExitCode:
        """Incomplete beats a label that is too high, as everywhere."""
        if any(found.incomplete for found in self.done):
            return ExitCode.INCOMPLETE
        if self.left_out or (self.opinions and self.opinions.failed):
            return ExitCode.INCOMPLETE
        top = self.highest()
        if self.ceiling is not None and top and top.priority > self.ceiling:
            return ExitCode.FINDINGS
        return ExitCode.CLEAN

    def _check(self, states: list[str]) -> None:
        asked = [
            option
            for option, value in (
                ("--lineage", self.wanted.lineage),
                ("--write", self.wanted.write),
            )
            if value
        ]
        if states and asked:
            raise ConfigurationError(
                f"{' and '.join(asked)} needs the data itself",
                where=states[0],
                expected="the files or stores the state was made of",
                found="a state, which keeps findings and no content",
            )

    def _sources(self, targets: tuple[str, ...], *, with_records: bool) -> Iterator[Shown]:
        opened = list(open_sources(targets, self.wanted.connector))
        folders = any(Path(target.removeprefix("file://")).is_dir() for target in targets)
        into = bool(self.wanted.write and self.wanted.write.is_dir())
        several = len(opened) > 1 or folders or into
        for source in opened:
            if isinstance(source, Unreachable):
                yield self._asset(_lost(source.place, source.error))
                continue
            for asset in self._assets(source):
                yield from self._labelled(source, asset, several, with_records=with_records)

    def _assets(self, source: Source) -> Iterator[Asset]:
        try:
            yield from source.discover()
        except SourceError as error:
            self.done.append(_lost(error.where, error))
            self.notes.append(error.render())

    def _labelled(
        self, source: Source, asset: Asset, several: bool, *, with_records: bool
    ) -> Iterator[Shown]:
        copy = self._copy_of(asset, several=several)
        rows = RowLabels(self.labeller.decider)
        if self.lineage:
            self.lineage.begin(asset.uri)
        labelling = self.labeller.label(source, asset)
        while True:
            try:
                record = next(labelling)
            except StopIteration as end:
                found: AssetLabel = end.value
                break
            if self.lineage:
                self.lineage.record(record)
            if copy:
                rows.add(record)
            if with_records:
                yield Shown(record, self._names, self._opinion(record))
        if self.lineage:
            found = self.lineage.end(found)
        yield self._asset(found)
        if copy:
            self._write(*copy, rows)

    @property
    def _names(self) -> dict[str, str]:
        return dict(self.labeller.classifier.sit_names)

    def _asset(self, found: AssetLabel) -> Shown:
        self.done.append(found)
        opinion = None
        if self.opinions and found.tallies:
            item = Item(found.asset, "asset", "", found.tallies, "", labels=found.carried)
            opinion = self.opinions.of(item, found.label)
        return Shown(found, self._names, opinion)

    def _opinion(self, record: LabelledRecord) -> Opinion | None:
        return self.opinions.of(record.item, record.recommendation.label) if self.opinions else None

    def _copy_of(self, asset: Asset, *, several: bool) -> tuple[Path, Path] | None:
        """Source and target of the labelled copy; None for none. Among several files those that
        cannot be labelled are noted. Raises ConfigurationError when the copy cannot be made."""
        if self.wanted.write is None:
            return None
        source = file_of(asset.uri) or Path(asset.uri)
        if several and not can_be_labelled(source):
            self.notes.append(f"no labelled copy of {source}: it is neither JSON Lines nor Parquet")
            self.left_out += 1
            return None
        target = self.wanted.write / self._below(source) if several else self.wanted.write
        check_copy(source, target)
        if target in self._copies:
            raise ConfigurationError(
                "two files would have the same copy",
                where=str(target),
                expected="files whose names differ",
                found=str(source),
                remedy="Name their folder instead, or label them one by one.",
            )
        self._copies.add(target)
        return source, target

    def _below(self, source: Path) -> Path:
        """The name of a copy: below the folder that was named, as the file is; else its own name."""
        for target in self.wanted.targets:
            folder = Path(target.removeprefix("file://")).resolve()
            if folder.is_dir() and source.is_relative_to(folder):
                return source.relative_to(folder)
        return Path(source.name)

    def _write(self, source: Path, target: Path, rows: RowLabels) -> None:
        written = write_copy(source, target, rows)
        text = f"labelled copy → {target}: {written} rows"
        if rows.left_to_people:
            text += f"; {rows.left_to_people} carry a lower label that a person set and must raise"
        if rows.foreign:
            text += f"; {rows.foreign} carry a label nobody here can rank and were left"
        self.notes.append(text)


@contextmanager
def open_labelling(wanted: Wanted) -> Iterator[Labelling]:
    """Open all it needs. Raises DlpAgentError before anything is read."""
    home = Home.of_environment()
    pack, policy = _rules(wanted, home)
    evidence = home.evidence(wanted.key_file)
    decider = PolicyDecider(policy)
    labeller = Labeller(classifier_of(pack, evidence, home.path / "cache"), decider)
    made = Labelling(wanted, home, policy, labeller)
    if wanted.fail_above:
        made.ceiling = _ceiling(decider, wanted.fail_above)
    with ExitStack() as stack:
        if wanted.second_opinion:
            made.opinions = stack.enter_context(_second_opinion(wanted, decider))
        if wanted.lineage:
            basis = Basis(pack.ref, decider.policy, decider.taxonomy)
            made.lineage = LineageWriter(wanted.lineage, basis, evidence, pack.sit_names)
            stack.callback(made.lineage.close)
        yield made


def basis_of(wanted: Wanted) -> Basis:
    """By what labels would be given now."""
    pack, policy = _rules(wanted, Home.of_environment())
    return Basis(pack.ref, policy.ref(), policy.taxonomy)


def _rules(wanted: Wanted, home: Home) -> tuple[Pack, Policy]:
    pack = whole_packs(wanted.packs, wanted.profile, home.path / "cache")
    policy = read_policy(wanted.policy, pack, wanted.labels)
    return choose(pack, wanted.ner, [sit.id for sit in policy.sits()]).pack, policy


def _ceiling(decider: PolicyDecider, text: str) -> int:
    """The priority of the label named and all its sublabels."""
    label = decider.taxonomy.find(text)
    if label is None:
        raise ConfigurationError(
            "the taxonomy has no such label",
            where="--fail-above",
            expected="the GUID or path of a label",
            found=text,
            remedy="See: dlpagent label taxonomy",
        )
    return decider.taxonomy.family(label)[-1].priority


@contextmanager
def _second_opinion(wanted: Wanted, decider: PolicyDecider) -> Iterator[SecondOpinion]:
    if not (wanted.labels and is_graph_file(Path(wanted.labels))):
        raise ConfigurationError(
            "there is no tenant to ask",
            where="--second-opinion",
            expected="--labels with a file that says how (key graph, docs/labels.md)",
            found=wanted.labels or "no --labels",
        )
    tenant = read_graph_file(Path(wanted.labels)).open()
    try:
        yield SecondOpinion(tenant, decider)
    finally:
        tenant.close()


def _lost(place: str, error: SourceError) -> AssetLabel:
    asset = Asset(place, "document", "unknown")
    text = f"{error.what}: {error.found}" if error.found else error.what
    return AssetLabel(asset, None, "It could not be read.", 0, {}, (), 0, None, (), (text,))


def _counts(found: AssetLabel) -> Iterator[str]:
    if found.raised_total and found.raised_by[0].record_id:
        named = [one.record_id for one in found.raised_by[:_NAMED]]
        more = f" and {found.raised_total - len(named)} more" if found.raised_total > _NAMED else ""
        yield f"  raised by {found.raised_total} of {found.records} records: {', '.join(named)}{more}"
    elif found.raised_total:
        yield "  raised by all of it taken together, not by any one record"
    counts = [f"{name}: {many}" for name, many in sorted(found.labels.items())]
    if counts:
        rest = found.records - sum(found.labels.values())
        yield f"  records by label: {'; '.join(counts)}; none: {rest}"


def _label(label: LabelRef | None) -> dict[str, Any] | None:
    return {"id": label.id, "name": label.name, "priority": label.priority} if label else None
