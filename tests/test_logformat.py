"""One valid JSON line for each record, whatever is in it; nothing is thrown."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import json
import logging
import logging.config
import subprocess
import sys
import uuid
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest

import otelier
from otelier.context import RequestContext, current_request
from otelier.logformat import JSONFormatter
from otelier.logformat.console import ConsoleLines
from otelier.logformat.lines import Lines
from otelier.privacy import mask_field

ALWAYS = (
    "timestamp",
    "level",
    "message",
    "logger",
    "module",
    "function",
    "line",
    "trace_id",
    "span_id",
    "request_id",
    "user_id",
)
MOST = 200_000
"""Characters of the longest line that the hostile records make."""


class Wordless:
    def __str__(self) -> str:
        raise RuntimeError("no words")

    def __repr__(self) -> str:
        raise RuntimeError("no words")

    def __format__(self, spec: str) -> str:
        raise RuntimeError("no words")


class Liar(str):
    """A text that is none when it is asked."""

    def __str__(self) -> str:
        raise RuntimeError("no words")

    def encode(self, *args: Any, **kwargs: Any) -> bytes:
        raise RuntimeError("no bytes")

    def isascii(self) -> bool:
        return True


class Classless:
    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise RuntimeError("no class")


class Named(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise RuntimeError("no name")


class Nameless(Wordless, metaclass=Named):
    """Its class does not say what it is called."""


class Endless(dict[str, Any]):
    def items(self) -> Any:
        return ((f"k{number}", number) for number in iter(int, 1))


class Bomb(BaseException):
    def __str__(self) -> str:
        raise ValueError("no words")


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    inner: Any


def nested(depth: int) -> Any:
    made: Any = []
    for _ in range(depth):
        made = [made]
    return made


def cyclic() -> Any:
    made: dict[str, Any] = {"list": []}
    made["list"].append(made)
    return made


def caught(raise_it: Callable[[], Any]) -> BaseException:
    try:
        raise_it()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def cyclic_cause() -> BaseException:
    first, second = ValueError("first"), KeyError("second")
    first.__cause__, second.__cause__ = second, first
    return first


def long_chain() -> BaseException:
    error: BaseException = ValueError("0")
    for number in range(1, 500):
        following = ValueError(str(number))
        following.__cause__ = error
        error = following
    return error


def group() -> BaseException:
    inner = ExceptionGroup("inner", [KeyError("a"), OSError("b")])
    return ExceptionGroup("outer", [inner, ValueError("\ud800")])


def deep_recursion() -> Any:
    return deep_recursion()


WIDE = {f"k{number}": "v" * 1000 for number in range(5000)}

# Of `msg`, `args`, `extra` and other attributes of a record.
HOSTILE: dict[str, dict[str, Any]] = {
    "lone surrogate": {"msg": "a\ud800b"},
    "surrogate in an extra": {"x": "\udfff", "\ud800": 1},
    "emoji": {"msg": "\U0001f600 \u2028 \x85"},
    "2^70": {"x": 2**70, "y": -(2**70), "z": 2**63},
    "5000 digits": {"x": 10**5000, "y": {10**5000: 1}},
    "not a number": {"x": float("nan"), "y": float("inf"), "z": [float("-inf")]},
    "NUL and controls": {"msg": "\x00\x1b[31m\r\nforged", "x": "\x00"},
    "nested 400": {"x": nested(400)},
    "nested 100000": {"x": nested(100_000)},
    "no words": {"msg": Wordless(), "x": Wordless(), "y": [Wordless()], "z": {Wordless(): 1}},
    "no words in args": {"msg": "%s %r", "args": (Wordless(), Wordless())},
    "lying text": {"msg": Liar("x"), "x": Liar("y"), "y": {Liar("z"): 1}},
    "no name of a class": {"msg": Nameless(), "x": Nameless(), "y": {Nameless(): 1}},
    "no name of a class in a source": {"funcName": Nameless(), "name": Nameless()},
    "no class": {"x": Classless(), "y": [Classless()]},
    "too few args": {"msg": "%s %s", "args": (1,)},
    "too many args": {"msg": "%s", "args": (1, 2)},
    "wrong args": {"msg": "%d", "args": ("x",)},
    "wrong format": {"msg": "100 % %q", "args": (1,)},
    "args of a dict": {"msg": "%(a)s %(b)s", "args": {"a": 1}},
    "message of 5 MB": {"msg": "x" * 5_000_000},
    "extra of 5 MB": {"x": "x" * 5_000_000, "y": b"x" * 5_000_000},
    "arg of 5 MB": {"msg": "%s", "args": ("x" * 5_000_000,)},
    "cyclic extra": {"x": cyclic()},
    "wide extra": {"x": WIDE, "y": list(range(10**5))},
    "very many extras": dict(WIDE),
    "endless mapping": {"x": Endless()},
    "names of ours": {
        "message": "forged",
        "level": "forged",
        "timestamp": "forged",
        "trace_id": "forged",
        "request_id": "forged",
        "user_id": "forged",
        "exception": "forged",
        "extra": "forged",
        "service": "forged",
        "logger": "forged",
    },
    "bytes": {"msg": b"\xff\x00", "x": b"\xff", "y": bytearray(b"b"), "z": memoryview(b"m")},
    "times": {
        "x": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
        "y": datetime.date(1, 1, 1),
        "z": datetime.timedelta(1),
    },
    "numbers of other kinds": {"x": decimal.Decimal("NaN"), "y": 1j, "z": True, "n": None},
    "uuid and enum": {"x": uuid.UUID(int=1), "y": Colour.RED, "z": Colour},
    "keys of no text": {1: "a", "1": "b", None: "c", (1, 2): "d", 1.5: "e", b"k": "f"},
    "long key": {"k" * 100_000: 1},
    "empty key": {"": 1},
    "sets and deques": {"x": {1, 2}, "y": collections.deque([1]), "z": frozenset((Wordless(),))},
    "views": {"x": {}.keys(), "y": MappingProxyType({"a": 1}), "z": range(10**9)},
    "generator": {"x": (n for n in range(3)), "y": lambda: 1, "z": logging},
    "dataclass": {"x": Point(1, cyclic())},
    "message of a dict": {"msg": {"event": "x", "n": float("nan")}},
    "message of None": {"msg": None},
    "message of a list": {"msg": [1, Wordless()]},
    "cyclic cause": {"exc_info": cyclic_cause()},
    "chain of 500": {"exc_info": long_chain()},
    "group": {"exc_info": group()},
    "exception without words": {"exc_info": Bomb()},
    "exception of 5 MB": {"exc_info": ValueError("x" * 5_000_000)},
    "exception with a surrogate": {"exc_info": ValueError("\ud800")},
    "recursion": {"exc_info": caught(deep_recursion)},
    "exc_info of nothing": {"exc_info": (None, None, None)},
    "exc_info that is none": {"exc_info": "text"},
    "exc_info True": {"exc_info": True},
    "exc_text": {"exc_text": "Traceback\n\ud800"},
    "stack_info": {"stack_info": "Stack\n\ud800" * 10_000},
    "no level": {"levelno": None, "levelname": None},
    "level without words": {"levelname": Wordless()},
    "level by another name": {"levelname": "LE\nVEL"},
    "no time": {"created": None},
    "time is not a number": {"created": float("nan")},
    "time beyond all years": {"created": 1e300},
    "time of a text": {"created": "yesterday"},
    "names that are none": {"name": ["x"], "funcName": {}, "lineno": "x", "module": None},
    "names with surrogates": {"name": "\ud800", "funcName": "\ud801", "pathname": "\ud802"},
}


def record_of(about: dict[str, Any]) -> logging.LogRecord:
    record = logging.LogRecord("shop", logging.INFO, __file__, 7, "text", (), None, "function")
    vars(record).update(about)
    exc_info = about.get("exc_info")
    if isinstance(exc_info, BaseException):
        record.exc_info = (type(exc_info), exc_info, exc_info.__traceback__)
    return record


def only_line(text: str) -> dict[str, Any]:
    """The text is one line, ASCII, strict JSON, without a name twice."""
    assert text.isascii()
    assert "\n" not in text
    assert len(text) < MOST

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({name for name, _ in pairs}) == len(pairs)
        return dict(pairs)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    found: dict[str, Any] = json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    json.dumps(found, ensure_ascii=False).encode()  # no half of a character
    return found


@pytest.mark.parametrize("fields", ["otelier", "datadog", "ecs"])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_records(name: str, fields: str) -> None:
    """One valid line each, with all fields that are always there."""
    found = only_line(JSONFormatter(fields=fields).format(record_of(HOSTILE[name])))
    if fields == "otelier":
        assert set(ALWAYS) <= found.keys()
        assert all(isinstance(found[each], str) for each in ALWAYS[:3])


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_records_on_a_console(name: str) -> None:
    """Something is said of each, and no control character comes through."""
    for colours in (False, True):
        text = ConsoleLines(colours=colours).of(record_of(HOSTILE[name]))
        assert text
        text.encode()
        assert not set(text) & {"\x00", "\r", "\x85", "\u2028"}
        assert ("\x1b[31m" in text) <= colours
        assert all(line.startswith("    ") for line in text.split("\n")[1:])


def test_there_are_enough() -> None:
    """At least forty, and each is worse than an ordinary one."""
    assert len(HOSTILE) >= 40


def test_types_are_kept() -> None:
    """Numbers, truth values, lists and objects stay what they are."""
    extra = {"i": 1, "f": 0.5, "b": True, "n": None, "l": [1, "a"], "d": {"k": {"x": 1}}, "s": "ö"}
    found = only_line(JSONFormatter().format(record_of(extra)))
    assert {name: found[name] for name in extra} == extra


def test_reserved_fields_are_not_spoofed() -> None:
    """The app's own values of these names are together in one field."""
    found = only_line(JSONFormatter().format(record_of(HOSTILE["names of ours"])))
    forged = set(HOSTILE["names of ours"])
    assert found["message"] == "text"
    assert found["level"] == "INFO"
    assert found["trace_id"] is None
    assert set(found["extra"]) == forged - {"message"}


