"""Where dlpagent keeps what it must remember on this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from dlpagent.errors import ConfigurationError
from dlpagent.evidence import Evidence, load_evidence


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of this installation: evidence key, default state. DLPAGENT_HOME moves it."""

    path: Path

    @classmethod
    def of_environment(cls) -> Home:
        """$DLPAGENT_HOME, else ~/.dlpagent."""
        given = os.environ.get("DLPAGENT_HOME")
        try:
            return cls(Path(given) if given else Path.home() / ".dlpagent")
        except RuntimeError:
            raise ConfigurationError(
                "no home folder is known for this user",
                expected="the environment variable DLPAGENT_HOME or HOME",
                found="neither",
                remedy="Set DLPAGENT_HOME to a folder that only this user can read.",
            ) from None

    @property
    def key_file(self) -> Path:
        return self.path / "evidence.key"

    @property
    def state(self) -> Path:
        return self.path / "state.db"

    def evidence(self, key_file: Path | None = None) -> Evidence:
        """The installation's evidence key, made on first use. Raises StateError."""
        return load_evidence(key_file or self.key_file)
