"""Who has to look after an exception: application, infrastructure or integration.

Application is the app's own bug or refusal; infrastructure what it runs on (database, cache,
broker, network, disk, memory); integration a service of somebody else's. The first that answers
decides:

1. rules of the user's, entry points of the group `otelier_error_category`: each takes an exception
   and returns a category or None;
2. what a database says by its SQLSTATE, SQLite by its code, the system by its `errno`;
3. the tables below, for the class and the package it is of, or the nearest of its bases.

An exception that nothing knows, one of the app's own as a rule, is what it was raised `from`; of a
group, infrastructure before integration before application, as its members are. What is still
unknown is the application's. Libraries are known by names and not imported. Pure, but for the rules
that are loaded once at start; nothing here raises an `Exception`.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from otelier import rules

APPLICATION: Final = "application"
INFRASTRUCTURE: Final = "infrastructure"
INTEGRATION: Final = "integration"

_ORDER: Final = (INFRASTRUCTURE, INTEGRATION, APPLICATION)
_MOST: Final = 8

Rule = Callable[[BaseException], Any]

_CLASSES: Mapping[str, Mapping[str, str]] = {
    INFRASTRUCTURE: {
        "builtins": "ConnectionError TimeoutError MemoryError",
        "socket": "gaierror herror",
        "ssl": "SSLError",
        "concurrent.futures.process": "BrokenProcessPool",
        "sqlalchemy.exc": "OperationalError InterfaceError InternalError TimeoutError"
        " DisconnectionError",
        "sqlite3": "OperationalError InternalError",
        "psycopg": "OperationalError InterfaceError InternalError",
        "psycopg2": "OperationalError InterfaceError InternalError",
        "psycopg_pool": "PoolTimeout PoolClosed TooManyRequests",
        "pymysql.err": "OperationalError InterfaceError InternalError",
        "asyncmy.errors": "OperationalError InterfaceError InternalError",
        "asyncpg.exceptions._base": "InterfaceError InternalClientError",
        "redis.exceptions": "ConnectionError TimeoutError BusyLoadingError ReadOnlyError"
        " ClusterDownError ClusterError MasterDownError TryAgainError OutOfMemoryError"
        " AuthenticationError AuthorizationError MaxConnectionsError RedisClusterException"
        " NoPermissionError InvalidResponse",
    },
    INTEGRATION: {
        "urllib.error": "URLError",
        "http.client": "HTTPException",
        "smtplib": "SMTPException",
        "ftplib": "Error",
        "imaplib": "IMAP4.error",
        "poplib": "error_proto",
    },
    APPLICATION: {
        "sqlalchemy.exc": "SQLAlchemyError",
        "sqlalchemy.orm.exc": "StaleDataError",
        "sqlite3": "Error",
        "psycopg": "Error",
        "psycopg2": "Error",
        "pymysql.err": "Error",
        "asyncpg.exceptions._base": "PostgresError",
        "redis.exceptions": "RedisError",
        "pydantic_core._pydantic_core": "ValidationError",
        "fastapi.exceptions": "ValidationException",
        "aiohttp.web_exceptions": "HTTPException",
        "httpx": "InvalidURL CookieConflict StreamError UnsupportedProtocol",
        "requests.exceptions": "InvalidURL InvalidSchema MissingSchema InvalidHeader",
        "aiohttp.client_exceptions": "InvalidURL",
        "http.client": "InvalidURL ImproperConnectionState",
        "urllib3.exceptions": "LocationValueError",
    },
}
_PACKAGES: Mapping[str, str] = {
    **dict.fromkeys(
        ("httpx", "httpcore", "requests", "urllib3", "aiohttp", "aiosmtplib", "botocore", "boto3",
         "grpc", "google", "azure", "stripe", "twilio", "openai", "anthropic", "slack_sdk",
         "websockets", "zeep", "paramiko", "asyncssh", "github", "firebase_admin", "sendgrid"),
        INTEGRATION,
    ),
    **dict.fromkeys(
        ("kafka", "aiokafka", "confluent_kafka", "pika", "aio_pika", "aiormq", "kombu", "amqp",
         "nats", "pymongo", "motor", "elasticsearch", "elastic_transport", "opensearchpy",
         "aiomcache", "pymemcache", "memcache"),
        INFRASTRUCTURE,
    ),
}  # fmt: skip
_TABLE: Mapping[str, str] = {
    f"{module}.{name}": category
    for category, modules in _CLASSES.items()
    for module, names in modules.items()
    for name in names.split()
}

# Connection, authorization, resources, operator, system; the roll-backs and locks of others. 70 is
# of MySQL: somebody has ended the connection or the query.
_SQLSTATES: Final = frozenset(("08", "28", "3D", "40", "53", "55", "57", "58", "70", "XX"))
_ANY_STATE: Final = "HY000"  # of MySQL, for a number that has no SQLSTATE of its own
_ERRNOS: Final = frozenset(
    (
        *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENOMEM, errno.EMFILE),
        *(errno.ENFILE, errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH),
        *(errno.EADDRINUSE, errno.EADDRNOTAVAIL),
    )
)
_SQLITE_ERROR: Final = 1  # `no such table`, a syntax error

_rules: tuple[Rule, ...] = ()


def load_rules() -> list[str]:
    """Load the user's rules, by the order of their names; returns what was wrong with others."""
    global _rules
    _rules, problems = rules.load(rules.CATEGORIES)
    return problems


