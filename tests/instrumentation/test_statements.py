"""What is read out of a statement, and that nothing else is."""

from __future__ import annotations

import random

import pytest

from otelier.instrumentation import statements
from otelier.instrumentation.statements import Description, Grammar, batched, describe

POSTGRES = Grammar(quotes_names=True, quotes_tables=True, hashes=True, dashes=True)
SQLITE = Grammar(quotes_tables=True, brackets=True, dashes=True)
MYSQL = Grammar()


@pytest.mark.parametrize(
    ("statement", "summary"),
    [
        ("SELECT * FROM users", "SELECT users"),
        ("  select 1", "select"),
        ('INSERT INTO "Order" (id) VALUES ($1)', 'INSERT "Order"'),
        ("UPDATE shop.items SET n = ? WHERE id = ?", "UPDATE shop.items"),
        ("UPDATE ONLY t SET a = $1 FROM other", "UPDATE t other"),
        ("DELETE FROM `cart`", "DELETE `cart`"),
        ("DELETE FROM a USING b WHERE a.x = b.x", "DELETE a b"),
        ("SELECT * FROM songs, artists WHERE x = y", "SELECT songs artists"),
        ("SELECT 1 FROM a JOIN b USING (id, x) JOIN c ON f(a, b)", "SELECT a b c"),
        ("SELECT 1 FROM a JOIN (b JOIN c ON b.i = c.i) ON a.i = b.i", "SELECT a b c"),
        ("SELECT a FROM (SELECT * FROM o JOIN c ON o.i = c.i)", "SELECT SELECT o c"),
        ("INSERT INTO s (i, a) SELECT i, a FROM o WHERE i = ?", "INSERT s SELECT o"),
        ("(SELECT a FROM t) UNION (SELECT b FROM u)", "SELECT t SELECT u"),
        ("WITH r AS (SELECT * FROM o) SELECT * FROM r JOIN u ON 1", "SELECT o SELECT u"),
        ("WITH RECURSIVE r(n) AS (SELECT 1), q AS (SELECT 2) SELECT n FROM r, q", "SELECT " * 3),
        ("INSERT INTO t (a) VALUES (?) ON CONFLICT (a) DO UPDATE SET a = 1", "INSERT t"),
        ("SELECT a FROM t WHERE b IN (?, ?) ORDER BY a, b FOR UPDATE OF t", "SELECT t"),
        ("SELECT extract(year FROM made), trim(x FROM y) FROM t", "SELECT t"),
        ("SELECT a IS DISTINCT FROM b FROM t", "SELECT t"),
        ("SELECT a FROM generate_series($1, $2) g, t", "SELECT t"),
        ("MERGE INTO t USING s ON a = b WHEN MATCHED THEN UPDATE SET a = 1", "MERGE t s"),
        ("CREATE TABLE IF NOT EXISTS users (id INTEGER)", "CREATE TABLE users"),
        ("create unique index ix ON t (a)", "create index ix"),
        ("DROP TABLE IF EXISTS public.t", "DROP TABLE public.t"),
        ("CREATE USER bob IDENTIFIED BY swordfish", "CREATE"),
        ("EXPLAIN ANALYZE SELECT * FROM t", "EXPLAIN SELECT t"),
        ("CALL some_procedure($1)", "CALL some_procedure"),
        ("SELECT 1; DELETE FROM t", "SELECT DELETE t"),
        ("SHOW TABLES FROM x", "SHOW"),
        ("gibberish FROM t", ""),
        ("SELECT id FROM t WHERE a = %(from)s AND b = %(select)s", "SELECT t"),
        ("INSERT INTO notes VALUES ('copied FROM swordfish')", "INSERT notes"),
        ("SELECT 'letter FROM swordfish' FROM notes", "SELECT notes"),
        ("SELECT 'it''s FROM swordfish' FROM notes", "SELECT notes"),
        ("SELECT substring(card FROM 4111) FROM cards", "SELECT cards"),
        ("SELECT a -- from swordfish", "SELECT"),
        ("/* from swordfish */ SELECT a FROM t", "SELECT t"),
        ("/* /* */ FROM swordfish */ SELECT a", ""),
        (r"SELECT E'it\' FROM swordfish' FROM t", "SELECT"),
        ("SELECT $a$ FROM swordfish $a$ FROM t", "SELECT"),
        ("SELECT q'[it's FROM swordfish]' FROM t", "SELECT"),
    ],
)
def test_summaries(statement: str, summary: str) -> None:
    """Operations and tables in their order, as written; never a word out of a literal."""
    assert describe(statement, POSTGRES).summary == summary.strip()


