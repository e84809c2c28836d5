"""Pairs within a text whose key names a secret: `password=x`, `"token": "x"`, `Cookie: a=b`.

Log messages, bodies of JSON that an error echoes, forms, headers, representations of Python's
dicts and tuples, options of a command line, XML. The key stays, the value becomes a mark; a value
that says nothing (`None`, a placeholder, `required`) stays. Text is read once, from left to right:
behind each value the search goes on. A pair is looked for only where a part of a secret key stands:
half the time that looking at every word takes. Lines of code in a stack keep their names.
Pure; any thread.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from otelier.marks import mark
from otelier.pattern import pattern
from otelier.placeholders import says_nothing
from otelier.secret_keys import is_count, is_harmless, kind_of_key
from otelier.secret_phrases import mask_phrases

# A key of one word, or of two (`api key`); each run of letters is looked at once.
_PAIR = pattern(
    r"""(?<![\w.-]) (?P<escape> (?<=%)(?:25){0,3}[0-9A-F]{2} | (?<=\\)[nrt] )?+
    (?P<key> [\w.-]++
      (?:[ ](?:key|token|secret|password|passwd|number|code|id|no|cookie|answer)(?!\w))?+ )
    (?: (?P<tuple> \\*+["']\s{0,4}+,\s{0,4}+(?=[bBuU]?\\*+["']) )
      | (?P<form> \\*+" (?:\r?\n|\\+r\\+n)
        (?:[^\r\n\\]{1,200}+(?:\r?\n|\\+r\\+n))? (?:\r?\n|\\+r\\+n) )
      | (?: \\*+ | %(?:25){0,3}2[27] ) ["']{0,2}+ [\])]?+ \s{0,8}+
        (?P<sign> => | := | ==? | : | %(?:25){0,3}3[da] ) (?!:)
        [ \t]{0,8}+ (?:%(?:25){0,3}2[27])?+
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_PART = pattern(
    "ss|cr|key|token|pw|cook|card|cv|auth|otp|jwt|sid|input|srf|bearer|ccn|social|saml|code|pin|sig"
    "|answer"
    "|protocol"
)
_RUN = pattern(r"[\w.-]*+")
_SECOND = pattern(r"(?:key|token|secret|password|passwd|number|code|id|no|cookie|answer)(?!\w)")
_SMALL = {letter: letter + 32 for letter in range(ord("A"), ord("Z") + 1)}
# `<wsse:Password Type="…">x`, `<param name="password">x`, and `name="password" value="x"`.
_TAG = pattern(
    r"(?P<head><(?:[\w.-]{1,64}:)?(?P<key>[\w.-]++)(?:\s[^<>]*+)?+>(?:<!\[CDATA\[)?+)"
    r"(?P<value>[^<]++)"
)
_PARAM = pattern(
    r"(?P<head><[\w:.-]{1,64}\s[^<>]{0,200}?\b(?:name|key)=[\"'](?P<key>[\w.-]{1,128})[\"'][^<>]{0,200}>)"
    r"(?P<value>[^<]++)"
)
_NAMED = pattern(
    r"""(?P<head> (?<![\w-]) (?:name|key)\\*["']?[=:][ ]?\\*["']?(?P<key>[\w.-]++)
    \\*["']?(?:,\s*+|\s++) \\*["']?value\\*["']?[=:][ ]?(?P<quote>\\*["'])? )
    (?P<value> (?(quote)[^"'\\\n]++|[^\s"'\\,}>]++) )""",
    re.VERBOSE | re.IGNORECASE,
)
_COOKIE = pattern(r"(<Cookie [^\s=<>]{1,128}=)[^\s<>]++")
_OPENING = pattern(r"[bBuUrRfF]{0,2}+(\\*+)(\"\"\"|'''|\"\"(?=\w)|[\"'])")
_QUOTED = {
    "'": pattern(r"(?:[^'\\]|\\.|'')*+", re.DOTALL),
    '"': pattern(r'(?:[^"\\]|\\.)*+', re.DOTALL),
}
_BRACKETS = pattern(r"\\.|[\"'\[\](){}]", re.DOTALL)
_END_OF_BARE = pattern(
    r"\s|[\"'](?![^\s,;)\]}>&\"'])|[,;&](?=[\"'\s]|\Z|[\w.%\[\]-]++[=:])|%2[267]|\\[nr\"']"
)
_BLOCK = pattern(r"[|>][+-]?[ \t]{0,8}(?:\r?\n[ \t]+[^\r\n]++)++")  # of YAML
_MORE_DIGITS = re.compile(r"(?:[ -]\d{2,})++")
_SCHEME = pattern(
    r"(?:bearer|basic|token|negotiate|apikey|key|jwt|ntlm|hmac|digest|signature|aws4-[\w-]+)[ \t]+",
    re.IGNORECASE,
)
_LINE = pattern(r"[^\r\n]*+")
_END_OF_FORM = pattern(r"(?:\r?\n|\\+r\\+n)--|\Z")
_LOC = pattern(r"\\*['\"]loc\\*['\"]:")
_PHRASE = pattern(r"[^\r\n,;&'\"<>)\]}]++")
_FOLDER = pattern(r"(?:OLD)?PWD=/")
_LOOK_BACK = 400
# What stands before a key in a tuple, in a list of lists, in a part of a form.
_BEFORE_TUPLE = pattern(r"(?:\(b?|b|(?:\[|\],)\s{0,2}\[)\\*[\"']\Z")
_BEFORE_FORM = pattern(r"name=\\*\"\Z")


def mask_pairs(text: str) -> str:
    """The text, values of secret keys masked."""
    has_loc = "input" in text and _LOC.search(text) is not None
    parts: list[str] = []
    done = position = 0
    lower = _small(text)
    while found := _next(text, lower, position):
        position = found.end()
        kind = "input" if has_loc and found["key"] == "input" else _kind(found)
        if kind is None or not _fits(text, found):
            position = found.end("key") if kind is None else position
            continue
        start, end, made = _value(text, found, kind)
        if made is not None:
            parts += (text[done:start], made)
            done = end
        position = max(position, end)
    if parts:
        text = "".join((*parts, text[done:]))
    text = mask_phrases(text)
    for words, mask in _FURTHER:
        for word in words:
            if word in text:
                text = mask(text)
                break
    return text


def _small(text: str) -> str:
    """In small letters, each where it was: of some, `lower` makes two."""
    lower = text.lower()
    return lower if len(lower) == len(text) else text.translate(_SMALL)


def _next(text: str, lower: str, position: int) -> re.Match[str] | None:
    """The next pair whose key has a part of a secret one. lower: the text in small letters."""
    at = position
    while part := _PART.search(lower, at):
        start = _start_of_key(text, part.start())
        if start >= position:
            if text[start - 1 : start] == " " and start > position and _SECOND.match(lower, start):
                before = _start_of_key(text, start - 1)
                if position <= before < start - 1 and (found := _PAIR.match(text, before)):
                    return found
            if found := _PAIR.match(text, start):
                return found
        at = _RUN.match(text, part.end()).end()  # type: ignore[union-attr]  # of the same word
    return None


def _start_of_key(text: str, at: int) -> int:
    while at and (text[at - 1].isalnum() or text[at - 1] in "_.-"):
        at -= 1
    return at


def _kind(found: re.Match[str]) -> str | None:
    """By the key, and by what may only look like an escape before it."""
    key = found["key"]
    if kind := kind_of_key(key):
        return kind
    if found["escape"] and (kind := kind_of_key(found[1] + key)):
        return kind
    if found["sign"] == "=" and " " in key:  # `no password=x`
        return kind_of_key(key.rpartition(" ")[2])
    return "token" if key.lower() == "sec-websocket-protocol" else None


def _fits(text: str, found: re.Match[str]) -> bool:
    """Whether what stands before the key goes with what stands behind it."""
    start = found.start()
    if found["tuple"]:
        return bool(_BEFORE_TUPLE.search(text, max(0, start - 16), start))
    if found["form"]:
        return _BEFORE_FORM.search(text, max(0, start - 16), start) is not None
    return True


def _value(text: str, found: re.Match[str], kind: str) -> tuple[int, int, str | None]:
    """Start and end of the value, and what stands there from now on; None to leave it."""
    at = found.end()
    opening = _OPENING.match(text, at)
    if opening and not found["form"]:
        start, end = opening.end(), _end_of_quoted(text, opening)
        is_none = says_nothing(text[start:end]) or is_harmless(kind, text[start:end])
        return start, end, None if is_none else mark(kind)
    if _is_code(text, found.start()) or _is_folder(text, found):
        return at, at, None
    if text[at : at + 1] in tuple("{[(") and not text.startswith("[masked:", at):
        end = _end_of_nested(text, at)
        return at, end, None if is_harmless(kind, text[at:end]) else mark(kind)
    block = _BLOCK.match(text, at)
    end = block.end() if block else _end_of_bare(text, at, kind, found)
    value = text[at:end]
    if not value or says_nothing(value) or _is_other(found, kind, value):
        return at, max(at, end), None
    is_json = text[found.start() - 1 : found.start()] == '"' and found["sign"] == ":"
    return at, end, f'"{mark(kind)}"' if is_json else mark(kind)


def _is_other(found: re.Match[str], kind: str, value: str) -> bool:
    return is_count(found["key"], value.rstrip("'\"")) or is_harmless(kind, value)


def _end_of_quoted(text: str, opening: re.Match[str]) -> int:
    slashes, quote = opening.groups()
    start = opening.end()
    if not slashes and len(quote) == 1:
        inside = _QUOTED[quote].match(text, start)
        return inside.end() if inside else len(text)
    closing = slashes + quote
    end = text.find(closing, start)
    while end > 0 and text[end - 1] == "\\":  # one of a deeper level
        end = text.find(closing, end + len(closing))
    return end if end >= 0 else len(text)


def _end_of_nested(text: str, start: int) -> int:
    depth, quote = 0, ""
    for found in _BRACKETS.finditer(text, start):
        sign = found[0]
        if quote:
            quote = "" if sign == quote else quote
        elif sign in ("'", '"'):
            quote = sign
        elif len(sign) == 1:
            depth += 1 if sign in "([{" else -1
            if depth <= 0:
                return found.end()
    return len(text)


def _end_of_bare(text: str, at: int, kind: str, found: re.Match[str]) -> int:
    if found["form"]:
        ending = _END_OF_FORM.search(text, at)
        return ending.start() if ending else len(text)
    if kind == "cookie" and found["sign"] == ":":
        line = _LINE.match(text, at)
        return line.end() if line else at
    if kind == "authorization" and (scheme := _SCHEME.match(text, at)):
        if scheme[0][:4].lower() in ("dige", "aws4", "sign", "hmac"):
            line = _LINE.match(text, at)
            return line.end() if line else at
        at = scheme.end()
    if "phrase" in found["key"].lower() and (phrase := _PHRASE.match(text, at)):
        return phrase.end()
    ends = _END_OF_BARE.search(text, at)
    end = ends.start() if ends else len(text)
    if kind in ("card", "ssn") and (more := _MORE_DIGITS.match(text, end)):
        return more.end()
    return at + len(text[at:end].rstrip(")]},.:;"))


def _is_code(text: str, start: int) -> bool:
    """Whether it stands in a line of code of a stack: names there are the program's own."""
    before = text[max(0, start - _LOOK_BACK) : start]
    lines = before.rsplit("\n", 2)
    return len(lines) > 1 and lines[-1].startswith("    ") and lines[-2].startswith('  File "')


def _is_folder(text: str, found: re.Match[str]) -> bool:
    """`PWD=/app` among a shell's variables; behind a semicolon it is a password of ODBC."""
    start = found.start("key")
    return bool(_FOLDER.match(text, start)) and text[start - 1 : start] != ";"


def _named(found: re.Match[str]) -> str:
    kind = kind_of_key(found["key"]) or ("password" if found["key"][-3:-2] == " " else None)
    if kind is None or says_nothing(found["value"]):
        return found[0]
    return f"{found['head']}{mark(kind)}"


# What else is looked for, where one of its words is there: looks cost a fiftieth of a pattern.
_FURTHER: tuple[tuple[tuple[str, ...], Callable[[str], str]], ...] = (
    (("<",), lambda text: _TAG.sub(_named, text)),
    ((' name="', " name='", ' key="'), lambda text: _PARAM.sub(_named, text)),
    (("<Cookie ",), lambda text: _COOKIE.sub(rf"\1{mark('cookie')}", text)),
    (
        ('alue"', "alue'", "alue\\", "alue=", "alue:"),
        lambda text: _NAMED.sub(_named, text),
    ),
)  # fmt: skip