def category(error: BaseException) -> str:
    """One of the three."""
    try:
        return _category(error, set()) or APPLICATION
    except Exception:  # of the app's own class
        return APPLICATION


def of_status(status: int) -> str:
    """Of an answer that no exception is known of: a gateway's, one that is out of service."""
    if status in (502, 504):
        return INTEGRATION
    return INFRASTRUCTURE if status == 503 else APPLICATION


def _category(error: BaseException, seen: set[int]) -> str | None:
    one: BaseException | None = error
    while one is not None and id(one) not in seen and len(seen) < _MOST:
        seen.add(id(one))
        if found := _ruled(one) or _told(one) or _listed(one):
            return found
        if isinstance(one, BaseExceptionGroup):
            members = {_category(member, seen) for member in one.exceptions[:_MOST]}
            return next((each for each in _ORDER if each in members), None)
        one = one.__cause__ or (one.__context__ if _is_an_answer(one) else None)
    return None


def _ruled(error: BaseException) -> str | None:
    for rule in _rules:
        with suppress(Exception):  # the user's own: the next one is asked
            found = rule(error)
            if found in _ORDER:
                return str(found)
    return None


def _told(error: BaseException) -> str | None:
    """By a code of whoever has refused."""
    original = getattr(error, "orig", None) or error  # SQLAlchemy's has its driver's
    state = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
    if isinstance(state, str) and len(state) == 5 and state != _ANY_STATE:
        return INFRASTRUCTURE if state[:2] in _SQLSTATES else APPLICATION
    if getattr(original, "sqlite_errorcode", None) == _SQLITE_ERROR:
        return APPLICATION
    if getattr(error, "connection_invalidated", False) is True:
        return INFRASTRUCTURE
    known = isinstance(error, OSError) and error.errno in _ERRNOS
    return INFRASTRUCTURE if known else None


def _listed(error: BaseException) -> str | None:
    for name in _names(error):
        if found := _TABLE.get(name) or _PACKAGES.get(name.partition(".")[0]):
            return found
    return None


def _names(error: BaseException) -> Iterator[str]:
    for kind in type(error).__mro__:
        yield f"{kind.__module__}.{kind.__qualname__}"


def _is_an_answer(error: BaseException) -> bool:
    """Raised to be answered, in the midst of handling what is the reason."""
    return "starlette.exceptions.HTTPException" in _names(error)
