"""The parts of the benchmark: start, engine against rivals, latency, whole commands, growth."""

from __future__ import annotations

import functools
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import dlpagent
from dlpagent.classifiers.classify import ReferenceClassifier
from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.decoded import DecodingClassifier
from dlpagent.classifiers.detecting import classifier_of
from dlpagent.classifiers.pack import BUILTIN, load_pack
from dlpagent.classifiers.sit import Pack
from dlpagent.evidence import Evidence
from dlpagent.ports import Classifier
from dlpagent.service.bench.corpora import Corpus, Text, corpora
from dlpagent.service.bench.measure import Usage, batches_of, cpu_seconds, run, size_of
from dlpagent.service.bench.rivals import Rival, other_version, rivals
from dlpagent.service.ner import choose

PARTS = ("start", "engine", "latency", "files", "workers", "long")

RIVAL_SECONDS = 2.0
"""How long a rival works on a corpus at least, if the sample is that long."""
FIRST_SAMPLE_BYTES = 4_000

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to measure. megabytes: of text for each corpus; corpora: names, all when empty."""

    megabytes: float = 8.0
    corpora: tuple[str, ...] = ()
    rivals: tuple[str, ...] = ("re", "reference")
    parts: tuple[str, ...] = PARTS
    seed: int = 7
    against: str | None = None


@dataclass(slots=True)
class Bench:
    """A benchmark of one pack in one process. cache: where compiled databases are kept."""

    wanted: Wanted
    say: Say
    cache: Path
    pack: Pack = field(init=False)
    classifier: Classifier = field(init=False)

    def run(self) -> dict[str, Any]:
        """Everything wanted, as plain JSON values."""
        found: dict[str, Any] = {"v": 1, "version": dlpagent.__version__, "machine": machine()}
        start = self._start()
        if "start" in self.wanted.parts:
            found["start"] = start
        found["pack"] = {"id": self.pack.ref.id, "hash": self.pack.ref.hash,
                         "sits": len(self.pack.sits)}  # fmt: skip
        if "engine" in self.wanted.parts:
            found["engine"], found["missing"] = self._engine()
        for part, measure in (
            ("latency", self._latency), ("files", self._files),
            ("workers", self._workers), ("long", self._long),
        ):  # fmt: skip
            if part in self.wanted.parts:
                self.say(part)
                found[part] = measure()
        return found

    # --- start ----------------------------------------------------------------------------------

    def _start(self) -> dict[str, float]:
        """CPU seconds of loading and compiling, with nothing kept and with everything kept."""
        figures: dict[str, float] = {}
        began = time.process_time()
        self.pack = choose(load_pack(BUILTIN), "off").pack
        figures["pack_from_yaml_s"] = time.process_time() - began
        children = os.times()
        self.classifier = classifier_of(self.pack, Evidence(bytes(32)), self.cache)
        figures["databases_s"] = cpu_seconds(getattr(self.classifier, "warm_up", lambda: None))
        ended = os.times()
        figures["databases_s"] += (ended.children_user + ended.children_system
                                   - children.children_user - children.children_system)  # fmt: skip
        if "start" in self.wanted.parts:
            figures["command_s"] = self._command("--help").cpu_s
            with tempfile.TemporaryDirectory(prefix="dlpagent-bench-") as folder:
                empty = Path(folder, "empty.jsonl")
                empty.write_text("")
                self._command("scan", str(empty))
                figures["scan_of_nothing_s"] = self._command("scan", str(empty)).cpu_s
        return {name: round(value, 3) for name, value in figures.items()}

    def _command(self, *arguments: str) -> Usage:
        return run(arguments, {"DLPAGENT_HOME": str(self.cache.parent)})

    # --- engine ---------------------------------------------------------------------------------

    def chosen(self) -> list[Corpus]:
        """The corpora wanted."""
        return [
            corpus
            for corpus in corpora(self.pack)
            if not self.wanted.corpora or corpus.name in self.wanted.corpora
        ]

    def _engine(self) -> tuple[list[dict[str, Any]], dict[str, str]]:
        here, missing = rivals(self.pack, self.wanted.rivals)
        chosen = self.chosen()
        for corpus in chosen:  # what is made on first use is made before anything is timed
            for batch in batches_of([item.text for item in corpus.texts(200_000, seed=1)]):
                self.classifier.classify(batch)
        rows = []
        for corpus in chosen:
            self.say(corpus.what)
            rows.append(self._corpus(corpus, here))
        if self.wanted.against:
            self.say("the other version")
            other = other_version(
                self.wanted.against, [corpus.name for corpus in chosen], self.wanted.megabytes
            )
            for row in rows:
                if row["corpus"] in other:
                    row["times"]["other version"] = row["mb_per_s"] / other[row["corpus"]]
        return rows, missing

    def _corpus(self, corpus: Corpus, here: Mapping[str, Rival]) -> dict[str, Any]:
        made = corpus.texts(int(self.wanted.megabytes * 1e6), self.wanted.seed)
        texts = [item.text for item in made]
        batches = list(batches_of(texts))
        stages = getattr(self.classifier, "stages", None)
        if stages is not None:
            stages.clear()
        began = time.process_time()
        found = [self.classifier.classify(batch).matches for batch in batches]
        used = time.process_time() - began
        speed = size_of(texts) / used / 1e6
        findings = sum(matches.num_rows for matches in found)
        row: dict[str, Any] = {
            "corpus": corpus.name,
            "what": corpus.what,
            "mb": round(size_of(texts) / 1e6, 2),
            "mb_per_s": round(speed, 2),
            "records_per_s": round(len(texts) / used),
            "findings_per_record": round(findings / len(texts), 3),
            "us_per_finding": round(used * 1e6 / findings, 1) if findings else None,
            "planted": sum(len(item.planted) for item in made),
            "planted_found": planted_found(made, batches, found),
            "times": {},
            "same_as_reference": self._same(texts),
        }
        if stages is not None:
            row["ns_per_byte"] = {
                name: round(value * 1e9 / size_of(texts), 2) for name, value in stages.items()
            }
        for name, rival in here.items():
            row["times"][name] = round(speed / rival_speed(rival, texts), 1)
        return row

    def _same(self, texts: Sequence[str]) -> bool:
        """Whether both engines find the same in a sample."""
        sample = head(texts, 40_000)
        reference = DecodingClassifier(
            ReferenceClassifier(CompiledPack(self.pack), Evidence(bytes(32)))
        )
        return all(
            self.classifier.classify(batch).matches.equals(reference.classify(batch).matches)
            for batch in batches_of(sample)
        )

    # --- one prompt -----------------------------------------------------------------------------

    def _latency(self) -> dict[str, float]:
        """Milliseconds of one 2,000-character prompt, warm: half of them with something planted."""
        planted = next(item for item in corpora(self.pack) if item.name == "prose-4k-0.2")
        prompts = [item.text[:2_000] for item in planted.texts(1_200_000, self.wanted.seed)]
        taken = []
        for text in prompts:
            (batch,) = batches_of([text])
            began = time.perf_counter()
            self.classifier.classify(batch)
            taken.append((time.perf_counter() - began) * 1e3)
        centiles = statistics.quantiles(taken, n=100)
        return {"prompts": len(taken), "p50_ms": round(centiles[49], 3),
                "p99_ms": round(centiles[98], 3), "max_ms": round(max(taken), 3)}  # fmt: skip

    # --- whole commands -------------------------------------------------------------------------

    def _files(self) -> list[dict[str, Any]]:
        """`dlpagent scan FILE -o findings` of the same texts as JSON Lines, zstd Parquet and CSV."""
        rows = []
        with tempfile.TemporaryDirectory(prefix="dlpagent-bench-") as name:
            folder = Path(name)
            idle = self._idle(folder)
            for corpus, memory in self._file_corpora():
                size = size_of([item.text for item in corpus])
                for path in write_files(folder, corpus):
                    used = self._scan(path, folder / "findings.jsonl")
                    speed = size / max(1e-9, used.cpu_s - idle.cpu_s) / 1e6
                    rows.append({
                        "file": path.name, "mb": round(size / 1e6, 2), "mb_per_s": round(speed, 2),
                        "of_memory_speed": round(speed / memory, 3), "exit_code": used.code,
                        "peak_mb": round(used.peak_mb), "start_s": round(idle.cpu_s, 2),
                    })  # fmt: skip
        return rows

    def _idle(self, folder: Path) -> Usage:
        empty = folder / "empty.jsonl"
        empty.write_text("")
        self._scan(empty, folder / "nothing.jsonl")
        return self._scan(empty, folder / "nothing.jsonl")

    def _scan(self, path: Path, out: Path, *more: str) -> Usage:
        return self._command("scan", str(path), "--format", "jsonl", "-o", str(out), "-q", *more)

    def _file_corpora(self) -> list[tuple[list[Text], float]]:
        """Texts for files, with the speed of the engine on the same texts in memory."""
        found = []
        for corpus in corpora(self.pack):
            if corpus.name in ("prose-500-0", "prose-500-0.2", "csv"):
                made = corpus.texts(int(self.wanted.megabytes * 1e6), self.wanted.seed)
                texts = [item.text for item in made]
                batches = list(batches_of(texts))
                used = cpu_seconds(functools.partial(self._classify, batches))
                found.append((made, size_of(texts) / used / 1e6))
        return found

    def _classify(self, batches: Sequence[pa.RecordBatch]) -> None:
        for batch in batches:
            self.classifier.classify(batch)

    def _workers(self) -> dict[str, float]:
        """Wall time of a scan by one process and by two, starts taken off each."""
        planted = next(item for item in corpora(self.pack) if item.name == "prose-500-0.2")
        made = planted.texts(int(3 * self.wanted.megabytes * 1e6), self.wanted.seed)
        with tempfile.TemporaryDirectory(prefix="dlpagent-bench-") as name:
            folder = Path(name)
            path = write_jsonl(folder / "prose.jsonl", made)
            idle = self._idle(folder).wall_s
            one = self._scan(path, folder / "one.jsonl").wall_s
            two = self._scan(path, folder / "two.jsonl", "--workers", "2").wall_s
        return {"one_s": round(one, 2), "two_s": round(two, 2), "start_s": round(idle, 2),
                "speedup": round((one - idle) / max(1e-9, two - idle), 2)}  # fmt: skip

    def _long(self) -> dict[str, float]:
        """One record of many megabytes beside the same text in records of 4 KB."""
        size = max(2, int(2.5 * self.wanted.megabytes)) * 1_000_000
        planted = next(item for item in corpora(self.pack) if item.name == "prose-4k-0.2")
        made = planted.texts(size, self.wanted.seed)
        with tempfile.TemporaryDirectory(prefix="dlpagent-bench-") as name:
            folder = Path(name)
            idle = self._idle(folder)
            small = self._scan(write_jsonl(folder / "small.jsonl", made), folder / "a.jsonl")
            whole = Text(" ".join(item.text for item in made))
            one = self._scan(write_jsonl(folder / "one.jsonl", [whole]), folder / "b.jsonl")
        return {
            "mb": round(size / 1e6), "peak_mb": round(one.peak_mb), "small_peak_mb": round(small.peak_mb),
            "cpu_of_small_records": round((one.cpu_s - idle.cpu_s) / max(1e-9, small.cpu_s - idle.cpu_s), 2),
        }  # fmt: skip


def planted_found(
    made: Sequence[Text], batches: Sequence[pa.RecordBatch], found: Sequence[pa.RecordBatch]
) -> int:
    """How many planted examples have a finding of their own SIT where they stand."""
    count, first = 0, 0
    for batch, matches in zip(batches, found, strict=True):
        places: dict[tuple[int, str], list[tuple[int, int]]] = {}
        for row in matches.select(["row", "sit_id", "start", "end"]).to_pylist():
            places.setdefault((row["row"], row["sit_id"]), []).append((row["start"], row["end"]))
        for row in range(batch.num_rows):
            count += sum(
                any(start < high and low < end for low, high in places.get((row, sit), ()))
                for sit, start, end in made[first + row].planted
            )
        first += batch.num_rows
    return count


def rival_speed(rival: Rival, texts: Sequence[str]) -> float:
    """MB/s on a sample, made longer until the work takes long enough to be measured."""
    size = FIRST_SAMPLE_BYTES
    rival(texts[:1])
    while True:
        sample = head(texts, size)
        used = cpu_seconds(functools.partial(rival, sample))
        if used >= RIVAL_SECONDS or len(sample) == len(texts):
            return size_of(sample) / max(used, 1e-6) / 1e6
        size = int(size * max(2, 1.2 * RIVAL_SECONDS / max(used, 1e-3)))


def head(texts: Sequence[str], size: int) -> list[str]:
    """The first texts of about a size in bytes; at least one."""
    kept: list[str] = []
    for text in texts:
        kept.append(text)
        size -= len(text.encode())
        if size <= 0:
            break
    return kept


def write_files(folder: Path, made: Sequence[Text]) -> list[Path]:
    """The texts as JSON Lines and zstd Parquet; customer rows also as CSV with a heading."""
    texts = [item.text for item in made]
    stem = "rows" if texts[0].count(",") >= 9 else f"prose-{sum(bool(i.planted) for i in made)}"
    jsonl = write_jsonl(folder / f"{stem}.jsonl", made)
    parquet = folder / f"{stem}.parquet"
    table = pa.table({"id": [str(n) for n in range(len(texts))], "text": texts})
    pq.write_table(table, parquet, compression="zstd", row_group_size=20_000)
    if stem != "rows":
        return [jsonl, parquet]
    path = folder / f"{stem}.csv"
    heading = "id,name,e-mail,card number,ssn,phone,date of birth,state,score,note"
    path.write_text("\n".join([heading, *texts]) + "\n", encoding="utf-8")
    return [jsonl, parquet, path]


def write_jsonl(path: Path, made: Sequence[Text]) -> Path:
    """The texts as records with ids."""
    with path.open("w", encoding="utf-8") as file:
        for number, item in enumerate(made):
            file.write(
                json.dumps({"id": str(number), "text": item.text}, ensure_ascii=False) + "\n"
            )
    return path


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
