"""The decision on an item: tables of findings, labels and places, and laws that hold for all."""

import pickle
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpagent.findings import PackRef
from dlpagent.labels.conditions import AnyOf, SitCondition
from dlpagent.labels.decide import PolicyDecider
from dlpagent.labels.policy import EXAMPLE_POLICY, AutoLabel, Policy
from dlpagent.labels.policy_yaml import load_policy
from dlpagent.labels.taxonomy_files import load_taxonomy
from dlpagent.ports import Decider
from dlpagent.records import Asset
from dlpagent.violations import Item, SitRef, Tally, violations_of

TAXONOMY = load_taxonomy()
GENERAL = TAXONOMY.find("General").id
KINDS = {"chat": "chat_log", "vector": "vector_collection", "data": "dataset", "doc": "document"}


def tallies_of(text, ids):
    """ "Card 85x3, SSN 75" → tallies; x gives the number of unique values."""
    rows = {}
    for entry in filter(None, text.split(", ")):
        name, _, count = entry.partition(" ")
        confidence, _, unique = count.partition("x")
        many = int(unique or 1)
        rows.setdefault(ids[name], []).append((int(confidence), many, many))
    return tuple(Tally(sit, tuple(sorted(counts, reverse=True))) for sit, counts in rows.items())


def item_at(place, tallies=(), labels=(), **fields):
    """An item at "prompt", "response", "upload", "vector", "data" or "doc"."""
    kind = KINDS.get(place, "chat_log")
    level = "asset" if kind in ("dataset", "document") else "record"
    role = {"prompt": ("user",), "response": ("assistant",), "upload": ("upload",)}.get(place, ())
    asset = Asset(f"x:///{place}", kind, "test", item=level)
    item = Item(
        asset, level, "1" if level == "record" else "", tallies, "e", roles=role, labels=labels
    )
    return replace(item, **fields)


def outcome(decision):
    """(recommended label, rules fired) by name."""
    label = decision.recommendation.label.name if decision.recommendation else None
    return label, {rule.rule_name for rule in decision.fired}


# --- the shipped policy -------------------------------------------------------------------------

SHORT = {
    "Card": "50842eb7-edc8-4019-85dd-5a5c1f2bb085",
    "SSN": "a44669fe-0d48-453d-a9b1-2cc83f2cba77",
    "IBAN": "e7dc4711-11b7-4cb0-b88b-2c394a771f0e",
    "PESEL": "e3aaf206-4297-412f-9e06-ba8487e22456",
    "Passport": "178ec42a-18b4-47cc-85c7-d62c92fd67f8",
    "GitHub": "927cd1e7-8377-4df3-9bc3-fabdaef94787",
    "Password": "24a90d49-519b-4689-aa13-f35c47cc40c3",
    "MBI": "f753a286-f5cc-47e6-a592-4be25fd02591",
    "ICD": "3356946c-6bb7-449b-b253-6ffa419c0ce7",
    "IP": "a7dd5e5f-e7f9-4626-a2c6-86a8cb6830d2",
    "SWIFT": "cb2ab58c-9cb8-4c81-baf8-a4e106791df4",
    "Other": "ffffffff-0000-0000-0000-000000000000",
}
RULES = {
    "keys-chat": "Credentials in AI conversations",
    "cards-chat": "Payment cards in AI conversations",
    "personal-prompt": "Personal data in prompts",
    "bulk-chat": "Identity numbers in bulk in AI conversations",
    "health-chat": "Health data in AI conversations",
    "high-chat": "Highly confidential content in AI conversations",
    "keys-store": "Credentials in stored AI data",
    "personal-store": "Personal and financial data in stored AI data",
    "health-store": "Health data in stored AI data",
    "ceiling": "Vector collections and datasets hold at most General",
    "foreign": "Labels of other tenants in AI data",
}
FIN, PERS = "Confidential/Finance", "Confidential/Personal Data"
HC, HEALTH, CRED = (f"Highly Confidential/{x}" for x in ("All Employees", "Health", "Credentials"))

