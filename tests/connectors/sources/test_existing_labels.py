"""Labels records already carry."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from dlpagent.connectors.sources._existing_labels import labels_of, may_hold_labels

ONE = "2096f6a2-d2f7-48be-b329-b73aaa526e5d"
TWO = "87867195-f2b8-4ac2-b0b6-6bb73cb33afc"
STAMP = f"MSIP_Label_{ONE}"


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({f"MSIP_Label_{ONE}_Enabled": "true"}, [ONE]),
        ({f"MSIP_Label_{ONE.upper()}_Enabled": True}, [ONE]),
        ({f"MSIP_Label_{ONE}_Name": "Secret"}, [ONE]),
        ({f"MSIP_Label_{ONE}_Enabled": "False", f"MSIP_Label_{ONE}_Name": "Secret"}, None),
        ({f"MSIP_Label_{ONE}_Enabled": None}, None),
        ({"metadata": {f"MSIP_Label_{ONE}_Enabled": "true"}}, [ONE]),
        (
            {"msip_labels": f"MSIP_Label_{ONE}_Enabled=True; MSIP_Label_{ONE}_SiteId={TWO};"},
            [f"{STAMP}_Enabled=true;{STAMP}_SiteId={TWO}"],
        ),
        (
            {f"{STAMP}_Enabled": "true", f"{STAMP}_Method": "Privileged", f"{STAMP}_SetDate": "x"},
            [f"{STAMP}_Enabled=true;{STAMP}_Method=Privileged"],
        ),
        (
            {f"{STAMP}_Method": "4111 1111 1111 1111", f"{STAMP}_SiteId": "4111 1111 1111 1111"},
            [ONE],
        ),
        (
            {"sensitivityLabel": {"id": ONE, "assignmentMethod": "auto", "tenantId": TWO}},
            [f"{STAMP}_Enabled=true;{STAMP}_SiteId={TWO};{STAMP}_Method=Standard"],
        ),
        (
            {"sensitivity_label": {"name": "Secret", "method": "manual"}},
            ["Secret"],
        ),
        (
            {"sensitivity_label": ONE, "meta": {"msip_labels": f"{STAMP}_Method=Privileged"}},
            [f"{STAMP}_Enabled=true;{STAMP}_Method=Privileged"],
        ),
        ({"msip_labels": f"MSIP_Label_{ONE}_Enabled=false;MSIP_Label_{TWO}_Enabled=true"}, [TWO]),
        ({"sensitivity_label": "Confidential"}, ["Confidential"]),
        ({"sensitivityLabelId": ONE.upper()}, [ONE]),
        ({"sensitivityLabel": {"id": ONE, "displayName": "Secret"}}, [ONE]),
        ({"Sensitivity-Labels": ["A", "B", "A"]}, ["A", "B"]),
        ({"sensitivity_label": ""}, None),
        ({"sensitivity_label": None}, None),
        ({"label": "positive", "labels": ["x"]}, None),
        ({"text": f"MSIP_Label_{ONE}_Enabled"}, None),
    ],
)
def test_labels_are_found_in_the_fields_purview_writes(
    record: dict[str, Any], expected: list[str] | None
) -> None:
    assert labels_of(record) == expected


def test_hostile_records_give_a_bounded_answer() -> None:
    deep: dict[str, Any] = {}
    for _ in range(2000):
        deep = {"m": deep}
    assert labels_of(deep) is None
    assert len(labels_of({"sensitivity_labels": [f"l{n}" for n in range(999)]}) or ()) == 20
    assert len((labels_of({"sensitivity_label": "x" * 9999}) or [""])[0]) == 200


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (pa.field("sensitivity_label", pa.string()), True),
        (pa.field(f"MSIP_Label_{ONE}_Enabled", pa.string()), True),
        (pa.field("meta", pa.struct([("msip_labels", pa.string())])), True),
        (pa.field("meta", pa.struct([("x", pa.string())])), False),
        (pa.field("meta", pa.map_(pa.string(), pa.string())), True),
        (pa.field("label", pa.int64()), False),
    ],
)
def test_columns_that_can_hold_labels_are_known_from_the_schema(
    field: pa.Field, expected: bool
) -> None:
    assert may_hold_labels(field) is expected
