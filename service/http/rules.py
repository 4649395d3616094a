"""/v1/packs and /v1/policies: by which rules the service judges."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from dlpagent.errors import Problem, ProblemsError
from dlpagent.labels.policy import Policy
from dlpagent.labels.policy_yaml import parse_policy
from dlpagent.service.http import values
from dlpagent.service.http.examples import POLICY_ASKED
from dlpagent.service.http.problems import not_found
from dlpagent.service.http.routes import Answer, Call, Route, json_answer
from dlpagent.service.http.service import Service, Tenant
from dlpagent.service.session import load_taxonomy
from dlpagent.service.simulating import simulate


async def packs(call: Call) -> Response:
    """The pack in use."""
    return json_answer([values.pack_of(call.service.pack)])


async def pack(call: Call) -> Response:
    """Its SITs."""
    service = call.service
    if call.request.path_params["pack_id"] != service.pack.ref.id:
        raise not_found("pack", "path")
    names = service.entities
    sits = [
        values.PackSit(
            id=sit.id,
            name=sit.name,
            description=sit.description,
            entity=names.get(sit.id),
            recommended_confidence=sit.recommended_confidence,
            confidences=sorted({each.confidence for each in sit.patterns}, reverse=True),
        )
        for sit in sorted(service.pack.sits.values(), key=lambda sit: sit.name)
    ]
    return json_answer(values.PackDetail(pack=values.pack_of(service.pack), sits=sits))


async def policies(call: Call) -> Response:
    """The tenant's policies."""
    return json_answer([_policy(each) for each in call.tenant.policies.values()])


async def policy(call: Call) -> Response:
    """One policy: rules and labels."""
    found = call.tenant.policies.get(call.request.path_params["policy_id"])
    if found is None:
        raise not_found("policy", "path")
    labels = {auto.label.id: auto.label for auto in found.auto_labels}
    detail = values.PolicyDetail(
        policy=_policy(found),
        description=found.description,
        mode=found.mode,
        rules=[
            values.PolicyRule(
                id=rule.id,
                name=rule.name,
                severity=rule.severity,
                mode=found.mode_of(rule),
                locations=list(rule.locations),
                actions=list(rule.actions),
            )
            for rule in found.rules
        ],
        labels=[
            values.Label(id=each.id, name=each.name, priority=each.priority)
            for each in sorted(labels.values(), key=lambda label: label.priority)
        ],
    )
    return json_answer(detail)


def _policy(found: Policy) -> values.Policy:
    ref = found.ref()
    return values.Policy(id=ref.id, name=ref.name, version=ref.version)


async def check(call: Call) -> Response:
    """What is wrong with a policy, and what it would do."""
    asked: values.PolicyText = call.body
    return json_answer(await run_in_threadpool(_checked, call.tenant, call.service, asked))


def _checked(tenant: Tenant, service: Service, asked: values.PolicyText) -> values.PolicyChecked:
    sits = service.pack.sits
    try:
        found = parse_policy(
            asked.yaml.encode("utf-8", "replace"),
            "policy",
            taxonomy=load_taxonomy(tenant.labels),
            sit_names=service.pack.sit_names,
            recommended={sit.id: sit.recommended_confidence for sit in sits.values()},
        )
    except ProblemsError as error:
        return values.PolicyChecked(ok=False, problems=[_trouble(each) for each in error.problems])
    told = values.PolicyChecked(
        ok=True, problems=[_trouble(each) for each in found.warnings], policy=_policy(found)
    )
    if asked.simulate:
        would = simulate(tenant.state, found)
        told.items, told.labels, told.incomplete = would.items, would.labels, would.incomplete
        told.rules = {name: list(counts) for name, counts in would.rules.items()}
    return told


def _trouble(problem: Problem) -> values.Trouble:
    return values.Trouble(
        line=problem.line,
        what=problem.what,
        expected=problem.expected,
        found=problem.found,
        remedy=problem.remedy,
        severity=problem.severity,
    )


ROUTES = (
    Route("GET", "/v1/packs", packs, "The pack in use", "rules",
          answers={200: Answer("It, alone in a list", list[values.Pack])}),
    Route("GET", "/v1/packs/{pack_id}", pack, "Its sensitive information types", "rules",
          answers={200: Answer("The pack", values.PackDetail),
                   404: Answer("There is no such pack")}),
    Route("GET", "/v1/policies", policies, "The policies", "rules",
          answers={200: Answer("All of them", list[values.Policy])}),
    Route("GET", "/v1/policies/{policy_id}", policy, "One policy", "rules",
          answers={200: Answer("The policy", values.PolicyDetail),
                   404: Answer("There is no such policy")}),
    Route("POST", "/v1/check-policy", check, "What is wrong with a policy, and what it would do",
          "rules", body=values.PolicyText, body_example=POLICY_ASKED,
          answers={200: Answer("Every problem with its line", values.PolicyChecked)}),
)  # fmt: skip
