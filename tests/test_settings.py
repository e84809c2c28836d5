"""Every row, every kind of bad value, and what is used instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from otelier import values
from otelier.loading import Problem, load
from otelier.settings import BY_NAME, SETTINGS, Setting

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"


def read(variable: str, value: str, **others: str) -> tuple[Any, list[Problem]]:
    """The value in force, and what was wrong with it."""
    found = load({variable: value, **others})
    return found[variable], [p for p in found.problems if p.variable == variable]


@pytest.mark.parametrize("row", SETTINGS, ids=lambda row: row.name)
def test_a_row_parses_its_own_default(row: Setting) -> None:
    """The default is a value that the row itself accepts, and what is in force when unset."""
    expected = row.parse(row.default) if row.default else None
    assert load({})[row.name] == expected
    assert load({row.name: row.default or ""}).problems == ()


@pytest.mark.parametrize("row", SETTINGS, ids=lambda row: row.name)
@pytest.mark.parametrize("blank", ["", "  ", "\t"])
def test_an_empty_value_counts_as_unset(row: Setting, blank: str) -> None:
    """Empty and blank are no values, and no problems."""
    found = load({row.name: blank})
    assert (found[row.name], found.problems) == (load({})[row.name], ())


def test_nothing_set() -> None:
    """An empty environment has no problems, and a value for every row."""
    found = load({})
    assert found.problems == ()
    assert set(found.values) == {row.name for row in SETTINGS}


def test_the_table() -> None:
    """Names are unique and ours are few; what is put into the environment has a default."""
    names = [row.name for row in SETTINGS]
    assert len(set(names)) == len(names) == len(BY_NAME)
    assert len([name for name in names if name.startswith("OTELIER_")]) < 30
    assert [row.name for row in SETTINGS if row.ours and not row.default] == []
    assert [row.name for row in SETTINGS if not row.meaning or row.meaning.endswith(".")] == []


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("OTEL_SDK_DISABLED", "TRUE", True),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=1, b = x=y ,", {"a": "1", "b": "x=y"}),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=k", {"api-key": "k"}),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "2.5", 2.5),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "GZIP", "gzip"),
        ("OTEL_TRACES_EXPORTER", "otlp, console", ("otlp", "console")),
        ("OTEL_TRACES_SAMPLER_ARG", "0", 0.0),
        ("OTEL_PROPAGATORS", "tracecontext,baggage", ("tracecontext", "baggage")),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "4096", 4096),
        ("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "GET, LIST", frozenset(("GET", "LIST"))),
        ("OTELIER_FORWARD_REQUEST_ID_TO", "API.b, ::1", frozenset(("api.b", "::1"))),
        ("OTELIER_QUIET_PATHS", "/a, /b", frozenset(("/a", "/b"))),
        ("OTELIER_HEALTH_PATHS", "OFF", ()),
        ("OTELIER_HEALTH_PATHS", "/h, /l,/r", ("/h", "/l", "/r")),
        ("OTELIER_HEALTH_DETAIL", "Loopback", "loopback"),
        ("OTELIER_HEALTH_DETAIL", "Swordfish-swordfish", "Swordfish-swordfish"),
        ("OTELIER_LOG_LEVEL", "Warning", 30),
        ("OTELIER_REQUEST_ID_HEADER", "X-Trace, x-b", ("X-Trace", "x-b")),
        ("OTELIER_LOG_FORMAT", "JSON", "json"),
        ("OTELIER_LOG_FIELDS", "ecs", "ecs"),
        ("OTELIER_MASK", "Email, ip", ("email", "ip")),
        ("OTELIER_SAFE_QUERY_KEYS", "page, sort", ("page", "sort")),
        ("OTELIER_STOP_TIMEOUT", "0", 0.0),
        ("OTELIER_SLOW_QUERY_MS", "0", 0.0),
        ("OTELIER_LOOP_LAG_MS", "0", 0.0),
        ("OTELIER_RUNTIME_METRICS", "off", "off"),
        ("OTELIER_N_PLUS_ONE", "0", 0),
        ("OTELIER_EXPLAIN", "TRUE", True),
        ("OTELIER_REDIS_INFO", "true", True),
        ("OTELIER_BUFFER_BYTES", "33554432", 2**25),
        ("OTELIER_SPOOL_BYTES", "2 gb", 2**31),
        (ENDPOINT, " http://c:4318 ", "http://c:4318"),
        (ENDPOINT, "https://[::1]:4318/prefix", "https://[::1]:4318/prefix"),
    ],
)
def test_good_values(variable: str, value: str, expected: Any) -> None:
    """Values of each kind, as the program gets them."""
    assert read(variable, value) == (expected, [])


BAD = [
    ("OTEL_SDK_DISABLED", "yes", False),
    ("OTEL_RESOURCE_ATTRIBUTES", "no pair", None),
    ("OTEL_RESOURCE_ATTRIBUTES", "=value", None),
    ("OTEL_EXPORTER_OTLP_HEADERS", "Bearer swordfish", None),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", None),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "nan", None),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "inf", None),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "-1", None),
    ("OTEL_EXPORTER_OTLP_COMPRESSION", "brotli", None),
    ("OTEL_EXPORTER_OTLP_CERTIFICATE", "no-such-file.pem", None),
    ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/" + "x" * 300, None),
    ("OTEL_TRACES_EXPORTER", "jaeger", ("otlp",)),
    ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "both", "delta"),
    ("OTEL_TRACES_SAMPLER", "sometimes", ("always_on",)),
    ("OTEL_TRACES_SAMPLER_ARG", "2", None),
    ("OTEL_PROPAGATORS", "b4", ("tracecontext",)),
    ("OTEL_PROPAGATORS", ",", ("tracecontext",)),
    ("OTEL_PROPAGATORS", "baggage,", ("baggage",)),
    ("OTEL_BSP_MAX_QUEUE_SIZE", "0", None),
    ("OTEL_BSP_MAX_QUEUE_SIZE", "-5", None),
    ("OTEL_BSP_MAX_QUEUE_SIZE", "1e3", None),
    ("OTEL_BSP_MAX_QUEUE_SIZE", "٣", None),
    ("OTEL_BSP_MAX_QUEUE_SIZE", "9" * 5000, None),
    ("OTEL_PYTHON_EXCLUDED_URLS", "(", None),
    ("OTEL_PYTHON_EXCLUDED_URLS", "a{99999999999999999999}", None),
    ("OTEL_CONFIG_FILE", "otel.yaml", None),
    ("FASTAPI_OTEL_AUTO_CONFIGURE", "true", None),
    ("OTELIER_REQUEST_ID_HEADER", "X Request\r\nEvil: 1", ("X-Request-ID",)),
    ("OTELIER_REQUEST_ID_HEADER", ",", ("X-Request-ID",)),
    ("OTELIER_RESPONSE_HEADERS", "traceresponse,x-secret", None),
    ("OTELIER_USER_FROM", ",", None),
    ("OTELIER_USER_FROM", "user", None),
    ("OTELIER_USER_FROM", "scope.", None),
    ("OTELIER_USER_FROM", "scope.user,app/auth:get_user", None),
    ("OTELIER_USER_FROM", "app.auth:get_user:a b", None),
    ("OTELIER_USER_FROM", "claim:", None),
    ("OTELIER_USER_FROM", "header:X-User", None),
    ("OTELIER_USER_FROM", "header:X User@10.0.0.1", None),
    ("OTELIER_USER_FROM", "header:X-User@10.0.0.0/33", None),
    ("OTELIER_USER_ID", "plain", "raw"),
    ("OTELIER_USER_KEY", "k2:", None),
    ("OTELIER_TRUST", "10.0.0.0/8,somewhere", None),
    ("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST", "x-(", None),
    ("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "GET,two words", None),
    ("OTELIER_FORWARD_REQUEST_ID_TO", "http://a.b:80", None),
    ("OTELIER_QUIET_PATHS", "/ok,health", load({})["OTELIER_QUIET_PATHS"]),
    ("OTELIER_HEALTH_PATHS", "/health", load({})["OTELIER_HEALTH_PATHS"]),
    ("OTELIER_HEALTH_PATHS", "/h,/h,/r", load({})["OTELIER_HEALTH_PATHS"]),
    ("OTELIER_HEALTH_PATHS", "/h,/l,r", load({})["OTELIER_HEALTH_PATHS"]),
    ("OTELIER_HEALTH_DETAIL", "swordfish", None),
    ("OTELIER_HEALTH_DETAIL", "two swordfishes, no less", None),
    ("OTELIER_LOG_LEVEL", "loud", 20),
    ("OTELIER_LOG_FORMAT", "xml", "auto"),
    ("OTELIER_LOG_FIELDS", "splunk", "otelier"),
    ("OTELIER_MASK", "email,phone", None),
    ("OTELIER_STOP_TIMEOUT", "61", 5.0),
    ("OTELIER_SLOW_QUERY_MS", "-1", 500.0),
    ("OTELIER_LOOP_LAG_MS", "-1", 250.0),
    ("OTELIER_RUNTIME_METRICS", "some", "all"),
    ("OTELIER_SLOW_QUERY_MS", "0.5s", 500.0),
    ("OTELIER_N_PLUS_ONE", "-1", 20),
    ("OTELIER_N_PLUS_ONE", "2.5", 20),
    ("OTELIER_EXPLAIN", "analyze", False),
    ("OTELIER_REDIS_INFO", "memory", False),
    ("OTELIER_BUFFER_BYTES", "1023K", 2**26),
    ("OTELIER_SPOOL_BYTES", "lots", 2**29),
    (ENDPOINT, "ftp://c:4318", "http://localhost:4318"),
    (ENDPOINT, "http://", "http://localhost:4318"),
    (ENDPOINT, "http://c:port", "http://localhost:4318"),
    (ENDPOINT, "http://[::1", "http://localhost:4318"),
    (PROTOCOL, "http/json", "http/protobuf"),
]


@pytest.mark.parametrize(("variable", "value", "instead"), BAD)
def test_bad_values(variable: str, value: str, instead: Any) -> None:
    """Never an exception: the fallback is in force, and one problem names variable and reason."""
    found, problems = read(variable, value)
    assert found == instead
    assert [problem.variable for problem in problems] == [variable]
    assert str(problems[0]).startswith(f"{variable}=")
    assert len(str(problems[0])) < 400


def test_every_kind_of_row_can_refuse() -> None:
    """Each parser that can refuse is refused something above."""
    free = {values.text, values.names}
    tried = {BY_NAME[variable].parse for variable, _, _ in BAD}
    kinds = {getattr(parse, "__qualname__", "") for parse in tried}
    missed = [r.name for r in SETTINGS if r.parse not in free and r.parse.__qualname__ not in kinds]
    assert missed == []


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        (ENDPOINT, "http://c:4317", "http://c:4318"),
        (ENDPOINT, "collector:4318", "http://collector:4318"),
        (ENDPOINT, "collector:4317", "http://collector:4318"),
        (TRACES_ENDPOINT, "http://c:4317/v1/traces", "http://c:4318/v1/traces"),
    ],
)
def test_what_was_most_likely_meant(variable: str, value: str, expected: str) -> None:
    """The port of gRPC and a missing scheme are put right, and said."""
    found, problems = read(variable, value)
    assert found == expected
    assert [problem.instead for problem in problems] == [expected]


def test_grpc_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP is used, the exact install command is named, and the port follows."""
    monkeypatch.setattr(values, "entry_points", lambda **_: [])
    found, (problem,) = read(PROTOCOL, "grpc")
    assert found == "http/protobuf"
    assert "pip install 'otelier[grpc]'" in problem.reason
    assert read(ENDPOINT, "http://c:4317", **{PROTOCOL: "grpc"})[0] == "http://c:4318"


