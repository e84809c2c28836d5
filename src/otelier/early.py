"""What comes before OpenTelemetry is imported: the wheel's `otelier.pth` imports this module at the
start of an interpreter, of upstream's launcher or where `OTEL_PROPAGATORS` is set.

The launcher's work is done in its place, where it is no more than to start a command (`launch`).
And `OTEL_PROPAGATORS` is corrected: upstream's ends with a traceback on a propagator that nothing
provides, before it asks any distro; the refused value is kept for the distro to name.
"""

from __future__ import annotations

import os
import sys

from otelier import launch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping

PROPAGATORS = "OTEL_PROPAGATORS"
REFUSED = "_OTELIER_REFUSED_PROPAGATORS"


def correct(environ: MutableMapping[str, str]) -> None:
    """Put the default in place of a name that nothing provides, unless another distro is named."""
    if PROPAGATORS in environ and environ.get("OTEL_PYTHON_DISTRO", "otelier") == "otelier":
        from otelier.loading import load  # the launcher has no time for it

        for problem in load({PROPAGATORS: environ[PROPAGATORS]}).problems:
            environ[REFUSED] = environ[PROPAGATORS]
            environ[PROPAGATORS] = problem.instead or ""


if launch.is_asked(sys.argv):
    launch.become_command(sys.argv, os.environ)
correct(os.environ)
