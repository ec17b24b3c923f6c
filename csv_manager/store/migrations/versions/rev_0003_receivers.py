"""Why a receiver could not be told, and which processes only check."""

import sqlalchemy as sa

from csv_manager.store.migrations import steps

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    steps.add_columns("csv_receivers", sa.Column("error", sa.Text), sa.Column("failed", steps.TIME))
    steps.add_columns("csv_services", sa.Column("once", sa.Boolean))
