"""The entry points: `Distro` and `Configurator`, called by the loader, upstream's or ours.

In order: `Distro` reads the settings and puts defaults into the environment; `Configurator` makes
the providers; `Distro.load_instrumentor` hands each instrumentation what it needs, and leaves out
those that ours stand in for. Runs in the main thread of every process of the app, before any of
its code. Whatever is wrong is said on stderr and the app starts.

If the user names another distro, nothing of ours runs: each instrumentor of ours does nothing
without the arguments that only this module gives, and the configurator hands over.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Mapping, MutableMapping
from functools import partial
from importlib.metadata import EntryPoint, distributions
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from otelier import _guard, categories, loading, privacy, users
from otelier import rules as masking
from otelier._upstream import entry_points, silence_loader
from otelier.chosen import DISTRO, NAME, NEIGHBOURS, STARTED, name_otelier
from otelier.early import PROPAGATORS, REFUSED
from otelier.loading import Settings
from otelier.settings import SETTINGS
from otelier.version import __version__

_CAPTURE = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_"
_CAPTURED = (
    ("request", "SERVER_REQUEST"),
    ("response", "SERVER_RESPONSE"),
    ("secret", "SANITIZE_FIELDS"),
)

# Python's own helper processes: they run no code of the app.
_HELPERS = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")

CLIENTS: Mapping[str, str] = {
    "aiohttp-client": "aiohttp",
    "httpx": "httpx",
    "httpx2": "httpx2",
    "requests": "requests",
}
"""The modules of HTTP clients, by the names of contrib's entry points that observe them."""

STANDS_IN_FOR = frozenset(("fastapi", "starlette", "sqlalchemy", "redis", "logging"))

# Of the garbage collector: CPython's own, before 3.13 and since.
_THRESHOLDS_BEFORE_3_13, _THRESHOLDS = (700, 10, 10), (2000, 10, 10)


class Distro:
    """Entry point `opentelemetry_distro`: settings and defaults."""

    started: Start | None = None

    def configure(self, **_: Any) -> None:
        name_otelier(os.environ)
        if os.environ[DISTRO] != NAME:
            return
        silence_loader(STANDS_IN_FOR)
        if not _is_off(os.environ):
            try:
                Distro.started = Start(os.environ)
            except Exception as error:
                _guard.fault("reading the settings", error)

    def load_instrumentor(self, entry_point: EntryPoint, **kwargs: Any) -> None:
        if Distro.started is None:
            return
        own = is_ours(entry_point)
        if entry_point.name in STANDS_IN_FOR and not own:
            return
        if not own and Distro.started.observes_client(entry_point):
            return
        try:
            arguments = Distro.started.arguments.get(entry_point.name, {}) if own else {}
            entry_point.load()().instrument(**arguments, **kwargs)
            if own:
                Distro.started.stand_in(entry_point.name, arguments)
            if not own or find_spec(entry_point.name):
                Distro.started.observed.append(entry_point.name)
        except Exception as error:
            if isinstance(error, ImportError) and not own:
                raise  # upstream's loader says why and goes on
            _guard.fault(f"instrumenting {entry_point.name}", error)


def is_ours(entry_point: EntryPoint) -> bool:
    return entry_point.value.startswith("otelier.")


def derive_from_upstreams() -> None:
    """Let upstream's loader take the distro: it refuses what is not of this class."""
    from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]

    BaseDistro.register(Distro)


# It is that loader that asks. Ours needs no such module, and none of what it imports.
if "opentelemetry.instrumentation.distro" in sys.modules:
    derive_from_upstreams()


class Configurator:
    """Entry point `opentelemetry_configurator`: the providers.

    The loader calls `configure` and asks for no class; the SDK's own one brings 5 ms of imports.
    """

    def configure(self, **kwargs: Any) -> None:
        if Distro.started is not None:
            try:
                Distro.started.provide()
            except Exception as error:
                _guard.fault("making the providers", error)
        elif (other := os.environ.get(DISTRO)) and other != NAME:
            _hand_over(other, kwargs)


def say_started() -> None:
    """Entry point `opentelemetry_post_instrument`: the one line of a start, and what was wrong."""
    if Distro.started is not None and STARTED not in os.environ:
        os.environ[STARTED] = "1"
        for line in Distro.started.lines():
            _guard.write(line)
    if Distro.started is not None:
        name_neighbours(os.environ)
        spare_collector()


