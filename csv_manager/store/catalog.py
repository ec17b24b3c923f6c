"""The store's front door: one engine, one schema, and a part for each noun."""

from sqlalchemy.engine import URL

from csv_manager.store.decisions import Decisions
from csv_manager.store.engine import engine_beside, make_engine, name_of, writing
from csv_manager.store.event_record import EventRecord
from csv_manager.store.folders import Folders
from csv_manager.store.history import History
from csv_manager.store.ledger import Ledger
from csv_manager.store.outbox import Outbox
from csv_manager.store.rules import Rules
from csv_manager.store.series import Series
from csv_manager.store.services import Services
from csv_manager.store.targets import Targets
from csv_manager.store.upgrade import open_schema
from csv_manager.store.watchers import Watchers


class Catalog:
    """What the store knows: `watchers`, `targets`, `rules`, `history`, `outbox`, `folders`, `series` and others.

    Opening makes the tables of a new store, as the user `admin` if that is another one; of an older store, it upgrades
    those in an SQLite file. Raises `StoreError` if the database cannot be used.
    """

    def __init__(self, url: str | URL, admin: URL | None = None) -> None:
        self.engine = make_engine(url)
        try:
            open_schema(self.engine, admin)
        except BaseException:
            self.engine.dispose()
            raise
        self._beside = engine_beside(self.engine)
        self.events = EventRecord(self._beside)
        self.ledger = Ledger(self._beside, self.events)
        self.watchers = Watchers(self.engine)
        self.history = History(self.engine, self.events)
        self.outbox = Outbox(self.engine)
        self.folders = Folders(self.engine)
        self.series = Series(self.engine)
        self.services = Services(self.engine)
        self.targets = Targets(self.engine)
        self.rules = Rules(self.engine, self.events)
        self.decisions = Decisions(self.engine)

    @property
    def name(self) -> str:
        """Where the store is, for people."""
        return name_of(self.engine.url)

    def check_free(self) -> None:
        """Raise `StoreBusyError` if another process keeps writing, `StoreError` if nobody may write."""
        with writing(self.engine):
            pass

    def close(self) -> None:
        """Let go of every connection."""
        self._beside.dispose()
        self.engine.dispose()
