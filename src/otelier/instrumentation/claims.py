"""Claims of tokens that the app itself has verified: PyJWT and python-jose.

What they return is shown once the app has decoded a token and they have checked its signature; a
token that is read without that check tells nothing, nor does one that was refused. Runs in the task
or thread that decodes; what is shown may not raise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import ModuleType
from typing import Any

from otelier import _guard
from otelier.instrumentation.observe import Patches

Tell = Callable[[Mapping[str, Any]], None]


def watch_tokens(patches: Patches, tell: Tell) -> None:
    """tell: takes the claims of a verified token."""
    patches.after_import("jwt.api_jwt", partial(_watch_pyjwt, patches, tell))
    patches.after_import("jose.jwt", partial(_watch_jose, patches, tell))


def _watch_pyjwt(patches: Patches, tell: Tell, module: ModuleType) -> None:
    def make(original: Any) -> Any:
        def decode_complete(decoder: Any, *args: Any, **given: Any) -> Any:
            decoded = original(decoder, *args, **given)
            _show(tell, decoded, "payload", (getattr(decoder, "options", None), given, args))
            return decoded

        return decode_complete

    patches.replace(module.PyJWT, "decode_complete", make)  # `decode` asks it


def _watch_jose(patches: Patches, tell: Tell, module: ModuleType) -> None:
    def make(original: Any) -> Any:
        def decode(*args: Any, **given: Any) -> Any:
            claims = original(*args, **given)
            _show(tell, claims, None, (None, given, args))
            return claims

        return decode

    patches.replace(module, "decode", make)


def _show(tell: Tell, decoded: Any, within: str | None, asked: tuple[Any, Any, Any]) -> None:
    try:
        claims = decoded[within] if within else decoded
        if isinstance(claims, Mapping) and _verified(*asked):
            tell(claims)
    except Exception as error:
        _guard.fault("reading a verified token", error)


def _verified(usual: Any, given: Mapping[str, Any], args: Sequence[Any]) -> bool:
    """Both libraries take `options` by name or in the fourth place."""
    options = given.get("options") or (args[3] if len(args) > 3 else None)
    asked = {**(usual or {}), **(options or {})}
    return bool(asked.get("verify_signature", True))
