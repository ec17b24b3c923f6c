"""Folders and globs as feeds, series, links, and what a service tells of itself."""

import sqlalchemy as sa
from alembic import op

from csv_manager.store.migrations import steps

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and tables."""
    steps.add_columns("csv_files", sa.Column("feed_id", sa.Integer), sa.Column("link", sa.Text))
    steps.create_index("ix_csv_files_feed_id", "csv_files", ["feed_id"])
    with op.batch_alter_table("csv_versions") as batch:
        batch.alter_column("cause", existing_type=sa.String(64), existing_nullable=False, type_=sa.Text)
    steps.add_columns("csv_services", sa.Column("files", sa.Integer), sa.Column("overflows", sa.Integer))
    steps.add_counter("watchers", "COALESCE(MAX(revision), 0) FROM csv_watchers")
    steps.create_table(
        "csv_folders",
        sa.Column("path_sha", sa.String(64), primary_key=True),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("last_check", steps.TIME, nullable=False),
        sa.Column("polled", sa.Text),
        sa.Column("reason", sa.Text),
    )
    steps.create_table(
        "csv_series",
        sa.Column("file_id", sa.Integer, sa.ForeignKey("csv_files.id"), primary_key=True),
        sa.Column("path_sha", sa.String(64), primary_key=True),
        sa.Column("path", steps.PATH, nullable=False),
        sa.Column("signature", sa.String(128), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    steps.create_index("ix_csv_series_version", "csv_series", ["file_id", "version"])
