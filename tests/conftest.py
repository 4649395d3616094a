"""What holds for every test: examples without a clock, and an installation of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Machines that run tests are shared: how long an example takes says nothing about the code.
# Continuous integration tries the same examples every time; people's runs try new ones.
settings.register_profile("dlpagent", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("dlpagent")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are named by their number: packed ones hold the time, and workers must agree on names."""
    return f"{argname}-{len(val)}-bytes" if isinstance(val, bytes) and len(val) > 12 else None


@pytest.fixture(autouse=True)
def home(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Keep the tests away from the evidence key and state of whoever runs them."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("DLPAGENT_HOME", str(folder))
    return folder