def test_prometheus_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exact command is in the line, and OTLP goes on."""
    monkeypatch.setattr(values, "entry_points", lambda **_: ())
    value, (problem,) = read("OTEL_METRICS_EXPORTER", "otlp,prometheus")
    assert value == ("otlp",)
    assert "pip install 'otelier[prometheus]'" in problem.reason


@pytest.mark.parametrize("variable", [PROTOCOL, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"])
def test_grpc_with_its_package(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """Port 4317 is right for gRPC, for all signals or for one."""
    monkeypatch.setattr(values, "entry_points", lambda **_: ["an exporter"])
    assert read(TRACES_ENDPOINT, "http://c:4317", **{variable: "grpc"}) == ("http://c:4317", [])


@pytest.mark.parametrize("row", [row for row in SETTINGS if row.secret], ids=lambda row: row.name)
def test_a_secret_is_in_no_problem(row: Setting) -> None:
    """Nothing of a value that may hold a key is repeated, refused or not."""
    found, problems = read(row.name, "swordfish")
    assert "swordfish" not in f"{found!r}{problems!r}{[*map(str, problems)]}"
    assert bool(problems) is (row.name != "OTELIER_USER_KEY")


@pytest.mark.parametrize("value", ["http://u:swordfish@c:4317", "ftp://swordfish@c"])
def test_a_password_in_a_url_is_not_said(value: str) -> None:
    """A URL is named without its user and password, before and after it was put right."""
    _, (problem,) = read(ENDPOINT, value)
    assert "swordfish" not in str(problem)
    assert "(not shown)@c" in str(problem)


def test_a_file_that_is_there(tmp_path: Path) -> None:
    """A certificate that can be read is taken, a folder is not."""
    file = tmp_path / "ca.pem"
    file.write_text("x")
    assert read("OTEL_EXPORTER_OTLP_CERTIFICATE", str(file)) == (str(file), [])
    assert read("OTEL_EXPORTER_OTLP_CERTIFICATE", str(tmp_path))[0] is None


def test_the_words_of_a_problem() -> None:
    """Variable, value, reason, and what happens now."""
    (problem,) = load({"OTELIER_LOG_LEVEL": "loud"}).problems
    assert str(problem) == (
        "OTELIER_LOG_LEVEL='loud' ignored: "
        "expected one of debug, info, warning, error, critical; using 'info'"
    )
    (problem,) = load({"OTEL_CONFIG_FILE": "x.yaml"}).problems
    assert str(problem).endswith("; going on without it")
