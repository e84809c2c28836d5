"""THE table of every span attribute, metric, event and log field we emit.

Names are those of the semantic conventions (1.44) wherever these have one; ours are listed in the
design, and stand here with `source` empty. From the rows come the constants that the code uses,
the reference page, and the test that compares them with what arrives.
"""

from __future__ import annotations

from otelier.error_signals import EXCEPTION_MESSAGE as EXCEPTION_MESSAGE
from otelier.error_signals import EXCEPTION_STACK as EXCEPTION_STACK
from otelier.error_signals import EXCEPTION_TYPE as EXCEPTION_TYPE
from otelier.error_signals import ROWS as _OF_ERRORS
from otelier.query_signals import ROWS as _OF_QUERIES
from otelier.redis_signals import ROWS as _OF_REDIS
from otelier.runtime_signals import CONTAINER as CONTAINER
from otelier.runtime_signals import CPYTHON as CPYTHON
from otelier.runtime_signals import PROCESS as PROCESS
from otelier.runtime_signals import ROWS as _OF_THE_RUNTIME
from otelier.runtime_signals import SYSTEM as SYSTEM
from otelier.signal import CODE as CODE
from otelier.signal import DATABASE as DATABASE
from otelier.signal import EXCEPTION as EXCEPTION
from otelier.signal import FASTAPI as FASTAPI
from otelier.signal import HTTP as HTTP
from otelier.signal import NETWORK as NETWORK
from otelier.signal import RESOURCE as RESOURCE
from otelier.signal import SDK as SDK
from otelier.signal import SESSION as SESSION
from otelier.signal import USER as USER
from otelier.signal import Signal as Signal
from otelier.signal import attribute as _attribute
from otelier.signal import count as _count
from otelier.signal import level as _level
from otelier.signal import resource as _resource
from otelier.signal import seconds as _seconds

REQUEST_ID = "http.request.id"
USER_ID = "user.id"
SESSION_ID = "session.id"

METHOD = "http.request.method"
METHOD_ORIGINAL = "http.request.method_original"
STATUS_CODE = "http.response.status_code"
ROUTE = "http.route"
URL_PATH = "url.path"
URL_QUERY = "url.query"
URL_SCHEME = "url.scheme"
PROTOCOL_NAME = "network.protocol.name"
PROTOCOL_VERSION = "network.protocol.version"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
CLIENT_ADDRESS = "client.address"
USER_AGENT = "user_agent.original"
ERROR_TYPE = "error.type"
VALIDATION_ERRORS = "fastapi.validation.error_count"

DB_SYSTEM = "db.system.name"
DB_NAMESPACE = "db.namespace"
DB_OPERATION = "db.operation.name"
DB_COLLECTION = "db.collection.name"
DB_TEXT = "db.query.text"
DB_SUMMARY = "db.query.summary"
DB_BATCH_SIZE = "db.operation.batch.size"
DB_STATUS_CODE = "db.response.status_code"
PEER_ADDRESS = "network.peer.address"
PEER_PORT = "network.peer.port"
KEY_PATTERN = "otelier.cache.key_pattern"
POOL_NAME = "db.client.connection.pool.name"
CONNECTION_STATE = "db.client.connection.state"
TRANSACTION_OUTCOME = "otelier.db.transaction.outcome"
TWO_PHASE = "otelier.db.transaction.two_phase"
REQUEST_STATEMENTS = "otelier.db.statements"
REQUEST_SECONDS = "otelier.db.seconds"

STREAM = "otelier.stream"

CODE_FILE = "code.file.path"
CODE_FUNCTION = "code.function.name"
CODE_LINE = "code.line.number"

