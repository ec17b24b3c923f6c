"""The store's front door: one engine, one schema, and a part for each noun."""

from csv_manager.store.engine import make_engine, name_of, writing
from csv_manager.store.folders import Folders
from csv_manager.store.history import History
from csv_manager.store.outbox import Outbox
from csv_manager.store.series import Series
from csv_manager.store.services import Services
from csv_manager.store.upgrade import upgrade
from csv_manager.store.watchers import Watchers


class Catalog:
    """What the store knows: `watchers`, `history` of files, `outbox`, `folders`, `series`, `services`.

    Opening makes or upgrades the schema. Raises `StoreError` if the database cannot be used.
    """

    def __init__(self, url: str) -> None:
        self.engine = make_engine(url)
        try:
            upgrade(self.engine)
        except BaseException:
            self.engine.dispose()
            raise
        self.watchers = Watchers(self.engine)
        self.history = History(self.engine)
        self.outbox = Outbox(self.engine)
        self.folders = Folders(self.engine)
        self.series = Series(self.engine)
        self.services = Services(self.engine)

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
        self.engine.dispose()
