"""`log_changes` and `log_queries`: each hole of a log that listens to the ORM is a test here."""
# ruff: noqa: S608 - the statements are the tests' own

import contextlib
import datetime as dt
import decimal
import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import servers
from sqlalchemy import (
    Double,
    Engine,
    ForeignKey,
    LargeBinary,
    Numeric,
    String,
    create_engine,
    delete,
    event,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, scoped_session, sessionmaker

from csv_manager.audit import ChangeLog, QueryLog, deliver, log_changes, log_queries
from csv_manager.audit.log import AuditLog
from csv_manager.core.errors import AuditError, ConfigurationError

KINDS = ["sqlite", "postgresql", "mariadb"]


class Base(DeclarativeBase):
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: String(99), bytes: LargeBinary(99), decimal.Decimal: Numeric(12, 2), float: Double,
    }  # fmt: skip


class Person(Base):
    __tablename__ = "person"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    age: Mapped[int] = mapped_column(server_default="18")


class Stock(Base):
    """A key of two columns, one of which is no number; every kind of value."""

    __tablename__ = "stock"

    shop: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[dt.date] = mapped_column(primary_key=True)
    at: Mapped[dt.datetime | None]
    price: Mapped[decimal.Decimal | None]
    label: Mapped[bytes | None]
    is_open: Mapped[bool | None]
    weight: Mapped[float | None]


class Visit(Base):
    __tablename__ = "visit"

    id: Mapped[int] = mapped_column(primary_key=True)
    person: Mapped[int] = mapped_column(
        ForeignKey("person.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED")
    )


