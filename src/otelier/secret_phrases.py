"""Secrets that a word or an option stands before, with a blank and no sign: `password hunter2`.

Prose, options of a command line (`--password x`, `curl -u bob:x`), commands of SQL and Redis, parts
of a path. In prose the word behind `password` is one of the sentence more often than a secret, so
only what no word looks like goes: letters with digits or signs among them, and what is in quotes
behind `is`. Pure; any thread; linear.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from otelier.marks import mark
from otelier.pattern import pattern
from otelier.placeholders import says_nothing
from otelier.secret_keys import kind_of_key

_OPTION = pattern(
    r"(?<![\w-])(--[\w.-]++)(['\"]?,?[ \t]{1,4}(?:(['\"])(?=[^'\"\n]*['\"]))?['\"]?)"
    r"((?(3)[^'\"\n]++|[^\s'\"]++))"
)


# `PASSWORD 'x'` of SQL and of people, `IDENTIFIED BY 'x'`, `PASSWORD('x')`.
def _cased(*words: str) -> str:
    """Without the flag for it, and with letters first, the search skips what none begins with."""
    return "|".join(case for word in words for case in (word, word.capitalize(), word.upper()))


_SPOKEN = pattern(
    rf"({_cased('password', 'passwd', 'passphrase', 'passcode', 'pwd', 'secret', 'token', 'api')}"
    r"|requirepass|masterauth|AUTH(?: \w{1,32})?|access|Access)"
    r"([ -]?(?:[Kk]ey|KEY|[Tt]oken))?(?<!\s)"
    r"(?:( (?:is set to|is|was|of|set to|to|provided|given|used"
    r"|for (?:the )?(?:user |account )?[\w.@'-]{1,64}(?: is| was| set to)?)):?|(?:-reset)?/)?"
    r"(?:(?<=/)|[ \t]{1,4})(\\*+['\"])?+"
    r"((?(4)[^'\"\\\n]++|[^\s'\"\\;,/]++))"
)
_NEAR = pattern(
    rf"(?P<head>(?:(?:{_cased('password', 'passphrase', 'passcode')})s?"
    r"|identified by|Identified by|IDENTIFIED BY)[ (]\\*(?P<quote>['\"]))"
    r"(?P<value>(?:(?!(?P=quote))[^\n])+)"
)
# `Your verification code is 123456`.
_CODE = pattern(
    r"((?:[Vv]erification|[Ss]ecurity|[Cc]onfirmation|[Aa]ccess|[Ll]ogin|[Ss]ign-?in|[Rr]ecovery|[Tt]ime|[Pp]asscode"
    r"|[Aa]uthentication|[Aa]uthori[sz]ation|2FA|MFA|OTP|SMS)[ -](?:code|Code|CODE) is:? \\*['\"]?)"
    r"((?=[^\d\s]{0,32}\d)[\w-]{4,64})"
)
_OF_PASSWORD = ("pass", "pwd", "requ", "mast", "auth")
_COOKIES = pattern(r"(\bcookies?[ :=]{0,2}\{)[^{}\n]++", re.IGNORECASE)
# No secret, though digits are in it: a moment, an algorithm, something that is counted.
_NAMED = pattern(
    r"\d{4}-\d\d-\d\d.*|(?:sha|md|utf|bcrypt|scrypt|argon|pbkdf|oauth|ipv?|v|base|http|python|user|users"
    r"|field|step|attempt|try|version|page|node|host|worker|app|test|id|item|row|line|level|part"
    r"|phase|type|column|db|server|job|task|request|session|client|account|number|no|nr)"
    r"[-_#/]?v?\d[\w.]{0,4}|[A-Za-z]+(?:[._/-][A-Za-z]+)*|[\d.,:/%+-]+[a-z]{0,8}|\w+\(.*|\w+=.*"
    r"|[\[{<(%$:@].*|.*://.*",
    re.IGNORECASE | re.DOTALL,
)
_MIXED = pattern(r"(?=[^A-Za-z]{0,64}[A-Za-z])(?=[^\d!@#$%^&*+=~]{0,64}[\d!@#$%^&*+=~])")
_SHORTEST, _SHORTEST_TOKEN, _LONGEST = 6, 12, 256


def mask_phrases(text: str) -> str:
    """The text, what is said to be a password masked."""
    for words, mask in _KNOWN:
        for word in words:
            if word in text:
                text = mask(text)
                break
    return text


def _near(found: re.Match[str]) -> str:
    return found[0] if says_nothing(found["value"]) else f"{found['head']}{mark('password')}"


def _option(found: re.Match[str]) -> str:
    kind = kind_of_key(found[1])
    if kind is None or found[4].startswith("-") or says_nothing(found[4]):
        return found[0]
    return f"{found[1]}{found[2]}{mark(kind)}"


def _spoken(found: re.Match[str]) -> str:
    start, (word, of_key, connects, quote, value) = found.start(), found.groups()
    before = found.string[start - 1 : start]
    is_password = word.lower().startswith(_OF_PASSWORD)
    joined = before in _JOINS and not found[0][len(word) :].startswith(("/", "-reset/"))
    if before.isalnum() or joined or (not of_key and word[:3].lower() in ("api", "acc")):
        return found[0]
    is_said = is_password and connects and quote
    if says_nothing(value) or not (is_said or _is_odd(value, is_password)):
        return found[0]
    return f"{found[0][: -len(value)]}{mark('password' if is_password else 'token')}"


_JOINS = ("_", ".", "-")


def _is_odd(value: str, is_password: bool) -> bool:
    """Whether it is no word, nor anything else that people name in a sentence."""
    plain = value[:_LONGEST].rstrip(".,;:!?)]}")
    if len(plain) < (_SHORTEST if is_password else _SHORTEST_TOKEN):
        return False
    return _MIXED.match(plain) is not None and _NAMED.fullmatch(plain) is None


# What is looked for where one of its words is there: looks cost a fiftieth of a pattern.
_KNOWN: tuple[tuple[tuple[str, ...], Callable[[str], str]], ...] = (
    (("--",), lambda text: _OPTION.sub(_option, text)),
    (
        ("assword", "assphrase", "asscode", "ied by ", "ASSWORD", "IED BY "),
        lambda text: _NEAR.sub(_near, text),
    ),
    (
        ("assw", "oken", "ecret", "key ", "pwd ", "irepass", "AUTH ", "ASSW", "OKEN", "ECRET"),
        lambda text: _SPOKEN.sub(_spoken, text),
    ),
    ((" code is", " Code is", " CODE is"), lambda text: _CODE.sub(rf"\1{mark('code')}", text)),
    (("ookie",), lambda text: _COOKIES.sub(rf"\1{mark('cookie')}", text)),
)

# Options of programs by their letter: `curl -u bob:x`, `mysql -px`, `sshpass -p x`.
_BEHIND = r"(?:\\*['\"]?,?[ \t]{0,4}=?\\*['\"]?)"
_PROGRAMS = (
    (
        ("curl", "wget", "http"),
        rf"((?<![\w-])(?:-u|-U|--user|--proxy-user|-a|--auth){_BEHIND}[^\s:'\"\\/]{{1,128}}:)[^\s'\"\\/]+",
    ),
    (("sshpass", "login", "smbclient"), rf"((?<![\w-])-p{_BEHIND})[^\s'\"\\-][^\s'\"\\]*"),
    (("redis-cli", "valkey-cli"), rf"((?<![\w-])-a{_BEHIND})[^\s'\"\\-][^\s'\"\\]*"),
    (("mysql", "mariadb"), r"((?<![\w-])-p\\*['\"]?)(?![\d:.]+(?![^\s'\"\\]))[^\s'\"\\]+"),
)
_OPTIONS = tuple((programs, pattern(source)) for programs, source in _PROGRAMS)


def mask_commands(text: str) -> str:
    """Passwords behind an option of one letter, where a program that takes one is named."""
    for programs, option in _OPTIONS:
        for program in programs:
            if program in text:
                text = option.sub(lambda found: f"{found[1]}{mark('password')}", text)
                break
    return text
