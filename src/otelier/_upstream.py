"""Every private name of an OpenTelemetry package that we use: an upgrade touches one file."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import opentelemetry.attributes as _attributes
import opentelemetry.sdk._logs._internal._exceptions as _exceptions
import opentelemetry.sdk.metrics._internal.measurement as _measurement
from opentelemetry import context as _context
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, Context
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext
from opentelemetry.sdk._logs import (
    LoggerProvider,
    LogRecordProcessor,
    ReadableLogRecord,
    ReadWriteLogRecord,
)
from opentelemetry.sdk.trace import Span as SDKSpan
from opentelemetry.trace import INVALID_SPAN, Span
from opentelemetry.trace.propagation import _SPAN_KEY
from opentelemetry.util._decorator import _agnosticcontextmanager as agnostic_contextmanager
from opentelemetry.util._importlib_metadata import entry_points

__all__ = [
    "HANDLER_SETUP",
    "SPAN_KEY",
    "SUPPRESSIONS",
    "LogRecordProcessor",
    "LoggerProvider",
    "ReadWriteLogRecord",
    "ReadableLogRecord",
    "agnostic_contextmanager",
    "attach",
    "collect_with",
    "context_with",
    "current_context",
    "current_span",
    "detach",
    "entry_points",
    "meter_resource",
    "names_in_force",
    "sends_to",
    "silence_loader",
    "temporalities",
    "unobserved",
]

_LOADER = "opentelemetry.instrumentation.auto_instrumentation._load"


def silence_loader(replaced: Collection[str]) -> None:
    """Drop the loader's lines about what Otelier does on purpose; its other lines stay.

    Another configurator is not loaded because ours is named, and contrib's entry for a library
    refuses a release that ours (`replaced`) observes.
    """

    def is_unexpected(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        first = message.partition(" only instruments ")[0]
        return first not in replaced and not message.startswith("Configuration of ")

    logging.getLogger(_LOADER).addFilter(is_unexpected)


# The context API, without its three to five calls for each look at the current span (0.35 to
# 0.1 microseconds, a dozen times a request). Another runtime context is asked in the usual way.
_runtime = _context._RUNTIME_CONTEXT
_is_usual = type(_runtime) is ContextVarsRuntimeContext

SPAN_KEY = _SPAN_KEY

SUPPRESSIONS = (_SUPPRESS_INSTRUMENTATION_KEY, "suppress_instrumentation")
"""Where a context says that nothing in it is to be observed, for those that have no time to ask.

The second is contrib's `_SUPPRESS_INSTRUMENTATION_KEY_PLAIN`: its module would bring in `wrapt`.
"""

current_context: Callable[[], Context]
attach: Callable[[Context], Any]
detach: Callable[[Any], None]
if _is_usual:
    _variable: Any = _runtime._current_context  # type: ignore[attr-defined]
    current_context, attach, detach = _variable.get, _variable.set, _variable.reset
else:
    current_context, attach, detach = _context.get_current, _context.attach, _context.detach


@contextmanager
def unobserved() -> Iterator[None]:
    """What goes on in here is observed by nobody."""
    token = attach(Context({**current_context(), **dict.fromkeys(SUPPRESSIONS, True)}))
    try:
        yield
    finally:
        detach(token)


def current_span() -> Span:
    """The span in the current context; an invalid one where there is none."""
    return current_context().get(_SPAN_KEY) or INVALID_SPAN  # type: ignore[return-value]


def context_with(span: Span, context: Context) -> Context:
    """A copy of the context with this span as the current one."""
    return Context({**context, _SPAN_KEY: span})


def collect_with(provider: Any, reader: Any, wrap: Callable[[Any], Callable[..., Any]]) -> None:
    """Let `wrap(collect)` stand between a reader and the meter provider it is registered with."""
    reader._set_collect_callback(wrap(provider._measurement_consumer.collect))


Cut = Callable[[str, int], str]


def tolerate(shown: Callable[[object, int], str], cut: Cut, describe: Callable[[Any], Any]) -> None:
    """Let the SDK take whatever an app gives it: nothing that cannot say what it is raises.

    shown: what becomes of such a value, of so many characters at most. cut: what becomes of a text
    that is longer than its limit. describe: the attributes of an exception whose text cannot be
    had.
    """
    modules: tuple[Any, ...] = (_attributes, _measurement)
    for module in modules:
        if not hasattr(module._clean_attribute_value, "__wrapped__"):
            clean = _cutting(module._clean_attribute_value, cut)
            module._clean_attribute_value = _falling_back(clean, lambda v, _: shown(v, 4096))
    if not hasattr(_exceptions._get_exception_attributes, "__wrapped__"):
        about = _falling_back(_exceptions._get_exception_attributes, describe)
        _exceptions._get_exception_attributes = about

        def record(span: Any, exception: Any, *_: Any, **__: Any) -> None:
            span.add_event("exception", describe(exception))

        kept = SDKSpan.record_exception
        SDKSpan.record_exception = _falling_back(kept, record)  # type: ignore[method-assign]


def _falling_back(original: Callable[..., Any], instead: Callable[..., Any]) -> Any:
    @wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return original(*args, **kwargs)
        except Exception:  # of the app's own `__str__`, or nested too deeply
            return instead(*args, **kwargs)

    return call


def _cutting(original: Callable[..., Any], cut: Cut) -> Callable[..., Any]:
    @wraps(original)
    def clean(value: Any, longest: int | None) -> Any:
        if longest is not None and isinstance(value, str) and len(value) > longest:
            return cut(str.__str__(value), longest)
        return original(value, longest)

    return clean


def forget_measurements(provider: Any) -> None:
    """Be as new: a forked child would send what its parent has counted once more.

    The locks too, which another thread of the parent may have held at the fork.
    """
    consumer = provider._measurement_consumer
    consumer._lock = threading.Lock()
    for storage in consumer._reader_storages.values():
        storage._lock = threading.RLock()
        storage._instrument_view_instrument_matches.clear()


def temporalities(reader: Any, *kinds: type) -> list[Any]:
    """How a metric reader wants the points of each kind of instrument."""
    wanted = reader._instrument_class_temporality
    by_name = {kind.__name__.lstrip("_"): temporality for kind, temporality in wanted.items()}
    return [by_name[kind.__name__] for kind in kinds]


def meter_resource(provider: Any) -> Any:
    """The resource of a meter provider: another one after a fork."""
    return provider._sdk_config.resource


def names_in_force(kind: str) -> str:
    """Which names `OTEL_SEMCONV_STABILITY_OPT_IN` chooses for `http` or `database`.

    `default` (those before 2023), the kind itself (the stable ones), or both, as in `http/dup`.
    """
    # Asked where contrib's classes are used: no start has to wait for its import.
    from opentelemetry.instrumentation._semconv import (
        _OpenTelemetrySemanticConventionStability as Names,
    )
    from opentelemetry.instrumentation._semconv import _OpenTelemetryStabilitySignalType as Kind

    Names._initialize()  # type: ignore[no-untyped-call]
    return str(Names._get_opentelemetry_stability_opt_in_mode(Kind(kind)).value)


HANDLER_SETUP = "_setup_logging_handler"
"""What contrib's logging package calls to put its handler on the root logger."""


def sends_to(handler: Any) -> Any:
    """The logger provider of a contrib `LoggingHandler`."""
    return handler._logger_provider
