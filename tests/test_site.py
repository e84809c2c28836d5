"""Python processes that an observed app starts: of its own environment, and of another one."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from otelier.cli.receiver import Receiver
from otelier.site import FOLDER, instead_of
from parts.server import BIN, environment

SPAN = "from opentelemetry import trace; trace.get_tracer('child').start_span(NAME).end()"

PARENT = f"""\
import multiprocessing, subprocess, sys

def work(name):
    NAME = name
    {SPAN}

if __name__ == "__main__":
    for python in sys.argv[1:]:
        subprocess.run([python, "-c", "print('a child')"], check=True)
    subprocess.run([sys.executable, "-c", "NAME = 'subprocess'; {SPAN}"], check=True)
    child = multiprocessing.get_context("spawn").Process(target=work, args=("spawned",))
    child.start()
    child.join()
"""


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A Python of an environment without OpenTelemetry, and with a sitecustomize of its own."""
    folder = tmp_path / "other"
    venv.create(folder, with_pip=False)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "sitecustomize.py").write_text("print('its own')\n")
    return folder / "bin" / "python"


def launched(folder: Path, receiver: Receiver, *arguments: str) -> tuple[str, list[str]]:
    """Output and stderr, our own lines left out, of the parent under the launcher."""
    (folder / "parent.py").write_text(PARENT)
    done = subprocess.run(
        [BIN / "opentelemetry-instrument", "python", "parent.py", *arguments],
        cwd=folder,
        env=environment({"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}),
        capture_output=True,
        text=True,
        timeout=60,
    )
    lines = done.stderr.splitlines()
    return done.stdout, [line for line in lines if not line.startswith("otelier: ")]


def test_a_child_of_another_environment(tmp_path: Path, other: Path) -> None:
    """It starts without a word and as it would without us; children of ours are observed."""
    with Receiver() as receiver:
        output, said = launched(tmp_path, receiver, str(other))
    assert (output, said) == ("its own\na child\n", [])
    assert sorted(span.name for span in receiver.spans) == ["spawned", "subprocess"]


def test_an_unknown_python_is_left_alone(other: Path) -> None:
    """Only the folder in the path: what stands in the environment besides changes nothing."""
    environ = {"PYTHONPATH": FOLDER, "OTEL_PYTHON_DISTRO": "otelier"}
    done = subprocess.run([other, "-c", ""], env=environ, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("its own\n", "")


def test_the_path() -> None:
    """Ours comes first, theirs goes, and the order of the others stays."""
    theirs = "/x/opentelemetry/instrumentation/auto_instrumentation"
    path = os.pathsep.join([theirs, "/cwd", "", "/b", FOLDER])
    assert instead_of(path) == os.pathsep.join([FOLDER, "/cwd", "/b"])
    assert instead_of("") == FOLDER


def test_another_distro_keeps_upstreams_folder(tmp_path: Path) -> None:
    """Who has named another distro gets upstream's launcher as it is."""
    done = subprocess.run(
        [
            BIN / "opentelemetry-instrument",
            "python",
            "-c",
            "import os; print(os.environ['PYTHONPATH'])",
        ],
        cwd=tmp_path,
        env=environment({"OTEL_PYTHON_DISTRO": "distro", "OTEL_TRACES_EXPORTER": "none"}),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "auto_instrumentation" in done.stdout
    assert FOLDER not in done.stdout


def test_it_is_imported_without_a_start() -> None:
    """By its full name it does nothing."""
    program = "import otelier.site.sitecustomize, sys; print('opentelemetry' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("False\n", "")
