"""Folders and globs as feeds, series, links, and what a service tells of itself."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    """Add the columns and tables."""
    with op.batch_alter_table("csv_files") as batch:
        batch.add_column(sa.Column("feed_id", sa.Integer))
        batch.add_column(sa.Column("link", sa.Text))
        batch.create_index("ix_csv_files_feed_id", ["feed_id"])
    with op.batch_alter_table("csv_versions") as batch:
        batch.alter_column("cause", existing_type=sa.String(64), existing_nullable=False, type_=sa.Text)
    with op.batch_alter_table("csv_services") as batch:
        batch.add_column(sa.Column("files", sa.Integer))
        batch.add_column(sa.Column("overflows", sa.Integer))
    op.execute("INSERT INTO csv_counters (name, value) SELECT 'watchers', COALESCE(MAX(revision), 0) FROM csv_watchers")
    op.create_table(
        "csv_folders",
        sa.Column("path_sha", sa.String(64), primary_key=True),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("last_check", _TIME, nullable=False),
        sa.Column("polled", sa.Text),
        sa.Column("reason", sa.Text),
    )
    op.create_table(
        "csv_series",
        sa.Column("file_id", sa.Integer, sa.ForeignKey("csv_files.id"), primary_key=True),
        sa.Column("path_sha", sa.String(64), primary_key=True),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("signature", sa.String(128), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_index("ix_csv_series_version", "csv_series", ["file_id", "version"])
