"""The mapped class of csv_watchers, as the tutorial has it, with the columns that came since."""

from typing import Any


def map_watchers(base: Any) -> type[Any]:
    """The class CsvWatchers on a declarative base."""
    from sqlalchemy import JSON, Column, Float, Integer, String, text

    class CsvWatchers(base):  # type: ignore[misc]
        """A stored watcher."""

        __tablename__ = "csv_watchers"

        id = Column(Integer, primary_key=True)
        csv_file = Column(String(2048), nullable=False)
        interval = Column(Float)
        file_id = Column(Integer)
        name = Column(String(255))
        options = Column(JSON(none_as_null=True))
        revision = Column(Integer, nullable=False, server_default=text("0"))

    return CsvWatchers
