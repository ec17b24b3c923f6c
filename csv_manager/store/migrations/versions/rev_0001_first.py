"""The first schema; adopts the csv_watchers table of the tutorial where it stands."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    """Make every table; of csv_watchers only what the tutorial's lacks."""
    op.create_table(
        "csv_files",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("path_sha", sa.String(64), nullable=False, unique=True),
        sa.Column("latest", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("head", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("state", sa.String(16), nullable=False, server_default="waiting"),
        sa.Column("reason", sa.Text),
        sa.Column("signature", sa.String(128)),
        sa.Column("last_check", _TIME),
        sa.Column("last_change", _TIME),
    )
    if not sa.inspect(op.get_bind()).has_table("csv_watchers"):
        op.create_table(
            "csv_watchers",
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("csv_file", sa.String(2048), nullable=False),
            sa.Column("interval", sa.Float),
        )
    with op.batch_alter_table("csv_watchers") as batch:
        batch.add_column(sa.Column("file_id", sa.Integer))
        batch.add_column(sa.Column("name", sa.String(255)))
        batch.add_column(sa.Column("options", sa.JSON))
        batch.add_column(sa.Column("revision", sa.Integer, nullable=False, server_default=sa.text("0")))
        batch.create_foreign_key("fk_csv_watchers_file_id", "csv_files", ["file_id"], ["id"])
        batch.create_index("ix_csv_watchers_file_id", ["file_id"], unique=True)
        batch.create_index("ix_csv_watchers_name", ["name"], unique=True)
    op.create_table(
        "csv_versions",
        sa.Column("file_id", sa.Integer, sa.ForeignKey("csv_files.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("base", sa.Integer),
        sa.Column("created", _TIME, nullable=False),
        sa.Column("cause", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False, index=True),
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
    op.create_table(
        "csv_changes",
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("file_id", sa.Integer, sa.ForeignKey("csv_files.id"), nullable=False, index=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("op", sa.String(6), nullable=False),
        sa.Column("row_key", sa.JSON),
        sa.Column("row_before", sa.JSON),
        sa.Column("row_after", sa.JSON),
        sa.Column("line", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "csv_outbox",
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("file_id", sa.Integer, sa.ForeignKey("csv_files.id"), nullable=False, index=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("positions", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "csv_receivers",
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("lease_owner", sa.String(64)),
        sa.Column("lease_until", _TIME),
    )
    op.create_table(
        "csv_services",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("started", _TIME, nullable=False),
        sa.Column("heartbeat", _TIME, nullable=False),
    )
    counters = op.create_table(
        "csv_counters",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(counters, [{"name": "position", "value": 0}])
