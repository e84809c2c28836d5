"""The manifest: one release, nothing that is not used, nothing that contrib does not have."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

COLLECTOR = Path(__file__).resolve().parents[2] / "collector"
BUILDER = COLLECTOR / "builder"
RELEASE = (COLLECTOR / "VERSION").read_text().strip()
MANIFEST: dict[str, Any] = yaml.safe_load((BUILDER / "manifest.yaml").read_text())
CONTRIB = (Path(__file__).parent / "contrib-modules.txt").read_text().split("\n")
KINDS = ("receivers", "processors", "connectors", "exporters", "extensions")

# Modules whose last part is not, without its kind, the name in a configuration.
NAMES = {
    "filestorage": "file_storage",
    "healthcheckextension": "health_check",
    "memorylimiterprocessor": "memory_limiter",
    "otlphttpexporter": "otlp_http",
    "spanmetricsconnector": "span_metrics",
}
# Upstream did not publish this one for the release; see the manifest.
OTHER_RELEASE = {"go.opentelemetry.io/collector/connector/forwardconnector": "v0.151.0"}


def modules(*groups: str) -> dict[str, str]:
    """Module and version of every entry."""
    entries = [entry for group in groups for entry in MANIFEST[group]]
    return dict(entry["gomod"].split() for entry in entries)


def component(module: str) -> str:
    last = module.rpartition("/")[2]
    return NAMES.get(last) or re.sub("(receiver|processor|connector|exporter|extension)$", "", last)


def test_every_module_is_of_the_one_release() -> None:
    found = modules(*KINDS)
    assert found == {name: OTHER_RELEASE.get(name, f"v{RELEASE}") for name in found}
    assert MANIFEST["dist"]["version"] == RELEASE


def test_providers_are_the_stable_modules_of_that_release() -> None:
    """Core's v1.58.0 is v0.152.0: the minor numbers have run together since v1.0.0 was v0.94.0."""
    stable = f"v1.{int(RELEASE.split('.')[1]) - 94}.0"
    assert set(modules("providers").values()) == {stable}


@pytest.mark.parametrize("module", [*modules(*KINDS), *modules("providers")])
def test_go_mod_locks_what_the_manifest_says(module: str) -> None:
    version = (modules(*KINDS) | modules("providers"))[module]
    assert f"{module} {version}" in (BUILDER / "go.mod").read_text()
    assert f"{module} {version} h1:" in (BUILDER / "go.sum").read_text()


def test_generated_sources_name_the_modules_of_the_manifest() -> None:
    source = (BUILDER / "components.go").read_text() + (BUILDER / "main.go").read_text()
    missing = [name for name in modules(*KINDS, "providers") if f'"{name}"' not in source]
    assert missing == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_compiled_in_is_used_and_what_is_used_is_compiled_in(kind: str) -> None:
    used = set()
    for path in (COLLECTOR / "config").rglob("*.yaml"):
        ids = yaml.safe_load(path.read_text()).get(kind) or {}
        used |= {name.partition("/")[0] for name in ids}
    assert {component(module) for module in modules(kind)} == used


@pytest.mark.parametrize("module", [*modules(*KINDS), *modules("providers")])
def test_the_contrib_distribution_has_it_too(module: str) -> None:
    assert module in CONTRIB


def test_the_program_has_the_names_that_the_manifest_promises(program: str) -> None:
    done = subprocess.run([program, "components"], capture_output=True, text=True, check=True)
    told = yaml.safe_load(done.stdout)
    for kind in KINDS:
        names = {entry["name"] for entry in told[kind]}
        assert {component(module) for module in modules(kind)} <= names


def test_the_program_is_of_the_release(program: str) -> None:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == RELEASE


# collector/build


def build(**environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(COLLECTOR / "build")],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def fake_go(folder: Path, then: str) -> str:
    """A `go` that knows its version and does `then` when it shall build; its folder."""
    program = folder / "go"
    program.write_text(f'#!/bin/sh\ncase "$1" in env) echo go1.99;; *) {then};; esac\n')
    program.chmod(0o755)
    return f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin"


def test_without_go_the_build_says_what_to_install(tmp_path: Path) -> None:
    done = build(PATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    error, hint = done.stderr.splitlines()
    assert error == "error: there is no Go on the PATH"
    assert hint.startswith("hint: install Go 1.")


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = build(PATH=fake_go(tmp_path, "exit 1"), XDG_CACHE_HOME=str(tmp_path / "file"))
    error, hint = done.stderr.splitlines()
    assert done.returncode == 1
    assert error.endswith("cannot be written: not a directory")
    assert "XDG_CACHE_HOME" in hint


def test_a_failed_build_shows_what_go_said_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = fake_go(tmp_path, "echo no such module >&2; exit 1")
    done = build(PATH=path, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.returncode == 1
    assert "no such module" in done.stderr
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_a_second_build_costs_nothing(tmp_path: Path) -> None:
    path = fake_go(tmp_path, 'while [ "$1" != -o ]; do shift; done; echo program > "$2"')
    first = build(PATH=path, XDG_CACHE_HOME=str(tmp_path / "cache"))
    path = fake_go(tmp_path, "echo built twice >&2; exit 1")
    second = build(PATH=path, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert (first.returncode, second.returncode, second.stderr) == (0, 0, "")
    assert first.stdout == second.stdout
    assert Path(first.stdout.strip()).read_text() == "program\n"
