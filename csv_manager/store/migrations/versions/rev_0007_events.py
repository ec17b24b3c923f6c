"""The event record, which nobody can change, and what listeners are to be told of it."""

import sqlalchemy as sa

from csv_manager.store.migrations import steps
from csv_manager.store.schema import event_tables

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables and their triggers, and add what runs are known by there."""
    steps.copy_tables(event_tables)
    steps.guard_events(event_tables)
    steps.create_table(
        "csv_event_queue",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("listener", sa.String(255), nullable=False),
        sa.Column("events", sa.JSON, nullable=False),
        sa.Column("run_id", sa.Integer),
        sa.Column("created", steps.TIME, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("error", sa.Text),
        sa.Column("failed", steps.TIME),
    )
    steps.create_index("ix_csv_event_queue_listener", "csv_event_queue", ["listener"])
    steps.add_columns("csv_runs", sa.Column("uuid", sa.String(32)))
