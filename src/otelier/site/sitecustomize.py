"""What a Python process of an observed app runs first, be it of our environment or of another.

Where Otelier is installed, what upstream's own does: start OpenTelemetry, with Otelier's loader if
Otelier is the distro. Then, in any case, the `sitecustomize` that this one hides. Nothing here is
newer than Python 3.5, as a child may be old; what the hidden one raises is its own affair.
"""

import gc
import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
_THEIRS = os.path.join("opentelemetry", "instrumentation", "auto_instrumentation")


def _is_ours() -> bool:
    try:
        from importlib.util import find_spec

        return find_spec("otelier") is not None
    except Exception:  # a broken environment
        return False


def _start() -> None:
    # What a start makes stays for good: looking for garbage in it is time lost.
    was_on = gc.isenabled()
    gc.disable()
    try:
        _observe()
    finally:
        if was_on:
            gc.enable()


def _observe() -> None:
    if os.environ.get("OTEL_PYTHON_DISTRO") == "otelier":
        from otelier.loader import initialize
    else:
        from opentelemetry.instrumentation.auto_instrumentation import initialize

    # As upstream does: what is started meanwhile, by a resource detector say, starts nothing.
    path = os.environ.get("PYTHONPATH")
    if path is None:
        initialize()
        return
    os.environ["PYTHONPATH"] = os.pathsep.join(_without(path.split(os.pathsep)))
    try:
        initialize()
    finally:
        os.environ["PYTHONPATH"] = path


def _without(folders: "list[str]") -> "list[str]":
    return [one for one in folders if os.path.abspath(one) != _HERE]


def _run_hidden() -> None:
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    folders = [one for one in _without(sys.path) if not one.endswith(_THEIRS)]
    spec = PathFinder.find_spec("sitecustomize", folders)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(module_from_spec(spec))


if __name__ == "sitecustomize":
    try:
        if _is_ours():
            _start()
    finally:
        _run_hidden()
