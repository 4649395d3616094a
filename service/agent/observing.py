"""An observer of sweeps that tells the health page that work goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from dlpagent.records import Asset, Checkpoint
from dlpagent.service.agent.health import Health
from dlpagent.state import AssetProgress, Committed, Counters


@dataclass(slots=True)
class Observing:
    """Every batch is a turn of the loop."""

    health: Health
    batches: int = 0

    def planned(self, assets: Sequence[Asset]) -> None:
        """Nothing to tell."""

    def asset_begins(self, asset: Asset, progress: AssetProgress) -> None:
        """Nothing to tell."""

    def batch_done(
        self,
        asset: Asset,  # noqa: ARG002 - the port's signature
        findings: pa.RecordBatch,  # noqa: ARG002
        checkpoint: Checkpoint,  # noqa: ARG002
        committed: Committed,  # noqa: ARG002
        counters: Counters,  # noqa: ARG002
    ) -> None:
        """A batch has been committed."""
        self.batches += 1
        self.health.turn()

    def asset_ends(self, asset: Asset, progress: AssetProgress) -> None:
        """Nothing to tell."""

    def asset_skipped(self, asset: Asset) -> None:
        """Nothing to tell."""
