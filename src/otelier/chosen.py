"""Which distro a start takes, and what its processes tell each other, as variables.

Imported by the launching process, which ends a moment later: so nothing that takes time is imported
here, neither of OpenTelemetry (a tenth of a second of every start) nor `typing` (a hundredth).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping


NAME = "otelier"

STARTED = "_OTELIER_STARTED"
"""Set by the first process of a start; its workers and reloads inherit it and stay silent."""

NEIGHBOURS = "_OTELIER_NEIGHBOURS"
"""Names of other products that have been said, for the same reason."""

DISTRO = "OTEL_PYTHON_DISTRO"
CONFIGURATOR = "OTEL_PYTHON_CONFIGURATOR"


def new_start(environ: MutableMapping[str, str]) -> None:
    """Forget what an earlier start has said, even where an observed app launches this one."""
    environ.pop(STARTED, None)
    environ.pop(NEIGHBOURS, None)
    name_otelier(environ)


def name_otelier(environ: MutableMapping[str, str]) -> None:
    """Choose Otelier where the user has chosen nothing."""
    if not environ.get(DISTRO):
        environ[DISTRO] = NAME
        environ.setdefault(CONFIGURATOR, NAME)
