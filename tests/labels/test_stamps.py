"""Labels read from the `labels` column in every form sources deliver."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlpagent.labels.stamps import NO_STAMPS, read_stamps
from dlpagent.labels.taxonomy_files import load_taxonomy, parse_taxonomy

GENERAL = "2b36f8dc-3837-52f5-bb6b-f6e2aa80ad1e"
FINANCE = "d80da12c-d7fa-589a-8771-350d2af14a9e"
OURS, THEIRS = "99999999-0000-0000-0000-000000000001", "99999999-0000-0000-0000-000000000002"
FOREIGN = "12345678-0000-0000-0000-000000000000"


@pytest.fixture(scope="module")
def tenant_labels():
    text = f"tenant: {OURS}\nlabels:\n  - {{id: {GENERAL}, name: General, priority: 20}}\n"
    return parse_taxonomy(text, "t.yaml")


def stamp(guid, **properties):
    return [f"MSIP_Label_{guid}_{key}={value}" for key, value in properties.items()]


CASES = [
    ([], [], 0),
    ([""], [], 0),
    (["  "], [], 0),
    ([GENERAL], ["General"], 0),
    (["{" + GENERAL.upper() + "}"], ["General"], 0),
    (["General"], ["General"], 0),
    (["confidential / finance"], ["Confidential/Finance"], 0),
    (["Confidential \\ Finance"], ["Confidential/Finance"], 0),
    (["Finance", "General"], ["Confidential/Finance", "General"], 0),
    (["Confidential"], ["Confidential"], 0),
    (["All Employees"], [], 1),
    (["spam"], [], 1),
    (["spam", "ham", "SPAM "], [], 2),
    ([FOREIGN], [], 1),
    (stamp(GENERAL, Enabled="true"), ["General"], 0),
    (stamp(GENERAL, Enabled="True"), ["General"], 0),
    (stamp(GENERAL, Enabled="1"), ["General"], 0),
    (stamp(GENERAL, Enabled="false"), [], 0),
    (stamp(GENERAL, Enabled="False", SiteId=OURS, Method="Privileged"), [], 0),
    (stamp(GENERAL, Enabled="0"), [], 0),
    (stamp(GENERAL, SiteId=OURS), ["General"], 0),
    ([f"MSIP_Label_{GENERAL}_Enabled"], ["General"], 0),
    ([f"msip_label_{GENERAL.upper()}_enabled: TRUE"], ["General"], 0),
    ([f"MSIP_Label_{GENERAL}_Enabled=true; MSIP_Label_{FINANCE}_Enabled=true;"],
     ["Confidential/Finance", "General"], 0),
    ([f"MSIP_Label_{GENERAL}_Enabled=true;\r\n MSIP_Label_{GENERAL}_SiteId={OURS};"],
     ["General"], 0),
    ([f'"MSIP_Label_{GENERAL}_Enabled": "true"'], ["General"], 0),
    (stamp(FINANCE, Enabled="false") + stamp(GENERAL, Enabled="true"), ["General"], 0),
    (stamp(GENERAL, Enabled="true") + stamp(GENERAL, Enabled="false"), ["General"], 0),
    (stamp(FOREIGN, Enabled="true", Name="Secret"), [], 1),
    (stamp(FOREIGN, Enabled="false"), [], 0),
    (["MSIP_Label_short_Enabled=true"], [], 1),
]  # fmt: skip


@pytest.mark.parametrize(("values", "known", "unknown"), CASES)
def test_labels_are_read_from_every_form(taxonomy, values, known, unknown):
    stamps = read_stamps(values, taxonomy)
    assert [one.label.name for one in stamps.known] == known
    assert len(stamps.unknown) == unknown


@pytest.mark.parametrize(
    ("method", "read"), [("Privileged", "manual"), ("Standard", "automatic"), ("odd", "")]
)
def test_the_method_says_who_set_the_label(taxonomy, method, read):
    stamps = read_stamps(stamp(GENERAL, Enabled="true", Method=method), taxonomy)
    assert stamps.highest.method == read


def test_a_label_set_by_hand_in_one_part_counts_as_set_by_hand(taxonomy):
    values = stamp(GENERAL, Method="Standard") + stamp(GENERAL, Method="Privileged") + [GENERAL]
    assert read_stamps(values, taxonomy).highest.method == "manual"


@pytest.mark.parametrize(
    ("site", "known"), [(OURS, True), (OURS.upper(), True), (THEIRS, False), ("odd", True)]
)
def test_a_label_stamped_by_another_tenant_is_unknown_even_with_our_guid(
    tenant_labels, site, known
):
    stamps = read_stamps(stamp(GENERAL, Enabled="true", SiteId=site), tenant_labels)
    assert bool(stamps.known) is known
    assert bool(stamps.unknown) is not known


def test_an_unknown_label_keeps_guid_and_tenant(tenant_labels):
    stamps = read_stamps(stamp(FOREIGN, Enabled="true", SiteId=THEIRS), tenant_labels)
    assert (stamps.unknown[0].id, stamps.unknown[0].tenant) == (FOREIGN, THEIRS)
    assert stamps.unknown_text() == FOREIGN


def test_unknown_names_are_counted_but_never_shown(taxonomy):
    stamps = read_stamps(["4111 1111 1111 1111", "jane@example.com", FOREIGN], taxonomy)
    assert stamps.unknown_text() == f"{FOREIGN}, 2 given by name"
    assert "4111" not in repr(stamps)
    assert "jane" not in repr(stamps)


def test_no_unknown_labels_are_no_words():
    assert NO_STAMPS.unknown_text() == ""
    assert NO_STAMPS.highest is None


VALUES = st.lists(
    st.one_of(
        st.sampled_from([value for values, _, _ in CASES for value in values]),
        st.text(max_size=60),
    ),
    max_size=6,
)


@settings(deadline=None)
@given(VALUES, st.randoms())
def test_order_and_repeats_of_values_do_not_matter(values, random):
    taxonomy = load_taxonomy_once()
    shuffled = [*values, *values]
    random.shuffle(shuffled)
    assert read_stamps(values, taxonomy) == read_stamps(shuffled, taxonomy)


def load_taxonomy_once(kept=[]):  # noqa: B006 - kept on purpose: hypothesis takes no fixtures
    if not kept:
        kept.append(load_taxonomy())
    return kept[0]