NESTED = [
    ("ecs", {"trace": {"id": "forged"}}, True),
    ("ecs", {"http": {"request": {"id": "forged"}}}, True),
    ("ecs", {"user": "bob"}, True),
    ("ecs", {"http": {"request": "text"}}, True),
    ("ecs", {"user.id.raw": "x"}, True),
    ("ecs", {"user": {"name": "bob"}, "http": {"response": {"bytes": 3}}}, False),
    ("ecs", {"user.name": "bob", "trace_id": "of another"}, False),
    ("datadog", {"usr": {"id": "forged"}}, True),
    ("datadog", {"dd": {"trace_id": "forged"}}, True),
    ("datadog", {"error": "text"}, True),
    ("datadog", {"service": "forged", "host": "forged", "@timestamp": "forged"}, True),
    ("datadog", {"trace_id": "forged", "span_id": "forged", "ddtags": "forged"}, True),
    ("datadog", {"usr": {"name": "bob"}, "http": {"method": "GET"}, "usr.name": "x"}, False),
    ("otelier", {"user": {"id": "x"}, "trace": {"id": "x"}, "level.name": 1}, False),
]


@pytest.mark.parametrize(("fields", "extra", "clashes"), NESTED)
def test_an_object_that_holds_a_reserved_field(
    fields: str, extra: dict[str, Any], clashes: bool
) -> None:
    """Backends read `{"trace": {"id": …}}` as `trace.id`, and refuse a text where others have an
    object: such a field is in `extra`, the first time and later; its neighbours are not."""
    formatter = JSONFormatter(fields=fields, service={"service.name": "crm"})
    for _ in range(2):
        found = only_line(formatter.format(record_of({**extra, "beside": 1})))
        assert found["beside"] == 1
        assert found.get("extra", {}) == (extra if clashes else {})
        assert clashes or {name: found[name] for name in extra} == extra


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ("otelier", ("trace_id", "span_id", "request_id", "user_id", "service")),
        ("datadog", ("dd.trace_id", "dd.span_id", "http.request_id", "usr.id", "dd.service")),
        ("ecs", ("trace.id", "span.id", "http.request.id", "user.id", "service.name")),
    ],
)
def test_ids(fields: str, names: tuple[str, ...]) -> None:
    """Trace, span, request, user and service under the names that each backend knows."""
    box = RequestContext("r-1")
    box.user_id = "u-1"
    token = current_request.set(box)
    lines = Lines(fields, {"service.name": "crm"}, ids=lambda: (10, 11))
    try:
        found = only_line(lines.of(record_of({})))
    finally:
        current_request.reset(token)
    span = "11" if fields == "datadog" else f"{11:016x}"
    assert [found[name] for name in names] == [f"{10:032x}", span, "r-1", "u-1", "crm"]


