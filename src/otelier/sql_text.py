"""SQL without its literals: the text that is left of a statement.

Names (quoted ones too), keywords, operators, casts and placeholders stay; strings, numbers, dollar
quotes and whatever else holds data become `?`, comments go, and a list of values is `(?)` however
long it is. Where it is not sure what a part of it is, the whole text is dropped: a lost text is
better than a literal that leaves. Pure; any thread.

Source: semantic conventions, `db.query.text`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from otelier.pattern import pattern
from otelier.sql_tokens import ANY, UNSURE, Grammar, Token, tokens

# Data without quotes: passwords of Oracle's users, SQLCipher's keys, settings of an application
# (`SET app.tenant = acme`), and what follows a COPY in a dump.
_BARE_SECRET = pattern(
    r"\bIDENTIFIED\s+BY\b(?!\s*+['\"?:%$@])|\bPRAGMA\s+(?:\w++\s*+\.\s*+)?(?:hex)?(?:re)?key\b"
    r"|\bREPLACE\s+[^\W\d]\w*+\s*+(?:;|\Z)|\bAS\s+\w++\s+KEY\s+[^\W\d]|(?:\A|;)\s*+CONNECT\s+\w++\s*+/"
    r"|(?:\A|;)\s*+SET\s+(?:(?:LOCAL|SESSION)\s+)?\w++\.\w++\s*+(?:=|\bTO\b)\s*+"
    r"(?!(?:DEFAULT|on|off|true|false)\b)[^\W\d]\w*+(?!')"
    r"|\bFROM\s+STDIN\b[^;]{0,300}+;\s*+\S",
    re.IGNORECASE,
)


def mask_sql(statement: str, grammar: Grammar = ANY, *, is_cut: bool = False) -> str | None:
    """The statement without literals and comments, on one line; None where that is not sure.

    is_cut: it is the beginning of a longer one: what its end may have torn is left out.
    """
    return masked(list(tokens(statement, grammar, is_cut)), is_cut=is_cut)


def masked(found: Sequence[Token], *, is_cut: bool = False) -> str | None:
    """The same of a statement that has been read into its tokens already."""
    if UNSURE in found and not is_cut:
        return None
    text = text_of(found)
    return None if _may_be_bare(text.lower()) and _BARE_SECRET.search(text) else text


def _may_be_bare(lower: str) -> bool:
    """Whether one of the words is there: looks take a tenth of the pattern's time."""
    for word in ("identified", "pragma", "stdin", " key ", "connect ", "replace "):
        if word in lower:
            return True
    return lower.startswith("set ") or "; set " in lower or ";set " in lower


# Behind these a sign belongs to the number, and a bracket holds values.
_BEFORE_VALUE = frozenset(
    (
        "AND", "OR", "BETWEEN", "THEN", "ELSE", "WHEN", "LIMIT", "OFFSET", "RETURN", "SELECT", "BY",
        "NOT", "LIKE", "CASE", "SET", "WHERE", "ON",
    )
)  # fmt: skip
_CLOSES = {"(": ")", "[": "]"}


def text_of(found: Sequence[Token]) -> str:
    """The tokens as text. Lists of values behind IN, ARRAY and VALUES are made short."""
    return _Text(found).written()


class _Text:
    """Writes tokens down. row: how deep in brackets a row of VALUES stands, 0 outside of one."""

    def __init__(self, found: Sequence[Token]) -> None:
        self._found = found
        self._parts: list[str] = []
        self._previous: Token = ("mark", "(")
        self._depth = self._row = 0

    def written(self) -> str:
        position = 0
        while position < len(self._found) and self._found[position][0] != "unsure":
            token = self._found[position]
            if token[0] == "blank":
                if self._parts and self._parts[-1] != " ":
                    self._parts.append(" ")
                position += 1
            else:
                position = self._take(token, position + 1)
        return "".join(self._parts).strip()

    def _take(self, token: Token, position: int) -> int:
        """Write a token. position: of the next one; returns where to go on."""
        text, word = token[1], self._previous[1].upper()
        self._previous = token
        if (
            text in _CLOSES
            and word in _BEFORE_LIST
            and (end := _list_end(self._found, position - 1))
        ):
            self._parts += (text, "?", _CLOSES[text])
            self._previous = ("mark", ")")
            return end
        if text == "(":
            self._depth += 1
            self._row = self._depth if word == "VALUES" else self._row
        elif text == ")":
            self._depth -= 1
            if self._row and self._depth == self._row - 1:
                self._row = 0
                self._parts.append(text)
                return _after_rows(self._found, position)
        self._parts.append(self._value(word) if token[0] == "literal" else text)
        return position

    def _value(self, word: str) -> str:
        """A literal; a sign before it goes, and it is kept apart from a word (`date'…'`)."""
        parts = self._parts
        if word in ("-", "+") and parts[-1] in ("-", "+"):
            before = "".join(parts[-3:-1]).rstrip()
            last = before.rpartition(" ")[2]
            if (
                not last
                or last.upper() in _BEFORE_VALUE
                or (last[-1] not in _ENDS_OPERAND and not last[-1].isalnum())
            ):
                parts.pop()
        is_apart = not parts or not (parts[-1][-1].isalnum() or parts[-1][-1] in "_?")
        return "?" if is_apart else " ?"


_BEFORE_LIST = ("IN", "ARRAY")
_ENDS_OPERAND = '_)]"?`'


def _list_end(found: Sequence[Token], start: int) -> int:
    """Behind the bracket that closes a list of nothing but values and placeholders, else 0."""
    depth, after_cast = 0, False
    for position in range(start, len(found)):
        kind, text = found[position]
        if kind == "mark" or text in ("[", "]"):
            depth += (text in _CLOSES) - (text in (")", "]"))
            if depth == 0:
                return position + 1
            if text == ";":
                return 0
        elif kind == "name":
            if not after_cast:
                return 0
        elif kind not in ("blank", "literal", "place") and text not in ("-", "+", "::", "?"):
            return 0
        after_cast = text == "::" or (after_cast and kind in ("name", "blank"))
    return 0


def _after_rows(found: Sequence[Token], position: int) -> int:
    """Behind the last of the rows of values that follow, each `, (…)`."""
    depth, end = 0, position
    for at in range(position, len(found)):
        kind, text = found[at]
        if depth == 0 and kind != "blank" and text not in (",", "("):
            break
        depth += (text == "(") - (text == ")")
        if text == ")" and depth == 0:
            end = at + 1
    return end if depth == 0 else len(found)
