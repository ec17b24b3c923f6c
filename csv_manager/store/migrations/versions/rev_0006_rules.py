"""The rules of watchers, what they found in versions, and who let a held one through."""

import sqlalchemy as sa

from csv_manager.store.migrations import steps

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table, and the columns of versions."""
    steps.create_table(
        "csv_rule_sets",
        sa.Column("uuid", sa.String(32), primary_key=True),
        sa.Column("watcher_id", sa.Integer, nullable=False),
        sa.Column("watcher_path", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("content", sa.JSON, nullable=False),
        sa.Column("created", steps.TIME, nullable=False),
        sa.Column("user", sa.String(255), nullable=False),
    )
    steps.create_index("ix_csv_rule_sets_watcher_id", "csv_rule_sets", ["watcher_id", "number"], unique=True)
    steps.add_columns(
        "csv_versions",
        sa.Column("rule_set", sa.String(32)),
        sa.Column("checks", sa.JSON),
        sa.Column("bad_rows", sa.BigInteger),
        sa.Column("decided", steps.TIME),
        sa.Column("decided_by", sa.String(255)),
    )