def spare_collector() -> None:
    """Let the garbage collector pass over what a start has made: it stays for good.

    Modules, classes and tables, 36,000 objects; of what could be collected there are ten. Else
    each full collection walks over them, and an app's imports need one more of those: 0.1 s of
    the benchmark's start. What the app makes is collected as ever.

    And let it come as seldom as it does by itself from Python 3.13 on: records wait a second until
    they are sent, so that it would come more often for our sake, and find nothing.
    """
    if hasattr(gc, "freeze"):  # CPython
        gc.freeze()
        if gc.get_threshold() == _THRESHOLDS_BEFORE_3_13:  # else somebody has chosen others
            gc.set_threshold(*_THRESHOLDS)


def name_neighbours(environ: MutableMapping[str, str]) -> None:
    """A line for each other product in this process, once for all processes of a start."""
    from otelier.instrumentation import neighbours

    named = environ.get(NEIGHBOURS, "").split()
    for line in neighbours.lines(sys.modules, sys.orig_argv):
        name = line.partition(" ")[0]
        if name not in named:
            environ[NEIGHBOURS] = " ".join([*named, name])
            _guard.write(line)


class Start:
    """One start of a process: the settings in force and what was made of them."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        if refused := environ.pop(REFUSED, None):
            environ[PROPAGATORS] = refused
        self.settings = loading.load(environ)
        self.problems = [str(problem) for problem in self.settings.problems]
        self.guessed: Any = None
        self.observed: list[str] = []
        self.flush: Callable[[], object] = lambda: None
        self._clients: Any = None
        self._runtime: Any = None
        self._environ = environ
        _put_defaults(environ, self.settings)
        self.problems += users.put_in_force(self.settings)

    @property
    def arguments(self) -> Mapping[str, Mapping[str, Any]]:
        """What each of our instrumentors is given."""
        return {
            "fastapi": {"options": self._http_options()},
            "sqlalchemy": {
                "on": True,
                "commenter": self.settings["OTELIER_SQLCOMMENTER"],
                "slow_seconds": self.settings["OTELIER_SLOW_QUERY_MS"] / 1000,
                "most_repeats": self.settings["OTELIER_N_PLUS_ONE"],
                "explain": self.settings["OTELIER_EXPLAIN"],
            },
            "redis": {"on": True, "info": self.settings["OTELIER_REDIS_INFO"]},
            "logging": {
                "level": self.settings["OTELIER_LOG_LEVEL"],
                "output": self.settings["OTELIER_LOG_FORMAT"],
                "fields": self.settings["OTELIER_LOG_FIELDS"],
            },
            "loguru": {"on": True},
            "structlog": {"on": True},
        }

    def stand_in(self, library: str, given: Mapping[str, Any]) -> None:
        """For contrib's classes in the app's own code. given: what ours was given."""
        from otelier.instrumentation import observe, standin

        standin.prepare(observe.Patches(), library, given)

    def observes_client(self, entry_point: EntryPoint) -> bool:
        """Whether it is contrib's for an HTTP client: put in when the app imports the library."""
        from otelier.instrumentation.clients import Clients, Forwarding, usable

        library = CLIENTS.get(entry_point.name)
        if library is None:
            return False
        if self._clients is None:
            hosts = self.settings["OTELIER_FORWARD_REQUEST_ID_TO"] or ()
            self._clients = Clients(
                Forwarding(self.settings["OTELIER_REQUEST_ID_HEADER"][0], hosts)
            )
        self._clients.observe(library, partial(usable, entry_point))
        if find_spec(library):
            self.observed.append(entry_point.name)
        return True

    def provide(self) -> None:
        """Make the providers, and see to it that what they record is delivered."""
        from otelier import inheritance, pipeline
        from otelier.instrumentation import observe, runtime, sentry, servers
        from otelier.sdk import propagation, resource

        propagation.put_in_force(self.settings["OTEL_PROPAGATORS"])
        self._mask()
        self.problems += categories.load_rules()
        attributes = self.settings["OTEL_RESOURCE_ATTRIBUTES"] or {}
        if not self.settings["OTEL_SERVICE_NAME"] and "service.name" not in attributes:
            self.guessed = resource.guess_service(sys.orig_argv[1:], Path.cwd())
        about = resource.build(__version__, attributes, self.guessed)
        made = pipeline.build(self.settings, self._environ, about)
        self.problems += made.problems
        self.flush = made.lifecycle.flush
        servers.observe(observe.Patches(), made.lifecycle)
        sentry.join(observe.Patches())
        self._runtime = runtime.observe(
            self.settings["OTELIER_RUNTIME_METRICS"],
            self.settings["OTELIER_LOOP_LAG_MS"] / 1000,
            is_sent=bool(self.settings.exporters("metrics")),
        )
        inheritance.adopt(self._environ)

    def _mask(self) -> None:
        """What must not leave, before anything can."""
        rules, problems = masking.load(masking.MASKS)
        self.problems += problems
        more = self.settings["OTELIER_MASK"] or ()
        safe = frozenset(self.settings["OTELIER_SAFE_QUERY_KEYS"] or ())
        privacy.use(privacy.Policy("email" in more, "ip" in more, safe, rules), _guard.fault)

    def lines(self) -> list[str]:
        """The start line, then a line for each thing that was wrong."""
        others = sorted(
            entry.dist.name if entry.dist else entry.name
            for entry in entry_points(group="opentelemetry_distro")
            if entry.name != NAME
        )
        beside = [f"{', '.join(others)} is installed too and stays off"] if others else []
        return [self._start_line(), *self.problems, *beside]

    def _start_line(self) -> str:
        guess = self.guessed
        name = guess.name if guess else self._service_name()
        origin = f" (guessed from {guess.found_in})" if guess else ""
        signals = [s for s in ("traces", "metrics", "logs") if self.settings.exporters(s)]
        target = loading.shown(self.settings["OTEL_EXPORTER_OTLP_ENDPOINT"])
        return (
            f"{__version__} sends {', '.join(signals) or 'nothing'} of service {name!r}{origin}"
            f" to {target}; observes {', '.join(sorted(self.observed)) or 'nothing'}"
        )

    def _service_name(self) -> str:
        attributes = self.settings["OTEL_RESOURCE_ATTRIBUTES"] or {}
        return str(self.settings["OTEL_SERVICE_NAME"] or attributes["service.name"])

    def _http_options(self) -> Any:
        from otelier.instrumentation.asked import METHODS
        from otelier.instrumentation.headers import Headers
        from otelier.instrumentation.http import Options

        header, *others = self.settings["OTELIER_REQUEST_ID_HEADER"]
        return Options(
            header=header,
            also_from=others,
            more_headers=self.settings["OTELIER_RESPONSE_HEADERS"] or (),
            user_from=self.settings["OTELIER_USER_FROM"] or (),
            trusted=self.settings["OTELIER_TRUST"],
            quiet_paths=self.settings["OTELIER_QUIET_PATHS"],
            excluded=self.settings["OTEL_PYTHON_FASTAPI_EXCLUDED_URLS"]
            or self.settings["OTEL_PYTHON_EXCLUDED_URLS"]
            or (),
            flush=partial(_call, self),
            headers=Headers(
                ids=[name.lower() for name in (header, *others)],
                **{to: self.settings[f"{_CAPTURE}{what}"] or () for to, what in _CAPTURED},
            ),
            methods=self.settings["OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS"] or METHODS,
            health_paths=self.settings["OTELIER_HEALTH_PATHS"],
            health_detail=self.settings["OTELIER_HEALTH_DETAIL"],
            meet=self._runtime or bool,
        )


def _call(start: Start) -> object:
    return start.flush()


def _is_off(environ: Mapping[str, str]) -> bool:
    disabled = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    is_helper = any(helper in argument for argument in sys.orig_argv for helper in _HELPERS)
    return disabled or is_helper


def _put_defaults(environ: MutableMapping[str, str], read: Settings) -> None:
    """Our defaults for the SDK, and none of the values that it would choke on."""
    for problem in read.problems:
        environ.pop(problem.variable, None)
        if problem.instead:
            environ[problem.variable] = problem.instead
    for row in SETTINGS:
        # Who sends where is ours to read: ddtrace takes `OTEL_…_EXPORTER` for its own.
        is_shared = row.ours and row.default and not row.name.endswith("_EXPORTER")
        if is_shared and not environ.get(row.name, "").strip():
            environ[row.name] = str(row.default)


def _hand_over(distro: str, kwargs: Mapping[str, Any]) -> None:
    """Call the configurator that comes in the same package as the distro that the user named."""
    for package in distributions():
        entries = package.entry_points
        if any(e.group == "opentelemetry_distro" and e.name == distro for e in entries):
            for entry in entries.select(group="opentelemetry_configurator"):
                entry.load()().configure(**kwargs)
            return
