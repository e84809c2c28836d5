"""Secrets that give themselves away by their shape, wherever they stand in a text.

Tokens and keys of well-known issuers begin with letters of their own; a private key has its
frame; the number of a card its check digit; a header its scheme. What looks like nothing (a bare
32 hexadecimal digits are as likely a trace id) is left to keys and pairs. Every pattern starts
where nothing like it stands before, so that no text is read twice: linear. Pure; any thread.
"""

from __future__ import annotations

import re
from base64 import b64decode
from ipaddress import ip_address

from otelier.marks import mark
from otelier.pattern import pattern

_ESCAPE = r"(?<=%[0-9A-Fa-f]{2})|(?<=\\[nrt])"
"""Behind a blank spelled out, `%20` in a URL or `\\n` in a representation, a word begins."""

_ISSUED = pattern(
    rf"""(?:(?<![A-Za-z0-9])|{_ESCAPE})(?:
      (?P<jwt> eyJ[\w-]{{8,}}+(?:\.[\w-]*+)*+ )
    | (?P<aws> (?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{{12,}}+ )
    | (?P<google> AIza[\w-]{{30,}}+ | ya29\.[\w.-]{{16,}}+ | GOCSPX-[\w-]{{16,}}+ )
    | (?P<stripe> [sr]k_(?:live|test)_\w{{8,}}+ | whsec_[\w+/=]{{12,}}+ )
    | (?P<github> gh[pousr]_\w{{16,}}+ | github_pat_\w{{16,}}+ )
    | (?P<gitlab> gl(?:pat|ptt|dt|rt|cbt|ft|agent|soat|imt|oas)-[\w.-]{{12,}}+ )
    | (?P<slack> xox[abcdeoprs]-[\w-]{{8,}}+ | xapp-\d-[\w-]{{8,}}+
        | hooks\.slack\.com/(?:services|workflows|triggers)/[\w/]++ )
    | (?P<datadog> (?:ddapp|ddapi|ddat|ddpat)_\w{{16,}}+ | pub[0-9a-f]{{32}}(?!\w) )
    | (?P<azure> [A-Za-z0-9+/]{{86}}==(?![\w=]) | \w{{3}}\dQ~[\w.~-]{{28,}}+ )
    | (?P<hash> \$2[abxy]\$\d\d\$[./A-Za-z0-9]{{40,}}+
        | \$argon2\w{{1,2}}\$[^\s'",]{{16,}}+
        | \$[156]\$[^\s'",]{{24,}}+ | pbkdf2_\w{{1,16}}\$\d++\$[^\s'",]{{16,}}+
        | SCRAM-SHA-\d++\$[^\s'",]{{16,}}+ )
    | (?P<webhook> discord(?:app)?\.com/api/(?:v\d++/)?webhooks/\d++/[\w-]++ )
    | (?P<token> (?<!-)sk-[\w-]{{20,}}+ | (?:bot)?\d{{8,10}}:AA[\w-]{{30,}}+
        | AGE-SECRET-KEY-1[A-Z0-9]{{20,}}+ | sq0(?:csp|atp)-[\w-]{{20,}}+
        | npm_\w{{30,}}+ | pypi-[\w-]{{30,}}+
        | SG\.[\w-]{{16,}}+\.[\w-]{{16,}}+
        | hf_\w{{30,}}+ | do[opr]_v1_[0-9a-f]{{32,}}+ | shp(?:at|ss|ca|pa)_[0-9a-f]{{32,}}+
        | hv[sbr]\.[\w-]{{20,}}+ | dapi[0-9a-f]{{32,}}+ | SK[0-9a-f]{{32}}(?!\w)
        | key-[0-9a-f]{{32}}(?!\w) )
    )""",
    re.VERBOSE,
)


def _may_be_issued(text: str) -> bool:
    """Whether a beginning of such a token is there: looks take a tenth of the pattern's time."""
    return (
        "eyJ" in text or "AIza" in text or "xox" in text or "==" in text or "Q~" in text
        or "ACCA" in text or "shp" in text or "dapi" in text or ":AA" in text
        or ("_" in text and ("k_live_" in text or "k_test_" in text or "whsec_" in text
            or "_pat_" in text or "npm_" in text or "hf_" in text or "_v1_" in text))
        or ("-" in text and ("GOCSPX" in text or "xapp-" in text or "sk-" in text
            or "pypi-" in text or "key-" in text or "KEY-" in text or "sq0" in text))
        or ("." in text and ("ya29" in text or "hooks.slack" in text or "SG." in text
            or "discord" in text))
        or ("$" in text and ("$2" in text or "$argon" in text or "$1$" in text or "$5$" in text
            or "$6$" in text or "pbkdf2_" in text or "SCRAM-" in text))
        or ("IA" in text and ("AKIA" in text or "ASIA" in text or "ABIA" in text))
        or ("hv" in text and ("hvs." in text or "hvb." in text or "hvr." in text))
        or ("dd" in text and ("ddap" in text or "ddat" in text or "ddpat" in text))
        or ("gh" in text and _OF_GITHUB.search(text) is not None)
        or ("gl" in text and _OF_GITLAB.search(text) is not None)
        or ("pub" in text and _PUBLIC.search(text) is not None)
        or ("SK" in text and _SID.search(text) is not None)
    )  # fmt: skip


