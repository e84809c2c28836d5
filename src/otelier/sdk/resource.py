"""Who sends: the resource of every span, metric and log record.

Facts of the process and its host, collected once at start. Nothing here may hold a secret, so the
command line is read for a name and never sent. The detector is registered as an entry point and
marked as process dependent: the SDK asks it again after a fork.
"""

from __future__ import annotations

import os
import platform
import re
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from opentelemetry.sdk.resources import Resource, ResourceDetector

from otelier.fixed import fixed

_CONTAINER_ID = re.compile(r"[0-9a-f]{64}")
_APP = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.()]*")
_GENERIC = {"app", "application", "asgi", "main", "server", "src", "wsgi"}
_HOST_ID_FILES = ("/etc/machine-id", "/var/lib/dbus/machine-id")


@fixed
class Service:
    """name and version of the service, and where the name was found."""

    name: str
    version: str | None
    found_in: str


def guess_service(command: Sequence[str], folder: Path) -> Service:
    """The name a person would give it: the project's, the app module's, or the folder's."""
    project = _project(folder)
    if name := project.get("name"):
        version = project.get("version")
        return Service(str(name), str(version) if version else None, "pyproject.toml")
    for argument in command[1:]:
        if _APP.fullmatch(argument):
            module = argument.partition(":")[0].split(".")[0]
            if module not in _GENERIC:
                return Service(module, None, f"the command's {argument}")
    return Service(folder.name or "unnamed", None, "the folder's name")


def build(version: str, attributes: Mapping[str, str], service: Service | None) -> Resource:
    """The resource. attributes: what the user set, which wins; service: a guess, or None."""
    ours: dict[str, Any] = {
        "telemetry.distro.name": "otelier",
        "telemetry.distro.version": version,
    }
    if service is not None:
        ours["service.name"] = service.name
    if service is not None and service.version and "service.version" not in attributes:
        ours["service.version"] = service.version
    return Resource.create({**ours, **_both_spellings(attributes)})


class Detector(ResourceDetector):
    """Host, container and process, for the SDK (entry point `otelier`)."""

    def is_process_dependent(self) -> bool:
        return True

    def detect(self) -> Resource:
        return Resource({**_host(), **_container(), **_process()})


def _project(folder: Path) -> Mapping[str, Any]:
    try:
        with open(folder / "pyproject.toml", "rb") as file:
            import tomllib  # 3 ms; a container seldom has the file

            document = tomllib.load(file)
    except (OSError, ValueError):
        return {}
    return _table(document, "project") or _table(_table(document, "tool"), "poetry")


def _table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def _both_spellings(attributes: Mapping[str, str]) -> dict[str, str]:
    """The environment under its present name and the one that older backends read."""
    new, old = "deployment.environment.name", "deployment.environment"
    environment = attributes.get(new) or attributes.get(old)
    return {new: environment, old: environment} if environment else {}


def _host() -> dict[str, Any]:
    found = {"host.name": socket.gethostname(), "host.arch": platform.machine()}
    for file in _HOST_ID_FILES:
        if host_id := _read(file).strip():
            return {**found, "host.id": host_id}
    return found


def _container() -> dict[str, Any]:
    """The id from the control group (v1) or from the mounts (v2), where there is one."""
    lines = _read("/proc/self/cgroup").splitlines()
    lines += [line for line in _read("/proc/self/mountinfo").splitlines() if "/containers/" in line]
    for line in lines:
        if match := _CONTAINER_ID.search(line):
            return {"container.id": match[0]}
    return {}


def _process() -> dict[str, Any]:
    return {
        "process.pid": os.getpid(),
        "process.runtime.name": sys.implementation.name,
        "process.runtime.version": platform.python_version(),
    }


def _read(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
