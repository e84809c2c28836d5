"""The single files are fresh, mean what the launcher starts, and start."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import pytest
import yaml

from otelier.cli.collector import binary
from parts.collector import Collector

COLLECTOR = Path(__file__).resolve().parents[2] / "collector"
RENDERED = sorted((COLLECTOR / "rendered").glob("*.yaml"))
NOWHERE = "http://127.0.0.1:9"
ENVIRON = {
    "DD_API_KEY": "k" * 32,
    "OTELIER_DATADOG_ENDPOINT": NOWHERE,
    "ELASTICSEARCH_URL": NOWHERE,
    "ELASTIC_API_KEY": "key",
    "OTELIER_OTLP_ENDPOINT": NOWHERE,
    "OTELIER_OTLP_HEADERS": '{"x-key": "1"}',
}


def backends(file: Path) -> str:
    return file.stem.replace("+", ",")


def test_there_is_one_for_each_backend_and_for_both_at_once() -> None:
    assert [file.name for file in RENDERED] == [
        "datadog+elasticsearch.yaml",
        "datadog.yaml",
        "debug.yaml",
        "elasticsearch.yaml",
        "otlp.yaml",
    ]


@pytest.mark.parametrize("file", RENDERED, ids=lambda file: file.name)
def test_it_is_fresh(file: Path) -> None:
    loader = SourceFileLoader("render", str(COLLECTOR / "render"))
    spec = importlib.util.spec_from_loader("render", loader)
    assert spec
    render = importlib.util.module_from_spec(spec)
    loader.exec_module(render)
    assert render.rendered(backends(file)) == (file.name, file.read_text())


def test_a_stale_file_is_named(tmp_path: Path) -> None:
    copy = tmp_path / "collector"
    shutil.copytree(COLLECTOR, copy)
    with (copy / "rendered" / "otlp.yaml").open("a") as stale:
        stale.write("# by hand\n")
    command = [sys.executable, str(copy / "render"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "stale: otlp.yaml\nhint: collector/render\n")


@pytest.mark.parametrize("file", RENDERED, ids=lambda file: file.name)
def test_the_collector_merges_the_files_to_the_same(
    file: Path, program: str, tmp_path: Path
) -> None:
    """What the collector makes of the launcher's arguments, against what it makes of this file."""
    storage = tmp_path if backends(file) != "debug" else None
    collector = Collector(backends(file), ENVIRON, storage=storage)
    merged = resolved(program, collector, collector.choice.arguments(binary.config_folder()))
    assert resolved(program, collector, [f"--config={file}"]) == merged


def resolved(program: str, collector: Collector, arguments: list[str]) -> Any:
    command = [program, "print-config", "--feature-gates=otelcol.printInitialConfig", *arguments]
    done = subprocess.run(
        command, env=collector.choice.child_environ(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(json.dumps(yaml.safe_load(done.stdout)))


@pytest.mark.parametrize("file", RENDERED, ids=lambda file: file.name)
@pytest.mark.usefixtures("program")
def test_it_starts_alone(file: Path, tmp_path: Path) -> None:
    storage = tmp_path if backends(file) != "debug" else None
    collector = Collector(backends(file), ENVIRON, storage=storage)
    collector.choice = Alone(collector, file)  # type: ignore[assignment]
    with collector:
        assert collector.stop() == 0
        assert "deprecat" not in collector.stderr()


class Alone:
    """A choice that names the one file, with the environment of an ordinary choice."""

    def __init__(self, collector: Collector, file: Path) -> None:
        self.environ = collector.choice.child_environ()
        self.file = file

    def arguments(self, _: Path) -> list[str]:
        return [f"--config={self.file}"]

    def child_environ(self) -> dict[str, str]:
        return self.environ
