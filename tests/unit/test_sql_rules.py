"""SQL rules: what they say, what they find, and that they read nothing else."""

from pathlib import Path

import pytest
from checking import rows

from csv_manager.checks import sql, sql_parsing
from csv_manager.core.errors import RuleError, TornReadError

CONTENT = 'id,amount,name\n1,5,a\n2,-3,b\n3,abc,"c\nd"\n4,,e\n5,2\n'
BEFORE = "id,amount,name\n1,50,a\n2,1,b\n"
TYPES = {"id": "number", "amount": "number"}


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("amount >= 0", [("row-constraint", 2, "amount >= 0: amount=-3"), ("type-error", 3, "abc is no number")]),
        ("name IS NOT NULL", [("row-constraint", 5, "name IS NOT NULL: name=NULL")]),
        ("name <> ''", []),
        ("id IN (FROM previous SELECT id)", [
            ("row-constraint", number, f"id IN (FROM previous SELECT id): id={number}") for number in (3, 4, 5)
        ]),
        ("lower(name) = 'a' OR id > 1 -- that is all", []),
        ('"ID" < 5', [("row-constraint", 5, '"ID" < 5: id=5')]),
    ],
)  # fmt: skip
def test_rows_that_do_not_meet_a_condition_are_found(condition: str, found: list[tuple[str, int, str]]) -> None:
    with sql.Session(rows(CONTENT, BEFORE)) as session:
        told = [(each.code, each.row, each.message) for each in session.misfits(condition, TYPES)]
    assert told == found


def test_rows_that_a_query_returns_are_found() -> None:
    query = "SELECT c.* FROM current c JOIN previous p USING (id) WHERE c.amount < p.amount / 2"
    with sql.Session(rows(CONTENT, BEFORE)) as session:
        told = [(each.code, each.row, each.message) for each in session.bad_rows(query, TYPES)]
        assert told[1:] == [
            ("row-constraint", 1, "the query returns: id=1, amount=5, name=a"),
            ("row-constraint", 2, "the query returns: id=2, amount=-3, name=b"),
        ]
        [one] = session.bad_rows("SELECT 7 AS total", TYPES)
        assert (one.row, one.column, one.value) == (None, "total", "7")


def test_before_the_first_version_there_are_no_rows() -> None:
    with sql.Session(rows(CONTENT)) as session:
        assert session.select("SELECT id FROM previous", TYPES) == (["id"], [])


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("amount >", "The rule 'amount >': Parser Error: syntax error at or near \")\"."),
        ("amuont > 1", "The rule 'amuont > 1': Binder Error: Referenced column \"amuont\" not found in FROM clause."),
        ("amount", "The rule 'amount' is of type DOUBLE, and no condition."),
        ("1) FROM x WHERE (true", "The rule '1) FROM x WHERE (true' is not one condition."),
        ("COLUMNS(*) IS NOT NULL", "The rule 'COLUMNS(*) IS NOT NULL' is not one condition."),
        ("true, false", "The rule 'true, false' is"),
        ("count(*) > 1", "The rule 'count(*) > 1': Binder Error: WHERE clause cannot contain aggregates."),
        ("true; DROP VIEW current", "The rule 'true; DROP VIEW current': Parser Error: syntax error"),
        ("", "The rule is empty; name a condition, such as 'price > 0'."),
    ],
)
def test_what_is_no_condition_is_refused(condition: str, said: str) -> None:
    with sql.Session(rows(CONTENT)) as session, pytest.raises(RuleError) as error:
        session.bind(condition, TYPES)
    assert str(error.value).startswith(said)


@pytest.fixture
def secret(tmp_path: Path) -> str:
    """A file that no rule is to see."""
    (tmp_path / "secret.csv").write_text("a\nsecret\n", encoding="utf-8")
    return str(tmp_path / "secret.csv")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_csv('{secret}')",
        "SELECT * FROM read_text('{secret}')",
        "SELECT * FROM read_blob('{secret}')",
        "SELECT * FROM '{secret}'",
        "SELECT * FROM sniff_csv('{secret}')",
        "SELECT * FROM glob('{folder}/*')",
        "SELECT * FROM parquet_metadata('{secret}')",
        "COPY (SELECT 1) TO '{folder}/written.csv'",
        "EXPORT DATABASE '{folder}/written'",
        "ATTACH '{folder}/written.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "PRAGMA enable_profiling",
        "CREATE TABLE t (a INTEGER)",
        "DROP VIEW current",
        "SELECT * FROM 'https://127.0.0.1:9/x.csv'",
        "SELECT * FROM read_csv('https://127.0.0.1:9/x.csv')",
        "SELECT getenv('HOME')",
        "SELECT * FROM secret_of_python",
        "SELECT 1; SELECT 2",
        "VALUES",
    ],
)
def test_a_rule_reads_the_versions_and_nothing_else(query: str, secret: str) -> None:
    secret_of_python = rows("a\n1\n").table  # noqa: F841 - DuckDB would find some of Python's variables
    folder = Path(secret).parent
    told = query.format(secret=secret, folder=folder)
    with sql.Session(rows(CONTENT)) as session, pytest.raises(RuleError):
        session.select(told, TYPES)
    assert [path.name for path in folder.iterdir()] == ["secret.csv"]


@pytest.mark.parametrize(
    ("condition", "by_row"),
    [
        ("amount > 0", True),
        ("lower(trim(name)) = 'a' AND CASE WHEN id > 1 THEN true ELSE false END", True),
        ("id IN (SELECT id FROM previous)", False),
        ("_row > 1", False),
        ("sum(amount) OVER () > 1", False),
        ("name < current_date::VARCHAR", False),
        ("random() < 2", False),
    ],
)
def test_whether_a_condition_is_about_each_row_by_itself(condition: str, by_row: bool) -> None:
    assert sql_parsing.parse_expression(condition).by_row is by_row


def test_a_query_ends_when_it_is_to_stop() -> None:
    told = rows(CONTENT)
    told.stopping = lambda: True
    with sql.Session(told) as session, pytest.raises(TornReadError):
        session.select("SELECT count(*) FROM range(100000000000) a WHERE a.range % 7 = 3", TYPES)
    with sql.Session(rows(CONTENT)) as session:
        assert session.select("SELECT count(*) FROM current", TYPES)[1] == [(5,)]
