"""From the settings to what arrives at a receiver, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

from otelier.cli.receiver import Receiver
from parts import free_ports

PROGRAM = """
import importlib.abc, logging, os, sys, threading

late = set()

class Notes(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if threading.current_thread().name == "otelier-delivery":
            late.add(name)
        return None

from opentelemetry import trace, metrics, _logs
from otelier import loading, pipeline
from otelier.instrumentation.logs import LogsInstrumentor
from otelier.sdk import resource

read = loading.load(os.environ)
made = pipeline.build(read, os.environ, resource.build("0", {"service.name": "s"}, None))
sys.meta_path.insert(0, Notes())
LogsInstrumentor().instrument(level=logging.INFO)
for scope in ("otelier.t", "t"):
    with trace.get_tracer(scope).start_as_current_span(scope) as span:
        span.set_attribute("a", [1, "x"])
        logging.getLogger("l").warning("inside %s", scope)
    metrics.get_meter(scope).create_counter("c").add(1)
assert made.delivery.flush(5)
print(sorted(late), made.problems)
"""


def test_everything_arrives_and_nothing_is_imported_late() -> None:
    """The thread that delivers imports nothing: a process that forks meanwhile would leave half a
    module to its children, and they would never send."""
    with Receiver() as receiver:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url.replace("127.0.0.1", "localhost")},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.stdout == "[] []\n", done.stderr
        assert sorted(span.name for span in receiver.spans) == ["otelier.t", "t"]
        assert [log.body for log in receiver.logs] == ["inside otelier.t", "inside t"]
        names = [point.name for point in receiver.points]
        assert (names.count("c"), "otelier.export.recorded" in names) == (2, True)


ALONE = """
import os, threading, urllib.request
from otelier import loading, pipeline
from otelier.sdk import resource
from opentelemetry import metrics

made = pipeline.build(loading.load(os.environ), os.environ, resource.build("0", {}, None))
metrics.get_meter("otelier.t").create_counter("c").add(3)
port = os.environ["OTEL_EXPORTER_PROMETHEUS_PORT"]
with urllib.request.urlopen(f"http://localhost:{port}/metrics") as text:
    counted = [line for line in text.read().decode().splitlines() if line.startswith("c_total")]
print([line.split()[-1] for line in counted], made.problems)
print("otelier-delivery" in [thread.name for thread in threading.enumerate()])
"""


def test_prometheus_alone() -> None:
    """With nothing to send, what is measured is still kept small by the thread that delivers."""
    (port,) = free_ports(1)
    variables = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "LOGS")}
    variables |= {"OTEL_METRICS_EXPORTER": "prometheus"}
    done = subprocess.run(
        [sys.executable, "-c", ALONE],
        env={**variables, "OTEL_EXPORTER_PROMETHEUS_PORT": str(port)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.splitlines() == ["['3.0'] []", "True"], done.stderr
