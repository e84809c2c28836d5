"""Wrong settings: the app answers, the cause is named once at start, no secret is printed.

Real parts: `opentelemetry-instrument` and a program that serves one request to itself.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent

APP = """
import fastapi, httpx, asyncio
app = fastapi.FastAPI()
@app.get("/{n}")
def get(n: int): return n
async def main():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://a") as c:
        print((await c.get("/7")).text)
asyncio.run(main())
"""

WRONG = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": ("localhost:4318", "collector", "http://", "http://a:4317"),
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": ("ftp://x",),
    "OTEL_EXPORTER_OTLP_PROTOCOL": ("http", "http/json", "grpc"),
    "OTEL_EXPORTER_OTLP_HEADERS": ("planted-secret",),
    "OTEL_EXPORTER_OTLP_TIMEOUT": ("abc", "-1"),
    "OTEL_EXPORTER_OTLP_COMPRESSION": ("zip",),
    "OTEL_EXPORTER_OTLP_CERTIFICATE": ("/no/such/file",),
    "OTEL_TRACES_EXPORTER": ("jaeger-typo",),
    "OTEL_METRICS_EXPORTER": ("promtheus",),
    "OTEL_LOGS_EXPORTER": ("oltp",),
    "OTEL_TRACES_SAMPLER": ("sometimes",),
    "OTEL_TRACES_SAMPLER_ARG": ("abc", "7"),
    "OTEL_RESOURCE_ATTRIBUTES": ("abc",),
    "OTEL_BSP_MAX_QUEUE_SIZE": ("abc",),
    "OTEL_METRIC_EXPORT_INTERVAL": ("soon",),
    "OTEL_PYTHON_FASTAPI_EXCLUDED_URLS": ("[",),
    "OTEL_CONFIG_FILE": ("/no/such/file.yaml", __file__),
    "OTEL_SDK_DISABLED": ("yes",),
    "FASTAPI_OTEL_AUTO_CONFIGURE": ("true",),
    "OTELIER_LOG_LEVEL": ("loud",),
    "OTELIER_REQUEST_ID_HEADER": ("X Request Id",),
    "OTELIER_STOP_TIMEOUT": ("5s",),
    "OTELIER_TRUST": ("everybody",),
    "OTELIER_USER_FROM": ("user",),
}


def launch(**variables: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if "OTEL" not in name}
    environ |= {"PATH": f"{BIN}{os.pathsep}{environ['PATH']}", "OTELIER_STOP_TIMEOUT": "0.2"}
    command = [BIN / "opentelemetry-instrument", "python", "-c", APP]
    return subprocess.run(
        command, env=environ | variables, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(
    ("variable", "value"),
    [(variable, value) for variable, values in WRONG.items() for value in values],
)
def test_wrong_value(variable: str, value: str) -> None:
    """The app answers as ever and one line names the variable and what happens now."""
    done = launch(**{variable: value})
    assert (done.returncode, done.stdout) == (0, "7\n"), done.stderr
    named = [line for line in done.stderr.splitlines() if f"{variable}=" in line]
    assert len(named) == 1, done.stderr
    assert " ignored: " in named[0]
    assert "planted-secret" not in done.stderr
    assert "Traceback" not in done.stderr


def test_values_of_the_user_win() -> None:
    """A default of ours never replaces what is set."""
    done = launch(OTEL_TRACES_EXPORTER="none", OTEL_LOGS_EXPORTER="none")
    assert "sends metrics of service" in done.stderr
