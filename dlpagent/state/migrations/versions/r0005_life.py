"""Violations with a life, what records were, and the register.

Revision ID: 0005
"""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_PAGE = 1_000


def _serial() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add violation_history, exemptions, record_facts, inventory; columns; statuses in new words."""
    op.add_column("assets", sa.Column("entry_id", sa.Text(), nullable=True))
    op.create_index(op.f("ix_assets_entry_id"), "assets", ["entry_id"], unique=False)
    op.add_column("events", sa.Column("change", sa.Text(), nullable=True))
    op.add_column(
        "violations", sa.Column("policy_id", sa.Text(), server_default="", nullable=False)
    )
    op.create_index(op.f("ix_violations_status"), "violations", ["status"], unique=False)
    op.create_table(
        "violation_history",
        sa.Column("seq", _serial(), autoincrement=True, nullable=False),
        sa.Column("violation_id", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["violation_id"],
            ["violations.violation_id"],
            name=op.f("fk_violation_history_violation_id"),
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_violation_history")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_violation_history_violation_id_seq"),
        "violation_history",
        ["violation_id", "seq"],
        unique=False,
    )
    op.create_index(op.f("ix_violation_history_at"), "violation_history", ["at"], unique=False)
    op.create_table(
        "exemptions",
        sa.Column("seq", _serial(), autoincrement=True, nullable=False),
        sa.Column("violation_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("justification", sa.Text(), nullable=False),
        sa.Column("covers", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["violation_id"], ["violations.violation_id"], name=op.f("fk_exemptions_violation_id")
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_exemptions")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_exemptions_violation_id"), "exemptions", ["violation_id"], unique=False
    )
    op.create_table(
        "record_facts",
        sa.Column("run_asset", _serial(), autoincrement=False, nullable=False),
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_asset"],
            ["run_assets.seq"],
            name=op.f("fk_record_facts_run_asset"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("run_asset", "record_id", name=op.f("pk_record_facts")),
    )
    op.create_table(
        "inventory",
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), server_default="", nullable=False),
        sa.Column("purpose", sa.Text(), server_default="", nullable=False),
        sa.Column("first_seen", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Text(), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.Column("retired_at", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_inventory")),
    )
    _carry_over()


def _carry_over() -> None:
    """Every violation was "open" until now; which policy it is of stood in its body only."""
    connection = op.get_bind()
    violations = sa.table(
        "violations",
        *(sa.column(name) for name in ("violation_id", "status", "policy_id", "body")),
        sa.column("first_run"),
        sa.column("last_run"),
    )
    seen_once = violations.c.first_run == violations.c.last_run
    connection.execute(
        sa.update(violations)
        .where(violations.c.status == "open")
        .values(status=sa.case((seen_once, "new"), else_="repeated"))
    )
    after = ""
    while True:
        rows = connection.execute(
            sa.select(violations.c.violation_id, violations.c.body)
            .where(violations.c.violation_id > after)
            .order_by(violations.c.violation_id)
            .limit(_PAGE)
        ).all()
        if not rows:
            return
        connection.execute(
            sa.update(violations)
            .where(violations.c.violation_id == sa.bindparam("ident"))
            .values(policy_id=sa.bindparam("policy")),
            [{"ident": ident, "policy": json.loads(body)["policy"]["id"]} for ident, body in rows],
        )
        after = rows[-1].violation_id
