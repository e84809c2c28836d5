"""What must not leave the process, and does not."""

from __future__ import annotations

import random

import pytest

from otelier.privacy import before_literal, mask_query, mask_sql


@pytest.mark.parametrize(
    ("query", "masked"),
    [
        (b"page=2&q=swordfish", "page=REDACTED&q=REDACTED"),
        (b"swordfish", "REDACTED"),
        (b"q=", "q=REDACTED"),
        (b"a=b=c", "a=REDACTED"),
        (b"&", "REDACTED&REDACTED"),
        (b"q=\xff", "q=REDACTED"),
        (b"q=%73%77", "q=REDACTED"),
    ],
)
def test_queries(query: bytes, masked: str) -> None:
    """Keys stay, values go; what has no key may be a value."""
    assert mask_query(query) == masked


@pytest.mark.parametrize(
    ("statement", "kept"),
    [
        ("SELECT a FROM t WHERE b = $1", "SELECT a FROM t WHERE b = $1"),
        ("SELECT a\n  FROM t\tWHERE b = %(b_1)s", "SELECT a FROM t WHERE b = %(b_1)s"),
        ('SELECT "Order".a2 FROM "Order"', 'SELECT "Order".a2 FROM "Order"'),
        ("SELECT a #>> $1 FROM t", "SELECT a #>> $1 FROM t"),
        ("INSERT INTO t VALUES (?, ?)", "INSERT INTO t VALUES (?, ?)"),
        ("SELECT :p1, @p2 FROM t9_x", "SELECT :p1, @p2 FROM t9_x"),
    ],
)
def test_statements_without_literals(statement: str, kept: str) -> None:
    """They are kept, on one line, names with digits and placeholders included."""
    assert mask_sql(statement, quotes_names=True) == kept


# Each hides something in one dialect or another.
LITERALS = [
    "SELECT 'swordfish'",
    "SELECT N'swordfish'",
    "SELECT E'sword\\'fish'",
    "SELECT q'[swordfish]' FROM dual",
    "SELECT $$swordfish$$",
    "SELECT $x$swordfish$x$",
    "SELECT $é$swordfish$é$",
    "SELECT * FROM t WHERE a=5",
    "SELECT * FROM t WHERE a>-5",
    "SELECT .5",
    "SELECT 1e9",
    "SELECT 0x5EC2E7",
    "SELECT x'5EC2E7'",
    "SELECT 1_000",
    "SELECT a FROM t LIMIT 10",
    "SELECT a -- swordfish",
    "SELECT a /* swordfish */ FROM t",
    "SELECT a /*! swordfish */ FROM t",
    'SELECT "sword fish"',
    'SELECT U&"\\0073"',
    "CREATE USER bob IDENTIFIED BY swordfish",
]
LITERALS_ELSEWHERE = [
    'SELECT a FROM t WHERE b = "swordfish"',  # MySQL's strings, and SQLite's by mistake
    "SELECT a FROM t # swordfish",  # MySQL's other comment
    "SELECT a FROM t WHERE b = $5",  # SQL Server's money
]


@pytest.mark.parametrize("statement", LITERALS)
@pytest.mark.parametrize("quotes_names", [True, False])
def test_statements_with_literals(statement: str, quotes_names: bool) -> None:
    """They are left out whole, in every dialect."""
    assert mask_sql(statement, quotes_names=quotes_names) is None


@pytest.mark.parametrize("statement", LITERALS_ELSEWHERE)
def test_literals_of_other_dialects(statement: str) -> None:
    """What is a name or an operator in PostgreSQL may be a literal elsewhere."""
    assert mask_sql(statement, quotes_names=False) is None


@pytest.mark.parametrize("statement", [*LITERALS, *LITERALS_ELSEWHERE])
def test_nothing_before_a_literal_is_one(statement: str) -> None:
    """What is read for names ends where a literal may begin."""
    rest = before_literal(statement, quotes_names=False)
    assert statement.startswith(rest)
    assert "swordfish" not in rest


_WORDS = ("SELECT", "a", "FROM", "t1", "WHERE", "b", "=", "AND", "(", ")", ",", "+", "*", "IN")
_PLACES = ("?", "%(p_1)s", ":p1", "$1", '"Name"')


def _literal(chance: random.Random) -> str:
    secret = f"{chance.randrange(10**8, 10**9)}"
    quoted = (f"'{secret}'", f"E'{secret}'", f"$${secret}$$", f"$q${secret}$q$", f"X'{secret}'")
    bare = (secret, f"-{secret}", f".{secret}", f"{secret}e5", f"0x{secret}", f"1.{secret}")
    hidden = (f"--{secret}\n", f"/*{secret}*/", f'"{secret}"', f'"a {secret}"', f"'a''{secret}'")
    return chance.choice(quoted + bare + hidden)


@pytest.mark.parametrize("quotes_names", [True, False])
def test_random_statements(quotes_names: bool) -> None:
    """Of thousands of statements none leaves with its literal; those without are kept."""
    chance = random.Random(20_261_123)
    places = _PLACES if quotes_names else _PLACES[:3]
    kept = 0
    for number in range(4000):
        tokens = chance.choices(_WORDS + places, k=chance.randrange(1, 12))
        has_literal = number % 2 == 0
        if has_literal:
            tokens.insert(chance.randrange(len(tokens) + 1), _literal(chance))
        statement = chance.choice((" ", "\n", "  ")).join(tokens)
        masked = mask_sql(statement, quotes_names=quotes_names)
        assert (masked is None) is has_literal, statement
        kept += masked is not None
    assert kept == 2000