SHIPPED = [
    # findings, labels carried, place → label, rules
    ("", "", "prompt", None, ""),
    ("Other 85x99", "", "prompt", None, ""),
    ("Card 85", "", "prompt", FIN, "cards-chat"),
    ("Card 75", "", "prompt", FIN, "cards-chat"),
    ("Card 70", "", "prompt", None, "cards-chat"),
    ("Card 65", "", "prompt", None, ""),
    ("Card 85", "", "response", FIN, "cards-chat"),
    ("Card 85", "", "upload", FIN, "cards-chat"),
    ("Card 85", "", "vector", FIN, "personal-store ceiling"),
    ("Card 70", "", "vector", None, ""),
    ("Card 85", "", "data", FIN, "personal-store ceiling"),
    ("Card 85", "", "doc", FIN, "personal-store"),
    ("Card 85x9", "", "doc", FIN, "personal-store"),
    ("Card 85x10", "", "doc", HC, "personal-store"),
    ("Card 85x5, Card 75x5", "", "doc", HC, "personal-store"),
    ("Card 85x5, Card 65x5", "", "doc", FIN, "personal-store"),
    ("SSN 85", "", "prompt", PERS, "personal-prompt"),
    ("SSN 65", "", "prompt", None, ""),
    ("SSN 85", "", "response", PERS, ""),
    ("SSN 85", "", "upload", PERS, "personal-prompt"),
    ("SSN 85x9", "", "prompt", PERS, "personal-prompt"),
    ("SSN 85x10", "", "prompt", HC, "bulk-chat"),
    ("SSN 85x10", "", "response", HC, "bulk-chat"),
    ("SSN 85x10, Card 85", "", "prompt", HC, "bulk-chat cards-chat"),
    ("SSN 85x5, PESEL 85x5", "", "prompt", PERS, "personal-prompt"),
    ("SSN 85", "", "vector", PERS, "personal-store ceiling"),
    ("SSN 85x10", "", "vector", HC, "personal-store ceiling"),
    ("SSN 85, Card 85", "", "prompt", FIN, "personal-prompt cards-chat"),
    ("Passport 85", "", "prompt", PERS, "personal-prompt"),
    ("Passport 85x50", "", "prompt", PERS, "personal-prompt"),
    ("IBAN 85", "", "prompt", FIN, "personal-prompt"),
    ("IBAN 85x10", "", "data", HC, "personal-store ceiling"),
    ("GitHub 85", "", "prompt", CRED, "keys-chat"),
    ("GitHub 85", "", "response", CRED, "keys-chat"),
    ("GitHub 85", "", "vector", CRED, "keys-store ceiling"),
    ("GitHub 85", "", "data", CRED, "keys-store ceiling"),
    ("GitHub 85", "", "doc", CRED, "keys-store"),
    ("Password 65", "", "data", None, ""),
    ("Password 75", "", "data", CRED, "keys-store ceiling"),
    ("GitHub 85, MBI 85, SSN 85x10", "", "prompt", CRED, "keys-chat health-chat bulk-chat"),
    ("MBI 85", "", "prompt", HEALTH, "health-chat"),
    ("MBI 85", "", "vector", HEALTH, "health-store ceiling"),
    ("ICD 85", "", "prompt", None, ""),
    ("ICD 85x500", "", "doc", None, ""),
    ("ICD 85, SSN 85", "", "prompt", HEALTH, "health-chat personal-prompt"),
    ("ICD 85, SSN 65", "", "prompt", None, ""),
    ("ICD 65, SSN 85", "", "prompt", PERS, "personal-prompt"),
    ("ICD 85, Passport 75", "", "doc", HEALTH, "health-store personal-store"),
    ("ICD 85, Card 85", "", "doc", FIN, "personal-store"),
    ("IP 85", "", "vector", "General", ""),
    ("IP 85", "", "prompt", "General", ""),
    ("SWIFT 85", "", "data", "General", ""),
    ("IP 85, Card 85", "", "data", FIN, "personal-store ceiling"),
    # labels already carried
    ("", "General", "prompt", "General", ""),
    ("", "General", "vector", "General", ""),
    ("", "Public", "vector", "Public", ""),
    ("", FIN, "prompt", FIN, ""),
    ("", FIN, "vector", FIN, "ceiling"),
    ("", FIN, "doc", FIN, ""),
    ("", "Confidential", "vector", "Confidential", "ceiling"),
    ("", HC, "prompt", HC, "high-chat"),
    ("", HC, "response", HC, "high-chat"),
    ("", HC, "doc", HC, ""),
    ("", CRED, "data", CRED, "ceiling"),
    ("Card 85", "General", "prompt", FIN, "cards-chat"),
    ("Card 85", FIN, "prompt", FIN, "cards-chat"),
    ("Card 85", PERS, "prompt", FIN, "cards-chat"),
    ("SSN 85", FIN, "prompt", FIN, "personal-prompt"),
    ("Card 85", CRED, "prompt", CRED, "cards-chat high-chat"),
    ("IP 85", CRED, "vector", CRED, "ceiling"),
    ("GitHub 85", "General", "prompt", CRED, "keys-chat high-chat"),
    ("GitHub 85", "Public", "data", CRED, "keys-store ceiling"),
    ("", "spam", "vector", None, "foreign"),
    ("", "12345678-0000-0000-0000-000000000000", "prompt", None, "foreign"),
    ("Card 85", "12345678-0000-0000-0000-000000000000", "prompt", FIN, "cards-chat foreign"),
    ("", f"MSIP_Label_{GENERAL}_Enabled=true", "vector", "General", ""),
    ("", f"MSIP_Label_{GENERAL}_Enabled=false", "vector", None, ""),
]  # fmt: skip


