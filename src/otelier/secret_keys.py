"""Which keys name a secret: of attributes, headers, fields of a body, variables. Pure; any thread.

A key is taken apart into words, at `_`, `-`, dots, blanks and capitals. One word may make it
secret (`db_password`, `X-Api-Key`, `clientSecret`); another says that it is only about a secret
(`token_count`, `password_changed_at`). What `mask` is told of a key is its kind, the word in the
mark that its value leaves behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

from otelier.pattern import pattern

SIGNATURE = "signature"
"""Of a request, a link or a hook; one of a function is called the same."""


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Kinds by a part of a word, with what it must not be part of.
_PARTS = (
    ("passw", "password", "passwordless"),
    ("passphrase", "password", ""),
    ("passcode", "password", ""),
    ("passwd", "password", ""),
    ("pwd", "password", ""),
    ("secret", "secret", "secretar"),
    ("token", "token", "tokeni"),
    ("apikey", "key", ""),
    ("credential", "credential", ""),
    ("authoriz", "authorization", "authorize"),
    ("authoris", "authorization", "authorise"),
    ("cookie", "cookie", ""),
    ("sessid", "session", ""),
    ("sessionid", "session", ""),
)
_WORDS = {
    **dict.fromkeys(("pass", "pword", "pw", "dbpass", "userpass", "smtppass"), "password"),
    **{
        f"{whose}{word}": "password"
        for whose in (
            "admin",
            "db",
            "ftp",
            "ldap",
            "mail",
            "my",
            "mysql",
            "pg",
            "redis",
            "root",
            "sudo",
        )
        for word in ("pass", "pw")
    },
    **dict.fromkeys(("session", "sessions", "sessionkey", "sid"), "session"),
    **dict.fromkeys(("card", "creditcard", "debitcard", "cardnumber", "cardno", "ccn"), "card"),
    **dict.fromkeys(("cvv", "cvv2", "cvc", "cvc2"), "card"),
    **dict.fromkeys(("ssn", "socialsecurity"), "ssn"),
    **dict.fromkeys(("jwt", "otp", "totp", "hotp", "bearer", "xsrf", "csrf"), "token"),
    **dict.fromkeys(("accesskey", "accountkey", "privatekey", "secretkey", "encryptionkey"), "key"),
    **dict.fromkeys(("signingkey", "masterkey", "sshkey", "sharedaccesskey", "appkey"), "key"),
    **dict.fromkeys(("authkey", "privkey"), "key"),
    **dict.fromkeys(("signature", "sig"), SIGNATURE),
    "pin": "pin",
    "creds": "credential",
    "auth": "authorization",
    "sharedaccesssignature": "key",
}
_BEFORE_KEY = words(
    "api access account private secret encryption signing master shared service auth app "
    "ssh hmac application license webhook subscription storage aes rsa deploy client fernet tls "
    "aws azure google github stripe twilio sendgrid mailgun openai anthropic datadog sentry"
)
# `mfa_code`, `backup codes`; of a code alone it is not known what it is.
_BEFORE_CODE = words(
    "mfa 2fa fa otp totp verification time onetime backup recovery security auth sms factor reset "
    "access authentication activation login signin magic"
)
# Two words that are secret together: of OAuth's flows and of SAML.
_PAIRS = {
    "code verifier": "token",
    "client assertion": "token",
    "security answer": "password",
    "secret answer": "password",
    "saml response": "token",
    "saml assertion": "token",
    "saml request": "token",
}
# The word behind or before which says that the value is about a secret and none itself.
_ABOUT_BEHIND = words(
    "count counts length len size limit limits max min total used usage type types kind "
    "name names at on expiry expires expiration expired exp ttl age lifetime valid invalid "
    "enabled disabled required policy strength changed created updated issued duration "
    "timeout seconds minutes ms status state version format algorithm alg scheme provider "
    "url uri endpoint path field fields rounds attempts retries index position brand last4 "
    "bin arn class factory maker manager pool store backend middleware samesite secure "
    "httponly domain rate ratio per budget cost present exists reset method methods mode "
    "error errors event events failure success details started ended title date country "
    "secretsmanager"
)
_ABOUT_BEFORE = words(
    "max min num n count total is has had needs requires require use uses should can allow "
    "remaining no without number of missing"
)
_ENDS_AUTH: tuple[list[str], ...] = ([], ["header"], ["headers"], ["value"])
_IDS = frozenset(("session.id", "session.previous_id"))
_COUNTED = frozenset(("tokens", "sessions", "cards", "cookies", "secrets", "passwords"))

_BETWEEN = pattern(r"[\W_]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_LONGEST = 128


def kind_of_key(key: str) -> str | None:
    """The kind of secret that a key names, None for an ordinary one."""
    # Of a long one the end: the parts before it are where it stands.
    return _kind_of(key if len(key) <= _LONGEST else key[-_LONGEST:])


@lru_cache(maxsize=4096)
def _kind_of(key: str) -> str | None:
    if key in _IDS:
        return None
    words = [word.lower() for word in _BETWEEN.split(key) if word]
    if not words or words[-1] in _ABOUT_BEHIND:
        return None
    kinds = [kind for at, word in enumerate(words) if (kind := _kind(words, at, word))]
    if not kinds or (len(words) > 1 and words[0] in _ABOUT_BEFORE):
        return None
    return kinds[-1]


def _kind(words: list[str], at: int, word: str) -> str | None:
    if word in ("key", "keys") and at and words[at - 1] in _BEFORE_KEY:
        return "key"
    before = words[at - 1] if at else ""
    if word in ("code", "codes") and before in _BEFORE_CODE:
        return "code"
    if word == "security" and before == "social":
        return "ssn"
    if (pair := f"{before} {word}") in _PAIRS:
        return _PAIRS[pair]
    if word in _WORDS:
        return _WORDS[word] if word != "auth" or words[at + 1 :] in _ENDS_AUTH else None
    for part, kind, ordinary in _PARTS:
        if part in word and not (ordinary and ordinary in word):
            return kind
    return None


_MOST_ITEMS = 10_000


def kinds_of_items(items: Sequence[Any], within: bool) -> dict[int, str]:
    """Of a list, by their places, the items that have their key before them: options of a command
    line, and pairs such as headers as they came.

    within: whether the list lies in another value: ["token", "key"] alone may be a list of names.
    """
    found: dict[int, str] = {}
    if isinstance(items, (list, tuple)) and len(items) > 1:
        is_pair = within and len(items) == 2
        for at, (key, item) in enumerate(pairwise(items[:_MOST_ITEMS]), 1):
            if is_pair or (isinstance(key, (str, bytes)) and key[:1] in ("-", b"-")):
                kind = kind_of_key(_name(key)) if _is_value(item) else None
                if kind:
                    found[at] = kind
    return found


def _name(key: Any) -> str:
    return key[:_LONGEST].decode("latin-1") if isinstance(key, bytes) else str(key)[:_LONGEST]


def _is_value(item: Any) -> bool:
    return isinstance(item, (str, bytes)) and item[:1] not in ("-", b"-", "", b"")


_NUMBER = pattern(r"[\d.]{1,9}(?: [a-z]{2,16}){0,4}")
_OF_A_REQUEST = pattern(r"[^\s()]{8,}")


_CLOCK = pattern(r"\d{1,2}:\d\d(?:[:.]\d\d){0,2}")


def is_harmless(kind: str | None, value: object) -> bool:
    """Whether a signature is one of a function, or the name of a signal; whether a code is a time
    in a film."""
    if kind == "code":
        return _CLOCK.fullmatch(str(value)[:16]) is not None
    if kind != SIGNATURE:
        return False
    text = str(value)[:1024]
    return not (_OF_A_REQUEST.fullmatch(text) and any(letter.isdigit() for letter in text))


def is_count(key: str, value: object) -> bool:
    """Whether it says how many there are: `tokens=512`, `cookies: 3 blocked`."""
    words = [word.lower() for word in _BETWEEN.split(key[-_LONGEST:]) if word]
    if _COUNTED.isdisjoint(words[-2:]):
        return False
    if isinstance(value, str):
        return _NUMBER.fullmatch(value) is not None
    return isinstance(value, (int, float))