REQUEST_DURATION = "http.server.request.duration"
ACTIVE_REQUESTS = "http.server.active_requests"
REQUEST_SIZE = "http.server.request.body.size"
RESPONSE_SIZE = "http.server.response.body.size"
DB_DURATION = "db.client.operation.duration"
HEALTH_REQUESTS = "otelier.health.requests"
CONNECTION_COUNT = "db.client.connection.count"
CONNECTION_MAX = "db.client.connection.max"
CONNECTION_IDLE_MAX = "db.client.connection.idle.max"
CONNECTION_IDLE_MIN = "db.client.connection.idle.min"
PENDING_REQUESTS = "db.client.connection.pending_requests"
CONNECTION_TIMEOUTS = "db.client.connection.timeouts"
CREATE_TIME = "db.client.connection.create_time"
WAIT_TIME = "db.client.connection.wait_time"
USE_TIME = "db.client.connection.use_time"
TRANSACTIONS = "otelier.db.transactions"
TRANSACTION_DURATION = "otelier.db.transaction.duration"
SAVEPOINTS = "otelier.db.savepoints"
CACHE_HITS = "otelier.cache.hits"
CACHE_MISSES = "otelier.cache.misses"

COMPONENT_TYPE = "otel.component.type"
COMPONENT_NAME = "otel.component.name"
EXPORT_SIGNAL = "otelier.export.signal"
EXPORT_RECORDED = "otelier.export.recorded"
EXPORT_SPOOLED = "otelier.export.spooled"
FAULTS = "otelier.faults"
FAULT_CAUSE = "otelier.fault.cause"

_SERVER = "server span, access record"
_SQL = "SQL span"
_REDIS = "Redis span"
_LOG = "log record"
_OWN = "metrics of our own"
_OF_POOLS = "metrics of pools"
_READ = "system, operation, namespace, server; key pattern if switched on"
_OF_TRANSACTIONS = "metrics of transactions"


def _pool_numbers() -> list[Signal]:
    """Of each connection pool."""
    connections, pool = "{connection}", "pool"
    about = (connections, pool, DATABASE)
    return [
        _level(CONNECTION_COUNT, "open connections", connections, "pool, state", DATABASE),
        _level(CONNECTION_MAX, "most that may be open, if that is bounded", *about),
        _level(CONNECTION_IDLE_MAX, "most that stay open unused, if that is bounded", *about),
        _level(CONNECTION_IDLE_MIN, "fewest that stay open: 0", *about),
        _level(PENDING_REQUESTS, "who waits for one", "{request}", pool, DATABASE),
        _count(CONNECTION_TIMEOUTS, "who has waited in vain", "{timeout}", pool, DATABASE),
        _seconds(CREATE_TIME, "time to open a connection", pool, DATABASE),
        _seconds(WAIT_TIME, "time to get one from the pool", pool, DATABASE),
        _seconds(USE_TIME, "time until it was given back", pool, DATABASE),
    ]


def _transaction_numbers() -> list[Signal]:
    """Of SQLAlchemy's transactions."""
    where = "system, namespace, server, outcome"
    on = f"{where}, two-phase; error type if COMMIT failed"
    return [
        _count(TRANSACTIONS, "transactions that ended", "{transaction}", on),
        _seconds(TRANSACTION_DURATION, "from BEGIN to the end of COMMIT or ROLLBACK", on),
        _count(SAVEPOINTS, "savepoints that ended on their own", "{savepoint}", where),
    ]


def _own_numbers() -> list[Signal]:
    """What became of spans, log records and data points."""
    rows: list[Signal] = []
    level = "up-down counter"
    for word, unit, many in (
        ("span", "{span}", "spans"),
        ("log", "{log_record}", "log records"),
        ("metric_data_point", "{data_point}", "data points"),
    ):
        of, exporter = "component", f"otel.sdk.exporter.{word}"
        failed = f"{of}; error type if lost"
        rows += (
            _count(f"{exporter}.exported", f"{many} whose fate is known", unit, failed, SDK),
            _count(f"{exporter}.inflight", f"{many} on their way", unit, of, SDK, level),
        )
        if word == "metric_data_point":
            continue
        processor = f"otel.sdk.processor.{word}"
        rows += (
            _count(f"{processor}.processed", f"{many} that wait no more", unit, failed, SDK),
            _count(f"{processor}.queue.size", f"{many} that wait", unit, of, SDK, level),
        )
    return rows


