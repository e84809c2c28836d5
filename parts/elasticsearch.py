"""A real Elasticsearch, of the distribution that its own integration tests use.

    with Elasticsearch() as elasticsearch:
        elasticsearch.search("traces-*", "http.request.id:r-1")

It is fetched once, by Maven, and kept in ${XDG_CACHE_HOME:-~/.cache}/otelier/elasticsearch. It is
the server without most modules: no security, no built-in OpenTelemetry templates (TEMPLATES stand
in for them), no `_data_stream` and `_ilm`, no Kibana. Needs a JDK of 21 or newer. As root it runs
as `nobody`, from a copy: root's home cannot be read by others.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from types import TracebackType
from typing import Any

from parts import Missing, free_ports
from parts.maven import fetch

VERSION = "9.2.0"
ARTIFACT = f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{VERSION}:zip"
OLDEST_JAVA = 21
START_SECONDS = 90.0
STOP_SECONDS = 30.0
SHARD_SECONDS = 30.0

# What the built-in `*.otel-*` templates do and these tests lean on: data streams, attributes that
# can be searched without their prefix, and the named templates that the exporter asks for.
PASSTHROUGH = {"type": "passthrough", "dynamic": True}
COMMON: dict[str, Any] = {
    "dynamic_templates": [
        {"texts": {"match_mapping_type": "string", "mapping": {"type": "keyword"}}},
    ],
    "properties": {
        "@timestamp": {"type": "date_nanos"},
        "attributes": {**PASSTHROUGH, "priority": 20},
        "resource": {"properties": {"attributes": {**PASSTHROUGH, "priority": 10}}},
        "scope": {"properties": {"attributes": {**PASSTHROUGH, "priority": 5}}},
    },
}
NUMBERS = [
    {f"{kind}_{number}": {"mapping": {"type": number}}}
    for kind in ("gauge", "counter")
    for number in ("long", "double")
]
# The real `histogram` type is in a module that is not there: its parts are kept as numbers.
DISTRIBUTIONS = [
    {name: {"mapping": {"type": "object", "dynamic": True}}} for name in ("histogram", "summary")
]
TEMPLATES: dict[str, dict[str, Any]] = {
    "traces": COMMON,
    "logs": COMMON,
    "metrics": {
        **COMMON,
        "dynamic_templates": [*NUMBERS, *DISTRIBUTIONS, *COMMON["dynamic_templates"]],
    },
}


class Elasticsearch:
    """Starts empty each time; `stop` and `start` keep the port and what is stored."""

    def __init__(self) -> None:
        self.java = java_home()
        self.distribution = distribution()
        self.port, self._transport = free_ports(2)
        self.folder = Path(tempfile.mkdtemp(prefix="otelier-elasticsearch-"))
        self.process: subprocess.Popen[bytes] | None = None
        self.user = _unprivileged_user()
        self._prepare()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environ(self) -> dict[str, str]:
        """What a collector needs to send here."""
        return {"ELASTICSEARCH_URL": self.url}

    def __enter__(self) -> Elasticsearch:
        try:
            self.start()
            for signal_name in TEMPLATES:
                self._install_template(signal_name)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(
                [str(self.distribution / "bin" / "elasticsearch")],
                env={
                    "PATH": os.environ.get("PATH", ""),
                    "ES_JAVA_HOME": str(self.java),
                    "ES_JAVA_OPTS": "-Xms512m -Xmx512m",
                    "ES_PATH_CONF": str(self.folder / "config"),
                    "ES_TMPDIR": str(self.folder / "tmp"),
                },
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # its launcher starts the server as a child of its own
                user=self.user,
                group=pwd.getpwnam(self.user).pw_gid if self.user else None,
                extra_groups=[] if self.user else None,
            )
        self._wait_until_ready(self.process)

    def stop(self) -> None:
        """TERM to the launcher, which ends the server; what is left of its session is killed."""
        process, self.process = self.process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def search(self, index: str, query: str, size: int = 1000) -> list[dict[str, Any]]:
        """The documents that match a query string, as they were stored."""
        body = {"query": {"query_string": {"query": query}}, "size": size}
        found = self._ask(index, "_search", body)
        return [hit["_source"] for hit in found["hits"]["hits"]]

    def count(self, index: str, query: str = "*") -> int:
        found = self._ask(index, "_count", {"query": {"query_string": {"query": query}}})
        return int(found["count"])

    def _ask(self, index: str, what: str, body: object) -> Any:
        """All that is stored so far. Where a shard is only just being made, the answer is 503."""
        deadline = time.monotonic() + SHARD_SECONDS
        while True:
            try:
                self.call("POST", f"/{index}/_refresh?ignore_unavailable=true")
                return self.call("POST", f"/{index}/{what}?ignore_unavailable=true", body)
            except urllib.error.HTTPError as error:
                if error.code != 503 or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def histogram_count(self, name: str) -> int:
        """How many measurements of a histogram are stored."""
        found = self.search("metrics-*", "*", size=10_000)
        points = (document.get("metrics", {}).get(name) for document in found)
        return sum(sum(point["counts"]) for point in points if point)

    def call(self, method: str, path: str, body: object = None) -> Any:
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def _prepare(self) -> None:
        for name in ("data", "logs", "tmp"):
            (self.folder / name).mkdir()
        if self.user:
            copy = self.folder / "distribution"
            shutil.copytree(self.distribution, copy)
            self.distribution = copy
        config = self.folder / "config"
        shutil.copytree(self.distribution / "config", config)
        (config / "elasticsearch.yml").write_text(json.dumps(self._settings()))
        if self.user:
            subprocess.run(["chown", "-R", self.user, str(self.folder)], check=True)

    def _settings(self) -> dict[str, object]:
        return {
            "discovery.type": "single-node",
            "http.host": "127.0.0.1",
            "http.port": self.port,
            "transport.host": "127.0.0.1",
            "transport.port": self._transport,
            "path.data": str(self.folder / "data"),
            "path.logs": str(self.folder / "logs"),
            "xpack.security.enabled": False,
            # A test machine's disk may be nearly full; a test needs little of it.
            "cluster.routing.allocation.disk.threshold_enabled": False,
        }

    def _install_template(self, name: str) -> None:
        template = {
            "index_patterns": [f"{name}-*.otel-*"],
            "data_stream": {},
            "priority": 120,
            "template": {"settings": {"number_of_replicas": 0}, "mappings": TEMPLATES[name]},
        }
        self.call("PUT", f"/_index_template/otelier-{name}", template)

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            try:
                self.call("GET", "/_cluster/health?wait_for_status=yellow&timeout=1s")
            except (urllib.error.URLError, OSError):
                time.sleep(0.25)
            else:
                return
        said = (self.folder / "output").read_text(errors="replace")[-3000:]
        raise RuntimeError(f"elasticsearch did not start: {said}")


def distribution() -> Path:
    """The unpacked distribution; fetched when it is not in the cache."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    folder = base / "otelier" / "elasticsearch" / VERSION
    unpacked = folder / f"elasticsearch-{VERSION}"
    if unpacked.is_dir():
        return unpacked
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        fetch(ARTIFACT, Path(scratch), f"elasticsearch {VERSION}")
        archive = Path(scratch) / f"elasticsearch-{VERSION}.zip"
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(scratch)
        for program in (Path(scratch) / unpacked.name / "bin").iterdir():
            program.chmod(0o755)  # a zip as Python unpacks it knows no modes
        (Path(scratch) / unpacked.name).rename(unpacked)
    return unpacked


def java_home() -> Path:
    """The oldest JDK that is new enough."""
    named = [os.environ.get(name) for name in ("ES_JAVA_HOME", "JAVA_HOME")]
    places = [Path(name) for name in named if name] + sorted(Path("/usr/lib/jvm").glob("*"))
    found = [(version, place) for place in places if (version := _java_version(place))]
    usable = [pair for pair in found if pair[0] >= OLDEST_JAVA]
    if not usable:
        raise Missing(f"a JDK of {OLDEST_JAVA} or newer", "install one and set ES_JAVA_HOME to it")
    return min(usable)[1]


def _java_version(home: Path) -> int:
    try:
        release = (home / "release").read_text()
    except OSError:
        return 0
    found = re.search(r'^JAVA_VERSION="(\d+)', release, re.MULTILINE)
    return int(found[1]) if found else 0


def _unprivileged_user() -> str | None:
    """Elasticsearch refuses to run as root."""
    return "nobody" if os.geteuid() == 0 else None
