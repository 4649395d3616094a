"""Where dlpagent keeps what it must remember on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dlpagent.evidence import Evidence, load_evidence
from dlpagent.home import home_folder


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of this installation: evidence key, default state. DLPAGENT_HOME moves it."""

    path: Path

    @classmethod
    def of_environment(cls) -> Home:
        """$DLPAGENT_HOME, else ~/.dlpagent."""
        return cls(home_folder())

    @property
    def key_file(self) -> Path:
        return self.path / "evidence.key"

    @property
    def state(self) -> Path:
        return self.path / "state.db"

    def evidence(self, key_file: Path | None = None) -> Evidence:
        """The installation's evidence key, made on first use. Raises StateError."""
        return load_evidence(key_file or self.key_file)
