"""A collector that other machines may send to takes nothing without TLS and the token."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from parts.collector import Collector


@pytest.fixture
def collector(program: str, expose: dict[str, str]) -> Iterator[Collector]:
    assert program
    with Collector("debug", expose) as running:
        yield running


def status(url: str, certificate: Path, token: str | None) -> int:
    headers = {"content-type": "application/json"}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    request = urllib.request.Request(f"{url}/v1/logs", b'{"resourceLogs":[]}', headers)
    trust = ssl.create_default_context(cafile=str(certificate))
    try:
        with urllib.request.urlopen(request, timeout=5, context=trust) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize(
    ("token", "expected"),
    [("0123456789abcdef-token", 200), ("0123456789abcdef-wrong", 401), ("", 401), (None, 401)],
)
def test_only_the_token_lets_in(
    collector: Collector, certificate: tuple[Path, Path], token: str | None, expected: int
) -> None:
    url = collector.http.replace("http://", "https://")
    assert status(url, certificate[0], token) == expected


def test_plain_http_is_refused(collector: Collector, certificate: tuple[Path, Path]) -> None:
    assert status(collector.http, certificate[0], "0123456789abcdef-token") == 400
