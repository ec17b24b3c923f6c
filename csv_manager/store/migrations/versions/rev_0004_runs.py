"""The ledger of runs and their tasks."""

import sqlalchemy as sa

from csv_manager.store.migrations import steps

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables, and the run to a version."""
    steps.add_columns("csv_versions", sa.Column("run_id", sa.Integer))
    steps.create_table(
        "csv_configurations",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("content", sa.JSON, nullable=False),
        sa.Column("created", steps.TIME, nullable=False),
    )
    steps.create_table(
        "csv_runs",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("path_sha", sa.String(64), nullable=False),
        sa.Column("member", sa.Text),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("sha256", sa.String(64)),
        sa.Column("configuration", sa.String(64), sa.ForeignKey("csv_configurations.hash"), nullable=False),
        sa.Column("version", sa.Integer),
        sa.Column("rows", sa.BigInteger),
        sa.Column("inserted", sa.BigInteger),
        sa.Column("updated", sa.BigInteger),
        sa.Column("deleted", sa.BigInteger),
        sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("1")),
        sa.Column("error", sa.Text),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("user", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("started", steps.TIME, nullable=False),
        sa.Column("heartbeat", steps.TIME, nullable=False),
        sa.Column("ended", steps.TIME),
    )
    steps.create_index("ix_csv_runs_file", "csv_runs", ["path_sha", "id"])
    steps.create_index("ix_csv_runs_state", "csv_runs", ["state", "id"])
    steps.create_index("ix_csv_runs_started", "csv_runs", ["started"])
    steps.create_index("ix_csv_runs_content", "csv_runs", ["sha256", "configuration"])
    steps.create_table(
        "csv_tasks",
        sa.Column("run_id", sa.Integer, sa.ForeignKey("csv_runs.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("started", steps.TIME),
        sa.Column("ended", steps.TIME),
        sa.Column("rows", sa.BigInteger),
        sa.Column("exception_type", sa.String(255)),
        sa.Column("exception", sa.Text),
        sa.Column("traceback", sa.Text),
    )
