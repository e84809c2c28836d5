"""Values that stand where a secret would, and say nothing: `None`, `required`, `%s`, `****`.

The word behind `password:` is one of a sentence as often as a secret. Pure; any thread.
"""

from __future__ import annotations

from otelier.pattern import pattern
from otelier.secret_keys import words

_WORDS = words(
    """
    none null nil undefined true false yes no empty missing required invalid expired failed ok
    not must should cannot can could is was are were has have does did too may will field
    optional incorrect wrong mismatch refused denied declined rejected accepted
    changed created updated
    deleted removed revoked rotated refreshed verified valid found unknown unset set reset
    disabled enabled str int bool bytes float any optional[str] secretstr string text bearer
    basic <redacted> redacted [redacted] hidden (hidden) <hidden> for in on at of and or the a
    an to by with from issued sent started ended closed opened used unused needed given
    provided present absent authentication login user value type length granted
    """
)
_PLACEHOLDER = pattern(
    r"\?|\$\d{1,3}|\$[A-Z_]+|[:@](?:p\w{0,3}|param\w*|\w+_\d{1,3}|[a-z_]*(?:pass|tok|sec|key)[a-z_]*)"
    r"|%s|%\(\w+\)s|\{[\w.!:]*\}|\$\{\w+\}|[*•x.#-]{1,64}|[^\w\s]{1,3}|<\w+>|\[masked:\w+\]?|REDACTED.*"
)


def says_nothing(value: str) -> bool:
    """Whether it is such a word, or a sign that something was left out."""
    if len(value) > 64:
        return False
    word = value.strip().rstrip(".,;:!?").lower()
    return not word or word in _WORDS or bool(_PLACEHOLDER.fullmatch(value.strip()))