@pytest.mark.parametrize(
    ("grammar", "statement", "summary"),
    [
        (MYSQL, 'SELECT "letter from swordfish" FROM t', "SELECT t"),
        (MYSQL, r'SELECT "a\" FROM swordfish" FROM t', "SELECT"),
        (MYSQL, 'SELECT trim("a" FROM "swordfish") FROM t', "SELECT t"),
        (MYSQL, "SELECT 1--'\n FROM swordfish' FROM t", "SELECT"),
        (MYSQL, "SELECT a # it's\n FROM t", "SELECT"),
        (MYSQL, "SELECT /*! '*/ FROM swordfish' */ a", "SELECT"),
        (MYSQL, 'INSERT INTO "swordfish" VALUES (1)', "INSERT"),
        (SQLITE, 'INSERT INTO "order" (a) VALUES (?)', 'INSERT "order"'),
        (SQLITE, 'SELECT "letter from swordfish" FROM t', "SELECT t"),
        (SQLITE, "SELECT [a b] FROM [my t]", "SELECT [my t]"),
        (POSTGRES, "SELECT a[1] FROM t", "SELECT t"),
        (POSTGRES, "SELECT a #> b FROM t", "SELECT t"),
        (POSTGRES, 'SELECT * FROM "song list"', 'SELECT "song list"'),
    ],
)
def test_grammars(grammar: Grammar, statement: str, summary: str) -> None:
    """What double quotes, brackets, `#` and `--` mean depends on the engine."""
    assert describe(statement, grammar).summary == summary


@pytest.mark.parametrize(
    ("statement", "operation", "collection"),
    [
        ("SELECT * FROM t", "SELECT", "t"),
        ("SELECT * FROM t JOIN t AS u ON t.a = u.b", "SELECT", "t"),
        ("SELECT * FROM t, u", "SELECT", None),
        ("INSERT INTO t SELECT * FROM u", "INSERT", None),
        ("WITH d AS (DELETE FROM t RETURNING a) SELECT * FROM d", "SELECT", "t"),
        ("SELECT 1; DELETE FROM t", None, "t"),
        ("CREATE TABLE t (a int)", "CREATE TABLE", "t"),
        ("CREATE INDEX i ON t (a)", "CREATE INDEX", None),
        ("CALL p()", "CALL", None),
        ("SELECT a FROM t WHERE b = $$x$$", "SELECT", None),
    ],
)
def test_operation_and_collection(
    statement: str, operation: str | None, collection: str | None
) -> None:
    """The one that it is called after; the table if it is surely the only one."""
    found = describe(statement, POSTGRES)
    assert (found.operation, found.collection) == (operation, collection)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("BEGIN", True),
        ("begin transaction;", True),
        ("START TRANSACTION READ ONLY", True),
        ("COMMIT", True),
        ("ROLLBACK TO SAVEPOINT sa_savepoint_1", True),
        ("RELEASE SAVEPOINT sa_savepoint_1", True),
        ("BEGIN; SELECT 1", False),
        ("BEGIN do_something; END;", False),
        ("SELECT 1", False),
    ],
)
def test_transaction_control(statement: str, expected: bool) -> None:
    """What begins or ends a transaction and does nothing else."""
    assert describe(statement, POSTGRES).is_control is expected


def test_a_summary_has_room_for_255_characters() -> None:
    """None of its parts is cut."""
    tables = ", ".join(f"table_number_{number}" for number in range(40))
    summary = describe(f"SELECT * FROM {tables}", POSTGRES).summary
    assert 230 < len(summary) <= 255
    assert set(summary.split()[1:]) <= set(tables.split(", "))


def test_a_statement_as_long_as_a_book() -> None:
    """It is read up to a limit, and the name that the limit cuts is not taken for a name."""
    start = "SELECT * FROM t, " + "x" * (statements.LONGEST - 20)
    found = describe(f"{start}yyyyyyyyyyyyyyyy, other", POSTGRES)
    assert (found.summary, found.collection) == ("SELECT t", None)
    assert found.text == "SELECT * FROM t,"


def test_batches() -> None:
    """By the convention the word stands before operation and summary."""
    one = Description("INSERT t", "INSERT", "t", "INSERT INTO t VALUES (?)")
    assert batched(one) == Description("BATCH INSERT t", "BATCH INSERT", "t", one.text)
    assert batched(Description("", None, None, None)).summary == "BATCH"


@pytest.mark.parametrize("grammar", [POSTGRES, SQLITE, MYSQL])
def test_no_literal_is_read(grammar: Grammar) -> None:
    """Of ten thousand statements put together at random, none gives away what it quotes."""
    make = random.Random(7)
    words = ["SELECT", "FROM", "a", ",", "(", ")", "JOIN", "INSERT INTO", "WHERE", ";", "UPDATE"]
    words += ["'hidden FROM hidden'", "'hidden''s, hidden'", "-- hidden FROM hidden\n", "1.5e3"]
    words += ["/* hidden, hidden */", "WITH q AS (", "%(hidden)s", ":hidden", "DISTINCT FROM", "--"]
    for _ in range(10_000):
        statement = " ".join(make.choices(words, k=12))
        assert "hidden" not in describe(statement, grammar).summary, statement
