"""What holds of all credential SITs together."""

import uuid
from pathlib import Path

import pytest

from dlpagent.classifiers.compiled import CompiledPack
from dlpagent.classifiers.pack import BUILTIN, load_pack
from dlpagent.classifiers.prove import slow_paths
from dlpagent.classifiers.reference import evaluate
from dlpagent.violations import NAMESPACE

BUNDLE = "ba147552-2ed1-4a8f-a441-981e94ab1895"
MEDIUM = 75


@pytest.fixture(scope="module")
def credentials() -> CompiledPack:
    return CompiledPack(load_pack(BUILTIN / "credentials"))


def test_all_credential_types_finds_what_each_type_finds_with_the_same_confidence(
    credentials: CompiledPack,
) -> None:
    bundle = credentials.pack.sits[BUNDLE]
    missed = []
    for sit in credentials.sits:
        for example in sit.examples:
            if sit.id == BUNDLE or example.confidence < MEDIUM:
                continue
            hits = evaluate(credentials, example.text, example.context, [sit, bundle]).hits
            wanted = [hit for hit in hits if hit.sit_id == sit.id and hit.confidence >= MEDIUM]
            found = [hit for hit in hits if hit.sit_id == BUNDLE]
            missed += [
                (sit.name, example.line)
                for hit in wanted
                if not any(
                    other.start < hit.end
                    and hit.start < other.end
                    and other.confidence >= hit.confidence
                    for other in found
                )
            ]
    assert missed == []


def test_the_id_of_a_type_of_our_own_is_made_from_its_file_name() -> None:
    pack = load_pack(BUILTIN / "secrets")
    wrong = {
        sit.file: sit.id
        for sit in pack.sits.values()
        if sit.id != str(uuid.uuid5(NAMESPACE, f"sit:{Path(sit.file).stem}"))
    }
    assert wrong == {}


@pytest.mark.parametrize("folder", ["credentials", "secrets"])
def test_every_regex_runs_on_the_linear_engine(folder: str) -> None:
    assert slow_paths(load_pack(BUILTIN / folder)) == {}


@pytest.mark.parametrize("folder", ["credentials", "secrets"])
def test_every_credential_is_shown_as_a_secret(folder: str) -> None:
    pack = load_pack(BUILTIN / folder)
    assert {sit.value for sit in pack.sits.values()} == {"secret"}
