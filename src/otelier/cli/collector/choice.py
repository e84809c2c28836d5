"""From the environment to the arguments of the collector. Pure: no file, port or process.

A collector starts happily with an empty key and then loses everything to 401, and its own
`validate` says nothing. So what can be wrong is refused here, before it starts, all at once.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from otelier.cli.collector import variables as v


@dataclass(frozen=True, kw_only=True)
class Backend:
    """needs: variables it cannot do without. endpoint: the one that holds a URL."""

    needs: tuple[str, ...] = ()
    endpoint: str = ""
    durable: bool = True


BACKENDS: dict[str, Backend] = {
    "datadog": Backend(needs=(v.DD_API_KEY,), endpoint=v.DATADOG_ENDPOINT),
    "debug": Backend(durable=False),
    "elasticsearch": Backend(needs=(v.ELASTICSEARCH_URL,), endpoint=v.ELASTICSEARCH_URL),
    "otlp": Backend(needs=(v.OTLP_ENDPOINT,), endpoint=v.OTLP_ENDPOINT),
}
FEATURES = ("expose", "fsync")

# What a feature adds to `service::extensions`, the one list that grows: lists do not merge.
EXTENSIONS = {"persistence": "file_storage", "expose": "bearertokenauth"}

EXAMPLES = {
    v.DD_API_KEY: "the API key of your Datadog organisation",
    v.ELASTICSEARCH_URL: "a URL such as https://localhost:9200",
    v.OTLP_ENDPOINT: "a URL such as http://localhost:4318",
}


@dataclass(frozen=True)
class Problem:
    """One line, and a hint on a line of its own."""

    said: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.said}\nhint: {self.hint}" if self.hint else self.said


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What to start: backends, features beside persistence, and the folder of the queues."""

    backends: tuple[str, ...]
    features: tuple[str, ...] = ()
    storage: Path | None = None
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    def value(self, variable: str) -> str:
        return read(self.environ, variable)

    def files(self) -> list[str]:
        """Names below `config`, in the order in which they merge."""
        names = ["base.yaml", *(f"backend/{name}.yaml" for name in self.backends)]
        if self.storage:
            durable = [name for name in self.backends if BACKENDS[name].durable]
            names += ["feature/persistence.yaml"]
            names += [f"feature/persistence-{name}.yaml" for name in durable]
        return names + [f"feature/{name}.yaml" for name in self.features]

    def arguments(self, config: Path) -> list[str]:
        """The `--config` arguments; the last one holds what files cannot say."""
        files = [f"--config={config / name}" for name in self.files()]
        # JSON is YAML, and without blanks it survives an unquoted $(otelier collector args).
        return [*files, f"--config=yaml:{json.dumps(self.generated(), separators=(',', ':'))}"]

    def generated(self) -> dict[str, object]:
        active = [*(["persistence"] if self.storage else []), *self.features]
        extensions = [EXTENSIONS[name] for name in active if name in EXTENSIONS]
        last: dict[str, object] = {"service": {"extensions": ["health_check", *extensions]}}
        if self.storage:
            folder = str(self.storage)
            places = {"directory": folder, "compaction": {"directory": folder}}
            last["extensions"] = {"file_storage": places}
        return last

    def child_environ(self) -> dict[str, str]:
        """The environment for the collector. Optional secrets are set, so that it does not warn."""
        limit = int(self.value(v.MEMORY_MIB)) * 8 // 10
        return {
            v.ELASTIC_API_KEY: "",
            v.OTLP_HEADERS: "{}",
            "GOMEMLIMIT": f"{limit}MiB",
            **{name: value for name, value in self.environ.items() if value.strip()},
            v.HOST: bracketed(self.value(v.HOST)),
        }


def read(environ: Mapping[str, str], variable: str) -> str:
    """Its value, or its default; an empty text counts as unset."""
    return environ.get(variable, "").strip() or v.DEFAULTS.get(variable, "")


def choose(environ: Mapping[str, str], default_storage: Path) -> tuple[Choice, list[Problem]]:
    """The choice, and everything that is wrong with it; start only if nothing is."""
    backends = names(read(environ, v.BACKEND))
    features = names(read(environ, v.FEATURES))
    exposed = not is_loopback(read(environ, v.HOST))
    if exposed and "expose" not in features:
        features = (*features, "expose")
    choice = Choice(
        backends=backends,
        features=features,
        storage=_storage(environ, default_storage, backends),
        environ=environ,
    )
    return choice, list(_problems(choice))


def names(value: str) -> tuple[str, ...]:
    """`a, b,a` is a and b: a name twice would be a file twice."""
    parts = (part.strip().lower() for part in value.split(","))
    return tuple(dict.fromkeys(part for part in parts if part))


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _storage(environ: Mapping[str, str], default: Path, backends: tuple[str, ...]) -> Path | None:
    asked = read(environ, v.STORAGE)
    durable = any(BACKENDS[name].durable for name in backends if name in BACKENDS)
    if not durable or asked.lower() == "off":
        return None
    return Path(asked).expanduser() if asked else default


