"""Texts of calls looked at by a service that runs (`dlpagent serve`), which is ready at once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dlpagent.records import without_surrogates
from dlpagent.service.client import Client
from dlpagent.service.hook.verdicts import Found, Ruled, Seen, TextOf
from dlpagent.service.http import values

MOST_CONTEXT = 10_000


@dataclass(frozen=True, slots=True)
class There:
    """Eyes of a service (see verdicts.Eyes). policy: id or name of one of its policies, or None.

    floor: findings from this confidence on are masked.
    """

    client: Client
    policy: str | None = None
    floor: int = 1

    def see(self, texts: Sequence[TextOf], *, app: str, role: str, session: str) -> Seen:
        items: list[str | values.TextItem] = [
            values.TextItem(
                text=without_surrogates(one.text),
                context=one.context[:MOST_CONTEXT] if one.context else None,
            )
            for one in texts
        ]
        told = self.client.classify(items)
        found = tuple(_found(texts, told.results))
        unchecked = next((one.reason for result in told.results for one in result.unchecked), "")
        rules = None
        if self.policy is not None:
            item = values.DecideItem(
                texts=items, id=session[:200] or None, kind="stream", roles=[role], app=app,
                asset=f"hook:{app}",
            )  # fmt: skip
            (decided,) = self.client.decide([item], self.policy).results
            enforced = [one for one in decided.fired if one.mode == "enforce"]
            rules = tuple(Ruled(one.rule, tuple(one.actions)) for one in enforced)
        return Seen(found, rules, unchecked)

    def masked(self, subject: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
        from dlpagent.service.redact.json_text import JsonText
        from dlpagent.service.redact.operators import number_masked
        from dlpagent.service.redact.rewriting import Edit, Rewritten
        from dlpagent.service.redact.settling import Unwritable

        record = JsonText(json.dumps(subject))
        if record.problem or not record.texts:
            return {}, record.problem or "it holds no text"
        items: list[str | values.TextItem] = [
            values.TextItem(text=one.text, context=one.context) for one in record.texts
        ]
        told = self.client.redact(items, min_confidence=self.floor)
        if not all(one.complete for one in told.results):
            return {}, "the service could not look for everything"
        edits = [
            Rewritten((Edit(0, len(one.text), number_masked(one.text) if one.is_number else new.text),)
                      if new.changed else ())
            for one, new in zip(record.texts, told.results, strict=True)
        ]  # fmt: skip
        try:
            return json.loads(record.edited(edits)), ""
        except Unwritable as why:
            return {}, str(why)


def _found(texts: Sequence[TextOf], results: Sequence[values.TextResult]) -> Iterator[Found]:
    for one, result in zip(texts, results, strict=True):
        for item in result.findings:
            yield Found(one.part, item.sit.name, item.level, item.masked, item.confidence)