@pytest.fixture(scope="module")
def shipped(shipped_sits):
    return load_policy(EXAMPLE_POLICY, taxonomy=TAXONOMY, sit_names=shipped_sits)


@pytest.mark.parametrize(("found", "labels", "place", "label", "fired"), SHIPPED)
def test_the_shipped_policy_decides(shipped, found, labels, place, label, fired):
    item = item_at(place, tallies_of(found, SHORT), tuple(filter(None, [labels])))
    assert outcome(PolicyDecider(shipped).decide(item)) == (
        label,
        {RULES[x] for x in fired.split()},
    )


def test_every_rule_of_the_shipped_policy_fires_in_the_table(shipped):
    fired = {word for *_, words in SHIPPED for word in words.split()}
    assert {RULES[word] for word in fired} == {rule.name for rule in shipped.rules}


# --- places -------------------------------------------------------------------------------------

WHERE = """rules:
""" + "".join(
    f"  - {{id: aaaaaaaa-0000-0000-0000-0000000000{n:02}, name: {name}, severity: low, "
    f"conditions: {{sit: A}}, {more}}}\n"
    for n, (name, more) in enumerate(
        [
            ("any", "locations: [any]"),
            ("prompt", "locations: [prompt]"),
            ("response", "locations: [response]"),
            ("upload", "locations: [upload]"),
            ("vector", "locations: [vector-collection]"),
            ("dataset", "locations: [dataset]"),
            ("file", "locations: [file]"),
            ("copilot", "locations: [copilot]"),
            ("chatgpt", "locations: [chatgpt]"),
            ("claude", "locations: [claude]"),
            ("other", "locations: [other-ai-app]"),
            ("talk", "locations: [prompt, response]"),
            ("gpt-glob", "apps: {include: ['ChatGPT*']}"),
            ("not-gpt", "apps: {exclude: ['ChatGPT*']}"),
            ("jane", "users: {include: [jane*]}"),
            ("not-jane", "users: {exclude: [jane*]}"),
            ("hr", "assets: {include: ['*/hr/*']}"),
            ("not-hr", "assets: {exclude: ['*/hr/*']}"),
            ("gpt-prompt", "locations: [prompt], apps: {include: [ChatGPT]}"),
            ("per-record", "item: record"),
            ("per-asset", "item: asset"),
        ],
        1,
    )
)  # fmt: skip
ALWAYS = "any not-gpt not-jane not-hr"

