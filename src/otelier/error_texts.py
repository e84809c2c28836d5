"""Texts of databases, validators and stores that repeat what they were given.

SQLAlchemy puts statement and parameters into its errors and its echo, PostgreSQL and MySQL name
the value that is in the way, pydantic shows its input, redis-py the command. What is theirs stays:
the sentence, names of columns and constraints. Pure; any thread; each pattern reads a text once.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from otelier.marks import mark
from otelier.sql_text import ANY, MYSQL, POSTGRES, SQLITE, Grammar, mask_sql

_LONGEST_STATEMENT = 32_768

_DRIVERS = (
    ("sqlite", SQLITE),
    ("psycopg", POSTGRES),
    ("asyncpg", POSTGRES),
    ("pg8000", POSTGRES),
    ("pymysql", MYSQL),
    ("MySQL", MYSQL),
    ("aiomysql", MYSQL),
    ("asyncmy", MYSQL),
)
_SQL = re.compile(r"\[SQL: (.*?)(?:\](?=\s{0,9}(?:\[parameters|\(Background|\Z))|\Z)", re.DOTALL)
_PARAMETERS = re.compile(
    r"\[parameters: (?:.*?)\](?=\s*(?:\n|\\n|\(Background|\Z))|\[parameters: .*\Z", re.DOTALL
)
_ECHO = re.compile(
    r"(\[(?:generated in|cached since|no key|raw sql|caching disabled|dialect|insertmanyvalues)"
    r"[^\]\n]{0,120}\]) (?=\S).*",
    re.DOTALL,
)


def value(pattern: str, kind: str = "value") -> Callable[[str], str]:
    """A function that puts a mark between the first group of a pattern and its second."""
    compiled = re.compile(pattern)

    def mask(text: str) -> str:
        return compiled.sub(lambda found: f"{found[1]}{mark(kind)}{found[2]}", text)

    return mask


_TO_LINE_END = r"(?=\n|\Z)"

# What has to be in a text, and what is then done to it.
_KNOWN: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("[SQL: ", lambda text: _SQL.sub(_statement, text)),
    ("[parameters: ", lambda text: _PARAMETERS.sub(f"[parameters: {mark('parameters')}]", text)),
    ("] ", lambda text: _ECHO.sub(lambda found: f"{found[1]} {mark('parameters')}", text)),
    (
        "Key (",
        value(
            r"(Key \([^\n]{1,300}?\)=\()[^\n]*?"
            rf"(\)(?= (?:already|is not|is still|conflicts)|[\n.]|\Z)|{_TO_LINE_END})"
        ),
    ),
    ("Failing row contains (", value(r"(Failing row contains \()[^\n]*()")),
    (
        "Duplicate entry ",
        value(rf"(Duplicate entry ['\"])[^\n]*?(['\"] for key|{_TO_LINE_END})"),
    ),
    ("input syntax for ", value(r"(input syntax for [\w ]{1,60}: \\*[\"'])[^\n]*()")),
    (
        "ncorrect ",
        value(rf"([Ii]ncorrect [\w ]{{1,40}} value: ['\"])[^\n]*?(['\"] for |{_TO_LINE_END})"),
    ),
    ("out of range for type ", value(r"(value \\*\")[^\"\n]*(\\*\" is out of range)")),
    ("LINE ", value(r"(\bLINE \d{1,6}: )[^\n]*()", "sql")),
    ("error in your SQL syntax", value(r"( near ['\"])[\s\S]*?(['\"] at line \d|\Z)", "sql")),
    ("unrecognized token: ", value(r"(unrecognized token: \\*\")[^\n]*()", "sql")),
    (
        "query argument $",
        value(
            r"(query argument \$\d{1,5}: )[^\n]*?"
            rf"(\((?:expected|a |an |value|invalid|could|'|\w+ )|{_TO_LINE_END})"
        ),
    ),
    ("input_value=", value(rf"(input_value=)[^\n]*?(, input_type=|{_TO_LINE_END})", "input")),
    (
        " of pipeline caused error",
        value(
            r"(Command # \d{1,9} \([\w.]{1,40})[^\n]*?"
            rf"(\) of pipeline caused error|{_TO_LINE_END})",
            "command",
        ),
    ),
    ("args beginning with: ", value(r"(args beginning with: )[^\n]*()", "command")),
)


def mask_error(text: str) -> str:
    """A text without what such an error repeats; 16 looks for a word where there is nothing."""
    for word, mask in _KNOWN:
        if word in text:
            text = mask(text)
    return text


def _statement(found: re.Match[str]) -> str:
    """SQLAlchemy's statement by the grammar of the driver that is named in the same text."""
    before = found.string[max(0, found.start() - 2000) : found.start()]
    grammar = next((grammar for name, grammar in _DRIVERS if name in before), ANY)
    return f"[SQL: {statement(found[1], grammar)}]"


def statement(text: str, grammar: Grammar = ANY) -> str:
    """A statement without its literals, or a mark where that is not sure."""
    cut = text[:_LONGEST_STATEMENT]
    masked = mask_sql(cut, grammar, is_cut=len(cut) < len(text))
    return mark("sql") if masked is None else masked