Make = Callable[[str], Engine]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes an engine of a new database of a kind."""
    with contextlib.ExitStack() as stack:

        def made(kind: str) -> Engine:
            count = len(list(tmp_path.iterdir()))
            url = (
                f"sqlite:///{tmp_path / f'{count}.db'}"
                if kind == "sqlite"
                else stack.enter_context(servers.database(kind))
            )
            engine = create_engine(url)
            if kind == "sqlite":
                event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys = ON"))
                (tmp_path / f"{count}.db").touch()
            stack.callback(engine.dispose)
            return engine

        yield made


@pytest.fixture(params=KINDS)
def engine(request: pytest.FixtureRequest, make: Make) -> Engine:
    """A database with the tables, and a row."""
    made = make(request.param)
    Base.metadata.create_all(made, tables=[Person.__table__, Stock.__table__])
    if request.param == "mariadb":  # which has no deferred constraints, and whose cascades fire no triggers
        with made.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE visit (id INTEGER PRIMARY KEY, person INTEGER)")
    Base.metadata.create_all(made)
    with made.begin() as connection:
        connection.execute(insert(Person), {"name": "Ada", "age": 36})
    return made


@pytest.fixture
def there(make: Make) -> Engine:
    """The database of the logs."""
    return make("sqlite")


def changes(there: Engine) -> list[tuple[Any, ...]]:
    """What the change log tells."""
    with Session(there) as session:
        told = session.scalars(select(ChangeLog).order_by(ChangeLog.id))
        return [(each.type, each.table_name, each.primary_key, each.diff) for each in told]


def queries(there: Engine) -> list[tuple[str, Any]]:
    with Session(there) as session:
        return [(each.statement, each.parameters) for each in session.scalars(select(QueryLog).order_by(QueryLog.id))]


def new(**values: Any) -> dict[str, Any]:
    return {name: {"old": None, "new": value} for name, value in values.items()}


ADA_OLDER = ("update", "person", {"id": 1}, {"age": {"old": 36, "new": 37}})


def test_a_flush_is_told_when_it_is_committed(engine: Engine, there: Engine) -> None:
    makes = sessionmaker(engine)
    logger = log_changes(of=makes, to=there, extra={"why": "test"})
    before = dt.datetime.now(dt.UTC)
    with makes.begin() as session:
        person = Person(name="Grace")
        session.add(person)
        session.get_one(Person, 1).age = 37
        session.flush()
        told: list[Any] = []
        event.listen(session, "after_commit", lambda _: told.extend(changes(there)))
    assert sorted(told, key=str) == [("insert", "person", {"id": 2}, new(name="Grace", age=18)), ADA_OLDER]
    with Session(there) as session:
        first = session.scalars(select(ChangeLog)).first()
        assert first is not None
        assert first.extra == {"why": "test"}
        assert before <= first.executed_at <= dt.datetime.now(dt.UTC)
    logger.close()
    with makes.begin() as session:
        session.get_one(Person, 1).age = 38
    assert len(changes(there)) == 2


def test_what_is_undone_is_not_told(engine: Engine, there: Engine) -> None:
    log_changes(of=engine, to=there)
    log_queries(of=engine, to=there)
    with Session(engine) as session:
        session.add(Person(name="x"))
        session.flush()
        session.rollback()
        session.add(Person(name="y"))
        with session.begin_nested() as nested:
            session.add(Person(name="z"))
            session.flush()
            nested.rollback()
        session.commit()
    with engine.connect() as connection:
        connection.execute(insert(Person).values(name="w"))
        connection.rollback()
    with engine.connect() as connection:
        connection.execute(delete(Person))
    [(_, _, _, diff)] = changes(there)
    assert diff["name"]["new"] == "y"
    assert len(queries(there)) == 1


def test_a_savepoint_before_the_first_write_takes_everything_back(engine: Engine, there: Engine) -> None:
    """Also what the logs made for themselves, and what a first logger did before a second one came."""
    log_changes(of=engine, to=there)
    with engine.begin() as connection:
        if engine.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql("SAVEPOINT a")
        connection.execute(update(Person).values(age=1))
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT a")
        connection.execute(update(Person).values(age=37))
        connection.exec_driver_sql("SAVEPOINT b")
        log_queries(of=connection, to=there)
        connection.execute(update(Person).values(age=2))
        connection.exec_driver_sql("ROLLBACK TO b")
        connection.exec_driver_sql("UPDATE person SET name = 'Eve'")
        connection.exec_driver_sql("SAVEPOINT c")
        connection.exec_driver_sql("RELEASE SAVEPOINT c")
    assert changes(there) == [ADA_OLDER, ("update", "person", {"id": 1}, {"name": {"old": "Ada", "new": "Eve"}})]
    assert queries(there) == [("UPDATE person SET name = 'Eve'", [])]


def test_bulk_core_and_raw_statements_are_told(engine: Engine, there: Engine) -> None:
    log_changes(of=engine, to=there)
    with Session(engine) as session:
        session.execute(insert(Person), [{"name": "b"}, {"name": "c"}])
        session.scalars(insert(Person).returning(Person.id), [{"name": "d"}, {"name": "e"}]).all()
        session.bulk_insert_mappings(Person.__mapper__, [{"id": 6, "name": "f"}])
        session.execute(update(Person).where(Person.id == 1).values(age=Person.age + 1))
        session.execute(update(Person), [{"id": 2, "age": 20}, {"id": 3, "age": 18}])
        session.commit()
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO person (id, name) VALUES (7, 'g')")
        connection.execute(text("UPDATE person SET name = name WHERE id = :id"), {"id": 7})
        connection.execute(delete(Person).where(Person.id.in_([2, 7])))
    told = changes(there)
    assert [(kind, key["id"]) for kind, _, key, _ in told] == [
        *[("insert", number) for number in range(2, 7)],
        ("update", 1), ("update", 2), ("insert", 7), ("delete", 2), ("delete", 7),
    ]  # fmt: skip
    assert told[5] == ADA_OLDER
    assert told[-2][3] == {"name": {"old": "b", "new": None}, "age": {"old": 20, "new": None}}


def test_keys_and_values_of_every_kind(engine: Engine, there: Engine) -> None:
    log_changes(of=engine, to=there)
    day = dt.date(2026, 11, 20)
    given = {
        "at": dt.datetime(2026, 11, 20, 17), "price": decimal.Decimal("1.10"), "label": b"\0\xff",  # noqa: DTZ001
        "is_open": True, "weight": 0.1 + 0.2,
    }  # fmt: skip
    with Session(engine) as session:
        session.add(Stock(shop="é'\"", day=day, **given))
        session.commit()
        stock = session.get_one(Stock, ("é'\"", day))
        session.expire(stock)
        stock.price = None
        session.commit()
        session.delete(stock)
        session.commit()
    (_, _, key, made), (_, _, _, updated), (_, _, _, gone) = changes(there)
    assert key == {"shop": "é'\"", "day": "2026-11-20"}
    assert str(made["at"]["new"]).startswith("2026-11-20 17:00:00")
    assert decimal.Decimal(str(made["price"]["new"])) == decimal.Decimal("1.1")
    assert (made["label"]["new"], made["weight"]["new"]) == ("AP8=", 0.1 + 0.2)
    assert made["is_open"]["new"] == 1
    assert updated == {"price": {"old": made["price"]["new"], "new": None}}
    assert gone["label"] == {"old": "AP8=", "new": None}


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"], indirect=True)
def test_cascades_and_defaults_are_told_and_what_changes_nothing_is_not(engine: Engine, there: Engine) -> None:
    log_changes(of=engine, to=there)
    with engine.begin() as connection:
        connection.execute(insert(Visit).values(person=1))
        connection.execute(update(Person).values(name="Ada"))
    with engine.begin() as connection:
        connection.execute(update(Person).values(name="Ada"))
    with engine.begin() as connection:
        connection.execute(delete(Person))
    assert sorted((kind, table) for kind, table, _, _ in changes(there)) == [
        ("delete", "person"), ("delete", "visit"), ("insert", "visit"),
    ]  # fmt: skip
    with engine.begin() as connection:
        verified = AuditLog(connection).verify()
    assert (verified.broken, verified.entries, verified.unsealed) == (None, 3, 0)


def test_tables_that_are_made_later_and_changed_are_told(engine: Engine, there: Engine) -> None:
    log_changes(of=engine, to=there)
    with engine.begin() as connection:
        connection.execute(update(Person).values(age=37))
        connection.exec_driver_sql("CREATE TABLE later (x INTEGER)")
        connection.exec_driver_sql("INSERT INTO later VALUES (1)")
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE person ADD COLUMN city VARCHAR(9)")
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE person SET city = 'Rome'")
    assert changes(there) == [
        ADA_OLDER,
        ("insert", "later", {"x": 1}, new(x=1)),
        ("update", "person", {"id": 1}, {"city": {"old": None, "new": "Rome"}}),
    ]


def test_the_log_may_be_in_the_same_database(engine: Engine) -> None:
    for log in (log_changes, log_queries):
        log(of=engine, to=engine, extra={"number": 1})
    with engine.begin() as connection:
        connection.execute(update(Person).values(age=37))
    with engine.connect() as connection:
        connection.execute(update(Person).values(age=38))
        connection.rollback()
    assert changes(engine) == [ADA_OLDER]
    assert len(queries(engine)) == 1
    with engine.connect() as connection:
        assert {table.name for table in AuditLog(connection).tables()} == {"person", "stock", "visit"}


def test_a_log_that_is_away_fails_the_write(engine: Engine, tmp_path: Path) -> None:
    away = create_engine(f"sqlite:///{tmp_path}/none/log.db")
    log_changes(of=engine, to=away)
    with engine.connect() as connection:
        connection.execute(update(Person).values(age=37))
        with pytest.raises(
            AuditError,
            match=r"The log's database .*log\.db cannot be written to: unable to open .*; nothing was committed\.",
        ):
            connection.commit()
        connection.rollback()
        assert connection.scalar(select(Person.age)) == 36
        connection.commit()
    (tmp_path / "none").mkdir()
    with engine.begin() as connection:
        connection.execute(update(Person).values(age=37))
    assert changes(away) == [ADA_OLDER]
    away.dispose()


def test_a_log_that_is_away_waits_if_it_may(engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    away = create_engine(f"sqlite:///{tmp_path}/none/log.db")
    for log in (log_changes, log_queries):
        log(of=engine, to=away, when_away="buffer", extra={"a": 1})
    with caplog.at_level(logging.WARNING, "csv_manager.audit"):
        for age in (37, 38):
            with engine.begin() as connection:
                connection.execute(update(Person).values(age=age))
    assert "the log waits in the audited database" in caplog.text
    (tmp_path / "none").mkdir()
    with engine.begin() as connection:
        connection.execute(update(Person).values(age=39))
    assert [diff["age"]["new"] for *_, diff in changes(away)] == [37, 38, 39]
    assert len(queries(away)) == 3
    with engine.begin() as connection:
        connection.execute(update(Person).values(age=40))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM csv_audit_parcels")) == 2
    assert deliver(of=engine, to=away) == 2
    assert deliver(of=engine, to=away) == 0
    assert len(changes(away)) == 4
    assert len(queries(away)) == 4
    with Session(away) as session:
        assert session.scalars(select(ChangeLog.extra)).all() == [{"a": 1}] * 4
    away.dispose()


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"], indirect=True)
def test_a_commit_that_the_database_refuses_is_not_told(engine: Engine, there: Engine) -> None:
    log_changes(of=engine, to=there)
    with engine.connect() as connection:
        connection.execute(update(Person).values(age=37))
        connection.execute(insert(Visit).values(person=99))
        with pytest.raises(IntegrityError):
            connection.commit()
    assert changes(there) == []
    with engine.begin() as connection:
        assert connection.scalar(select(Person.age)) == 36
        connection.execute(update(Person).values(age=37))
    assert changes(there) == [ADA_OLDER]


def test_autocommit_is_refused(engine: Engine, there: Engine) -> None:
    log_changes(of=engine, to=there)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        with pytest.raises(AuditError, match="A connection with AUTOCOMMIT cannot be logged"):
            connection.execute(update(Person).values(age=37))
        assert connection.scalar(select(Person.age)) == 36
    with engine.begin() as connection:
        connection.execute(update(Person).values(age=37))
    assert changes(there) == [ADA_OLDER]


def test_each_session_and_connection_has_its_own_extra(engine: Engine, there: Engine) -> None:
    numbers = iter(range(5))
    with Session(engine) as one, Session(engine) as other, engine.connect() as connection:
        log_changes(of=one, to=there, extra={"session": 1})
        log_changes(of=other, to=there, extra=lambda: {"number": next(numbers), "at": dt.date(2026, 1, 2)})
        for session in (one, other, one):
            session.execute(update(Person).values(age=Person.age + 1))
            session.commit()
        log_changes(of=connection, to=there)
        connection.execute(update(Person).values(age=Person.age + 1))
        connection.commit()
    with engine.begin() as unheard:
        unheard.execute(update(Person).values(age=Person.age + 1))
    with Session(there) as session:
        first, second, third, last = session.scalars(select(ChangeLog.extra).order_by(ChangeLog.id))
    assert (first, third, last) == ({"session": 1}, {"session": 1}, None)
    assert second is not None
    assert second["at"] == "2026-01-02"


def test_a_session_that_was_given_a_connection_leaves_it_unheard(engine: Engine, there: Engine) -> None:
    with engine.connect() as connection:
        session = scoped_session(sessionmaker(connection))
        log_changes(of=session, to=there)
        session.execute(update(Person).values(age=37))
        session.commit()
        session.remove()
        connection.execute(update(Person).values(age=40))
        connection.commit()
    assert changes(there) == [ADA_OLDER]


def test_sessions_of_one_maker_do_not_end_each_other(engine: Engine, there: Engine) -> None:
    makes = sessionmaker(engine)
    log_changes(of=makes, to=there)
    with makes() as one, makes() as other:
        one.scalar(select(Person.age))
        other.scalar(select(Person.age))
        one.rollback()
        other.execute(update(Person).values(age=37))
        other.commit()
        one.execute(update(Person).values(age=38))
        one.commit()
    assert [diff["age"]["new"] for *_, diff in changes(there)] == [37, 38]


def test_a_column_to_be_redacted_that_is_not_there_is_told(engine: Engine, there: Engine) -> None:
    log_changes(of=engine, to=there, redact={"person": ["nmae"]})
    with engine.connect() as connection:
        with pytest.raises(
            ConfigurationError, match="There is no column nmae in table person, which is to be redacted"
        ):
            connection.execute(update(Person).values(age=37))
        connection.rollback()
        assert connection.scalar(select(Person.age)) == 36


def test_statements_are_told_as_the_driver_got_them(engine: Engine, there: Engine) -> None:
    log_queries(of=engine, to=there, extra={"user": "me"})
    with engine.begin() as connection:
        connection.scalars(select(func.count()).select_from(Person)).all()
        connection.execute(select(Person).where(Person.id.in_([1, 2])))
        connection.execute(update(Person).where(Person.id.in_([1, 2])).values(age=37))
        connection.execute(insert(Person), [{"id": 5, "name": "e", "age": 1}, {"id": 6, "name": "f", "age": 2}])
        connection.exec_driver_sql("DELETE FROM person WHERE id = 6")
    with Session(there) as session:
        told = session.scalars(select(QueryLog).order_by(QueryLog.id)).all()
    assert [(each.type, each.extra, each.dialect_description) for each in told] == [
        (verb, {"user": "me"}, engine.dialect.dialect_description) for verb in ("update", "insert", "delete")
    ]
    assert told[1].parameters == [{"id": 5, "name": "e", "age": 1}, {"id": 6, "name": "f", "age": 2}]
    assert "POSTCOMPILE" not in told[0].statement
    with engine.begin() as connection:
        connection.execute(update(Person).values(age=1))
        [given] = told[0].parameters or []
        connection.exec_driver_sql(told[0].statement, tuple(given) if isinstance(given, list) else given)
        assert connection.scalar(select(Person.age).where(Person.id == 1)) == 37


def test_what_is_redacted_is_in_no_log(engine: Engine, there: Engine) -> None:
    secret = {"redact": {"person": ["name"]}}
    log_changes(of=engine, to=there, redact=secret["redact"])
    log_queries(of=engine, to=there, redact=secret["redact"])
    with engine.begin() as connection:
        connection.execute(insert(Person).values(id=2, name="s3cret", age=5))
        connection.execute(
            insert(Person), [{"id": 3, "name": "s3cret", "age": 6}, {"id": 4, "name": "s3cret", "age": 7}]
        )
        connection.exec_driver_sql("UPDATE person SET name = 's3cret', age = 7 WHERE name <> 's3cret'")
        connection.execute(text("UPDATE person SET age = 8 WHERE name = :who"), {"who": "s3cret"})
    kept = [json.dumps(each) for each in (*changes(there), *queries(there))]
    assert len(kept) >= 8
    with engine.connect() as connection:
        [table] = [table for table in AuditLog(connection).tables() if table.name == "person"]
        kept += map(repr, connection.exec_driver_sql(f"SELECT * FROM {table.entries}").all())
    assert not [each for each in kept if "s3cret" in each or "Ada" in each]
    assert changes(there)[0] == ("insert", "person", {"id": 2}, new(name="[redacted]", age=5))


def test_a_database_that_cannot_be_audited_is_refused(there: Engine) -> None:
    with pytest.raises(ConfigurationError, match="`to` has no engine"):
        log_changes(of=there, to=sessionmaker())


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"of": "sqlite://"}, "`of` is 'sqlite://'; it takes an engine"),
        ({"to": "sqlite://"}, "`to` is 'sqlite://'; it takes an engine"),
        ({"when_away": "maybe"}, "`when_away` is 'maybe'; it takes 'fail' or 'buffer'"),
        ({"redact": {"person": "name"}}, "`redact` has 'name' for table person; it takes a list of columns"),
    ],
)
def test_what_is_no_argument_is_told(there: Engine, given: dict[str, Any], told: str) -> None:
    for log in (log_changes, log_queries):
        with pytest.raises(ConfigurationError, match=re.escape(told)):
            log(**{"of": there, "to": there, **given})


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_two_phases_are_refused(engine: Engine, there: Engine) -> None:
    makes = sessionmaker(engine, twophase=True)
    log_changes(of=makes, to=there)
    with makes() as session, pytest.raises(AuditError, match="A transaction in two phases cannot be logged"):
        session.execute(update(Person).values(age=37))
    with engine.connect() as connection:
        assert connection.scalar(select(Person.age)) == 36


def test_the_log_goes_to_what_a_session_or_a_connection_is_of(engine: Engine, there: Engine) -> None:
    with contextlib.closing(Session(there)) as session, there.connect() as connection:
        for to in (session, connection, sessionmaker(there)):
            log_changes(of=engine, to=to)
    with engine.begin() as connection:
        connection.execute(update(Person).values(age=37))
    assert changes(there) == [ADA_OLDER] * 3
