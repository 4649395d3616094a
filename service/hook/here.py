"""Texts of calls looked at in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from dlpagent.assess import Assessed, Assessor
from dlpagent.findings import level_of
from dlpagent.records import Asset, batch_of_columns, without_surrogates
from dlpagent.service.hook.verdicts import Found, Ruled, Seen, TextOf
from dlpagent.service.redact.json_text import JsonText
from dlpagent.service.redact.rewriting import Rewriter
from dlpagent.service.redact.settling import settle


@dataclass(frozen=True, slots=True)
class Here:
    """Eyes of this process (see verdicts.Eyes). rewriter: masks what it finds."""

    assessor: Assessor
    rewriter: Rewriter

    def see(self, texts: Sequence[TextOf], *, app: str, role: str, session: str) -> Seen:
        asset = Asset(f"hook:{app}", "stream", "hook", app=app)
        assessed = self.assessor.assess(asset, _batch(asset, texts, role, session))
        rules = None
        if self.assessor.decider is not None:
            enforced = [one for one in assessed.violations if one.mode == "enforce"]
            rules = tuple(Ruled(one.rule_name, one.actions) for one in enforced)
        unchecked = next((item.reason for item in assessed.problems), "")
        return Seen(tuple(self._found(assessed)), rules, unchecked)

    def masked(self, subject: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
        (settled,) = settle([json.dumps(subject)], JsonText, self.rewriter)
        return json.loads(settled.raw), settled.problem or ""

    def _found(self, assessed: Assessed) -> Iterator[Found]:
        names = self.assessor.classifier.sit_names
        columns = ("part", "sit_id", "confidence", "masked")
        for row in assessed.findings.select(columns).to_pylist():
            confidence = row["confidence"]
            yield Found(
                row["part"], names[row["sit_id"]], level_of(confidence), row["masked"], confidence
            )


def _batch(asset: Asset, texts: Sequence[TextOf], role: str, session: str) -> pa.RecordBatch:
    many = len(texts)
    return batch_of_columns(
        asset.uri,
        many,
        {
            "record_id": pa.array([session] * many, pa.string()),
            "part": pa.array([one.part for one in texts], pa.string()),
            "seq": pa.array(range(many), pa.int64()),
            "text": pa.array([without_surrogates(one.text) for one in texts], pa.large_string()),
            "context": pa.array([one.context for one in texts], pa.string()),
            "role": pa.array([role] * many, pa.string()),
            "app": pa.array([asset.app] * many, pa.string()),
        },
    )
