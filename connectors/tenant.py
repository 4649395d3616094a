"""What a tenant says of itself through Graph: its labels, its policy files, its opinion of a label.

Reading only. Labels hold no content; an evaluation sends ids of SITs, counts and confidences, never
text. Sources: Graph, dataSecurityAndGovernance (v1.0 and beta), as far as described.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal
from urllib.parse import quote

from dlpagent.connectors._azure import Login
from dlpagent.connectors.sinks._graph import JSON, Graph
from dlpagent.connectors.sinks._http import Reply
from dlpagent.errors import SourceError

Api = Literal["v1.0", "beta"]
APIS: Final[tuple[Api, ...]] = ("v1.0", "beta")

_ROOT = "/security/dataSecurityAndGovernance"
_KIND = "#microsoft.graph."
_TRIES = 4
# A service that asks for more is asked again another time: labels are kept from the last time.
_LONGEST_WAIT_S = 30.0
_MAX_PAGES = 1000


class Tenant:
    """Graph of one tenant. target: the Graph of a cloud; sleep: how waits are kept.

    Raises ConfigurationError for a target that is not Graph (allowed_hosts: others that are one's
    own) and for settings that are missing.
    """

    def __init__(
        self,
        target: str,
        login: Login,
        *,
        allowed_hosts: Sequence[str] = (),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._graph = Graph(target, login, allowed_hosts=allowed_hosts)
        self._host, self._sleep = self._graph.client.host, sleep

    def labels(self, api: Api = "v1.0", user_id: str | None = None) -> dict[str, Any]:
        """All sensitivity labels with their sublabels, as one list without further pages.

        user_id: the labels that are published to this user instead of all. Raises SourceError.
        """
        whose = f"/users/{quote(user_id, safe='')}/dataSecurityAndGovernance" if user_id else _ROOT
        path = f"/{api}{whose}/sensitivityLabels"
        first = self._get(f"{path}?$expand=sublabels")
        if (
            first.status == 400
        ):  # where sublabels are no navigation property they come by themselves
            first = self._get(path)
        return {"value": self._all(first, "the sensitivity labels")}

    def policy_files(self) -> list[dict[str, Any]]:
        """The tenant's policy files (beta): DLP policies, collection policies, classifications.

        Raises SourceError.
        """
        reply = self._get(f"/beta{_ROOT}/policyFiles")
        return [one for one in self._all(reply, "the policy files") if isinstance(one, dict)]

    def evaluate_labels(
        self,
        found: Sequence[tuple[str, Sequence[tuple[int, int]]]],
        current: tuple[str, str] | None = None,
    ) -> dict[str, Any]:
        """What the tenant's auto-labelling calls for (beta): {"automatic": …, "recommended": …}.

        found: SIT id → (confidence, unique count), highest confidence first; current: (label id, how
        it was applied: manual, automatic or ""). Nothing else is sent. Raises SourceError.
        """
        body: dict[str, Any] = {"discoveredSensitiveTypes": [_discovered(*one) for one in found]}
        if current:
            label, mode = current
            body["currentLabel"] = {"@odata.type": f"{_KIND}currentLabel", "id": label}
            if mode:
                body["currentLabel"]["applicationMode"] = mode
        content = json.dumps(body).encode()
        path = f"/beta{_ROOT}/sensitivityLabels/evaluate"
        reply = self._patiently(lambda: self._graph.client.post(path, content, JSON))
        answer = self._checked(reply, "the tenant's opinion of a label")
        result = answer.get("result")
        return result if isinstance(result, dict) else {}

    def close(self) -> None:
        """Let go of connections and tokens."""
        self._graph.close()

    def _get(self, path: str) -> Reply:
        return self._patiently(
            lambda: self._graph.client.get(path, {"Accept": JSON["Content-Type"]})
        )

    def _patiently(self, ask: Callable[[], Reply]) -> Reply:
        """Ask again when the service is busy or away, as long as it asks for short waits."""
        reply = ask()
        for tried in range(1, _TRIES):
            busy = reply.status in {0, 429} or reply.status >= 500
            wait = reply.retry_after_s()
            wait = float(2**tried) / 4 if wait is None else wait
            if not busy or wait > _LONGEST_WAIT_S or "not followed" in reply.problem:
                break
            self._sleep(wait)
            reply = ask()
        return reply

    def _all(self, reply: Reply, what: str) -> list[Any]:
        """The values of a page and of all that follow."""
        values: list[Any] = []
        for _ in range(_MAX_PAGES):
            page = self._checked(reply, what)
            if not isinstance(page.get("value"), list):
                raise self._failed(what, "an answer without a list")
            values += page["value"]
            link = page.get("@odata.nextLink")
            if not isinstance(link, str):
                return values
            reply = self._get(link)
        raise self._failed(what, f"more than {_MAX_PAGES} pages")

    def _checked(self, reply: Reply, what: str) -> dict[str, Any]:
        if not reply.is_ok:
            raise self._failed(what, reply.problem or f"{reply.proof} {reply.reason}".rstrip())
        answer = reply.json()
        if not isinstance(answer, dict):
            raise self._failed(what, "an answer that is no JSON object")
        return answer

    def _failed(self, what: str, found: str) -> SourceError:
        return SourceError(
            f"{what} could not be had from Graph",
            where=self._host,
            expected="an answer to an application that may read them",
            found=found,
            remedy="Check the network, the login and the permissions (docs/labels.md).",
        )


def _discovered(sit_id: str, counts: Sequence[tuple[int, int]]) -> dict[str, Any]:
    return {
        "@odata.type": f"{_KIND}discoveredSensitiveType",
        "id": sit_id,
        "count": sum(count for _, count in counts),
        "confidence": max((confidence for confidence, _ in counts), default=0),
        "classificationAttributes": [
            {
                "@odata.type": f"{_KIND}classificationAttribute",
                "confidence": confidence,
                "count": count,
            }
            for confidence, count in counts
        ],
    }
