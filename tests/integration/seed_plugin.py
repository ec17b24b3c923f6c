"""A plugin as groundwork's CSV-Manager tutorial teaches to write one; in our own words, on its pattern."""

from typing import Any

from click import Argument, Option
from groundwork.patterns import GwCommandsPattern
from groundwork_database.patterns import GwSqlPattern
from sqlalchemy import Column, Integer, String

from csv_manager.patterns import CsvWatcherPattern


class CsvWatcherDbPlugin(GwCommandsPattern, CsvWatcherPattern, GwSqlPattern):
    """Watches csv files that are kept in a database."""

    def __init__(self, app: Any, **kwargs: Any) -> None:
        self.name = "CsvWatcherDbPlugin"
        super().__init__(app, **kwargs)
        self.db: Any = None
        self.Watcher: Any = None

    def activate(self) -> None:
        path = Argument(("csv_file",), required=True, type=str)
        interval = Option(("-i", "--interval"), type=int, default=10, help="Time between two checks in seconds")
        self.commands.register("csv_watcher_list", "Lists all watchers", self.csv_watcher_list)
        self.commands.register("csv_watcher_add", "Adds a watcher", self.csv_watcher_add, params=[path, interval])
        self.commands.register("csv_watcher_delete", "Removes a watcher", self.csv_watcher_delete, params=[path])
        self.setup_db()
        self.load_watchers()

    def setup_db(self) -> None:
        config = self.app.config
        self.db = self.databases.register(
            config.get("WATCHER_DATABASE_NAME", "csv_watcher_db"),
            config.get("WATCHER_DATABASE_CONNECTION", "sqlite://"),
            config.get("WATCHER_DATABASE_DESCRIPTION", "Stores csv watchers"),
        )
        base = self.db.Base

        class CsvWatchers(base):
            __tablename__ = "csv_watchers"

            id = Column(Integer, primary_key=True)
            csv_file = Column(String(2048), nullable=False)
            interval = Column(Integer)

        self.Watcher = self.db.classes.register(CsvWatchers)
        self.db.create_all()

    def load_watchers(self) -> None:
        for watcher in self.Watcher.query.all():
            try:
                self.activate_watcher(watcher.csv_file, watcher.interval)
            except Exception:
                self.log.exception("No watcher for %s", watcher.csv_file)

    def activate_watcher(self, csv_file: str, interval: int) -> None:
        watcher = self.csv_watcher.register(csv_file, interval, f"Watcher for {csv_file}")
        if watcher is not None:
            watcher.run()
        self.log.info("Watcher started for %s", csv_file)

    def csv_watcher_list(self) -> None:
        for watcher in self.Watcher.query.all():
            self.log.info("file: %s - interval: %s", watcher.csv_file, watcher.interval)

    def csv_watcher_add(self, csv_file: str, interval: int) -> None:
        known = self.Watcher.query.filter_by(csv_file=csv_file).first()
        if known is not None:
            self.log.error("csv file %s already exists in database.", known.csv_file)
            return
        try:
            self.db.add(self.Watcher(csv_file=csv_file, interval=interval))
        except Exception:
            self.log.exception("Couldn't create %s in database", csv_file)
            return
        try:
            self.activate_watcher(csv_file, interval)
        except Exception:
            self.log.exception("Couldn't watch %s", csv_file)
            self.db.rollback()
        else:
            self.db.commit()

    def csv_watcher_delete(self, csv_file: str) -> None:
        self.Watcher.query.filter_by(csv_file=csv_file).delete()
        self.db.commit()
        self.log.info("Watcher for %s removed", csv_file)

    def deactivate(self) -> None:
        pass