SIGNALS: tuple[Signal, ...] = (
    _resource("service.name", "name of the service; a guess is said at start"),
    _resource("service.version", "version in `pyproject.toml`, unless set"),
    _resource("service.instance.id", "random, one for each process"),
    _resource("deployment.environment.name", "as set in `OTEL_RESOURCE_ATTRIBUTES`"),
    _resource("deployment.environment", "the same under its former name, for older backends"),
    _resource("telemetry.distro.name", "`otelier`"),
    _resource("telemetry.distro.version", "version of Otelier"),
    _resource("telemetry.sdk.name", "`opentelemetry`"),
    _resource("telemetry.sdk.language", "`python`"),
    _resource("telemetry.sdk.version", "version of the OpenTelemetry SDK"),
    _resource("host.name", "name of the host"),
    _resource("host.arch", "its processor"),
    _resource("host.id", "its machine id"),
    _resource("container.id", "id of the container, inside one"),
    _resource("process.pid", "process id", "int"),
    _resource("process.runtime.name", "`cpython`"),
    _resource("process.runtime.version", "version of Python"),
    _attribute(
        REQUEST_ID,
        "id of the request, also in the answer's header",
        "every span and log record of a request",
        "",
    ),
    _attribute(USER_ID, "user as bound by the app", "every span and log record of a request", USER),
    _attribute(
        SESSION_ID,
        "session as bound by the app",
        "every span and log record of a request",
        SESSION,
    ),
    _attribute(METHOD, "method, `_OTHER` if unknown", _SERVER, HTTP),
    _attribute(METHOD_ORIGINAL, "method as sent, if unknown", "server span", HTTP),
    _attribute(STATUS_CODE, "status of the answer", _SERVER, HTTP, "int"),
    _attribute(ROUTE, "template of the route, with the prefixes of mounts", _SERVER, HTTP),
    _attribute(URL_PATH, "path", "server span", HTTP),
    _attribute(URL_QUERY, "query, values masked", "server span", HTTP),
    _attribute(URL_SCHEME, "`http`, `https`, `ws` or `wss`", "server span", HTTP),
    _attribute(PROTOCOL_NAME, "`websocket` for one", "server span", NETWORK),
    _attribute(PROTOCOL_VERSION, "version of HTTP", "server span", NETWORK),
    _attribute(
        SERVER_ADDRESS,
        "host that was asked for, or database host",
        "server span, SQL span, Redis span",
        NETWORK,
    ),
    _attribute(SERVER_PORT, "its port", "server span, SQL span, Redis span", NETWORK, "int"),
    _attribute(CLIENT_ADDRESS, "address of the peer", "server span", NETWORK),
    _attribute(USER_AGENT, "user agent, at most 256 characters", "server span", HTTP),
    _attribute(
        ERROR_TYPE,
        "class of the exception, the status, or what Redis said",
        "failed spans",
        EXCEPTION,
    ),
    _attribute(
        DB_SYSTEM, "`postgresql`, `mysql`, `sqlite`, `redis` …", "SQL span, Redis span", DATABASE
    ),
    _attribute(
        DB_NAMESPACE,
        "name of the database, or Redis's number of it as configured",
        "SQL span, Redis span",
        DATABASE,
    ),
    _attribute(
        DB_OPERATION,
        "`SELECT`, `CREATE TABLE`, `BATCH INSERT`, `GET` …, as the app wrote it",
        "SQL span, Redis span",
        DATABASE,
    ),
    _attribute(DB_COLLECTION, "table, when there is only one", _SQL, DATABASE),
    _attribute(
        DB_TEXT,
        "statement, if it surely holds no literal, at most 8192 characters; "
        "Redis command with `?` for each argument",
        "SQL span, Redis span",
        DATABASE,
    ),
    _attribute(
        DB_SUMMARY,
        "operations and tables in their order, `SELECT items orders`; the span's name",
        _SQL,
        DATABASE,
    ),
    _attribute(
        DB_BATCH_SIZE,
        "number of parameter sets of an `executemany`, or of commands in a pipeline",
        "SQL span, Redis span",
        DATABASE,
        "int",
    ),
    _attribute(
        DB_STATUS_CODE,
        "SQLSTATE, MySQL's number or SQLite's name of an error; "
        "first word of the error that Redis sent: `WRONGTYPE` …",
        "failed SQL span, failed Redis span",
        DATABASE,
    ),
    _attribute(PEER_ADDRESS, "node of a Redis Cluster that was asked last", _REDIS, NETWORK),
    _attribute(PEER_PORT, "its port", _REDIS, NETWORK, "int"),
    _attribute(
        KEY_PATTERN,
        "key with `?` for what may be an id or a token, if switched on: `user:?:profile`",
        _REDIS,
        "",
    ),
    _attribute(
        POOL_NAME,
        "name that the app gave it, else `host:port/database`; `#2` … where that is taken",
        _OF_POOLS,
        DATABASE,
    ),
    _attribute(CONNECTION_STATE, "`idle` or `used`", _OF_POOLS, DATABASE),
    _attribute(
        TRANSACTION_OUTCOME,
        "`commit` or `rollback`; of a savepoint `release` or `rollback`",
        _OF_TRANSACTIONS,
        "",
    ),
    _attribute(TWO_PHASE, "set if it was one of two phases", _OF_TRANSACTIONS, "", "boolean"),
    _attribute(REQUEST_STATEMENTS, "SQL statements of a request that had some", _SERVER, "", "int"),
    _attribute(REQUEST_SECONDS, "time that these took together", _SERVER, "", "double"),
    _attribute(
        "http.request.header.<key>",
        "values of a request's header, if its name is listed in a setting",
        "server span",
        HTTP,
        "string[]",
    ),
    _attribute(
        "http.response.header.<key>", "the same of the answer", "server span", HTTP, "string[]"
    ),
    _attribute(
        VALIDATION_ERRORS,
        "what FastAPI found wrong in a request, as a number; its own name",
        "record `fastapi.validation.failed`",
        FASTAPI,
        "int",
    ),
    _attribute(CODE_FILE, "file that logged", _LOG, CODE),
    _attribute(CODE_FUNCTION, "function that logged", _LOG, CODE),
    _attribute(CODE_LINE, "line that logged", _LOG, CODE, "int"),
    _attribute(
        STREAM, "`security`: what such a record is routed by", "record of `security_event`", ""
    ),
    Signal(
        name=REQUEST_DURATION,
        kind="histogram",
        meaning="duration of a request, to the last byte of its answer",
        type="float",
        unit="s",
        on="method, route, status, scheme, protocol version, error type",
        source=HTTP,
    ),
    Signal(
        name=REQUEST_SIZE,
        kind="histogram",
        meaning="size of a request's body, where the client has said it",
        type="int",
        unit="By",
        on="as for the duration",
        source=HTTP,
    ),
    Signal(
        name=RESPONSE_SIZE,
        kind="histogram",
        meaning="size of an answer's body",
        type="int",
        unit="By",
        on="as for the duration",
        source=HTTP,
    ),
    Signal(
        name=ACTIVE_REQUESTS,
        kind="up-down counter",
        meaning="requests in progress",
        type="int",
        unit="{request}",
        on="method, scheme",
        source=HTTP,
    ),
    Signal(
        name=DB_DURATION,
        kind="histogram",
        meaning="duration of an SQL statement, a Redis command or a pipeline; "
        "commands that wait on purpose are left out",
        type="float",
        unit="s",
        on="system, operation, namespace, server, error type; summary, table, status code for SQL",
        source=DATABASE,
    ),
    _count(
        HEALTH_REQUESTS,
        "requests that a health endpoint of ours has answered",
        "{request}",
        "route, status",
    ),
    *_pool_numbers(),
    *_transaction_numbers(),
    _count(CACHE_HITS, "keys or fields that Redis had", "{key}", _READ),
    _count(CACHE_MISSES, "keys or fields that it did not have", "{key}", _READ),
    *_OF_ERRORS,
    *_OF_REDIS,
    *_OF_QUERIES,
    *_OF_THE_RUNTIME,
    *_own_numbers(),
    _count(EXPORT_RECORDED, "records that delivery has been given", "{record}", "signal"),
    _count(
        EXPORT_SPOOLED, "records that wait on disk", "{record}", "signal", kind="up-down counter"
    ),
    _count(FAULTS, "faults of ours that were caught", "{fault}", "cause"),
    _attribute(COMPONENT_TYPE, "kind of exporter or processor", _OWN, SDK),
    _attribute(COMPONENT_NAME, "the same with a number", _OWN, SDK),
    _attribute(EXPORT_SIGNAL, "`traces`, `metrics` or `logs`", _OWN, ""),
    _attribute(FAULT_CAUSE, "what we were doing", _OWN, ""),
)