PLACES = [
    # kind, level, roles, app, user, uri → rules beside (+) and without (-) those of ALWAYS
    ("chat_log", "record", "user", "Claude", None, "", "+ prompt claude talk per-record"),
    ("chat_log", "record", "assistant", "Claude", None, "", "+ response claude talk per-record"),
    ("chat_log", "record", "upload", "Claude", None, "", "+ upload claude per-record"),
    ("chat_log", "record", "tool", "Claude", None, "", "+ prompt claude talk per-record"),
    ("chat_log", "record", "", "Claude", None, "", "+ prompt claude talk per-record"),
    ("chat_log", "record", "user assistant", "Claude", None, "",
     "+ prompt response claude talk per-record"),
    ("chat_log", "record", "user", "Copilot", None, "", "+ prompt copilot talk per-record"),
    ("chat_log", "record", "user", "Gemini", None, "", "+ prompt other talk per-record"),
    ("chat_log", "record", "user", None, None, "", "+ prompt other talk per-record"),
    ("chat_log", "record", "user", "ChatGPT", None, "",
     "+ prompt chatgpt talk per-record gpt-glob gpt-prompt -not-gpt"),
    ("chat_log", "record", "user", "ChatGPT Team", None, "",
     "+ prompt chatgpt talk per-record gpt-glob -not-gpt"),
    ("chat_log", "record", "assistant", "ChatGPT", None, "",
     "+ response chatgpt talk per-record gpt-glob -not-gpt"),
    ("chat_log", "record", "user", "Claude", "jane@x", "",
     "+ prompt claude talk per-record jane -not-jane"),
    ("chat_log", "record", "user", "Claude", "JANE", "",
     "+ prompt claude talk per-record jane -not-jane"),
    ("chat_log", "record", "user", "Claude", "bob", "", "+ prompt claude talk per-record"),
    ("vector_collection", "record", "", None, None, "", "+ vector per-record"),
    ("vector_collection", "record", "user", None, None, "", "+ vector per-record"),
    ("vector_collection", "record", "", None, None, "x:///hr/a", "+ vector per-record hr -not-hr"),
    ("dataset", "asset", "", None, None, "", "+ dataset per-asset"),
    ("dataset", "asset", "user assistant", None, None, "", "+ dataset per-asset"),
    ("dataset", "asset", "", None, None, "x:///HR/a", "+ dataset per-asset hr -not-hr"),
    ("document", "asset", "", None, None, "", "+ file per-asset"),
    ("document", "asset", "", "Copilot", None, "", "+ file copilot per-asset"),
    ("stream", "asset", "", None, None, "", "+ prompt talk per-asset"),
    ("stream", "asset", "assistant", None, None, "", "+ response talk per-asset"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "level", "roles", "app", "user", "uri", "expected"), PLACES)
def test_rules_fire_where_they_apply(policy_of, kind, level, roles, app, user, uri, expected):
    words = set(ALWAYS.split()) | {word for word in expected.split() if word[0] not in "+-"}
    words -= {word[1:] for word in expected.split() if word[0] == "-"}
    asset = Asset(uri or "x:///a", kind, "test", item=level)
    sit = Tally("00000000-0000-0000-0000-000000000000", ((85, 1, 1),))
    item = Item(asset, level, "1", (sit,), "e", roles=tuple(roles.split()), app=app, actor_id=user)
    assert outcome(PolicyDecider(policy_of(WHERE)).decide(item))[1] == words


def test_the_app_of_the_asset_counts_where_the_item_names_none(policy_of):
    asset = Asset("x:///a", "chat_log", "test", app="ChatGPT")
    sit = Tally("00000000-0000-0000-0000-000000000000", ((85, 1, 1),))
    decider = PolicyDecider(policy_of(WHERE))
    fired = outcome(decider.decide(Item(asset, "record", "1", (sit,), "e", roles=("user",))))[1]
    assert "chatgpt" in fired
    fired = outcome(
        decider.decide(Item(asset, "record", "1", (sit,), "e", roles=("user",), app="Claude"))
    )[1]
    assert "claude" in fired
    assert "chatgpt" not in fired


