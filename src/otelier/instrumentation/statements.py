"""Pure: what a statement does, to which tables, and its text, as far as these are plain to see.

No parser of SQL: one pass over its words that knows where a statement begins (a level of brackets
each) and behind which words a table is named. Where it cannot be sure what is a literal it stops
reading: a summary may lack something, and never holds a word out of a string, a comment or a
number. The same goes for the text, which `privacy` decides on.

A statement as long as a book is read up to its first `LONGEST` characters.

Source: semantic conventions, database client spans ("generating a summary of the query").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from otelier.fixed import fixed
from otelier.pattern import pattern
from otelier.sql_text import masked
from otelier.sql_tokens import Grammar, Token, tokens

LONGEST = 8192
_LONGEST_SUMMARY = 255


@fixed
class Description:
    """summary: empty if nothing is known. operation, collection: None unless there is only one.

    is_control: it begins or ends a transaction, and does nothing else.
    """

    summary: str
    operation: str | None
    collection: str | None
    text: str | None
    is_control: bool = False


def describe(statement: str, grammar: Grammar) -> Description:
    """0.1 milliseconds for a statement of 500 characters: callers keep what they get."""
    if len(statement) > LONGEST:
        return _read(statement[:LONGEST], grammar, True)
    return _read_once(statement, grammar)


def batched(description: Description) -> Description:
    """The same for a call that gives the statement several sets of parameters."""
    operation = f"BATCH {description.operation}" if description.operation else "BATCH"
    summary = _joined(["BATCH", description.summary]) if description.summary else "BATCH"
    return Description(summary, operation, description.collection, description.text)


def unexpanded(text: str) -> str:
    """A compiled statement before SQLAlchemy fills its lists in: `IN (?)`, however long they are.

    Source: the same conventions ("IN-clauses MAY be collapsed").
    """
    return _EXPANDING.sub("?", text)


def can_expand(compiled: str) -> bool:
    """Whether SQLAlchemy fills something in later; not if that includes the names of schemas."""
    return "__[POSTCOMPILE_" in compiled and "__[SCHEMA_" not in compiled


def _read(statement: str, grammar: Grammar, is_cut: bool) -> Description:
    read = list(tokens(statement, grammar, is_cut))
    text = masked(read, is_cut=is_cut)
    if _CONTROL.fullmatch(statement):
        return Description("", None, None, text, is_control=True)
    found = _Reading()
    for kind, token in _paths(read):
        found.take(kind, token)
    found.settle()
    return Description(_joined(found.pieces), found.operation(), found.collection(), text)


@lru_cache(maxsize=2048)
def _read_once(statement: str, grammar: Grammar) -> Description:
    return _read(statement, grammar, False)


def _joined(pieces: list[str]) -> str:
    """As many of them as there is room for; none is cut."""
    summary = ""
    for piece in pieces:
        longer = f"{summary} {piece}" if summary else piece
        if len(longer) > _LONGEST_SUMMARY:
            break
        summary = longer
    return summary


_EXPANDING = pattern(r"__\[POSTCOMPILE_[^\]]*\]")

_CONTROL = pattern(
    r"\s*(?:BEGIN(?:\s+(?:WORK|TRAN(?:SACTION)?|DEFERRED|IMMEDIATE|EXCLUSIVE)\b[^;]*)?"
    r"|(?:START\s+TRANSACTION|COMMIT|END|ROLLBACK|ABORT|SAVEPOINT|RELEASE)\b[^;]*);?\s*",
    re.IGNORECASE,
)


def _paths(read: Iterable[Token]) -> Iterator[Token]:
    """The tokens that matter; names with dots between them as one."""
    path, is_open = "", False
    for kind, text in read:
        if kind == "name" and (is_open or not path):
            path, is_open = path + text, False
        elif path and not is_open and text == ".":
            path, is_open = path + text, True
        elif kind != "blank":
            if path:
                yield "name", path.rstrip(".")
            path, is_open = (text, False) if kind == "name" else ("", False)
            if kind != "name" and text != ".":
                yield kind, text
    if path:
        yield "name", path.rstrip(".")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_OPERATIONS = _words(
    "SELECT INSERT UPDATE DELETE MERGE REPLACE UPSERT CREATE ALTER DROP TRUNCATE CALL EXEC EXECUTE"
    " EXPLAIN ANALYZE VACUUM COPY LOCK SET RESET SHOW DESCRIBE DESC PRAGMA GRANT REVOKE COMMENT"
    " REFRESH NOTIFY LISTEN UNLISTEN DECLARE FETCH CLOSE PREPARE DEALLOCATE DO USE VALUES LOAD"
    " CLUSTER REINDEX CHECKPOINT ATTACH DETACH DISCARD IMPORT BEGIN COMMIT ROLLBACK END START"
    " ABORT SAVEPOINT RELEASE"
)
_NESTED = _words("SELECT INSERT UPDATE DELETE MERGE")
_READS_FROM = _words("SELECT DELETE UPDATE")
_WRITES_INTO = _words("INSERT REPLACE MERGE UPSERT SELECT")
_DEFINES = _words("CREATE ALTER DROP TRUNCATE LOCK REFRESH")
_DEFINED = _words("TABLE VIEW INDEX SEQUENCE SCHEMA DATABASE TYPE FUNCTION PROCEDURE TRIGGER ROLE")
_NAMED_BEHIND = _words("TABLE VIEW INDEX SEQUENCE")
_CALLS = _words("CALL EXEC EXECUTE")
_NAMES_AT_ONCE = _words("UPDATE TRUNCATE CALL EXEC EXECUTE")
_ENDS_LIST = _words(
    "WHERE GROUP ORDER HAVING LIMIT OFFSET FETCH FOR SET VALUES RETURNING WINDOW UNION EXCEPT"
    " INTERSECT WHEN QUALIFY CONNECT START"
)
# What may stand between the word that announces a table and its name.
_BEFORE_NAME = _words(
    "ONLY IF NOT EXISTS CONCURRENTLY LATERAL IGNORE LOW_PRIORITY HIGH_PRIORITY DELAYED OR ABORT"
    " FAIL ROLLBACK REPLACE QUICK INTO TABLE"
)


class _Level:
    """A statement or what stands in a pair of brackets.

    first, last: its operations, in upper case. expects: a table is named next. in_list: and again
    behind a comma. names_queries: inside the part that begins with WITH.
    """

    first: str = ""
    last: str = ""
    expects: bool = False
    in_list: bool = False
    names_queries: bool = False
    previous: str = ""


class _Reading:
    """Operations and targets so far, in the order they were met."""

    _is_whole = True
    _held: tuple[str, bool] | None = None
    """A target that may still turn out to be a function, and whether it holds rows."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self._levels = [_Level()]
        self._operations: list[str] = []
        self._tables: list[str] = []
        self._queries: set[str] = set()

    def operation(self) -> str | None:
        """What the statement itself does, whatever else is inside it."""
        different = {operation.upper() for operation in self._operations}
        return self._operations[0] if len(different) == 1 else None

    def collection(self) -> str | None:
        return self._tables[0] if self._is_whole and len(set(self._tables)) == 1 else None

    def take(self, kind: str, text: str) -> None:
        if kind == "mark":
            self._take_mark(text)
            return
        self.settle()
        level = self._levels[-1]
        if kind == "name":
            self._take_name(level, text, text.upper())
        else:
            level.expects, level.previous = False, ""
            self._is_whole = self._is_whole and kind != "unsure"

    def settle(self) -> None:
        """What was held is a table: no bracket follows it."""
        if self._held is not None:
            name, holds_rows = self._held
            self._held = None
            if name.upper() not in self._queries:
                self.pieces.append(name)
                if holds_rows:
                    self._tables.append(name)

    def _take_mark(self, mark: str) -> None:
        level = self._levels[-1]
        if mark == "(" and level.in_list:
            self._held = None
        self.settle()
        if mark == "(":
            is_part = level.expects and level.in_list  # FROM (a JOIN b …)
            inner = _Level()
            if is_part:
                inner.last, inner.expects, inner.in_list = level.last, True, True
            level.expects = False
            self._levels.append(inner)
        elif mark == ",":
            level.expects, level.previous = level.in_list, ","
        elif mark == ";":
            self._levels = [_Level()]
        elif len(self._levels) > 1:
            self._levels.pop()

    def _take_name(self, level: _Level, text: str, word: str) -> None:
        if level.names_queries and level.previous in ("WITH", "RECURSIVE", ","):
            if word != "RECURSIVE":
                self._queries.add(word)
        elif level.expects and word not in _BEFORE_NAME and word not in _OPERATIONS:
            level.expects = False
            name = "".join(text.split()) if "." in text else text
            self._held = (name, level.last not in _CALLS and level.last != "INDEX")
        elif self._is_operation(level, word):
            self._take_operation(level, text, word)
        else:
            self._take_word(level, text, word)
        level.previous = word

    def _is_operation(self, level: _Level, word: str) -> bool:
        if word == "SELECT":
            return level.first not in _CALLS
        if level.first:
            return level.first == "EXPLAIN" and word in _NESTED
        return word in (_OPERATIONS if len(self._levels) == 1 else _NESTED)

    def _take_operation(self, level: _Level, text: str, word: str) -> None:
        outer = self._levels[:-1]
        if not level.first and not any(each.first or each.names_queries for each in outer):
            self._operations.append(text)
        self.pieces.append(text)
        if level.first in ("", "EXPLAIN"):
            level.first = word
        level.last = word
        level.names_queries = False
        level.in_list = word == "UPDATE"
        level.expects = word in _NAMES_AT_ONCE

    def _take_word(self, level: _Level, text: str, word: str) -> None:
        if word == "WITH" and not level.first:
            level.names_queries = True
        elif word in ("FROM", "JOIN"):
            reads = level.last in _READS_FROM and level.previous != "DISTINCT"
            level.expects = level.in_list = reads
        elif word == "USING":  # of a join: names of columns
            level.expects = level.in_list = level.last in ("DELETE", "MERGE")
        elif word == "INTO":
            level.expects, level.in_list = level.last in _WRITES_INTO, False
        elif word in _ENDS_LIST:
            level.expects = level.in_list = False
        elif level.last in _DEFINES and word in _DEFINED:
            self._take_defined(level, text, word)

    def _take_defined(self, level: _Level, text: str, word: str) -> None:
        whole = f"{self.pieces[-1]} {text}"
        self.pieces[-1:] = [whole]
        if self._operations:
            self._operations[-1] = whole
        level.expects = word in _NAMED_BEHIND
        level.last = word
