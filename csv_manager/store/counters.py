"""Numbers that are given out: positions of row changes, and revisions of watchers."""

from sqlalchemy import Connection, bindparam, select, update

from csv_manager.store.schema import counters

_MINE = counters.c.name == bindparam("the_name")
_TAKE = update(counters).where(_MINE).values(value=counters.c.value + bindparam("the_count"))
_TAKEN = select(counters.c.value).where(_MINE)
_TAKE_AND_TELL = _TAKE.returning(counters.c.value)


def take(connection: Connection, name: str, count: int = 1) -> int:
    """The first of `count` new numbers; the row lock makes their order the order of the commits."""
    told = {"the_name": name, "the_count": count}
    if connection.dialect.update_returning:
        last = connection.execute(_TAKE_AND_TELL, told).scalar_one()
    else:
        connection.execute(_TAKE, told)
        last = connection.execute(_TAKEN, {"the_name": name}).scalar_one()
    return int(last) - count + 1
