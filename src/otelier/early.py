"""Corrects `OTEL_PROPAGATORS` before OpenTelemetry is imported.

Upstream's launcher ends with a traceback on a propagator that nothing provides, before it asks
any distro. The wheel's `otelier.pth` imports this module at the start of an interpreter, only
where the variable is set, and the refused value is kept for the distro to name.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping

from otelier.loading import load

PROPAGATORS = "OTEL_PROPAGATORS"
REFUSED = "_OTELIER_REFUSED_PROPAGATORS"


def correct(environ: MutableMapping[str, str]) -> None:
    """Put the default in place of a name that nothing provides, unless another distro is named."""
    if environ.get("OTEL_PYTHON_DISTRO", "otelier") == "otelier":
        for problem in load({PROPAGATORS: environ.get(PROPAGATORS, "")}).problems:
            environ[REFUSED] = environ[PROPAGATORS]
            environ[PROPAGATORS] = problem.instead or ""


correct(os.environ)