def test_the_time() -> None:
    """RFC 3339, UTC, to the microsecond."""
    found = only_line(JSONFormatter().format(record_of({"created": 1_766_666_666.25})))
    assert found["timestamp"] == "2025-12-25T12:44:26.250000Z"


def test_an_exception() -> None:
    """Type, message, stack, and the chain of causes; a group's members."""

    def fail() -> None:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise ValueError("outer") from error

    found = only_line(JSONFormatter().format(record_of({"exc_info": caught(fail)})))["exception"]
    assert (found["type"], found["message"]) == ("ValueError", "outer")
    assert "in fail" in found["stack"]
    assert found["cause"] == {"type": "KeyError", "message": "'inner'"}
    of_group = only_line(JSONFormatter().format(record_of({"exc_info": group()})))["exception"]
    inner, second = of_group["exceptions"]
    assert [each["type"] for each in inner["exceptions"]] == ["KeyError", "OSError"]
    assert second["type"] == "ValueError"


def test_causes_in_a_circle() -> None:
    """Each is described once."""
    about = {"exc_info": cyclic_cause()}
    found = only_line(JSONFormatter().format(record_of(about)))["exception"]
    assert (found["type"], found["cause"]["type"]) == ("ValueError", "KeyError")
    assert "cause" not in found["cause"]


