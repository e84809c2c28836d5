"""`opentelemetry-instrument` starts a command as upstream's launcher does, with and without it.

Real parts: both launchers, as processes; a shell script for the command.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from otelier.chosen import NEIGHBOURS, STARTED
from otelier.launch import command, is_asked, observed
from otelier.site import FOLDER
from parts.server import BIN, environment

OURS: Sequence[str | Path] = (BIN / "opentelemetry-instrument",)
# Upstream's own, in an interpreter that does not bear its name.
THEIRS = (
    sys.executable,
    "-c",
    "import sys; sys.argv[0] = 'opentelemetry-instrument'\n"
    "from opentelemetry.instrumentation.auto_instrumentation import run; run()",
)
SHOW = """#!/bin/sh
for argument in "$0" "$@"; do echo "[$argument]"; done
env | grep -E '^(PYTHON|_?OTEL|PWD)' | sort
exit 7
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, mode in (("show", 0o755), ("not-to-be-run", 0o644)):
        (tmp_path / name).write_text(SHOW)
        (tmp_path / name).chmod(mode)
    (tmp_path / "folder").mkdir()
    return tmp_path


def launch(
    launcher: Sequence[str | Path], folder: Path, arguments: Sequence[str], **variables: str
) -> tuple[int, str, str]:
    """Exit code, output, and the last line of stderr."""
    environ = environment({"PATH": os.pathsep.join([str(folder), os.environ["PATH"]]), **variables})
    done = subprocess.run(
        [*launcher, *arguments], cwd=folder, env=environ, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout, "".join(done.stderr.splitlines()[-1:])


@pytest.mark.parametrize(
    "arguments",
    [
        ("show",),
        ("./show", "--workers", "4", "-h", "--version", ""),
        ("show", "--", "--service_name", "x", "-k", "a b"),
        ("show", "app:app", "--traces_exporter=none"),
        ("--service_name", "shop", "show", "a"),
        ("--", "show"),
        ("--version",),
        ("no-such-program", "a"),
        ("not-to-be-run",),
        ("folder",),
        ("./folder",),
        (),
    ],
    ids=" ".join,
)
def test_as_upstreams_launcher(folder: Path, arguments: Sequence[str]) -> None:
    """The same command, arguments, environment, exit code and complaint."""
    assert launch(OURS, folder, arguments) == launch(THEIRS, folder, arguments)


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONPATH": "/a:/b"},
        {"PYTHONPATH": "/x/opentelemetry/instrumentation/auto_instrumentation:{here}:/a"},
        {"OTEL_PYTHON_DISTRO": "", "OTEL_PYTHON_CONFIGURATOR": "mine"},
        {"OTEL_PYTHON_DISTRO": "otelier", "OTEL_PROPAGATORS": "b4"},
        {"OTEL_PYTHON_DISTRO": "distro"},
        {STARTED: "1", NEIGHBOURS: "ddtrace"},
    ],
    ids=str,
)
def test_in_the_same_environment(folder: Path, variables: Mapping[str, str]) -> None:
    """Whatever the environment says: upstream's launcher with our folder in the place of its own.

    A propagator is corrected by whoever imports OpenTelemetry first: with upstream's that is the
    launcher, else the app's process.
    """
    given = {name: value.format(here=folder) for name, value in variables.items()}
    ours, theirs = (launch(each, folder, ["show", "a"], **given) for each in (OURS, THEIRS))
    if given.get("OTEL_PROPAGATORS"):
        corrected = "OTEL_PROPAGATORS=tracecontext\n", "_OTELIER_REFUSED_PROPAGATORS=b4\n"
        assert "OTEL_PROPAGATORS=b4\n" in ours[1]
        assert all(line in theirs[1] for line in corrected)
    else:
        assert ours == theirs
    assert ours[0] == 7


def test_upstreams_launcher_is_not_imported(folder: Path) -> None:
    """What takes its time is not there: the launching process imports nothing of OpenTelemetry."""
    done = subprocess.run(
        [*OURS, "true"],
        env=environment({"PYTHONPROFILEIMPORTTIME": "1"}),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "otelier.launch" in done.stderr
    assert "opentelemetry" not in done.stderr
    assert "argparse" not in done.stderr


def test_which_interpreter_is_the_launcher() -> None:
    """By the name of its program; one that has no arguments at all is none."""
    assert is_asked(["/venv/bin/opentelemetry-instrument", "uvicorn"])
    assert not is_asked(["/venv/bin/uvicorn", "opentelemetry-instrument"])
    assert not is_asked([])


def test_nothing_is_changed_before_it_is_sure(folder: Path) -> None:
    """What is looked at stays as it is, so that upstream's launcher finds it so."""
    environ = {"PATH": str(folder), STARTED: "1"}
    assert command(["opentelemetry-instrument", "show"], environ) == str(folder / "show")
    assert command(["opentelemetry-instrument", "other"], environ) is None
    assert observed(environ, "/here")["PYTHONPATH"] == os.pathsep.join([FOLDER, "/here"])
    assert environ == {"PATH": str(folder), STARTED: "1"}
