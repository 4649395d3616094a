"""The tables of the state. No column holds a raw value: a finding keeps place, mask and key.

A change here needs a new file in migrations/versions and its revision in migrate.REVISIONS; a test
compares these tables with what the migrations build.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.types import TypeEngine

from dlpagent.state.types import Json, SourceText

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows itself only in a column declared INTEGER.
Serial: TypeEngine[int] = BigInteger().with_variant(Integer, "sqlite")


def _serial() -> Column[int]:
    """Row number in the order of insertion; never used twice."""
    return Column("seq", Serial, primary_key=True, autoincrement=True)


def _run_asset() -> Column[int]:
    return Column(
        "run_asset", Serial, ForeignKey("run_assets.seq", ondelete="CASCADE"), nullable=False
    )


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


def _tally(name: str) -> Column[object]:
    return Column(name, Json, nullable=False, server_default="{}")


runs = Table(
    "runs",
    metadata,
    _serial(),
    Column("run_id", Text, nullable=False, unique=True),
    Column("job", SourceText, nullable=False),
    Column("command", SourceText, nullable=False),
    Column("status", Text, nullable=False),
    Column("started_at", Text, nullable=False),
    Column("ended_at", Text),
    Column("pack_id", Text, nullable=False),
    Column("pack_version", Text, nullable=False),
    Column("pack_hash", Text, nullable=False),
    Column("policy_id", Text),
    Column("policy_name", SourceText),
    Column("policy_version", Text),
    Column("config_hash", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("process", Text, nullable=False),
    _tally("totals"),
    sqlite_autoincrement=True,
)

assets = Table(
    "assets",
    metadata,
    Column("asset_id", Text, primary_key=True),
    Column("uri", SourceText, nullable=False),
    Column("kind", Text, nullable=False),
    Column("connector", Text, nullable=False),
    Column("item", Text, nullable=False),
    Column("app", SourceText),
    Column("first_seen", Text, nullable=False),
    Column("last_seen", Text, nullable=False),
    Column("entry_id", Text),
    Index(None, "entry_id"),
)
"""entry_id: what it belongs to in the register (`inventory`); None until it is next met."""

run_assets = Table(
    "run_assets",
    metadata,
    _serial(),
    Column("run_id", Text, ForeignKey("runs.run_id"), nullable=False),
    Column("asset_id", Text, ForeignKey("assets.asset_id"), nullable=False),
    Column("status", Text, nullable=False),
    Column("change_key", SourceText),
    Column("checkpoint", Text),
    _count("commits"),
    _count("records"),
    _count("parts"),
    _count("chars"),
    _count("bytes_read"),
    _count("findings"),
    _count("tail"),
    _count("problems"),
    _tally("levels"),
    _tally("sits"),
    _tally("statuses"),
    _tally("labels"),
    _tally("carried"),
    _tally("roles"),
    Column("recommended_label", Json),
    Column("started_at", Text),
    Column("ended_at", Text),
    Column("error", SourceText),
    Column("pruned", Boolean, nullable=False, server_default=false()),
    Column("facts_kept", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("run_id", "asset_id"),
    Index(None, "asset_id"),
    sqlite_autoincrement=True,
)
"""tail: how many findings of this run-asset lie in rows of `findings`; the rest lie in segments.
facts_kept: its records' facts are in `record_facts` (runs of older versions kept none).
labels: recommended label → items; carried: label already there → records; roles: role → parts."""

leases = Table(
    "leases",
    metadata,
    Column("asset_id", Text, ForeignKey("assets.asset_id"), primary_key=True),
    Column("run_id", Text, ForeignKey("runs.run_id"), nullable=False),
    Column("token", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("process", Text, nullable=False),
    Column("acquired_at", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
)

findings = Table(
    "findings",
    metadata,
    _serial(),
    _run_asset(),
    Column("record_id", SourceText, nullable=False),
    Column("part", SourceText, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("end", BigInteger, nullable=False),
    Column("sit_id", Text, nullable=False),
    Column("confidence", SmallInteger, nullable=False),
    Column("pattern", SmallInteger, nullable=False),
    Column("masked", SourceText, nullable=False),
    Column("key", Text, nullable=False),
    Column("locator_file", SourceText),
    Column("locator_offset", BigInteger),
    Column("locator_row_group", Integer),
    Column("locator_row", BigInteger),
    Index(None, "run_asset", "seq"),
    sqlite_autoincrement=True,
)

finding_segments = Table(
    "finding_segments",
    metadata,
    _serial(),
    _run_asset(),
    Column("file", Text, nullable=False, unique=True),
    Column("rows", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("created_at", Text, nullable=False),
    Index(None, "run_asset", "seq"),
    sqlite_autoincrement=True,
)
"""file: name inside the findings directory. A run-asset's segments come before its rows."""

