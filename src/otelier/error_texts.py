"""Texts of databases, validators and stores that repeat what they were given.

SQLAlchemy puts statement and parameters into its errors and its echo, PostgreSQL and MySQL name
the value that is in the way, pydantic shows its input, redis-py the command. What is theirs stays:
the sentence, names of columns and constraints. Pure; any thread; each pattern reads a text once.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from otelier.marks import mark
from otelier.pattern import pattern
from otelier.sql_text import mask_sql
from otelier.sql_tokens import ANY, MYSQL, POSTGRES, SQLITE, Grammar

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
_SQL = pattern(r"\[SQL: (.*?)(?:\](?=\s{0,9}(?:\[parameters|\(Background|\Z))|\Z)", re.DOTALL)
_PARAMETERS = pattern(
    r"\[parameters: (?:.*?)\](?=\s*(?:\n|\\n|\(Background|\Z))|\[parameters: .*\Z", re.DOTALL
)
_ECHO = pattern(
    r"(\[(?:generated in|cached since|no key|raw sql|caching disabled|dialect|insertmanyvalues)"
    r"[^\]\n]{0,120}\]) (?=\S).*",
    re.DOTALL,
)


def value(source: str, kind: str = "value") -> Callable[[str], str]:
    """A function that puts a mark between the first group of a pattern and its second."""
    compiled = pattern(source)

    def mask(text: str) -> str:
        return compiled.sub(lambda found: f"{found[1]}{mark(kind)}{found[2]}", text)

    return mask


def quoted(before: str, kind: str = "value") -> Callable[[str], str]:
    """The same up to the end of the line, where a quote follows `before`."""
    return value(rf"({before}\\*[\"'])[^\n]*()", kind)


def spanning(before: str, behind: str, kind: str = "value") -> Callable[[str], str]:
    """The same of a value that may have several lines: up to `behind`, or to the end of its own."""
    opening, closing = pattern(before), pattern(behind)

    def mask(text: str) -> str:
        parts: list[str] = []
        done, ending = 0, -1
        while found := opening.search(text, done):
            start = found.end()
            if ending < start:  # else it is known already
                closed = closing.search(text, start)
                ending = closed.start() if closed else len(text) + _LONGEST_VALUE
            end = ending if ending - start <= _LONGEST_VALUE else text.find("\n", start)
            end = min(end, len(text)) if end >= 0 else len(text)
            parts += (text[done:start], mark(kind))
            done = end
        return "".join((*parts, text[done:]))

    return mask


def _not_among(text: str) -> str:
    """SQLAlchemy's word on a value of an enumeration, which stands before it in its line."""
    *before, last = text.split(_AMONG)
    parts: list[str] = []
    for part in before:
        start = part.rfind("\n") + 1
        quote = re.search(r"['\"]", part[start:])
        start = start + quote.start() if quote else part.rfind(" ") + 1
        parts += (part[:start], mark("value"), _AMONG)
    return "".join((*parts, last))


def mask_quoted(text: str) -> str:
    """What is quoted in the first line of a message of PostgreSQL's, but for names."""
    if '"' not in text:
        return text
    line, end, others = text.partition("\n")
    return f"{_OTHER_THAN_NAME.sub(_hide, line)}{end}{others}"


def _of_postgres(text: str) -> str:
    """What is quoted in the first line of an error of a class of PostgreSQL's, but for names."""
    return _FIRST_LINE.sub(lambda found: _OTHER_THAN_NAME.sub(_hide, found[0]), text)


def _hide(found: re.Match[str]) -> str:
    return f'{found[1]}"{mark("value")}"'


_FIRST_LINE = pattern(
    r"(?:psycopg2?\.errors|asyncpg\.exceptions|dialects\.postgresql\.[\w.]{1,64})\.\w{1,80}"
    r"['\"]?[)>]{0,2}:? [^\n]*+"
)
_NAMES = "|".join(
    (
        "relation", "column", "table", "constraint", "index", "function", "type", "schema", "role",
        "database", "user", "sequence", "view", "trigger", "cursor", "operator", "parameter",
        "extension", "language", "tablespace", "attribute", "domain", "savepoint", "statement",
        "partition", "policy", "collation", "aggregate", "procedure", "variable", "portal", "rule",
        "key", "publication", "subscription", "server", "near",
    )
)  # fmt: skip
_OTHER_THAN_NAME = pattern(rf'(?<!\w)((?!(?:{_NAMES})\b)[\w:]{{1,80}} )"(?!\[masked)[^"\n]*+"')
_AMONG = " is not among the defined enum values"
_LONGEST_VALUE = 8192
_TO_LINE_END = r"(?=\n|\Z)"
_LINE = r"(?:\b|(?<=\\n))LINE \d{1,6}: "
_ARGUMENT = r"query argument \$\d{1,5}(?: in element #\d{1,9} of executemany\(\) sequence)?: "
# Reasons that do not repeat the value.
_REASON = (
    r" \((?:expected \w{1,40}, got \w{1,40}|an? [\w ]{1,40} is required[\w ()]{0,60}"
    r"|value out of \w{1,20} range|'\w{1,40}' object [\w ']{1,100})\)(?=\n|\Z)"
)

