"""What a person sees of a running sweep, on stderr: a live line on a terminal, else JSON lines."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO

import pyarrow as pa

from dlpagent.records import Asset, Checkpoint
from dlpagent.state import AssetProgress, Committed, Counters

INTERVAL_S = 10.0
LIVE_INTERVAL_S = 0.2

log = logging.getLogger("dlpagent")


@dataclass(slots=True)
class Progress:
    """Counts what a sweep does and tells it now and then. total_bytes 0: unknown, no ETA."""

    stream: IO[str] = field(default_factory=lambda: sys.stderr)
    quiet: bool = False
    total_bytes: int = 0
    assets_total: int = 0
    assets_done: int = 0
    bytes_done: int = 0
    _begun: float = field(default_factory=time.monotonic)
    _told: float = field(default_factory=time.monotonic)
    _current: int = 0
    records: int = 0
    chars: int = 0
    findings: int = 0
    problems: int = 0
    _now: str = ""

    @property
    def is_live(self) -> bool:
        return self.stream.isatty() and not self.quiet

    def planned(self, assets: Sequence[Asset]) -> None:
        """What there is to read; without every size there is no estimate of the time left."""
        self.assets_total = len(assets)
        sizes = [asset.size_bytes for asset in assets]
        self.total_bytes = sum(size for size in sizes if size) if all(sizes) else 0

    def asset_begins(self, asset: Asset, progress: AssetProgress) -> None:
        self._current = progress.bytes_read
        self._now = asset.uri
        log.debug("asset begins: %s", asset.uri)

    def batch_done(
        self,
        asset: Asset,  # noqa: ARG002 - the port's signature
        findings: pa.RecordBatch,
        checkpoint: Checkpoint,
        committed: Committed,  # noqa: ARG002
        counters: Counters,
    ) -> None:
        self.findings += findings.num_rows
        self.records += counters.records
        self.chars += counters.chars
        if checkpoint.bytes_read is not None:
            self.bytes_done += max(0, checkpoint.bytes_read - self._current)
            self._current = checkpoint.bytes_read
        self._tell()

    def asset_ends(self, asset: Asset, progress: AssetProgress) -> None:
        self.assets_done += 1
        self.problems += progress.counters.problems
        log.debug("asset ends: %s %s", progress.status, asset.uri)

    def asset_skipped(self, asset: Asset) -> None:
        self.assets_done += 1
        self.bytes_done += asset.size_bytes or 0
        log.debug("asset unchanged: %s", asset.uri)

    def close(self) -> None:
        """Clear the live line."""
        if self.is_live:
            self.stream.write("\r\x1b[K")
            self.stream.flush()

    def figures(self) -> dict[str, object]:
        """The figures as told: seconds, MB of text per second, and the estimated seconds left."""
        seconds = time.monotonic() - self._begun
        share = self.bytes_done / self.total_bytes if self.total_bytes else 0.0
        return {
            "assets": self.assets_done,
            "assets_total": self.assets_total,
            "bytes": self.bytes_done,
            "records": self.records,
            "findings": self.findings,
            "errors": self.problems,
            "seconds": round(seconds, 1),
            "mb_per_s": round(self.chars / 1e6 / seconds, 2) if seconds else 0.0,
            "eta_s": round(seconds / share - seconds) if 0.01 < share <= 1 else None,
        }

    def _tell(self) -> None:
        now = time.monotonic()
        if self.quiet or now - self._told < (LIVE_INTERVAL_S if self.is_live else INTERVAL_S):
            return
        self._told = now
        figures = self.figures()
        if not self.is_live:
            self.stream.write(json.dumps({"progress": figures}) + "\n")
        else:
            eta = figures["eta_s"]
            left = f", {eta} s left" if eta is not None else ""
            self.stream.write(
                f"\r\x1b[K{self.bytes_done / 1e6:,.1f} MB  {self.records:,} records  "
                f"{figures['mb_per_s']} MB/s  {self.findings:,} findings  "
                f"{self.problems:,} errors{left}"
            )
        self.stream.flush()
