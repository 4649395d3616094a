"""The sweep file: every key, and every mistake at its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlpagent.errors import ProblemsError
from dlpagent.service.sink_spec import SinkSpec
from dlpagent.service.sweep_file import SourceSpec, read_sweep_file
from dlpagent.violations import ZERO_TENANT

WHOLE = """name: nightly
state: work/state.db
packs: [builtin, packs/mine]
profile: strict
policy: example
labels: labels.yaml
min_confidence: 66
tenant_id: 0F0F0F0F-0000-4000-8000-000000000001
sources:
  - data/*.jsonl
  - {target: chroma:///x, connector: jsonl, settings: {batch_rows: 5}}
sinks: {o365: out/o365.jsonl, ocsf: /abs/ocsf.jsonl}
report: report.html
accept: [unread, no_content]
full: true
fail_on: never
key_file: key
"""
SMALL = "name: n\nsources: [a]\n"


def read(tmp_path: Path, text: str):
    path = tmp_path / "sweeps.yaml"
    path.write_text(text)
    return read_sweep_file(path)


def test_every_key_is_read_and_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    found = read(tmp_path, WHOLE)
    settings = found.settings
    assert found.sources == (
        SourceSpec(f"{tmp_path}/data/*.jsonl"),
        SourceSpec("chroma:///x", "jsonl", {"batch_rows": 5}),
    )
    assert found.report == tmp_path / "report.html"
    assert (settings.job, settings.command, settings.state) == (
        "nightly", "sweep", f"{tmp_path}/work/state.db",
    )  # fmt: skip
    assert settings.packs == ("builtin", f"{tmp_path}/packs/mine")
    assert (settings.profile, settings.policy) == ("strict", "example")
    assert (settings.labels, settings.key_file) == (f"{tmp_path}/labels.yaml", tmp_path / "key")
    assert settings.min_confidence == 66
    assert settings.tenant_id == "0f0f0f0f-0000-4000-8000-000000000001"
    assert settings.sinks == (
        SinkSpec("o365", f"{tmp_path}/out/o365.jsonl", "o365"),
        SinkSpec("ocsf", "/abs/ocsf.jsonl", "ocsf"),
    )
    assert settings.accept == {"unread", "no_content"}
    assert (settings.full, settings.fail_on) == (True, "never")


def test_two_keys_are_enough(tmp_path: Path) -> None:
    settings = read(tmp_path, SMALL).settings
    assert (settings.packs, settings.policy, settings.sinks) == (("builtin",), None, ())
    assert (settings.tenant_id, settings.fail_on, settings.full) == (ZERO_TENANT, "high", False)
    assert settings.state == f"{tmp_path}/dlpagent-state.db"


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("sources: [a]\n", 1, "the key name is missing"),
        ("name: n\n", 1, "the key sources is missing"),
        ("name: n\nsources: []\n", 2, "the list is empty"),
        ("name: n\nsources: a\n", 2, "wrong shape"),
        ("name: n\nsources:\n  - {connector: text}\n", 3, "target is missing"),
        ("name: n\nsources:\n  - {target: a, connector: word}\n", 3, "wrong value"),
        ("name: n\nsources:\n  - {target: a, settings: [1]}\n", 3, "wrong shape"),
        ("name: n\nsources:\n  - {target: a, settings: {x: !!python/object:os.x y}}\n", 3, "wrong value"),
        ("name: n\nsources:\n  - {target: a, colour: red}\n", 3, "unknown key"),
        (SMALL + "soruces: [b]\n", 3, "unknown key"),
        (SMALL + "name: m\n", 3, "appears twice"),
        (SMALL + "packs: []\n", 3, "the list is empty"),
        (SMALL + "packs: builtin\n", 3, "wrong shape"),
        (SMALL + "profile: loose\n", 3, "wrong value"),
        (SMALL + "min_confidence: 101\n", 3, "out of range"),
        (SMALL + "tenant_id: mine\n", 3, "not a tenant id"),
        (SMALL + "accept: [torn]\n", 3, "wrong value"),
        (SMALL + "full: perhaps\n", 3, "wrong value"),
        (SMALL + "fail_on: always\n", 3, "wrong value"),
        (SMALL + "policy: example\nsinks: {kafka: x}\n", 4, "there is no such sink"),
        (SMALL + "sinks: {o365: x}\n", 3, "only a policy makes those"),
        (SMALL + "state: ~\n", 3, "wrong shape"),
        ("name: [", 2, "not valid YAML"),
        ("", 1, "empty"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_at_its_line(tmp_path: Path, text: str, line: int, what: str) -> None:
    with pytest.raises(ProblemsError) as caught:
        read(tmp_path, text)
    assert any(what in item.what and item.line == line for item in caught.value.problems), (
        caught.value.problems
    )


def test_all_mistakes_come_at_once(tmp_path: Path) -> None:
    with pytest.raises(ProblemsError) as caught:
        read(tmp_path, "nmae: n\nsources: [a]\nfull: 3\nfail_on: 4\n")
    assert len(caught.value.problems) == 4


def test_a_source_read_with_other_settings_is_another_job_to_resume(tmp_path: Path) -> None:
    def targets(settings: str) -> tuple[str, ...]:
        return read(tmp_path, f"name: n\nsources: [{{target: a{settings}}}]\n").settings.targets

    assert targets("") == targets(", settings: {}")
    assert targets("") != targets(", settings: {batch_rows: 3}")
    assert targets("") != targets(", connector: text")


def test_a_sink_may_have_a_name_of_its_own_and_settings(tmp_path: Path) -> None:
    text = (
        SMALL + "policy: example\n"
        "sinks:\n"
        "  alerts: {sink: webhook, target: 'https://h/x', settings: {secret_env: S, ca_file: ca.pem}}\n"
        "  copy: {sink: o365, target: copy.jsonl}\n"
    )
    path = tmp_path / "s.yaml"
    path.write_text(text)
    settings = {"secret_env": "S", "ca_file": f"{tmp_path}/ca.pem"}
    assert read_sweep_file(path).settings.sinks == (
        SinkSpec("alerts", "https://h/x", "webhook", settings),
        SinkSpec("copy", f"{tmp_path}/copy.jsonl", "o365"),
    )


@pytest.mark.parametrize(
    ("sink", "what"),
    [
        ("{kafka: {target: x}}", "there is no such sink"),
        ("{a: {sink: kafka, target: x}}", "wrong value"),
        ("{o365: {settings: {}}}", "target"),
        ("{o365: {target: x, settings: [1]}}", "a mapping of settings"),
        ("{o365: {target: x, colour: 1}}", "unknown key"),
    ],
)
def test_a_sink_that_cannot_be_understood_is_named(tmp_path: Path, sink: str, what: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(SMALL + f"policy: example\nsinks: {sink}\n")
    with pytest.raises(ProblemsError) as caught:
        read_sweep_file(path)
    assert what in str(caught.value)
