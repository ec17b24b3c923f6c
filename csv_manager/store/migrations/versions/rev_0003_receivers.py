"""Why a receiver could not be told, and which processes only check."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    """Add the columns."""
    with op.batch_alter_table("csv_receivers") as batch:
        batch.add_column(sa.Column("error", sa.Text))
        batch.add_column(sa.Column("failed", _TIME))
    with op.batch_alter_table("csv_services") as batch:
        batch.add_column(sa.Column("once", sa.Boolean))