# Two letters of an ordinary word, as well.
_OF_GITHUB, _OF_GITLAB = pattern("gh[pousr]_"), pattern("gl[a-z]{2,5}-")
_PUBLIC, _SID = pattern("pub[0-9a-f]{4}"), pattern("SK[0-9a-f]{4}")
_PRIVATE_KEY = pattern(
    r"-----BEGIN [A-Z0-9 ]{0,40}?PRIVATE KEY(?: BLOCK)?-----"
    r".*?(?:-----END [A-Z0-9 ]{0,40}?PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.DOTALL,
)
_BEARER = pattern(
    rf"(?:\b|{_ESCAPE})(bearer)((?:\s|%20|\+){{1,4}})([^\s'\",;<>)\]}}\\]{{4,}})", re.IGNORECASE
)
_NO_TOKEN = pattern(
    r"(?:tokens?|auth\w*|schemes?|headers?|cred\w*|realm.*|errors?|required|types?|formats?|not"
    r"|missing|was|were|method|challenge|security|access|invalid|expired|from|with|[:=]+|\[masked.*"
    r"|(?:expires|scope|token)\w*=.*"
    r"|REDACTED)[.:!?]*",
    re.IGNORECASE,
)
_BASIC = pattern(
    rf"(?:\b|{_ESCAPE})(basic)((?:\s|%20|\+){{1,4}})([A-Za-z0-9+/_-]{{4,}}={{0,2}})",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"[0-9]" + "[0-9 -]" * 12)
_CARD = pattern(r"(?<![\w.])((?:\d[ -]?){12,18}\d)(?![\w.]*\d)")
_ESCAPED_CARD = pattern(  # takes twice the time
    rf"(?:(?<![\w.])(?:(?<=%)\d\d(?=\d{{12}}))?|{_ESCAPE})((?:\d[ -]?){{12,18}}\d)(?![\w.]*\d)"
)
_CARD_NUMBER = pattern(
    r"4\d{15}|4\d{18}|5[1-5]\d{14}|2[2-7]\d{14}|3[47]\d{13}|6(?:011|5\d\d|4[4-9]\d)\d{12}"
    r"|3(?:0[0-5]|[68]\d)\d{11}|35\d{14}|62\d{14}"
)
_EMAIL = pattern(r"(?<![\w.+%-])[\w.+%-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}")
_IPV4 = pattern(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)")
_IPV6 = pattern(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")


def mask_issued(text: str) -> str:
    """Tokens and keys of known issuers, private keys."""
    if "PRIVATE KEY" in text:
        text = _PRIVATE_KEY.sub(lambda _: mark("private_key"), text)
    if _may_be_issued(text):
        return _ISSUED.sub(lambda found: mark(str(found.lastgroup)), text)
    return text


def mask_schemes(text: str) -> str:
    """`Bearer …` and `Basic …`, but for prose about them."""
    return _BASIC.sub(_basic, _BEARER.sub(_bearer, text))


def _bearer(found: re.Match[str]) -> str:
    if _NO_TOKEN.fullmatch(found[3]):
        return found[0]
    return f"{found[1]}{found[2]}{mark('authorization')}"


def _basic(found: re.Match[str]) -> str:
    """Base64 of `user:password`, or what has a digit and is long: no word of a sentence."""
    value = found[3]
    try:
        is_secret = b":" in b64decode(
            value + "=" * (-len(value) % 4), b"-_" if "_" in value else None
        )
    except ValueError:
        is_secret = False
    if is_secret or (len(value) >= 12 and any(letter.isdigit() for letter in value)):
        return f"{found[1]}{found[2]}{mark('authorization')}"
    return found[0]


has_digits = _DIGITS.search
"""Finds as many together as a card has."""


def mask_cards(text: str) -> str:
    """Numbers of cards: an issuer's first digits, and the check digit."""
    found_as = _ESCAPED_CARD if "%" in text or "\\" in text else _CARD
    return found_as.sub(_card, text)


def _card(found: re.Match[str]) -> str:
    """All of it, or what stands behind the digits of a `%20`."""
    for number in (found[0], found[1]):
        if is_card(number):
            return found[0].removesuffix(number) + mark("card")
    return found[0]


def is_card(text: str) -> bool:
    """By ISO/IEC 7812: prefix, length, Luhn's sum."""
    digits = text.replace(" ", "").replace("-", "")
    if not _CARD_NUMBER.fullmatch(digits):
        return False
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


def mask_emails(text: str) -> str:
    return _EMAIL.sub(lambda _: mark("email"), text) if "@" in text else text


def mask_ips(text: str) -> str:
    return _IPV6.sub(_ip, _IPV4.sub(_ip, text))


def _ip(found: re.Match[str]) -> str:
    try:
        ip_address(found[0])
    except ValueError:
        return found[0]
    return mark("ip")
