"""SQL as tokens, by the grammar of the engine that reads it.

One pass, linear in the length: every pattern is possessive or looks for a fixed end, and what has
no end stops the reading. Where two engines would read the same text differently (a backslash before
a quote, `/*!`, `--x`, `#`), and it is not known which one reads it, an `unsure` ends the tokens.
Pure; any thread.

Source: the lexical chapters of PostgreSQL, MySQL, SQLite.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from otelier.fixed import fixed
from otelier.pattern import pattern

Token = tuple[str, str]
"""Kind and text. Kinds: blank, literal, name, place, mark, operator, unsure."""


@fixed
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

_LITERAL, UNSURE = ("literal", "?"), ("unsure", "")

# A name that needs quotes: more than an identifier, less than a sentence.
_PLAIN_NAME = pattern(r"[\w $.@#/-]{1,64}")
_NAME = r"[^\W\d][\w$]*+"
_STRING = r"'(?:[^'\\]|''|\\(?!['\\])|\\\\)*+'"

_TOKEN = pattern(
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

_END_OF_LINE = pattern(r"[\r\n]|\Z")
_COMMENT_PART = pattern(r"/\*|\*/")
# Oracle writes a string between brackets of its choice: q'[it's one]'.
_OWN_QUOTES = frozenset(("Q", "NQ"))


def tokens(statement: str, grammar: Grammar, is_cut: bool = False) -> Iterator[Token]:
    """What it consists of, up to where it might be misread: there an `unsure` ends it."""
    position, size, previous = 0, len(statement), ""
    while position < size:
        token = _TOKEN.match(statement, position)
        if token is None:  # no alternative is left out, but a leak must not hang on that
            yield UNSURE
            return
        kind, text, position = _read(token, grammar)
        if position < 0 or (is_cut and position >= size):
            yield UNSURE
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
    return ("literal", "?", token.end()) if is_sure else _unsure(token, grammar)


def _unsure(token: re.Match[str], grammar: Grammar) -> _Read:
    """`ESCAPE '\\'` is one letter by its rule: no string goes on behind it."""
    text, start = token.string, token.start()
    is_letter = grammar.dashes and text.startswith("'\\'", start)
    if is_letter and _ESCAPE.search(text, max(0, start - 16), start):
        return "literal", "?", start + 3
    return _STOP


_ESCAPE = pattern(r"\bESCAPE\s*\Z", re.IGNORECASE)


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
    "unsure": _unsure,
}

_BEFORE_TABLE = frozenset(("FROM", "JOIN", "INTO", "UPDATE", "TABLE", "AS", "."))


def _double(text: str, grammar: Grammar, previous: str, following: str) -> Token:
    """A name where it is surely one, else a literal: a string of MySQL, or SQLite's by mistake."""
    is_name = grammar.quotes_names or (
        grammar.quotes_tables and (following == "." or previous.upper() in _BEFORE_TABLE)
    )
    return ("name", text) if is_name and _PLAIN_NAME.fullmatch(text[1:-1]) else _LITERAL
