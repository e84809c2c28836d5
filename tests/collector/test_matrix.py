"""Every combination of base, backends and features starts on the real collector, without a warning
that something of it is deprecated. `validate` would not do: it knows neither such warnings nor
whether an extension can be started.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, combinations, product
from pathlib import Path

import pytest
import yaml

from otelier.cli.collector import variables as v
from otelier.cli.collector.choice import BACKENDS, FEATURES, Choice
from parts.collector import Collector

TOGETHER = 4

Combination = tuple[tuple[str, ...], bool, tuple[str, ...]]


def subsets(names: tuple[str, ...], least: int) -> Iterator[tuple[str, ...]]:
    sizes = range(least, len(names) + 1)
    return chain.from_iterable(combinations(names, size) for size in sizes)


def every_combination() -> list[Combination]:
    """Backends, whether queues are on disk, features; without those that the launcher refuses."""
    everything = product(subsets(tuple(BACKENDS), 1), (False, True), subsets(FEATURES, 0))
    return [
        (backends, kept, features)
        for backends, kept, features in everything
        if (kept and backends != ("debug",)) or (not kept and "fsync" not in features)
    ]


def deprecations(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if "deprecat" in line.lower()]


@pytest.fixture
def secrets(expose: dict[str, str]) -> dict[str, str]:
    nowhere = "http://127.0.0.1:9"
    return {
        **{name: value for name, value in expose.items() if name != v.FEATURES},
        "DD_API_KEY": "k" * 32,
        "OTELIER_DATADOG_ENDPOINT": nowhere,
        "ELASTICSEARCH_URL": nowhere,
        "OTELIER_OTLP_ENDPOINT": nowhere,
    }


def said_at_start(
    combination: Combination, secrets: dict[str, str], storage: Path, *extra: str
) -> str:
    backends, kept, features = combination
    environ = secrets | {v.FEATURES: ",".join(features)}
    place = storage if kept else None
    with Collector(",".join(backends), environ, storage=place, extra=extra) as collector:
        assert collector.stop() == 0
        return collector.stderr()


@pytest.mark.usefixtures("program")
def test_every_combination_starts_and_nothing_of_it_is_deprecated(
    secrets: dict[str, str], tmp_path: Path
) -> None:
    everything = every_combination()
    assert len(everything) == 14 * 6 + 2  # four backends, a disk or not, two features
    folders = [tmp_path / str(number) for number in range(len(everything))]
    with ThreadPoolExecutor(TOGETHER) as pool:
        said = list(pool.map(said_at_start, everything, [secrets] * len(everything), folders))
    found = {str(name): deprecations(text) for name, text in zip(everything, said, strict=True)}
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.usefixtures("program")
def test_a_planted_old_name_is_seen(secrets: dict[str, str], tmp_path: Path) -> None:
    planted = {
        "exporters": {"otlphttp": {"endpoint": "http://127.0.0.1:9"}},
        "service": {"pipelines": {"logs/old": {"receivers": ["otlp"], "exporters": ["otlphttp"]}}},
    }
    file = tmp_path / "old.yaml"
    file.write_text(yaml.safe_dump(planted))
    said = said_at_start((("debug",), False, ()), secrets, tmp_path, f"--config={file}")
    assert "otlphttp" in "\n".join(deprecations(said))


@pytest.mark.usefixtures("program")
def test_without_a_backend_the_collector_itself_refuses() -> None:
    base = Collector()
    base.choice = Choice(backends=(), environ=base.environ)
    with pytest.raises(RuntimeError, match="no exporter"), base:
        pass
