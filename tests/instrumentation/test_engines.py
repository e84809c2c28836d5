"""What is known of an engine and of a driver's error, without a server."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from otelier.instrumentation.engines import Database, Kind, failure, status_code
from otelier.instrumentation.statements import Description

ADDRESS = ("db.namespace", "server.address", "server.port")


def database(url: str, name: str = "postgresql", **of_dialect: Any) -> Database:
    dialect = SimpleNamespace(name=name, **of_dialect)
    engine = SimpleNamespace(dialect=dialect, url=make_url(url))
    return Database(engine, lambda attributes: lambda value, span: None)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://bob:swordfish@db.example/shop", ("shop", "db.example", None)),
        ("postgresql://db.example:6432/shop", ("shop", "db.example", 6432)),
        ("postgresql://[2001:db8::1]:6432/shop", ("shop", "2001:db8::1", 6432)),
        ("postgresql:///shop?host=/run/postgresql", ("shop", "/run/postgresql", None)),
        ("postgresql:///shop?host=db.example:6432", ("shop", "db.example", 6432)),
        ("postgresql:///shop?host=db.example&port=6432", ("shop", "db.example", 6432)),
        ("postgresql:///shop?host=one&host=two", ("shop", None, None)),
        ("postgresql:///shop?host=one,two", ("shop", None, None)),
        ("mysql:///shop?unix_socket=/run/mysqld.sock", ("shop", "/run/mysqld.sock", None)),
        ("sqlite://", (None, None, None)),
    ],
)
def test_addresses(url: str, expected: tuple[Any, ...]) -> None:
    """As configured; host and port apart; nobody's name or password."""
    about = database(url).about
    assert tuple(about.get(name) for name in ADDRESS) == expected
    assert "swordfish" not in str(about)


@pytest.mark.parametrize(
    ("name", "is_mariadb", "system"),
    [
        ("postgresql", False, "postgresql"),
        ("mysql", False, "mysql"),
        ("mysql", True, "mariadb"),
        ("mssql", False, "microsoft.sql_server"),
        ("oracle", False, "oracle.db"),
        ("newsql", False, "newsql"),
    ],
)
def test_systems(name: str, is_mariadb: bool, system: str) -> None:
    """The convention's names, and what SQLAlchemy learned when it connected."""
    assert database("x://", name, is_mariadb=is_mariadb).about["db.system.name"] == system


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://db.example/shop", "shop"),
        ("postgresql://db.example:6432", "db.example:6432"),
        ("postgresql://db.example", "db.example"),
        ("postgresql://", "postgresql"),
    ],
)
def test_names_of_what_is_not_understood(url: str, name: str) -> None:
    """Database, then server, then system, in the convention's order."""
    assert Kind(database(url), Description("", None, None, None)).name == name


def error(*args: Any, cause: BaseException | None = None, **attributes: Any) -> BaseException:
    made = type("Error", (Exception,), attributes)(*args)
    made.__cause__ = cause
    return made


@pytest.mark.parametrize(
    ("system", "failed", "code"),
    [
        ("postgresql", error("text", sqlstate="23505"), "23505"),  # psycopg, asyncpg
        ("postgresql", error("text", pgcode="42P01"), "42P01"),  # psycopg2
        ("sqlite", error("text", sqlite_errorname="SQLITE_BUSY"), "SQLITE_BUSY"),
        ("mysql", error(1062, "Duplicate entry 'swordfish' for key 'x'"), "1062"),  # PyMySQL
        ("mariadb", error(1146, "no such table"), "1146"),
        ("postgresql", error(1062, "text"), None),
        ("postgresql", error("text", sqlstate=None), None),
        ("postgresql", error("text", sqlstate="it's swordfish"), None),
        ("mysql", error(True), None),
        ("mysql", error(), None),
    ],
)
def test_status_codes(system: str, failed: BaseException, code: str | None) -> None:
    """The database's own code, by the driver that passes it on; never a text."""
    assert status_code(failed, system) == code


def test_the_exception_of_the_driver() -> None:
    """Where SQLAlchemy's adapter has translated it, the one that the driver raised is named."""
    driver = error("text")
    adapted = error("text", cause=driver, __module__="sqlalchemy.dialects.postgresql.asyncpg")
    app = error("text", cause=driver, __module__="shop.errors")
    assert failure(adapted, "postgresql") == {"error.type": f"{__name__}.Error"}
    assert failure(app, "postgresql") == {"error.type": "shop.errors.Error"}
