"""The tables of the audit log besides those of entries; they are in the database whose tables are audited."""

from sqlalchemy import JSON, BigInteger, Column, Integer, LargeBinary, MetaData, String, Table

#: The most bytes that a server keeps as one value.
_MOST = 2**32 - 1

metadata = MetaData()
#: The tables of what is to be written to another database.
outbox = MetaData()

#: The tables that are, or were, audited; one whose columns change is another one from then on.
audited = Table(
    "csv_audit_tables",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("schema_name", String(255)),
    Column("table_name", String(255), nullable=False),
    Column("columns", JSON, nullable=False),
    Column("row_key", JSON, nullable=False),
    Column("types", JSON, nullable=False),
    Column("redacted", JSON, nullable=False),
    Column("created", String(32), nullable=False),
    Column("ended", String(32)),
)

#: Who made the entries with a token, which are behind the one of a number. Of another program `extra` has what its
#: database tells: the program's name, and the statement.
transactions = Table(
    "csv_audit_transactions",
    metadata,
    Column("token", String(32), primary_key=True),
    Column("created", String(32), nullable=False),
    Column("after", BigInteger, nullable=False),
    Column("host", String(255), nullable=False),
    Column("user", String(255), nullable=False),
    Column("extra", JSON(none_as_null=True)),
)

#: The chain: each seal has the hash of its entries and of the seal before it. `ranges` are their numbers, as a list of
#: the first and the last of those that follow each other: transactions that go on at once take numbers in turns.
seals = Table(
    "csv_audit_seals",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("created", String(32), nullable=False),
    Column("ranges", JSON, nullable=False),
    Column("hash", String(64), nullable=False),
)

#: One row: the last seal; the number up to which all entries are sealed, and the ranges of those beyond it that are.
#: `checkpoint` is what the database's module needs to know that no entry below a number is to come any more.
#: Who seals holds its lock.
head = Table(
    "csv_audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("upto", BigInteger, nullable=False),
    Column("beyond", JSON, nullable=False),
    Column("checkpoint", JSON(none_as_null=True)),
)

#: One row: the number of the last entry, and the token of the transaction that is going on, for triggers.
context = Table(
    "csv_audit_context",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Column("token", String(32)),
)

#: Entries of a table that are sealed, in one row, compressed, from the first to the last of their numbers: all that the
#: table has of these. `token` is that of all of them, and `at` the time of the latest.
batches = Table(
    "csv_audit_batches",
    metadata,
    Column("table_id", Integer, primary_key=True, autoincrement=False),
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
    Column("token", String(32)),
    Column("at", String(32), nullable=False),
    Column("content", LargeBinary(_MOST), nullable=False),
)

#: All rows of a table at the entry of a number, which none has: what is told of them is sealed with the entries.
snapshots = Table(
    "csv_audit_snapshots",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("table_id", Integer, nullable=False),
    Column("token", String(32), nullable=False),
    Column("at", String(32), nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("definition", JSON, nullable=False),
)

#: The rows of a snapshot, compressed; `sha256` is that of all parts.
snapshot_parts = Table(
    "csv_audit_snapshot_parts",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("content", LargeBinary(_MOST), nullable=False),
)

#: What a logger has to write for a transaction, where it writes to another database: the changes that have its token,
#: or its statements. The row is written with the changes themselves, and goes once they are known to be there.
parcels = Table(
    "csv_audit_parcels",
    outbox,
    Column("id", String(32), primary_key=True),
    Column("destination", String(255), nullable=False),
    Column("log", String(16), nullable=False),
    Column("executed_at", String(32), nullable=False),
    Column("token", String(32)),
    Column("after", BigInteger),
    Column("extra", JSON(none_as_null=True)),
)

#: The statements of a parcel, in their order.
statements = Table(
    "csv_audit_statements",
    outbox,
    Column("parcel", String(32), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("row", JSON, nullable=False),
)
