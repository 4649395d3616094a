"""Which readings keep the facts of their records.

Revision ID: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add run_assets.facts_kept; readings until now kept none."""
    op.add_column(
        "run_assets",
        sa.Column("facts_kept", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