@pytest.mark.parametrize(
    ("locations", "place", "named"),
    [
        ("[any]", "prompt", "prompt"),
        ("[any]", "vector", "vector-collection"),
        ("[other-ai-app, prompt]", "prompt", "prompt"),
        ("[any, other-ai-app]", "upload", "upload"),
        ("[other-ai-app]", "prompt", "other-ai-app"),
        ("[dataset, file]", "doc", "file"),
    ],
)
def test_a_violation_names_the_most_telling_location(policy_of, locations, place, named):
    policy = policy_of(rule_yaml("{sit: A}", f"locations: {locations}"))
    (fired,) = PolicyDecider(policy).decide(item_at(place, A1)).fired
    assert fired.location == named


# --- levels -------------------------------------------------------------------------------------


def rule_yaml(conditions, *more):
    head = "{id: aaaaaaaa-0000-0000-0000-000000000001, name: r, severity: high"
    return f"rules:\n  - {', '.join([head, f'conditions: {conditions}', *more])}}}\n"


A1 = (Tally("00000000-0000-0000-0000-000000000000", ((85, 1, 1),)),)


@pytest.mark.parametrize(
    ("kind", "own", "more", "levels"),
    [
        ("dataset", "asset", [], {"asset"}),
        ("dataset", "asset", ["item: asset"], {"asset"}),
        ("dataset", "asset", ["item: record"], {"asset", "record"}),
        ("dataset", "asset", ["item: record", "locations: [dataset]"], {"asset", "record"}),
        ("dataset", "asset", ["item: record", "locations: [prompt]"], {"asset"}),
        ("dataset", "asset", ["item: record", "locations: [file]"], {"asset"}),
        ("dataset", "asset", ["item: record", "assets: {include: [other]}"], {"asset"}),
        ("dataset", "asset", ["item: record", "assets: {include: ['x:*']}"], {"asset", "record"}),
        ("chat_log", "record", [], {"record"}),
        ("chat_log", "record", ["item: asset"], {"record", "asset"}),
        ("chat_log", "record", ["item: asset", "locations: [upload]"], {"record", "asset"}),
        ("chat_log", "record", ["item: asset", "locations: [claude]"], {"record", "asset"}),
        ("chat_log", "record", ["item: asset", "locations: [dataset]"], {"record"}),
        ("vector_collection", "record", ["item: asset", "locations: [vector-collection]"],
         {"record", "asset"}),
    ],
)  # fmt: skip
def test_the_levels_asked_for_are_those_some_rule_decides_on(policy_of, kind, own, more, levels):
    decider = PolicyDecider(policy_of(rule_yaml("{sit: A}", *more)))
    assert decider.levels(Asset("x:///a", kind, "test", item=own)) == levels


def test_a_rule_is_decided_once_and_on_its_own_level_only(policy_of):
    decider = PolicyDecider(policy_of(rule_yaml("{sit: A}", "item: record")))
    asset = Asset("x:///a", "dataset", "test", item="asset")
    assert decider.decide(Item(asset, "record", "1", A1, "e")).fired
    assert not decider.decide(Item(asset, "asset", "", A1, "e")).fired


# --- ceilings -----------------------------------------------------------------------------------

CEILING = "auto_labels: [{label: Confidential/Finance, conditions: {sit: A}}]\n"


@pytest.mark.parametrize(
    ("ceiling", "tallies", "labels", "fires"),
    [
        ("General", (), (), False),
        ("General", A1, (), True),
        ("Confidential/Finance", A1, (), False),
        ("Confidential/Personal Data", A1, (), True),
        ("Confidential", A1, (), False),
        ("Personal", A1, (), True),
        ("General", (), ("General",), False),
        ("General", (), ("Public",), False),
        ("General", (), ("Confidential",), True),
        ("Confidential", (), ("Confidential/Finance",), False),
        ("Confidential", (), ("Highly Confidential",), True),
        ("Highly Confidential", (), (CRED,), False),
        ("General", (), ("spam",), False),
        ("General", A1, ("Public",), True),
        ("Confidential", A1, (CRED,), True),
    ],
)
def test_a_ceiling_fires_when_a_label_called_for_or_carried_is_higher(
    policy_of, ceiling, tallies, labels, fires
):
    rule = rule_yaml("{sit: A}", f"ceiling: {ceiling}").replace("conditions: {sit: A}, ", "")
    decision = PolicyDecider(policy_of(CEILING + rule)).decide(item_at("vector", tallies, labels))
    assert bool(decision.fired) is fires
    assert all(rule.ceiling.name == ceiling for rule in decision.fired)


