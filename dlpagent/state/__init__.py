"""The durable state of sweeps: runs, checkpoints, findings, violations, outbox (docs/state.md)."""

from dlpagent.state.model import (
    AssetProgress,
    BatchCommit,
    Committed,
    Counters,
    FindingBatch,
    Finish,
    Lease,
    PartProblem,
    Run,
)
from dlpagent.state.store import State, open_state

__all__ = [
    "AssetProgress",
    "BatchCommit",
    "Committed",
    "Counters",
    "FindingBatch",
    "Finish",
    "Lease",
    "PartProblem",
    "Run",
    "State",
    "open_state",
]
