"""Targets, and how far they are with their files."""

import sqlalchemy as sa

from csv_manager.store.migrations import steps

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables."""
    steps.create_table(
        "csv_targets",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("watcher_id", sa.Integer, nullable=False),
        sa.Column("watcher_path", sa.Text, nullable=False),
        sa.Column("database", sa.Text, nullable=False),
        sa.Column("schema_name", sa.String(255)),
        sa.Column("table_name", sa.String(255), nullable=False),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("created", steps.TIME, nullable=False),
    )
    steps.create_index("ix_csv_targets_watcher_id", "csv_targets", ["watcher_id"])
    steps.create_table(
        "csv_target_files",
        sa.Column("target_id", sa.String(32), sa.ForeignKey("csv_targets.id"), primary_key=True),
        sa.Column("file_id", sa.Integer, sa.ForeignKey("csv_files.id"), primary_key=True),
        sa.Column("version", sa.Integer),
        sa.Column("pinned", sa.Integer),
        sa.Column("rows", sa.BigInteger),
        sa.Column("synced", steps.TIME),
        sa.Column("error", sa.Text),
        sa.Column("failed", steps.TIME),
        sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("left_out", sa.Text),
    )