def test_a_ceiling_with_conditions_asks_for_both(policy_of):
    decider = PolicyDecider(policy_of(CEILING + rule_yaml("{sit: B}", "ceiling: General")))
    b1 = (Tally("00000000-0000-0000-0000-000000000001", ((85, 1, 1),)),)
    assert not decider.decide(item_at("vector", A1)).fired
    assert not decider.decide(item_at("vector", b1)).fired
    (fired,) = decider.decide(item_at("vector", A1 + b1)).fired
    assert fired.reason == (
        "Found B (1 unique, confidence 85); "
        "its content calls for Confidential/Finance, above the ceiling General."
    )


# --- what is said -------------------------------------------------------------------------------

CARDS = "Found Credit Card Number (%d unique, confidence 85)"
MANUAL = (f"MSIP_Label_{GENERAL}_Enabled=true", f"MSIP_Label_{GENERAL}_Method=Privileged")


@pytest.mark.parametrize(
    ("found", "labels", "reason"),
    [
        ("Card 85x2", (), CARDS % 2 + ", which calls for Confidential/Finance."),
        (
            "GitHub 85",
            (),
            "Whoever holds a credential gets in; found GitHub Personal Access Token (1 unique, "
            "confidence 85), which calls for Highly Confidential/Credentials.",
        ),
        (
            "Card 85",
            ("General",),
            CARDS % 1
            + ", which calls for Confidential/Finance; it carries General, which is lower.",
        ),
        (
            "Card 85",
            MANUAL,
            CARDS
            % 1
            + ", which calls for Confidential/Finance; it carries General, which is lower "
            "and was set by hand, so a person must raise it.",
        ),
        (
            "Card 85",
            (FIN,),
            "It carries Confidential/Finance already, as Credit Card Number (1 unique, confidence "
            "85) calls for.",
        ),
        (
            "Card 85",
            (HC,),
            "It carries Highly Confidential/All Employees, which is never lowered; Credit Card "
            "Number (1 unique, confidence 85) calls for Confidential/Finance only.",
        ),
        ("", (HC,), f"It carries {HC} and nothing found calls for a label."),
        (
            "",
            ("General", "odd"),
            "It carries General and nothing found calls for a label; it also carries labels this "
            "taxonomy does not know: 1 given by name.",
        ),
    ],
)
def test_a_recommendation_says_why_in_one_sentence(shipped, found, labels, reason):
    item = item_at("doc", tallies_of(found, SHORT), labels)
    assert PolicyDecider(shipped).decide(item).recommendation.reason == reason


@pytest.mark.parametrize(
    ("conditions", "labels", "reason", "sit_ids"),
    [
        ("{sit: A}", (), "Found A (1 unique, confidence 85).", [A1[0].sit_id]),
        ("{and: [{sit: A}, {not: {sit: B}}]}", (), "Found A (1 unique, confidence 85).",
         [A1[0].sit_id]),
        ("{not: {sit: B}}", (), "Nothing it excludes is present.", []),
        ("{label: General}", ("General",), "Found the label General.", []),
        ("{label: none}", (), "Found no label.", []),
        ("{label: unknown}", ("odd",),
         "Found labels this taxonomy does not know (1 given by name).", []),
    ],
)  # fmt: skip
def test_a_fired_rule_says_why_and_names_its_sits(policy_of, conditions, labels, reason, sit_ids):
    decider = PolicyDecider(policy_of(rule_yaml(conditions)))
    (fired,) = decider.decide(item_at("prompt", A1, labels)).fired
    assert (fired.reason, list(fired.sit_ids)) == (reason, sit_ids)


