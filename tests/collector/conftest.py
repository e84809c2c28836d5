"""What the collector's tests share: the real program, and a certificate of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from parts import Missing
from parts.collector import the_program

CHECKOUT = Path(__file__).resolve().parents[2]


def unavailable(missing: Missing) -> None:
    """Loud, and in CI a failure: a part that is not there has not been tested."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(f"NOT TESTED: {missing}")


@pytest.fixture(scope="session")
def program() -> str:
    try:
        return the_program()
    except Missing as missing:
        unavailable(missing)
        raise


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    if not (openssl := shutil.which("openssl")):
        unavailable(Missing("openssl", "install it from your system's packages"))
        raise AssertionError
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    places = ["-keyout", str(key), "-out", str(cert)]
    subprocess.run([openssl, *made.split(), *subject, *places], check=True, capture_output=True)
    return cert, key


@pytest.fixture
def expose(certificate: tuple[Path, Path]) -> dict[str, str]:
    """The variables that let other machines in."""
    return {
        "OTELIER_FEATURES": "expose",
        "OTELIER_COLLECTOR_TLS_CERT": str(certificate[0]),
        "OTELIER_COLLECTOR_TLS_KEY": str(certificate[1]),
        "OTELIER_COLLECTOR_TOKEN": "0123456789abcdef-token",
    }
