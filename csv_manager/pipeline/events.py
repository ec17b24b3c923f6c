"""What the event record is told of a run, as its values are known in the pipeline."""

import datetime as dt

from csv_manager.archive import Archive
from csv_manager.core import clock
from csv_manager.core.events import Event, Processing, rules_changed
from csv_manager.pipeline.arrivals import Arrival
from csv_manager.pipeline.runs import Run
from csv_manager.store.records import NewVersion
from csv_manager.store.rules import InForce

_NANOSECONDS = 1_000_000_000


def processing_of(arrival: Arrival, in_force: InForce, archive: Archive) -> Processing:
    """What is known of the processing of an arrival before anything is compared."""
    run, snapshot = arrival.run, arrival.snapshot
    return Processing(
        uuid=run.note.uuid,
        started=run.note.started,
        csv_file=arrival.path,
        place=arrival.place,
        watched=in_force.watched or arrival.path,
        name=arrival.options.name,
        rule_set=in_force.rule_set.uuid,
        sha256=snapshot.sha256,
        size=snapshot.size,
        changed=_time(snapshot.signature.mtime_ns) or run.note.started,
        stored=str(archive.place(snapshot.sha256)),
        archive=str(archive.folder.absolute()),
    )


def events_of(run: Run, new: NewVersion, number: int, in_force: InForce) -> list[Event]:
    """What is told with a version: its rules, which may be known, the file, and how the run went."""
    told = run.processing
    if told is None:
        return []
    now, rule_set = clock.now(), in_force.rule_set
    rules = rules_changed(rule_set, told.watched, told.name, rule_set.created or now)
    return [rules, *told.record(new, number, now, is_started=run.is_started)]


def _time(nanoseconds: int) -> dt.datetime | None:
    """When a file was written; None where a program has set that to a time beyond all calendars."""
    try:
        return dt.datetime.fromtimestamp(nanoseconds / _NANOSECONDS, dt.UTC)
    except (OverflowError, ValueError, OSError):
        return None
