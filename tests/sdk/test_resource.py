"""Who sends: guessed, found, and without a secret."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource

from otelier.sdk import resource
from otelier.sdk.resource import Detector, Service, build, guess_service

RUN = ["uvicorn", "shop.web:app", "--port", "8000"]
ID = "4fd1" * 16


def project(folder: Path, text: str) -> Path:
    (folder / "pyproject.toml").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("text", "name", "version"),
    [
        ('[project]\nname = "crm"\nversion = "1.2"', "crm", "1.2"),
        ('[project]\nname = "crm"\ndynamic = ["version"]', "crm", None),
        ('[tool.poetry]\nname = "crm"\nversion = "3"', "crm", "3"),
        ('[project]\nname = "new"\n[tool.poetry]\nname = "old"', "new", None),
    ],
)
def test_a_project(tmp_path: Path, text: str, name: str, version: str | None) -> None:
    """The project's name and version, in both places where a project has them."""
    assert guess_service(RUN, project(tmp_path, text)) == Service(name, version, "pyproject.toml")


@pytest.mark.parametrize("text", ["", "[tool]", "tool = 3", 'project = "x"', "not toml", "\x00"])
def test_a_project_that_says_nothing(tmp_path: Path, text: str) -> None:
    """A file without a name, or that cannot be read, costs nothing."""
    found = guess_service(RUN, project(tmp_path, text))
    assert found == Service("shop", None, "the command's shop.web:app")


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (RUN, "shop"),
        (["gunicorn", "-k", "uvicorn_worker.UvicornWorker", "crm.asgi:create()"], "crm"),
        (["uvicorn", "main:app"], "folder"),
        (["uvicorn", "app.main:app"], "folder"),
        (["python", "run.py", "redis://user:swordfish@host:1"], "folder"),
        (["python", "-c", "import x; x: int = swordfish"], "folder"),
        ([], "folder"),
    ],
)
def test_a_command(tmp_path: Path, command: list[str], name: str) -> None:
    """The app's module, unless anybody's app is called so; then the folder."""
    folder = tmp_path / "folder"
    folder.mkdir()
    assert guess_service(command, folder).name == name


def test_a_folder_without_a_name() -> None:
    """At the root of a file system there is nothing left to guess from."""
    assert guess_service([], Path("/")).name == "unnamed"


def test_what_the_user_set_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables beat every guess."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.version=9,team=blue")
    guess = Service("guessed", "1", "pyproject.toml")
    found = build("0", {"service.version": "9", "team": "blue"}, guess).attributes
    assert (found["service.name"], found["service.version"]) == ("guessed", "9")
    assert (found["telemetry.distro.name"], found["telemetry.distro.version"]) == ("otelier", "0")
    assert found["team"] == "blue"


def test_without_a_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name in the environment stays the SDK's affair."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "named")
    assert build("0", {}, None).attributes["service.name"] == "named"


@pytest.mark.parametrize("given", ["deployment.environment.name", "deployment.environment"])
def test_both_spellings_of_the_environment(given: str) -> None:
    """Whichever is set, backends of either age find it."""
    found = build("0", {given: "prod"}, None).attributes
    assert found["deployment.environment.name"] == "prod" == found["deployment.environment"]


def test_no_environment() -> None:
    """What is not set is not invented."""
    assert [name for name in build("0", {}, None).attributes if "environment" in name] == []


@pytest.mark.parametrize(
    ("cgroup", "mountinfo", "expected"),
    [
        (f"12:pids:/docker/{ID}\n", "", {"container.id": ID}),
        (f"1:name=systemd:/kubepods/pod1/{ID}\n", "", {"container.id": ID}),
        (f"0::/system.slice/docker-{ID}.scope\n", "", {"container.id": ID}),
        (
            "0::/\n",
            f"99 88 0:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw\n",
            {"container.id": ID},
        ),
        ("0::/\n", f"99 88 0:1 /var/lib/layers/{ID}/x / rw\n", {}),
        ("0::/user.slice\n", "", {}),
        ("", "", {}),
    ],
)
def test_the_container(
    monkeypatch: pytest.MonkeyPatch, cgroup: str, mountinfo: str, expected: dict[str, str]
) -> None:
    """Its id, from the control group or from the mounts; none outside of one."""
    files = {"/proc/self/cgroup": cgroup, "/proc/self/mountinfo": mountinfo}
    monkeypatch.setattr(resource, "_read", lambda file: files.get(file, ""))
    found = Detector().detect().attributes
    assert {name: found[name] for name in found if name.startswith("container")} == expected


def test_a_file_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A host without these files has a name still."""
    monkeypatch.setattr(resource, "_HOST_ID_FILES", (str(tmp_path / "missing"), str(tmp_path)))
    found = Detector().detect().attributes
    assert "host.id" not in found
    assert found["host.name"]


def test_nothing_of_the_command_line_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments may hold secrets: a name is guessed from them, and nothing else taken."""
    secret = ["python", "run.py", "--password=swordfish"]
    monkeypatch.setattr(sys, "argv", secret)
    monkeypatch.setattr(sys, "orig_argv", secret)
    monkeypatch.setenv("DATABASE_PASSWORD", "swordfish")
    guess = guess_service(secret, Path("/srv/shop"))
    sent = build("0", {}, guess).merge(Detector().detect())
    assert "swordfish" not in sent.to_json()
    assert not [name for name in sent.attributes if name.startswith("process.command")]


def test_after_a_fork() -> None:
    """The detector is asked again in a child, which has another process id."""
    assert Detector().is_process_dependent()
    assert Detector().detect().attributes["process.pid"] == os.getpid()


def test_through_the_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK finds the detector under our name."""
    monkeypatch.setenv("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "otelier")
    assert Resource.create().attributes["process.pid"] == os.getpid()


def test_an_instance_has_an_id() -> None:
    """Two processes of one service can be told apart."""
    assert build("0", {}, None).attributes["service.instance.id"]
