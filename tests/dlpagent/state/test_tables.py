"""No raw value has a place in the state."""

from __future__ import annotations

from dlpagent.findings import FINDING_SCHEMA
from dlpagent.records import RECORD_SCHEMA
from dlpagent.state import Finish, PartProblem
from dlpagent.state.tables import findings, metadata

CANARY = "4111-1111-1111-1111"


def test_findings_have_the_columns_of_their_schema_and_two_of_bookkeeping():
    names = [column.name for column in findings.columns]
    assert names == ["seq", "run_asset", *FINDING_SCHEMA.names]


def test_no_table_has_a_column_for_what_a_record_says():
    columns = {column.name for table in metadata.tables.values() for column in table.columns}
    said = {"text", "context", "metadata", "attachments", "vector", "value", "content", "snippet"}
    assert said & set(RECORD_SCHEMA.names)
    assert columns & said == {"value"}
    assert [table.name for table in metadata.tables.values() if "value" in table.columns] == [
        "meta"
    ]


def test_a_value_that_was_scanned_is_in_no_file_of_the_state(sqlite_place, some, clock):
    from dlpagent.evidence import Evidence, masked
    from dlpagent.findings import PackRef
    from dlpagent.state import open_state

    key = Evidence(b"k" * 32).key(CANARY)
    rows = some.findings(30, masked=masked(CANARY, "number"), key=key)
    with open_state(sqlite_place.url, clock=clock, segment_rows=20) as state:
        run_id = state.begin_run(job="j", command="scan", pack=PackRef("p", "1", "h"))
        lease = state.claim(run_id, some.asset())
        problem = PartProblem("r", "p", "unread", "broken")
        some.commit(state, lease, None, 1, findings=rows, problems=(problem,))
        some.commit(state, lease, 1, 2, findings=rows.slice(0, 5), finish=Finish("done"))
        files = [path for path in sqlite_place.folder.parent.rglob("*") if path.is_file()]
        assert any(path.suffix == ".parquet" for path in files)
        held = b"".join(path.read_bytes() for path in files)
    assert key.encode() in held  # the evidence is there,
    for form in (CANARY, CANARY.replace("-", "")):
        assert form.encode() not in held  # the value is not