def _problems(choice: Choice) -> Iterator[Problem]:
    if not choice.backends:
        yield Problem(f"{v.BACKEND} names no backend", f"known are {', '.join(BACKENDS)}")
    yield from _unknown(v.BACKEND, "backend", choice.backends, tuple(BACKENDS))
    yield from _unknown(v.FEATURES, "feature", choice.features, FEATURES)
    for name in choice.backends:
        if name in BACKENDS:
            yield from _wrong_backend(choice, name)
    yield from _wrong_numbers(choice)
    if "expose" in choice.features:
        yield from _exposed_without_guard(choice)
    if "fsync" in choice.features and not choice.storage:
        yield Problem(
            f"{v.FEATURES}='fsync' refused: no queue is on disk",
            f"choose a backend that keeps its queue, and do not set {v.STORAGE}=off",
        )


def _unknown(
    variable: str, kind: str, asked: tuple[str, ...], known: tuple[str, ...]
) -> Iterator[Problem]:
    for name in asked:
        if name not in known:
            yield Problem(
                f"{variable}={','.join(asked)!r} refused: no {kind} is called {name!r}",
                f"known are {', '.join(known)}",
            )


def _wrong_backend(choice: Choice, name: str) -> Iterator[Problem]:
    backend = BACKENDS[name]
    for variable in backend.needs:
        if not choice.value(variable):
            yield Problem(
                f"{variable} is not set and the backend {name!r} needs it",
                f"set it to {EXAMPLES[variable]}",
            )
    if backend.endpoint and (url := choice.value(backend.endpoint)):
        yield from _wrong_url(backend.endpoint, url)
    if name == "datadog":
        yield from _wrong_datadog(choice)
    if name == "otlp":
        yield from _wrong_otlp(choice)


def _wrong_url(variable: str, url: str) -> Iterator[Problem]:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname)
        port = parts.port
    except ValueError:
        sound, port = False, None
    if not sound:
        # Not printed: a URL may hold a password.
        yield Problem(
            f"{variable} refused: its value is not a URL",
            f"expected scheme, host and port, such as {variable}=https://localhost:9200",
        )
    elif port == 4317:
        yield Problem(
            f"{variable} refused: port 4317 is for gRPC, and this speaks OTLP over HTTP",
            "the port for HTTP is 4318 in most receivers",
        )


def _wrong_datadog(choice: Choice) -> Iterator[Problem]:
    site = choice.value(v.DD_SITE)
    if not re.fullmatch(r"(?!app\.)[a-z0-9-]+(\.[a-z0-9-]+)+", site):
        yield Problem(
            f"{v.DD_SITE}={site!r} refused: expected a site, without https:// and app.",
            f"such as {v.DD_SITE}=datadoghq.eu",
        )
    if re.search(r"\s", choice.value(v.DD_API_KEY)):
        yield Problem(f"{v.DD_API_KEY} refused: there is white space in it")


def _wrong_otlp(choice: Choice) -> Iterator[Problem]:
    if re.search(r"/v1/(traces|metrics|logs)/?$", choice.value(v.OTLP_ENDPOINT)):
        yield Problem(
            f"{v.OTLP_ENDPOINT} refused: it ends in the path of one signal",
            "leave /v1/… out, it is added for each signal",
        )
    if not _is_map_of_text(choice.value(v.OTLP_HEADERS) or "{}"):
        yield Problem(
            f"{v.OTLP_HEADERS} refused: expected a map in JSON",
            f'such as {v.OTLP_HEADERS}=\'{{"authorization": "Bearer …"}}\'',
        )


def _is_map_of_text(value: str) -> bool:
    try:
        headers = json.loads(value)
    except ValueError:
        return False
    return isinstance(headers, dict) and all(isinstance(item, str) for item in headers.values())


def _wrong_numbers(choice: Choice) -> Iterator[Problem]:
    taken: dict[str, str] = {}
    for variable in v.PORTS:
        port = choice.value(variable)
        if not re.fullmatch(r"[1-9][0-9]{0,4}", port) or int(port) > 65535:
            yield Problem(f"{variable}={port!r} refused: expected a port, 1 to 65535")
        elif port in taken:
            yield Problem(f"{variable}={port!r} refused: {taken[port]} has the same port")
        taken[port] = variable
    memory = choice.value(v.MEMORY_MIB)
    if not re.fullmatch(r"[1-9][0-9]{1,6}", memory) or int(memory) < 64:
        yield Problem(f"{v.MEMORY_MIB}={memory!r} refused: expected MiB, a number from 64 on")


def _exposed_without_guard(choice: Choice) -> Iterator[Problem]:
    needed = (v.TLS_CERT, v.TLS_KEY, v.TOKEN)
    missing = [variable for variable in needed if not choice.value(variable)]
    if missing:
        yield Problem(
            f"{v.HOST}={choice.value(v.HOST)!r} refused: other machines may send only with TLS "
            f"and a token, and there is no {', no '.join(missing)}",
            f"set them, or leave {v.HOST} at {v.DEFAULTS[v.HOST]}",
        )
    elif len(choice.value(v.TOKEN)) < 16:
        yield Problem(
            f"{v.TOKEN} refused: it has fewer than 16 characters",
            f"make one with: openssl rand -hex 24 (for {v.TOKEN})",
        )
