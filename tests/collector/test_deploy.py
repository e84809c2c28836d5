"""The files for compose and systemd: of the one release, closed by default, and true.

No docker engine and no running systemd is needed: what the files say and name is checked here. That
the engines start them is not.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from otelier.cli.collector import variables as v

COLLECTOR = Path(__file__).resolve().parents[2] / "collector"
DEPLOY = COLLECTOR / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICE: dict[str, Any] = COMPOSE["services"]["collector"]
NAMES = {value for value in vars(v).values() if isinstance(value, str)}


@pytest.fixture
def unit() -> RawConfigParser:
    parser = RawConfigParser(strict=True, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(DEPLOY / "systemd" / "otelier-collector.service")
    return parser


def test_compose_runs_the_official_image_of_the_release() -> None:
    release = (COLLECTOR / "VERSION").read_text().strip()
    assert SERVICE["image"] == f"otel/opentelemetry-collector-contrib:{release}"


@pytest.mark.parametrize("backend", ["debug", "datadog", "datadog+elasticsearch"])
def test_compose_mounts_a_file_that_exists(backend: str) -> None:
    mount = SERVICE["volumes"][0]
    source = mount["source"].replace("${OTELIER_BACKEND:-debug}", backend)
    assert (DEPLOY / source).resolve().is_file()
    assert SERVICE["command"] == [f"--config={mount['target']}"]
    assert mount["bind"] == {"create_host_path": False}, "a wrong name must not become a folder"


def test_compose_publishes_on_loopback_alone() -> None:
    assert [port.rpartition(":")[0] for port in SERVICE["ports"]] == [
        "127.0.0.1:4317",
        "127.0.0.1:4318",
        "127.0.0.1:13133",
    ]


def test_compose_keeps_its_queues_in_a_volume() -> None:
    volume = SERVICE["volumes"][1]
    assert volume["source"] in COMPOSE["volumes"]
    assert SERVICE["environment"][v.STORAGE].startswith(volume["target"] + "/")


def test_compose_limits_memory_above_the_collectors_own_limit() -> None:
    limit = int(SERVICE["environment"][v.MEMORY_MIB])
    assert SERVICE["environment"]["GOMEMLIMIT"] == f"{limit * 8 // 10}MiB"
    assert int(SERVICE["mem_limit"].removesuffix("m")) > limit


def test_compose_and_example_name_only_variables_that_exist() -> None:
    example = (DEPLOY / "collector.env.example").read_text()
    named = set(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE)) | set(SERVICE["environment"])
    assert named - {"GOMEMLIMIT"} <= NAMES


def test_no_secret_is_in_the_example() -> None:
    example = (DEPLOY / "collector.env.example").read_text()
    assert set(re.findall(r"^(\w+_KEY)=(.*)$", example, re.MULTILINE)) == {
        ("DD_API_KEY", ""),
        ("ELASTIC_API_KEY", ""),
    }


def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    """With a program that exists in place of the one that is yet to be installed."""
    if not (analyze := shutil.which("systemd-analyze")):
        pytest.skip("NOT TESTED: systemd-analyze is missing")
    text = (DEPLOY / "systemd" / "otelier-collector.service").read_text()
    copy = tmp_path / "otelier-collector.service"
    copy.write_text(text.replace("/opt/otelier/bin/otelier", "/bin/true"))
    done = subprocess.run([analyze, "verify", copy], capture_output=True, text=True, check=False)
    about_it = [line for line in done.stderr.splitlines() if copy.name in line]
    assert (done.returncode, about_it) == (0, [])


def test_the_unit_starts_the_launcher_with_its_variables(unit: RawConfigParser) -> None:
    service = unit["Service"]
    assert service["ExecStart"].endswith("/bin/otelier collector run")
    name, _, folder = service["Environment"].partition("=")
    assert name == v.STORAGE
    assert folder == f"%S/{service['StateDirectory']}/collector"
    header = (DEPLOY / "systemd" / "otelier-collector.service").read_text().partition("[Unit]")[0]
    assert service["EnvironmentFile"] in header


def test_the_unit_leaves_time_to_drain_and_limits_memory(unit: RawConfigParser) -> None:
    service = unit["Service"]
    assert int(service["TimeoutStopSec"]) >= 30
    assert int(service["MemoryMax"].removesuffix("M")) > int(v.DEFAULTS[v.MEMORY_MIB])


def test_the_unit_has_no_rights_that_it_does_not_need(unit: RawConfigParser) -> None:
    service = unit["Service"]
    assert (service["DynamicUser"], service["ProtectSystem"]) == ("yes", "strict")
    assert service["CapabilityBoundingSet"] == ""
