"""A propagator that nothing provides must not end the launcher."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from otelier.early import PROPAGATORS, REFUSED, correct


@pytest.mark.parametrize("good", ["tracecontext", "tracecontext,baggage", "none", ""])
def test_a_good_value_stays(good: str) -> None:
    """What can be had, and what is unset, is left alone."""
    environ = {PROPAGATORS: good}
    correct(environ)
    assert environ == {PROPAGATORS: good}


@pytest.mark.parametrize(
    ("bad", "instead"),
    [("b4", "tracecontext"), ("tracecontext,b4", "tracecontext"), ("baggage,", "baggage")],
)
def test_a_bad_value_is_replaced(bad: str, instead: str) -> None:
    """Something that can be had stands in, and the refused value is kept for the start line."""
    environ = {PROPAGATORS: bad}
    correct(environ)
    assert environ == {PROPAGATORS: instead, REFUSED: bad}


def test_another_distro_is_left_alone() -> None:
    """Who has chosen another distro gets its behaviour."""
    environ = {PROPAGATORS: "b4", "OTEL_PYTHON_DISTRO": "other"}
    correct(environ)
    assert environ == {PROPAGATORS: "b4", "OTEL_PYTHON_DISTRO": "other"}


def test_it_comes_before_opentelemetry() -> None:
    """Importing it imports nothing of OpenTelemetry, which would read the wrong value."""
    program = "import otelier.early, sys; print([m for m in sys.modules if 'opentelemetry' in m])"
    environ = {**os.environ, PROPAGATORS: "b4"}
    output = subprocess.check_output([sys.executable, "-c", program], env=environ, text=True)
    assert output == "[]\n"
