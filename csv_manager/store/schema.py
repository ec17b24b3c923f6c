"""The tables of the store. Portable types only; the migrations make them, `metadata` reads and writes them."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    false,
    text,
)

from csv_manager.store.columns import Prose, UtcDateTime
from csv_manager.store.event_tables import define

#: The newest migration; a store at another one is upgraded, or refused if this csv_manager does not know it.
REVISION = "0008"
VERSION_TABLE = "csv_manager_schema"

Json = JSON(none_as_null=True)
metadata = MetaData()

#: The event record; none of its rows is ever deleted.
event_tables = define(metadata)

#: One row for each content that has, or had, a history: `latest` and `head` are version numbers, 0 for none. `feed_id`
#: is the watcher of the folder or glob that the file is watched by, `link` the link that it is read through.
files = Table(
    "csv_files",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("path", Text, nullable=False),
    Column("path_sha", String(64), nullable=False, unique=True),
    Column("latest", Integer, nullable=False, server_default=text("0")),
    Column("head", Integer, nullable=False, server_default=text("0")),
    Column("state", String(16), nullable=False, server_default="waiting"),
    Column("reason", Prose),
    Column("signature", String(128)),
    Column("last_check", UtcDateTime),
    Column("last_change", UtcDateTime),
    Column("feed_id", Integer, index=True),
    Column("link", Text),
)

#: The tutorial's table, with more columns; a row made by the tutorial's own plugin has no more than the first three.
watchers = Table(
    "csv_watchers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("csv_file", String(2048), nullable=False),
    Column("interval", Float),
    Column("file_id", Integer, ForeignKey("csv_files.id")),
    Column("name", String(255)),
    Column("options", Json),
    Column("revision", Integer, nullable=False, server_default=text("0")),
)

versions = Table(
    "csv_versions",
    metadata,
    Column("file_id", Integer, ForeignKey("csv_files.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("base", Integer),
    Column("created", UtcDateTime, nullable=False),
    Column("cause", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("sha256", String(64), nullable=False, index=True),
    Column("size", BigInteger, nullable=False),
    Column("rows", BigInteger),
    Column("inserted", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("deleted", BigInteger, nullable=False),
    Column("columns", Json, nullable=False),
    Column("column_change", Json),
    Column("csv_format", Json, nullable=False),
    Column("row_key", Json, nullable=False),
    Column("ignored", Json, nullable=False),
    Column("findings", Json),
    Column("position", BigInteger, nullable=False),
    Column("stored", Boolean, nullable=False, server_default=false()),
    Column("run_id", Integer),
    Column("rule_set", String(32)),
    Column("checks", Json),
    Column("bad_rows", BigInteger),
    Column("decided", UtcDateTime),
    Column("decided_by", String(255)),
    Column("quarantined", BigInteger),
    Column("clean", String(64), index=True),
)

#: The rows that versions were recorded without, up to so many of a version; `line` is where a row begins in the file.
#: `row_cells` is null where the rows are too large.
quarantine = Table(
    "csv_quarantine",
    metadata,
    Column("file_id", Integer, ForeignKey("csv_files.id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("line", BigInteger, primary_key=True, autoincrement=False),
    Column("row_cells", Json),
    Column("reasons", Json, nullable=False),
)

#: Row changes, in JSON, for anyone's query; `position` is store-wide and only grows.
changes = Table(
    "csv_changes",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("file_id", Integer, ForeignKey("csv_files.id"), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("op", String(6), nullable=False),
    Column("row_key", Json),
    Column("row_before", Json),
    Column("row_after", Json),
    Column("line", BigInteger, nullable=False),
)

#: What receivers are to be told, in the order of the commits; written with the version it tells of.
outbox = Table(
    "csv_outbox",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("file_id", Integer, ForeignKey("csv_files.id"), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("positions", BigInteger, nullable=False),
)

#: How far each receiver is; a lease keeps two processes from telling it the same at once. `error` is why it could not
#: be told, and `failed` when that was last; null once it was told.
receivers = Table(
    "csv_receivers",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("lease_owner", String(64)),
    Column("lease_until", UtcDateTime),
    Column("error", Prose),
    Column("failed", UtcDateTime),
)

#: Numbers that are given out under a row lock, so that their order is the order of the commits.
counters = Table(
    "csv_counters",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

#: The processes that watch, or check `once`; one whose heartbeat is old is dead.
services = Table(
    "csv_services",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", UtcDateTime, nullable=False),
    Column("heartbeat", UtcDateTime, nullable=False),
    Column("files", Integer),
    Column("overflows", Integer),
    Column("once", Boolean),
)

#: When the files of a folder were last checked; `polled` is why there are no file events for it,
#: `reason` why something in it cannot be watched.
folders = Table(
    "csv_folders",
    metadata,
    Column("path_sha", String(64), primary_key=True),
    Column("path", Text, nullable=False),
    Column("last_check", UtcDateTime, nullable=False),
    Column("polled", Prose),
    Column("reason", Prose),
)

#: The files of a series that were taken: each is a version of the one dataset `file_id`.
series = Table(
    "csv_series",
    metadata,
    Column("file_id", Integer, ForeignKey("csv_files.id"), primary_key=True),
    Column("path_sha", String(64), primary_key=True),
    Column("path", Text, nullable=False),
    Column("signature", String(128), nullable=False),
    Column("version", Integer, nullable=False),
    Index("ix_csv_series_version", "file_id", "version"),
)

#: The settings and options that runs were made with, in canonical JSON, without secrets; each stands once.
configurations = Table(
    "csv_configurations",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("content", Json, nullable=False),
    Column("created", UtcDateTime, nullable=False),
)

#: Each processing of a version: what it came to, who did it, and when. `error` is what its failed task says.
runs = Table(
    "csv_runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("path", Text, nullable=False),
    Column("path_sha", String(64), nullable=False),
    Column("member", Text),
    Column("cause", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("sha256", String(64)),
    Column("configuration", String(64), ForeignKey("csv_configurations.hash"), nullable=False),
    Column("version", Integer),
    Column("rows", BigInteger),
    Column("inserted", BigInteger),
    Column("updated", BigInteger),
    Column("deleted", BigInteger),
    Column("attempts", Integer, nullable=False, server_default=text("1")),
    Column("error", Prose),
    Column("host", String(255), nullable=False),
    Column("user", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", UtcDateTime, nullable=False),
    Column("heartbeat", UtcDateTime, nullable=False),
    Column("ended", UtcDateTime),
    Column("uuid", String(32)),
    Index("ix_csv_runs_file", "path_sha", "id"),
    Index("ix_csv_runs_state", "state", "id"),
    Index("ix_csv_runs_started", "started"),
    Index("ix_csv_runs_content", "sha256", "configuration"),
)

#: The stages and targets of each run, with the exception of the one that failed.
tasks = Table(
    "csv_tasks",
    metadata,
    Column("run_id", Integer, ForeignKey("csv_runs.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("name", String(255), nullable=False),
    Column("state", String(16), nullable=False),
    Column("started", UtcDateTime),
    Column("ended", UtcDateTime),
    Column("rows", BigInteger),
    Column("exception_type", String(255)),
    Column("exception", Prose),
    Column("traceback", Prose),
)

#: What the versions of watchers are checked by: a row for each change of it, none of which is ever changed.
#: `watcher_path` says which watcher of that number is meant.
rule_sets = Table(
    "csv_rule_sets",
    metadata,
    Column("uuid", String(32), primary_key=True),
    Column("watcher_id", Integer, nullable=False),
    Column("watcher_path", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("content", Json, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("user", String(255), nullable=False),
    Index("ix_csv_rule_sets_watcher_id", "watcher_id", "number", unique=True),
)

#: The tables of databases that follow files: `watcher_path` says which watcher of that number is meant.
targets = Table(
    "csv_targets",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("watcher_id", Integer, nullable=False, index=True),
    Column("watcher_path", Text, nullable=False),
    Column("database", Text, nullable=False),
    Column("schema_name", String(255)),
    Column("table_name", String(255), nullable=False),
    Column("mode", String(16), nullable=False),
    Column("options", Json, nullable=False),
    Column("created", UtcDateTime, nullable=False),
)

#: How far a target is with each of its files, as far as is known here: its own database has the watermark. `pinned` is
#: the version that it was rolled back to, `failed` when it last failed; null once it did not.
target_files = Table(
    "csv_target_files",
    metadata,
    Column("target_id", String(32), ForeignKey("csv_targets.id"), primary_key=True),
    Column("file_id", Integer, ForeignKey("csv_files.id"), primary_key=True),
    Column("version", Integer),
    Column("pinned", Integer),
    Column("rows", BigInteger),
    Column("synced", UtcDateTime),
    Column("error", Prose),
    Column("failed", UtcDateTime),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("left_out", Prose),
)

#: Events that a listener is to be told yet, by its name, in the order of the commits; `run_id` is the run that they
#: are of, `error` why they could not be told, and `failed` when that was last.
event_queue = Table(
    "csv_event_queue",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("listener", String(255), nullable=False, index=True),
    Column("events", Json, nullable=False),
    Column("run_id", Integer),
    Column("created", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("error", Prose),
    Column("failed", UtcDateTime),
)
