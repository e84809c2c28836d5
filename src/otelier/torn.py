"""A text that is too long, cut where no word is torn: half a secret looks like none, and leaves.

`postgresql://bob:hunt` has no `@` any more, the number of a card no check digit. So the word that
the cut would tear goes with the rest, and digits before it. Pure; any thread.
"""

from __future__ import annotations

_LONGEST_WORD, _LONGEST_NUMBER = 512, 24
_BLANKS, _SIGNS = " \n\t\r", "\",'<>()[]{};|"


def cut(text: str, longest: int) -> str:
    """The text, not longer than that; of a word that has no end within 512 letters, a part."""
    if len(text) <= longest:
        return text
    start = max(0, longest - _LONGEST_WORD)
    for ends in (_BLANKS, _SIGNS):
        end = max(text.rfind(sign, start, longest) for sign in ends)
        if end >= 0:
            number = text[max(0, end - _LONGEST_NUMBER) : end + 1]
            return text[: end + 1 - len(number) + len(number.rstrip("0123456789 -"))]
    return text[:longest]
