"""Claims of verified tokens. The libraries are stood in for by functions of the same shape."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from otelier import _guard
from otelier.instrumentation import claims
from otelier.instrumentation.observe import Patches

TOLD: list[Any] = []


class PyJWT:
    """`decode` asks `decode_complete`, as PyJWT's does since 2.0."""

    def __init__(self, options: dict[str, Any] | None = None) -> None:
        self.options = options or {"verify_signature": True}

    def decode_complete(
        self, jwt: Any, key: str = "", algorithms: Any = None, options: Any = None
    ) -> Any:
        if jwt == "bad":
            raise ValueError("signature")
        return {"header": {}, "payload": jwt, "signature": b""}

    def decode(self, jwt: Any, key: str = "", algorithms: Any = None, options: Any = None) -> Any:
        return self.decode_complete(jwt, key, algorithms, options=options)["payload"]


def decode(token: Any, key: Any, algorithms: Any = None, options: Any = None) -> Any:
    """As python-jose has it."""
    return token


@pytest.fixture(autouse=True)
def watched() -> Iterator[None]:
    TOLD.clear()
    _guard.faults.clear()
    patches = Patches()
    module = ModuleType("jose.jwt")
    vars(module).update(PyJWT=PyJWT, decode=decode)
    claims._watch_pyjwt(patches, TOLD.append, module)
    claims._watch_jose(patches, TOLD.append, module)
    yield JOSE.append(module) or None
    patches.restore()
    assert dict(_guard.faults) == {}


JOSE: list[Any] = []
TOKEN = {"sub": "alice"}
UNCHECKED = {"verify_signature": False}


@pytest.mark.parametrize("options", [None, {}, {"verify_exp": False}])
def test_a_verified_token_is_told(options: Any) -> None:
    """By either library, with `options` by name or by place."""
    assert PyJWT().decode(TOKEN, "key", ["HS256"], options) == TOKEN
    assert JOSE[-1].decode(TOKEN, "key", ["HS256"], options) == TOKEN
    assert JOSE[-1].decode(TOKEN, "key", options=options) == TOKEN
    assert TOLD == [TOKEN] * 3


def test_an_unverified_token_is_not() -> None:
    """Whoever asked not to check it, and however."""
    assert PyJWT().decode(TOKEN, options=UNCHECKED) == TOKEN
    PyJWT(UNCHECKED).decode(TOKEN)
    JOSE[-1].decode(TOKEN, "", None, UNCHECKED)
    JOSE[-1].decode(TOKEN, "", options=UNCHECKED)
    assert TOLD == []


def test_a_refused_token_is_not() -> None:
    """The app's exception passes; what is no mapping of claims is nothing."""
    with pytest.raises(ValueError, match="signature"):
        PyJWT().decode("bad", "key")
    JOSE[-1].decode("no claims", "key")
    assert TOLD == []
