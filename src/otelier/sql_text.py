"""SQL without its literals: a tokenizer, and the text that is left of a statement.

One pass, linear in the length: every pattern is possessive or looks for a fixed end, and what has
no end stops the reading. Names (quoted ones too), keywords, operators, casts and placeholders stay;
strings, numbers, dollar quotes and whatever else holds data become `?`, comments go, and a list of
values is `(?)` however long it is. Where two engines would read the same text differently (a
backslash before a quote, `/*!`, `--x`, `#`), and it is not known which one reads it, the whole text
is dropped: a lost text is better than a literal that leaves. Pure; any thread.

Source: semantic conventions, `db.query.text`; the lexical chapters of PostgreSQL, MySQL, SQLite.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

Token = tuple[str, str]
"""Kind and text. Kinds: blank, literal, name, place, mark, operator, unsure."""


@dataclass(frozen=True)
class Grammar:
    """What differs between engines, and changes what is a literal.

    quotes_names: double quotes surely hold a name wherever they stand.
    quotes_tables: they do where a table is expected, before a dot and behind one.
    brackets: `[…]` holds a name.
    hashes: `#` is an operator. Elsewhere it may begin a comment.
    dashes: `--` begins a comment, whatever follows it.
    dollars: `$tag$…$tag$` is a string, and comments are nested.
    escapes: a backslash in a string escapes a quote, and `#` begins a comment.
    """

    quotes_names: bool = False
    quotes_tables: bool = False
    brackets: bool = False
    hashes: bool = False
    dashes: bool = False
    dollars: bool = False
    escapes: bool = False


POSTGRES = Grammar(quotes_names=True, quotes_tables=True, hashes=True, dashes=True, dollars=True)
MYSQL = Grammar(escapes=True)
SQLITE = Grammar(quotes_tables=True, brackets=True, dashes=True)
ORACLE = Grammar(quotes_tables=True, dashes=True)
ANY = Grammar()

# By `db.system.name`, and by what it was called before the conventions were stable.
GRAMMARS: Mapping[str, Grammar] = {
    "postgresql": POSTGRES,
    "cockroachdb": POSTGRES,
    "mysql": MYSQL,
    "mariadb": MYSQL,
    "sqlite": SQLITE,
    "microsoft.sql_server": SQLITE,
    "oracle.db": ORACLE,
    "mssql": SQLITE,
    "oracle": ORACLE,
}

_LITERAL, _UNSURE = ("literal", "?"), ("unsure", "")

# A name that needs quotes: more than an identifier, less than a sentence.
_PLAIN_NAME = re.compile(r"[\w $.@#/-]{1,64}")
_NAME = r"[^\W\d][\w$]*+"
_STRING = r"'(?:[^'\\]|''|\\(?!['\\])|\\\\)*+'"

_TOKEN = re.compile(
    rf"""
      (?P<blank> \s++ )
    | (?P<comment> /\* | --(?=[\s]|\Z) )
    | (?P<dashes> -- )
    | (?P<string> (?:[bBxXnN]|_[a-zA-Z]\w*+)?{_STRING} )
    | (?P<escaped> [eE]?'(?:[^'\\]|''|\\.)*+' )
    | (?P<dollar> \$(?:[^\W\d]\w*+)?\$ )
    | (?P<number> (?:\.\d|\d)(?:[eE][+-](?=\d)|[\w.])*+ )
    | (?P<place> %\(\w++\)s | %s\b | (?<!:):[^\W\d]\w*+ | @{{1,2}}\w++ | \?\d++ )
    | (?P<bound> [$:]\d++ )
    | (?P<named> \$[^\W\d]\w*+ )
    | (?P<unicode> [uU]&(?=['"]) )
    | (?P<name> {_NAME} )
    | (?P<double> "(?:[^"\\]|"")*+" )
    | (?P<tick> `[^`]*+` )
    | (?P<bracket> \[[^\[\]'"`]*+\] )
    | (?P<mark> [(),;.] )
    | (?P<hash> \# )
    | (?P<unsure> ['"`$\\] )
    | (?P<operator> :: | . )
    """,
    re.VERBOSE | re.DOTALL,
)

# Data without quotes: passwords of Oracle's users, SQLCipher's keys, settings of an application
# (`SET app.tenant = acme`), and what follows a COPY in a dump.
_BARE_SECRET = re.compile(
    r"\bIDENTIFIED\s+BY\b(?!\s*+['\"?:%$@])|\bPRAGMA\s+(?:\w++\s*+\.\s*+)?(?:re)?key\b"
    r"|(?:\A|;)\s*+SET\s+(?:(?:LOCAL|SESSION)\s+)?\w++\.\w++\s*+(?:=|\bTO\b)\s*+"
    r"(?!(?:DEFAULT|on|off|true|false)\b)[^\W\d]\w*+(?!')"
    r"|\bFROM\s+STDIN\b[^;]{0,300}+;\s*+\S",
    re.IGNORECASE,
)
_END_OF_LINE = re.compile(r"[\r\n]|\Z")
_COMMENT_PART = re.compile(r"/\*|\*/")
# Oracle writes a string between brackets of its choice: q'[it's one]'.
_OWN_QUOTES = frozenset(("Q", "NQ"))


def mask_sql(statement: str, grammar: Grammar = ANY, *, is_cut: bool = False) -> str | None:
    """The statement without literals and comments, on one line; None where that is not sure.

    is_cut: it is the beginning of a longer one: what its end may have torn is left out.
    """
    return masked(statement, list(tokens(statement, grammar, is_cut)), is_cut=is_cut)


def masked(statement: str, found: Sequence[Token], *, is_cut: bool = False) -> str | None:
    """The same of a statement that has been read into its tokens already."""
    if _BARE_SECRET.search(statement) or (_UNSURE in found and not is_cut):
        return None
    return text_of(found)


def tokens(statement: str, grammar: Grammar, is_cut: bool = False) -> Iterator[Token]:
    """What it consists of, up to where it might be misread: there an `unsure` ends it."""
    position, size, previous = 0, len(statement), ""
    while position < size:
        token = _TOKEN.match(statement, position)
        if token is None:  # no alternative is left out, but a leak must not hang on that
            yield _UNSURE
            return
        kind, text, position = _read(token, grammar)
        if position < 0 or (is_cut and position >= size):
            yield _UNSURE
            return
        if kind == "double":
            kind, text = _double(text, grammar, previous, statement[position : position + 1])
        if kind != "blank":
            previous = text
        yield kind, text


def _read(token: re.Match[str], grammar: Grammar) -> tuple[str, str, int]:
    """Kind, text and end of a token; an end below 0 where it is not sure."""
    kind, text, end = token.lastgroup or "", token[0], token.end()
    reader = _READERS.get(kind)
    if reader is not None:
        return reader(token, grammar)
    if kind in ("number", "string"):
        return "literal", "?", end
    if text == "[" and grammar.brackets:
        return _STOP  # a name with quotes in it
    return kind, text, end


_Read = tuple[str, str, int]
_STOP: _Read = ("unsure", "", -1)


def _comment(token: re.Match[str], grammar: Grammar) -> _Read:
    statement, end = token.string, token.end()
    if token[0] == "--":
        found = _END_OF_LINE.search(statement, end)
        return "blank", " ", found.start() if found else len(statement)
    if statement.startswith("!", end) or statement.startswith("M!", end):
        return _STOP  # MySQL executes it
    depth = 1
    for part in _COMMENT_PART.finditer(statement, end):
        if part[0] == "/*" and not grammar.dollars:
            return _STOP  # nested for some engines
        depth += 1 if part[0] == "/*" else -1
        if depth == 0:
            return "blank", " ", part.end()
    return _STOP


def _dashes(token: re.Match[str], grammar: Grammar) -> _Read:
    return _comment(token, grammar) if grammar.dashes else _STOP


def _escaped(token: re.Match[str], grammar: Grammar) -> _Read:
    """A string with a backslash before a quote: sure only where backslashes surely escape."""
    is_sure = grammar.escapes if token[0][0] == "'" else grammar.dollars
    return ("literal", "?", token.end()) if is_sure else _STOP


def _dollar(token: re.Match[str], grammar: Grammar) -> _Read:
    end = token.string.find(token[0], token.end()) if grammar.dollars else -1
    return ("literal", "?", end + len(token[0])) if end >= 0 else _STOP


def _bound(token: re.Match[str], grammar: Grammar) -> _Read:
    """`$1` of PostgreSQL, money of SQL Server; `:1` of Oracle, the end of a slice of PostgreSQL."""
    if (token[0][0] == "$") == grammar.dollars:
        return "place", token[0], token.end()
    if token[0][0] == "$":
        return "literal", "?", token.end()
    return "operator", ":", token.start() + 1


def _named(token: re.Match[str], grammar: Grammar) -> _Read:
    is_sure = grammar.brackets and not grammar.dollars
    return ("place", token[0], token.end()) if is_sure else _STOP


def _name(token: re.Match[str], grammar: Grammar) -> _Read:
    followed = token.string.startswith("'", token.end())
    if followed and token[0].upper() in _OWN_QUOTES and grammar not in (POSTGRES, MYSQL, SQLITE):
        return _STOP
    return "name", token[0], token.end()


def _unicode(token: re.Match[str], grammar: Grammar) -> _Read:
    """`U&'…'` and `U&"…"`: backslashes in them are no escapes of quotes."""
    quote = token.string[token.end()]
    end = token.string.find(quote, token.end() + 1)
    return ("literal", "?", end + 1) if end >= 0 and grammar.dollars else _STOP


def _tick(token: re.Match[str], grammar: Grammar) -> _Read:
    if grammar.dollars or not _PLAIN_NAME.fullmatch(token[0], 1, len(token[0]) - 1):
        return _STOP if grammar.dollars else ("literal", "?", token.end())
    return "name", token[0], token.end()


def _bracket(token: re.Match[str], grammar: Grammar) -> _Read:
    if grammar.brackets and _PLAIN_NAME.fullmatch(token[0], 1, len(token[0]) - 1):
        return "name", token[0], token.end()
    return _STOP if grammar.brackets else ("operator", "[", token.start() + 1)


def _hash(token: re.Match[str], grammar: Grammar) -> _Read:
    if grammar.hashes:
        return "operator", "#", token.end()
    if not grammar.escapes:
        return _STOP
    found = _END_OF_LINE.search(token.string, token.end())
    return "blank", " ", found.start() if found else len(token.string)


def _stop(token: re.Match[str], grammar: Grammar) -> _Read:
    return _STOP


_READERS = {
    "comment": _comment,
    "dashes": _dashes,
    "escaped": _escaped,
    "dollar": _dollar,
    "bound": _bound,
    "named": _named,
    "name": _name,
    "unicode": _unicode,
    "tick": _tick,
    "bracket": _bracket,
    "hash": _hash,
    "unsure": _stop,
}

_BEFORE_TABLE = frozenset(("FROM", "JOIN", "INTO", "UPDATE", "TABLE", "AS", "."))


def _double(text: str, grammar: Grammar, previous: str, following: str) -> Token:
    """A name where it is surely one, else a literal: a string of MySQL, or SQLite's by mistake."""
    is_name = grammar.quotes_names or (
        grammar.quotes_tables and (following == "." or previous.upper() in _BEFORE_TABLE)
    )
    return ("name", text) if is_name and _PLAIN_NAME.fullmatch(text[1:-1]) else _LITERAL


# Behind these a sign belongs to the number, and a bracket holds values.
_BEFORE_VALUE = frozenset(
    [
        "AND",
        "OR",
        "BETWEEN",
        "THEN",
        "ELSE",
        "WHEN",
        "LIMIT",
        "OFFSET",
        "RETURN",
        "SELECT",
        "BY",
        "NOT",
        "LIKE",
        "CASE",
        "SET",
        "WHERE",
        "ON",
    ]
)
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
