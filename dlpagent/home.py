"""Where this installation keeps its keys and its default state."""

from __future__ import annotations

import os
from pathlib import Path

from dlpagent.errors import ConfigurationError


def home_folder() -> Path:
    """$DLPAGENT_HOME, else ~/.dlpagent. Raises ConfigurationError when neither is known."""
    given = os.environ.get("DLPAGENT_HOME")
    try:
        return Path(given) if given else Path.home() / ".dlpagent"
    except RuntimeError:
        raise ConfigurationError(
            "no home folder is known for this user",
            expected="the environment variable DLPAGENT_HOME or HOME",
            found="neither",
            remedy="Set DLPAGENT_HOME to a folder that only this user can read.",
        ) from None