def test_a_decision_becomes_violations_with_both_labels(shipped):
    decider = PolicyDecider(shipped)
    item = item_at("vector", tallies_of("Card 85x2, Other 95", SHORT), ("General",))
    violations = violations_of(
        item, decider.decide(item), policy=decider.policy, pack=PackRef("p", "1", "h"), names={}
    )
    assert len(violations) == 2
    for one in violations:
        assert (one.recommended_label.name, one.existing_label.name) == (FIN, "General")
        assert [sit.id for sit in one.sits] == [SHORT["Card"]]
        assert one.policy.version.startswith("1+")


# --- laws ---------------------------------------------------------------------------------------

FOUND = st.dictionaries(
    st.sampled_from(sorted(SHORT.values())),
    st.dictionaries(st.sampled_from([65, 75, 85]), st.integers(1, 12), min_size=1),
    max_size=5,
)
PLACE = st.sampled_from(["prompt", "response", "upload", "vector", "data", "doc"])
CARRIED = st.lists(
    st.sampled_from(["General", FIN, PERS, HC, CRED, "Public", "Confidential", "odd", *MANUAL]),
    max_size=2,
    unique=True,
).map(tuple)


def as_tallies(found):
    return tuple(
        Tally(sit, tuple((conf, n, n) for conf, n in sorted(rows.items(), reverse=True)))
        for sit, rows in sorted(found.items())
    )


def merged(one, two):
    more = {sit: dict(rows) for sit, rows in one.items()}
    for sit, rows in two.items():
        for conf, n in rows.items():
            more.setdefault(sit, {})[conf] = more.get(sit, {}).get(conf, 0) + n
    return more


def shipped_policy(kept=[]):  # noqa: B006 - kept on purpose: hypothesis takes no fixtures
    if not kept:
        policy = load_policy(
            EXAMPLE_POLICY, taxonomy=TAXONOMY, sit_names={}, unknown_sits="warning"
        )
        kept.append(policy)
    return kept[0]


def priority(decision):
    return decision.recommendation.label.priority if decision.recommendation else -1


@settings(deadline=None)
@given(FOUND, FOUND, PLACE, CARRIED)
def test_more_findings_never_lower_the_label(found, more, place, labels):
    decider = PolicyDecider(shipped_policy())
    before = decider.decide(item_at(place, as_tallies(found), labels))
    after = decider.decide(item_at(place, as_tallies(merged(found, more)), labels))
    assert priority(before) <= priority(after)


LABELS = [label for label in TAXONOMY.labels if label.is_appliable]
AUTOS = st.lists(
    st.builds(
        lambda label, sits, low, floor: AutoLabel(
            TAXONOMY.ref(label),
            AnyOf(tuple(SitCondition(SitRef(sit, sit), low, None, floor) for sit in sits)),
        ),
        st.sampled_from(LABELS),
        st.lists(st.sampled_from(sorted(SHORT.values())), min_size=1, max_size=3),
        st.integers(1, 10),
        st.sampled_from([1, 66, 76]),
    ),
    max_size=5,
)


@settings(deadline=None)
@given(AUTOS, FOUND, FOUND, CARRIED)
def test_more_findings_never_lower_the_label_of_any_policy_without_not_or_maximum(
    autos, found, more, labels
):
    decider = PolicyDecider(Policy("p", "p", "1", TAXONOMY, tuple(autos)))
    before = decider.decide(item_at("doc", as_tallies(found), labels))
    after = decider.decide(item_at("doc", as_tallies(merged(found, more)), labels))
    assert priority(before) <= priority(after)