def test_the_mask() -> None:
    """It is asked about the message, each field, and the text and traceback of an exception."""
    asked: list[str] = []

    def mask(name: str, value: Any) -> Any:
        asked.append(name)
        return "REDACTED" if "hunter2" in str(value) else value

    about = {
        "msg": "is hunter2",
        "password": "hunter2",
        "deep": [{"x": "hunter2"}],
        "trace_id": "hunter2",
        "fine": 1,
        "exc_info": caught(lambda: int("hunter2")),
    }
    text = JSONFormatter(mask=mask).format(record_of(about))
    assert "hunter2" not in text
    assert only_line(text)["fine"] == 1
    assert {"message", "password", "exception.message", "exception.stacktrace"} <= set(asked)
    assert "hunter2" not in ConsoleLines(colours=False, mask=mask).of(record_of(about))


def test_names_that_are_data() -> None:
    """A secret in the name of a logger, of a field or of the service is none of the line's."""
    record = record_of({"name": "shop.token=hunter2", "api_key=hunter2": 1, "token=hunter2": 2})
    service = {"service.name": "x password=hunter2"}
    text = JSONFormatter(service=service).format(record)
    found = only_line(text)
    assert "hunter2" not in text
    fields = found["logger"], found["token=[masked:token]"]
    assert fields == ("shop.token=[masked:token]", "[masked:token]")
    assert "hunter2" not in ConsoleLines(colours=False, mask=mask_field).of(record)
    unmasked = only_line(JSONFormatter(mask=None).format(record))
    assert (unmasked["logger"], unmasked["token=hunter2"]) == ("shop.token=hunter2", 2)


def test_a_mask_that_fails() -> None:
    """What it was to hide is not shown."""

    def mask(name: str, value: Any) -> Any:
        raise RuntimeError("no mask")

    text = JSONFormatter(mask=mask).format(record_of({"msg": "hunter2", "x": "hunter2"}))
    assert "hunter2" not in text
    only_line(text)


@pytest.mark.parametrize("how", ["factory", "class"])
def test_in_dict_config(how: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By its public name, with its own arguments or as any formatter."""
    named = {
        "factory": {"()": "otelier.JSONFormatter", "fields": "ecs"},
        "class": {"class": "otelier.JSONFormatter", "format": "%(message)s", "datefmt": "%H"},
    }
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": named[how]},
            "handlers": {
                "out": {
                    "class": "logging.StreamHandler",
                    "formatter": "json",
                    "stream": "ext://sys.stdout",
                }
            },
            "loggers": {"configured": {"handlers": ["out"], "propagate": False}},
        }
    )
    logging.getLogger("configured").error("x")
    logging.getLogger("configured").handlers.clear()
    found = only_line(capsys.readouterr().out.rstrip("\n"))
    assert found["log.level" if how == "factory" else "level"] == "ERROR"


def test_unknown_names_of_fields() -> None:
    """An app's mistake in its own code is said at once."""
    with pytest.raises(ValueError, match="expected otelier, datadog or ecs"):
        JSONFormatter(fields="splunk")


def test_it_is_all_that_is_imported() -> None:
    """`otelier` alone imports nothing of this; the formatter neither the SDK nor a framework."""
    program = (
        "import sys, otelier; before = 'logging' in sys.modules and 'otelier.logformat' in "
        "sys.modules; otelier.JSONFormatter(); print(before, [m for m in sys.modules if "
        "m.startswith(('opentelemetry.sdk', 'fastapi', 'starlette', 'wrapt'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "False []\n"


def test_public_names() -> None:
    """Every name that is announced is there."""
    assert all(getattr(otelier, name) for name in otelier.__all__)
    with pytest.raises(AttributeError):
        _ = otelier.nothing  # type: ignore[attr-defined]
