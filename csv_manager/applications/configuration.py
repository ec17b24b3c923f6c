"""Every setting of csv_manager, with its default.

A value is replaced by, later over earlier: configuration.py or configuration.yaml in CSV_MANAGER_HOME, the file named
by CSV_MANAGER_CONFIG, files given by --config, the environment variable CSV_MANAGER_<SETTING>. `csv_manager
csv_config_list` shows what is in force and where it came from.
"""

import os

#: The application's name and what it is, in groundwork's documents.
APP_NAME = "csv_manager_app"
APP_DESCRIPTION = "groundwork application of package CSV-Manager"

#: The folder of everything that csv_manager keeps. CSV_MANAGER_HOME, if set, is its default.
APP_PATH = os.path.expanduser(os.environ.get("CSV_MANAGER_HOME") or os.path.join("~", "CSV-Manager"))

#: The plugins to activate, in this order, and further ones without repeating these.
PLUGINS = [
    "CsvWatcherPlugin",
    "CsvWatcherDbPlugin",
    "CsvHistoryPlugin",
    "CsvCheckPlugin",
    "CsvRunPlugin",
    "CsvSyncPlugin",
    "CsvDatabasePlugin",
    "CsvAuditPlugin",
    "CsvDiffPlugin",
    "CsvDocumentPlugin",
    "CsvConfigPlugin",
    "CsvServicePlugin",
    "CsvStatusPlugin",
    "CsvDemoPlugin",
    "GwPluginsInfo",
    "GwDocumentsInfo",
]
PLUGINS_EXTRA: list[str] = []

#: Files that are watched besides the stored watchers, and the seconds between two checks of them.
CSV_FILES: list[str] = []
CSV_INTERVAL = 10

#: Seconds that a file must rest before it is read, and after which one that never rests is read all the same.
CSV_SETTLE = 0.5
CSV_MAX_WAIT = 60

#: The store: watchers, versions, row changes. LOCATION is a file; CONNECTION, an SQLAlchemy URL, is what counts.
WATCHER_DATABASE_NAME = "WATCHER_DB"
WATCHER_DATABASE_DESCRIPTION = "Watchers and history of CSV files"
WATCHER_DATABASE_LOCATION = os.path.join(APP_PATH, "watcher_db.db")
WATCHER_DATABASE_CONNECTION = "sqlite:///" + WATCHER_DATABASE_LOCATION

#: Databases by name: {dialect, path} of a file, {dialect, address, port, database, user, admin} of a server, or an
#: SQLAlchemy URL. The one that is called default is the store, instead of WATCHER_DATABASE_*.
DATABASES: dict[str, object] = {}

#: The event record. groups: those of the listeners that are told; without sql there is no record. The record is in the
#: store, or in the database of a connection_string: an SQLAlchemy URL (dialect: sqlite, postgres or mysql), the name of
#: one of DATABASES, or a name in capitals, which is an environment variable.
EVENTS: dict[str, object] = {"groups": "default, sql", "dialect": "", "connection_string": ""}

#: The folder of the versions' bytes.
ARCHIVE_PATH = os.path.join(APP_PATH, "archive")

#: The folder of files with the rows that versions were recorded without (csv_check_add --on-bad quarantine-rows).
QUARANTINE_PATH = os.path.join(ARCHIVE_PATH, "quarantine")

#: The most findings of a rule that are kept of a version, and shown; all are counted.
CHECK_FINDINGS = 100

#: The largest number of row changes of a version that are also rows of the store; more are read from the archive. So
#: are those of more than 64 million characters together, or with one that a MySQL server does not take at once.
HISTORY_ROW_LIMIT = 100000

#: How long runs are kept, as in 90d or 12h; empty: for ever. The newest run of each file is kept all the same.
RUN_KEEP_WITHIN = ""

#: Whether long work shows on a terminal, on stderr, how far it is.
PROGRESS = True

#: A dictionary for logging.config.dictConfig; without one, warnings go to stderr (-v: more, -vv: all).
GROUNDWORK_LOGGING = None
