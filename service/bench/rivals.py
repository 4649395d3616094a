"""What the engine is compared with: the reference, plain `re`, RE2 sets, Presidio, Kingfisher.

Each rival is a function of texts that does its work; what it finds is not looked at. One that is not
installed is left out, and named in the result.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import re2

from dlpagent.classifiers.classify import ReferenceClassifier
from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.decoded import DecodingClassifier
from dlpagent.classifiers.regex_syntax import Untranslatable, translate
from dlpagent.classifiers.sit import Pack, Regex
from dlpagent.evidence import Evidence
from dlpagent.service.bench.measure import batches_of

Rival = Callable[[Sequence[str]], float | None]
"""Does the work; gives CPU seconds if it measured them itself (another process), else None."""

RIVALS = ("re", "reference", "re2-set", "presidio", "kingfisher")


def rivals(pack: Pack, wanted: Sequence[str]) -> tuple[dict[str, Rival], dict[str, str]]:
    """Those wanted that are here, ready to run; and why the others are not."""
    found: dict[str, Rival] = {}
    missing: dict[str, str] = {}
    for name in wanted:
        if name == "presidio" and find_spec("presidio_analyzer") is None:
            missing[name] = "presidio-analyzer is not installed"
        elif name == "kingfisher" and kingfisher_program() is None:
            missing[name] = "kingfisher-bin is not installed"
        else:
            found[name] = _MAKERS[name](pack)
    return found, missing


def expressions_of(pack: Pack) -> list[str]:
    """Every expression of the pack in Python's syntax, none twice."""
    found = {
        item.pattern
        for element in pack.elements.values()
        if isinstance(element, Regex)
        for item in element.expressions
    }
    return [translate(pattern).python for pattern in sorted(found)]


def plain_re(pack: Pack) -> Rival:
    """A loop over texts and expressions, as plain Python would do it: regexes only, no keywords."""
    patterns = [re.compile(pattern) for pattern in expressions_of(pack)]

    def work(texts: Sequence[str]) -> None:
        for text in texts:
            for pattern in patterns:
                pattern.findall(text)

    return work


def reference(pack: Pack) -> Rival:
    """The evaluator that defines the findings, over every text."""
    classifier = DecodingClassifier(ReferenceClassifier(CompiledPack(pack), Evidence(bytes(32))))

    def work(texts: Sequence[str]) -> None:
        for batch in batches_of(texts):
            classifier.classify(batch)

    return work


def re2_set(pack: Pack) -> Rival:
    """google-re2's Set over every text, then the expressions that may match: regexes only."""
    options = re2.Options()
    options.max_mem = 1 << 30
    options.log_errors = False
    options.dot_nl = True
    together, alone = re2.Set.SearchSet(options), []
    for pattern in expressions_of(pack):
        try:
            compiled = re2.compile(pattern, options)
            together.Add(pattern)
        except (re2.error, Untranslatable):
            continue
        alone.append(compiled)
    together.Compile()

    def work(texts: Sequence[str]) -> None:
        for text in texts:
            for number in together.Match(text) or ():
                alone[number].findall(text)

    return work


def presidio(pack: Pack) -> Rival:
    """Presidio's engine with the same expressions as pattern recognizers and a blank tokenizer."""
    from presidio_analyzer import AnalyzerEngine, Pattern, PatternRecognizer, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NoOpNlpEngine

    recognizers = [
        PatternRecognizer(f"E{number}", patterns=[Pattern(f"P{number}", pattern, 0.5)])
        for number, pattern in enumerate(expressions_of(pack))
    ]
    registry = RecognizerRegistry(recognizers=recognizers)
    none = NoOpNlpEngine(models=[{"lang_code": "en", "model_name": "none"}])
    none.load()
    engine = AnalyzerEngine(registry=registry, nlp_engine=none)

    def work(texts: Sequence[str]) -> None:
        for text in texts:
            engine.analyze(text, language="en")

    return work


def kingfisher_program() -> str | None:
    """The scanner of PyPI's kingfisher-bin: secrets only, its own rules, compiled code."""
    beside = Path(sysconfig.get_path("scripts"), "kingfisher")
    return str(beside) if beside.is_file() else shutil.which("kingfisher")


def kingfisher(pack: Pack) -> Rival:  # noqa: ARG001 - it has rules of its own
    """One job over a file of the texts; its start, measured on an empty file, is taken off."""

    def scan(path: Path) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(  # noqa: S603 - our own command line
            [str(kingfisher_program()), "scan", str(path), "--jobs", "1", "--no-update-check",
             "--no-validate", "--format", "jsonl", "--git-history", "none"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
            env={**os.environ, "NO_COLOR": "1"},
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def work(texts: Sequence[str]) -> float:
        with tempfile.TemporaryDirectory(prefix="dlpagent-bench-") as folder:
            empty, full = Path(folder, "empty.txt"), Path(folder, "full.txt")
            empty.write_text("\n")
            full.write_text("\n".join(texts), encoding="utf-8")
            scan(empty)
            return max(1e-6, scan(full) - scan(empty))

    return work


_MAKERS: dict[str, Callable[[Pack], Rival]] = {
    "re": plain_re,
    "reference": reference,
    "re2-set": re2_set,
    "presidio": presidio,
    "kingfisher": kingfisher,
}


def other_version(python: str, corpora: Sequence[str], megabytes: float) -> dict[str, float]:
    """Corpus → MB/s of the dlpagent that another interpreter has, measured now on this machine."""
    command = [
        python, "-c", "from dlpagent.service.cli import main; main()", "bench", "--format", "json",
        "--rivals", "none", "--parts", "engine", "--mb", str(megabytes),
        "--corpora", ",".join(corpora),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, check=False, text=True)  # noqa: S603
    if done.returncode:
        sys.stderr.write(done.stderr)
        return {}
    return {row["corpus"]: row["mb_per_s"] for row in json.loads(done.stdout)["engine"]}