problems = Table(
    "problems",
    metadata,
    _serial(),
    _run_asset(),
    Column("record_id", SourceText, nullable=False),
    Column("part", SourceText, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", SourceText, nullable=False),
    Column("sit_id", Text),
    Column("locator", Json, nullable=False),
    Index(None, "run_asset", "seq"),
    sqlite_autoincrement=True,
)

record_facts = Table(
    "record_facts",
    metadata,
    Column(
        "run_asset",
        Serial,
        ForeignKey("run_assets.seq", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("record_id", SourceText, primary_key=True),
    Column("facts", Json, nullable=False),
)
"""Who and what a record was, of those that were decided on: roles, labels, actor, app. Records that
say nothing beyond their asset have no row."""

violations = Table(
    "violations",
    metadata,
    Column("violation_id", Text, primary_key=True),
    Column("asset_id", Text, ForeignKey("assets.asset_id"), nullable=False),
    Column("record_id", SourceText, nullable=False),
    Column("status", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("rule_id", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("first_seen", Text, nullable=False),
    Column("last_seen", Text, nullable=False),
    Column("first_run", Text, nullable=False),
    Column("last_run", Text, nullable=False),
    Column("body", Json, nullable=False),
    Column("policy_id", Text, nullable=False, server_default=""),
    Index(None, "asset_id"),
    Index(None, "status"),
)
"""event_id names what is true of the item (evidence, versions), whatever became of the violation."""

violation_history = Table(
    "violation_history",
    metadata,
    _serial(),
    Column("violation_id", Text, ForeignKey("violations.violation_id"), nullable=False),
    Column("at", Text, nullable=False),
    Column("actor", SourceText, nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("reason", SourceText, nullable=False),
    Column("run_id", Text),
    Index(None, "violation_id", "seq"),
    Index(None, "at"),
    sqlite_autoincrement=True,
)
"""A step in the life of a violation; before is "" for the first. run_id: of steps a sweep made."""

exemptions = Table(
    "exemptions",
    metadata,
    _serial(),
    Column("violation_id", Text, ForeignKey("violations.violation_id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("actor", SourceText, nullable=False),
    Column("at", Text, nullable=False),
    Column("justification", SourceText, nullable=False),
    Column("covers", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("expires_at", Text),
    Column("ended_at", Text),
    Index(None, "violation_id"),
    sqlite_autoincrement=True,
)
"""What a person said of a violation: overridden or false_positive. It holds while ended_at is None."""

events = Table(
    "events",
    metadata,
    Column("event_id", Text, primary_key=True),
    Column("violation_id", Text, ForeignKey("violations.violation_id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("body", Json, nullable=False),
    Column("change", Json),
    Index(None, "violation_id"),
)
"""body: the violation as it was; `violations` holds the newest one."""

outbox = Table(
    "outbox",
    metadata,
    _serial(),
    Column("event_id", Text, ForeignKey("events.event_id"), nullable=False),
    Column("sink", Text, nullable=False),
    Column("violation_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    _count("attempts"),
    Column("next_attempt_at", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("sent_at", Text),
    Column("last_error", SourceText),
    Column("receipt", SourceText),
    UniqueConstraint("event_id", "sink"),
    Index(None, "sink", "status", "seq"),
    Index(None, "violation_id", "sink", "status", "seq"),
    sqlite_autoincrement=True,
)

sinks = Table(
    "sinks",
    metadata,
    Column("sink", Text, primary_key=True),
    Column("token", Text),
    Column("host", Text),
    Column("pid", BigInteger),
    Column("process", Text),
    Column("acquired_at", Text),
    Column("expires_at", Text),
    _count("failures"),
    Column("retry_at", Text),
    Column("last_error", SourceText),
)
"""Who drains a sink now, and since when it cannot be reached at all."""

meta = Table(
    "meta",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Json, nullable=False),
)

acts = Table(
    "acts",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("act", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("seal", Text, nullable=False),
)
"""The audit log (dlpagent.state.audit); plain text throughout, as it is hashed. Rows are only added."""

audit_head = Table(
    "audit_head",
    metadata,
    Column("name", Text, primary_key=True),
    Column("acts", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("seal", Text, nullable=False),
)
"""One row, `head`: how long the audit log is and its newest hash, sealed."""

receipts = Table(
    "receipts",
    metadata,
    _serial(),
    Column("at", Text, nullable=False),
    Column("actor", SourceText, nullable=False),
    Column("asset_id", Text, nullable=False),
    Column("asset_uri", SourceText, nullable=False),
    Column("record_id", SourceText, nullable=False),
    Column("action", Text, nullable=False),
    Column("hash_seen", Text, nullable=False),
    Column("details", Json, nullable=False),
    Index(None, "asset_id", "record_id"),
    sqlite_autoincrement=True,
)
"""What was done to a record (or, with an empty record_id, to a whole asset): a proof of remediation."""

verdicts = Table(
    "verdicts",
    metadata,
    Column("verdict_id", Text, primary_key=True),
    Column("key", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("sit_id", Text, nullable=False),
    Column("sit_name", SourceText, nullable=False),
    Column("scope", SourceText, nullable=False),
    Column("ruling", Text, nullable=False),
    Column("reason", SourceText, nullable=False),
    Column("owner", SourceText, nullable=False),
    Column("masked", SourceText, nullable=False),
    Column("actor", SourceText, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
    Column("expires_at", Text),
    Column("former_key", Text, nullable=False),
    Index(None, "key"),
)
"""What was decided on a value (key, under the evidence key named key_id), for a SIT, in a scope.

former_key: the key of the same value in the verdict this one was made from when keys were rotated.
"""

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("name", SourceText, nullable=False),
    Column("role", Text, nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("created_by", SourceText, nullable=False),
    Column("expires_at", Text),
    Column("revoked_at", Text),
    Column("revoked_by", SourceText),
)
"""Keys of the service, by keyed digest; see dlpagent.state.key_rows."""

inventory = Table(
    "inventory",
    metadata,
    Column("entry_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", SourceText, nullable=False),
    Column("state", Text, nullable=False),
    Column("owner", SourceText, nullable=False, server_default=""),
    Column("purpose", SourceText, nullable=False, server_default=""),
    Column("first_seen", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
    Column("updated_by", SourceText, nullable=False),
    Column("retired_at", Text),
)
"""The register: AI apps, stores, datasets and packs, made by sweeps, kept by people."""
