"""The rows that versions were recorded without, and what is left of their contents."""

import sqlalchemy as sa

from csv_manager.store.migrations import steps

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table, and the columns of versions."""
    steps.create_table(
        "csv_quarantine",
        sa.Column("file_id", sa.Integer, sa.ForeignKey("csv_files.id"), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("line", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("row_cells", sa.JSON),
        sa.Column("reasons", sa.JSON, nullable=False),
    )
    steps.add_columns("csv_versions", sa.Column("quarantined", sa.BigInteger), sa.Column("clean", sa.String(64)))
    steps.create_index("ix_csv_versions_clean", "csv_versions", ["clean"])
