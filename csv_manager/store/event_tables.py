"""The tables of the event record, as users of CsvPath query them: their names, widths and defaults are fixed."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table

from csv_manager.store.columns import UtcDateTime


def define(metadata: MetaData) -> tuple[Table, ...]:
    """The four tables, in an order in which they can be made."""
    return (
        Table(
            "named_file",
            metadata,
            *_begin(),
            _needed("named_file_name", 40),
            _needed("origin_path", 500),
            _needed("name_home", 250),
            _text("file_home", 250),
            _text("file_path", 250),
            _text("file_name", 100),
            _text("mark", 5),
            _text("type", 250),
            Column("file_size", Integer),
            _text("ip_address", 30),
            _text("hostname", 100),
            _text("username", 50),
            _needed("files_root", 250),
            _text("base_path", 250),
            _needed("manifest_path", 250),
            _text("template", 250),
            sqlite_with_rowid=False,
        ),
        Table(
            "named_paths",
            metadata,
            *_begin(),
            _needed("paths_root", 250),
            _needed("paths_name", 40),
            _needed("paths_home", 250),
            _text("group_file_path", 250),
            Column("paths_count", Integer),
            _text("source_path", 250),
            _text("ip_address", 30),
            _text("hostname", 100),
            _text("username", 50),
            _text("base_path", 250),
            _needed("manifest_path", 250),
            _text("template", 250),
            sqlite_with_rowid=False,
        ),
        Table(
            "named_paths_group_run",
            metadata,
            *_begin(),
            Column("time_completed", UtcDateTime),
            _text("status", 20),
            *_flags(by_line_run="Y", all_completed="N", all_valid="N"),
            Column("error_count", Integer),
            *_flags(all_expected_files="N"),
            _text("archive_name", 100),
            _text("run_home", 250),
            _text("named_results_name", 45),
            _needed("named_paths_uuid", 40),
            _needed("named_paths_name", 45),
            _needed("named_paths_home", 250),
            _needed("named_file_uuid", 40),
            _needed("named_file_name", 45),
            _needed("named_file_home", 500),
            _needed("named_file_path", 500),
            Column("named_file_size", Integer),
            _text("named_file_last_change", 40),
            _text("named_file_fingerprint", 70),
            _text("hostname", 45),
            _text("username", 45),
            _text("ip_address", 40),
            _text("manifest_path", 250),
            sqlite_with_rowid=False,
        ),
        Table(
            "instance_run",
            metadata,
            *_begin(),
            Column("group_run_uuid", String(40), ForeignKey("named_paths_group_run.uuid"), nullable=False),
            _text("instance_identity", 100),
            _needed("instance_home", 250),
            _text("preceding_instance_identity", 100),
            _text("actual_data_file", 500),
            *_numbers(instance_index=-1, number_of_files_expected=-1, number_of_files_generated=-1),
            *_flags(source_mode_preceding="N", files_expected="Y", valid="N", completed="N"),
            *_numbers(lines_scanned=0, lines_total=0, lines_matched=0, error_count=-1),
            _needed("manifest_path", 250),
            sqlite_with_rowid=False,
        ),
    )


def _begin() -> Iterator[Column[Any]]:
    yield Column("uuid", String(40), primary_key=True)
    yield Column("at", UtcDateTime, nullable=False)


def _needed(name: str, width: int) -> Column[str]:
    return Column(name, String(width), nullable=False)


def _text(name: str, width: int) -> Column[str]:
    return Column(name, String(width))


def _flags(**defaults: str) -> Iterator[Column[str]]:
    for name, default in defaults.items():
        yield Column(name, String(1), server_default=default)


def _numbers(**defaults: int) -> Iterator[Column[int]]:
    for name, default in defaults.items():
        yield Column(name, Integer, server_default=str(default))
