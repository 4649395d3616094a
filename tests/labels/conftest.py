"""What the tests of labels share: the shipped taxonomy, a few SIT names, policies in YAML."""

import re
from collections.abc import Callable

import pytest

from dlpagent.labels.policy import EXAMPLE_POLICY, Policy
from dlpagent.labels.policy_yaml import parse_policy
from dlpagent.labels.taxonomy import Taxonomy
from dlpagent.labels.taxonomy_files import load_taxonomy

SITS = {f"00000000-0000-0000-0000-00000000000{n}": name for n, name in enumerate("ABCDE")}


@pytest.fixture(scope="session")
def taxonomy() -> Taxonomy:
    return load_taxonomy()


@pytest.fixture(scope="session")
def sit_names() -> dict[str, str]:
    """Five SITs named A to E."""
    return SITS


@pytest.fixture(scope="session")
def shipped_sits() -> dict[str, str]:
    """The SITs the shipped policy names, by the names in its own comments."""
    pairs = re.findall(r"([0-9a-f-]{36})[^#\n]*# (.+)", EXAMPLE_POLICY.read_text("utf-8"))
    return dict(pairs)


@pytest.fixture(scope="session")
def policy_of(taxonomy: Taxonomy, sit_names: dict[str, str]) -> Callable[..., Policy]:
    """policy_of(yaml) reads a policy whose id, name and version are given already."""

    def read(yaml: str, **options: object) -> Policy:
        head = (
            ""
            if "version:" in yaml
            else ("id: 11111111-1111-1111-1111-111111111111\nname: test\nversion: '1'\n")
        )
        return parse_policy(
            head + yaml, "p.yaml", taxonomy=taxonomy, sit_names=sit_names, **options
        )

    return read