# What has to be in a text, and what is then done to it.
_KNOWN: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("[SQL: ", lambda text: _SQL.sub(_statement, text)),
    ("[parameters: ", lambda text: _PARAMETERS.sub(f"[parameters: {mark('parameters')}]", text)),
    ("] ", lambda text: _ECHO.sub(lambda found: f"{found[1]} {mark('parameters')}", text)),
    ("pg", _of_postgres),
    (
        "ey (",
        spanning(
            r"[Kk]ey \([^\n]{1,300}?\)=\(",
            r"\)(?= (?:already exists|is not present|is still|conflicts with)|\.?(?:\n|\\n|\Z))",
        ),
    ),
    (
        "Failing row contains (",
        spanning(r"Failing row contains \(", r"\)\.?(?=\s*(?:\n|\\n|['\"]|\Z))"),
    ),
    ("Duplicate entry ", spanning(r"Duplicate entry \\*['\"]", r"\\*['\"] for key")),
    ("input syntax for ", quoted(r"input syntax for [\w ]{1,60}: ")),
    ("input value for enum ", quoted(r'input value for enum [^\n"]{1,128}: ')),
    ("malformed ", quoted(r"malformed \w{1,20} literal: ")),
    ("out of range: ", quoted(r"field value out of range: ")),
    ("out of range for type ", value(r"(value \\*\")[^\"\n]*(\\*\" is out of range)")),
    ("in tsquery: ", quoted(r"in tsquery: ")),
    ("DETAIL:  Token ", quoted(r"DETAIL:  Token ")),
    (" but found ", quoted(r"DETAIL:  Expected [^\n]{1,100}? but found ")),
    ("CONTEXT:  JSON data", value(r"(CONTEXT:  JSON data[^\n:]{0,40}: )[^\n]*()")),
    ("SQL ", spanning(r'SQL (?:statement|expression) \\*"', r'\\*"(?=\n|\\n|\Z)', "sql")),
    ("QUERY:  ", spanning(r"QUERY:  ", r"\n(?:CONTEXT|LINE|DETAIL|HINT)\b|\Z", "sql")),
    ("could not open ", value(r"(could not open (?:server )?file \\*\")[^\"\n]*(\\*\")")),
    ("COPY ", quoted(r"COPY [^\n:]{1,300}, line \d{1,12}[^\n:]{0,100}: ")),
    (
        "at or near ",
        value(r"(at or near \\*\")(?!(?:[A-Za-z_]{1,64}|[^\w\\\"])\\*\")[^\n]*()", "sql"),
    ),
    ("invalid value ", value(r"(invalid value \\*\")[^\"\n]*(\\*\" for \\*\")")),
    ("invalid value ", quoted(r"invalid value for parameter \\*\"[\w.]{1,64}\\*\": ")),
    ("unknown subcommand ", quoted("unknown subcommand ")),
    ("SETUSER modifier ", quoted("SETUSER modifier ")),
    (_AMONG, _not_among),
    (
        "ncorrect ",
        value(rf"([Ii]ncorrect [\w ]{{1,40}} value: ['\"])[^\n]*?(['\"] for |{_TO_LINE_END})"),
    ),
    ("LINE ", value(rf"({_LINE})[^\n]*()", "sql")),
    ("error in your SQL syntax", value(r"( near ['\"])[\s\S]*?(['\"] at line \d|\Z)", "sql")),
    ("unrecognized token: ", value(r"(unrecognized token: \\*\")[^\n]*()", "sql")),
    ("query argument $", value(rf"({_ARGUMENT})[^\n]*?({_REASON}|{_TO_LINE_END})")),
    ("invalid UUID ", quoted("invalid UUID ")),
    ("does not appear to be an IPv", value(r"(['\"])[^'\"\n]{0,200}(['\"] does not appear to be)")),
    ("not recognized", value(r"((?:time zone|unit) \\*\")[^\"\n]*(\\*\" not recognized)")),
    ("translate host name ", value(r"(translate host name \\*\")[^\"\n]*@([^\"\n@]*\")")),
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