@settings(deadline=None)
@given(AUTOS, FOUND, CARRIED)
def test_the_label_is_the_highest_called_for_or_carried(autos, found, labels):
    policy = Policy("p", "p", "1", TAXONOMY, tuple(autos))
    decision = PolicyDecider(policy).decide(item_at("doc", as_tallies(found), labels))
    called = [
        auto.label.priority
        for auto in autos
        if any(
            sum(n for conf, n in found.get(leaf.sit.id, {}).items() if conf >= leaf.min_confidence)
            >= leaf.min_count
            for leaf in auto.conditions.parts
        )
    ]
    carried = [label.priority for text in labels if (label := TAXONOMY.find(text))]
    carried += [20] if set(labels) & set(MANUAL) else []
    assert priority(decision) == max([*called, *carried], default=-1)
    if decision.recommendation:
        existing = decision.recommendation.existing
        assert (existing.priority if existing else -1) == max(carried, default=-1)


@settings(deadline=None)
@given(FOUND, PLACE, CARRIED, st.randoms())
def test_the_order_of_rules_auto_labels_and_tallies_does_not_matter(found, place, labels, random):
    policy = shipped_policy()
    rules, autos, tallies = list(policy.rules), list(policy.auto_labels), list(as_tallies(found))
    for things in (rules, autos, tallies):
        random.shuffle(things)
    shuffled = replace(policy, rules=tuple(rules), auto_labels=tuple(autos))
    one = PolicyDecider(policy).decide(item_at(place, as_tallies(found), labels))
    two = PolicyDecider(shuffled).decide(item_at(place, tuple(tallies), labels))
    assert one.recommendation == two.recommendation
    assert set(one.fired) == set(two.fired)
    assert shuffled.digest() == policy.digest()


@settings(deadline=None)
@given(FOUND, PLACE, CARRIED)
def test_simulation_decides_as_enforcement_does(found, place, labels):
    item = item_at(place, as_tallies(found), labels)
    enforced = PolicyDecider(shipped_policy()).decide(item)
    simulated = PolicyDecider(replace(shipped_policy(), mode="simulate")).decide(item)
    assert {rule.mode for rule in simulated.fired} <= {"simulate"}
    assert {rule.mode for rule in enforced.fired} <= {"enforce"}
    as_enforced = tuple(replace(rule, mode="enforce") for rule in simulated.fired)
    assert (simulated.recommendation, as_enforced) == (enforced.recommendation, enforced.fired)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(FOUND, PLACE, CARRIED), max_size=4))
def test_what_was_decided_before_does_not_matter(cases):
    """The decider keeps decisions to save time; a fresh one must say the same, item by item."""
    used = PolicyDecider(shipped_policy())
    items = [item_at(place, as_tallies(found), labels) for found, place, labels in cases]
    for item in [*items, *reversed(items)]:
        assert used.decide(item) == PolicyDecider(shipped_policy()).decide(item)


def test_nothing_an_item_differs_in_is_confused_with_another(policy_of):
    """One decider over every place, user and app in turn: the kept decisions must not leak."""
    decider = PolicyDecider(policy_of(WHERE))
    for _ in range(2):
        for case in PLACES:
            kind, level, roles, app, user, uri, _ = case
            asset = Asset(uri or "x:///a", kind, "test", item=level)
            item = Item(
                asset, level, "1", A1, "e", roles=tuple(roles.split()), app=app, actor_id=user
            )
            assert decider.decide(item) == PolicyDecider(policy_of(WHERE)).decide(item)


def test_what_is_kept_stays_bounded(policy_of):
    decider = PolicyDecider(policy_of(rule_yaml("{sit: A}")))
    for n in range(10_000):
        item = item_at("vector", A1, (f"label {n}",), asset=Asset(f"x:///{n}", "dataset", "t"))
        decider.decide(item)
    assert max(map(len, (decider._at, decider._labels, decider._decided))) <= 4096


def test_a_decider_can_be_sent_to_another_process(shipped):
    decider = PolicyDecider(shipped)
    copy = pickle.loads(pickle.dumps(decider))  # noqa: S301 - our own bytes
    item = item_at("prompt", tallies_of("Card 85", SHORT), ("General",))
    assert copy.policy == decider.policy
    assert copy.decide(item) == decider.decide(item)


def test_it_is_a_decider(shipped):
    decider: Decider = PolicyDecider(shipped)
    assert decider.policy == shipped.ref()
