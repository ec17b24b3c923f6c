"""The first schema; adopts the csv_watchers table of the tutorial where it stands."""

import sqlalchemy as sa

from csv_manager.store.migrations import steps

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table; of csv_watchers only what the tutorial's lacks."""
    steps.create_table(
        "csv_files",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("path", steps.PATH, nullable=False),
        sa.Column("path_sha", sa.String(64), nullable=False, unique=True),
        sa.Column("latest", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("head", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("state", sa.String(16), nullable=False, server_default="waiting"),
        sa.Column("reason", sa.Text),
        sa.Column("signature", sa.String(128)),
        sa.Column("last_check", steps.TIME),
        sa.Column("last_change", steps.TIME),
    )
    steps.create_table(
        "csv_watchers",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("csv_file", steps.SHORT_PATH, nullable=False),
        sa.Column("interval", steps.NUMBER),
    )
    steps.add_columns(
        "csv_watchers",
        sa.Column("file_id", sa.Integer),
        sa.Column("name", sa.String(255)),
        sa.Column("options", sa.JSON),
        sa.Column("revision", sa.Integer, nullable=False, server_default=sa.text("0")),
    )
    steps.create_foreign_key("csv_watchers", "file_id", "csv_files")
    steps.create_index("ix_csv_watchers_file_id", "csv_watchers", ["file_id"], unique=True)
    steps.create_index("ix_csv_watchers_name", "csv_watchers", ["name"], unique=True)
    steps.create_table(
        "csv_versions",
        sa.Column("file_id", sa.Integer, sa.ForeignKey("csv_files.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("base", sa.Integer),
        sa.Column("created", steps.TIME, nullable=False),
        sa.Column("cause", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("rows", sa.BigInteger),
        sa.Column("inserted", sa.BigInteger, nullable=False),
        sa.Column("updated", sa.BigInteger, nullable=False),
        sa.Column("deleted", sa.BigInteger, nullable=False),
        sa.Column("columns", sa.JSON, nullable=False),
        sa.Column("column_change", sa.JSON),
        sa.Column("csv_format", sa.JSON, nullable=False),
        sa.Column("row_key", sa.JSON, nullable=False),
        sa.Column("ignored", sa.JSON, nullable=False),
        sa.Column("findings", sa.JSON),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("stored", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    steps.create_index("ix_csv_versions_sha256", "csv_versions", ["sha256"])
    steps.create_table(
        "csv_changes",
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("file_id", sa.Integer, sa.ForeignKey("csv_files.id"), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("op", sa.String(6), nullable=False),
        sa.Column("row_key", sa.JSON),
        sa.Column("row_before", sa.JSON),
        sa.Column("row_after", sa.JSON),
        sa.Column("line", sa.BigInteger, nullable=False),
    )
    steps.create_index("ix_csv_changes_file_id", "csv_changes", ["file_id"])
    steps.create_table(
        "csv_outbox",
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("file_id", sa.Integer, sa.ForeignKey("csv_files.id"), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("positions", sa.BigInteger, nullable=False),
    )
    steps.create_index("ix_csv_outbox_file_id", "csv_outbox", ["file_id"])
    steps.create_table(
        "csv_receivers",
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("lease_owner", sa.String(64)),
        sa.Column("lease_until", steps.TIME),
    )
    steps.create_table(
        "csv_services",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("started", steps.TIME, nullable=False),
        sa.Column("heartbeat", steps.TIME, nullable=False),
    )
    steps.create_table(
        "csv_counters",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    steps.add_counter("position", "0")
