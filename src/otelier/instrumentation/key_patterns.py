"""Keys to patterns: `user:123:profile` to `user:?:profile`. Off unless it is switched on.

What can be an id, a token or an address becomes `?`; words stay. A word may still be somebody's
name: at each place only so many different ones are kept, and all others become `?`, so that names
in keys run into the bound soon and the number of patterns stays small in any case. Keys themselves
are not kept. Any thread may call; a lost race keeps one word too many.
"""

from __future__ import annotations

import re
from typing import Any

from otelier.instrumentation.commands import words
from otelier.pattern import pattern

FAN_OUT = 32
"""Different words at one place."""

MOST = 500
"""Words altogether."""

_LONGEST_KEY, _LONGEST_PATTERN, _LONGEST_WORD, _MOST_PARTS = 256, 96, 20, 6

_SEPARATORS = pattern(r"([:/|,;#{}\s]+)")
# Small letters, a capital at most where a word begins: a coded value rarely looks like that.
_WORD = pattern(r"[A-Z]{2,}|[A-Z]?[a-z]+(?:[A-Z][a-z]{2,})*")
_HEX = pattern(r"[A-Fa-f]{8,}")
_VERSION = pattern(r"v\d{1,2}")

# Commands whose first argument is a key.
KEYED = words(
    "APPEND BITCOUNT BITFIELD BITFIELD_RO BITPOS BLMOVE BLPOP BRPOP BRPOPLPUSH BZPOPMAX BZPOPMIN"
    " COPY DECR DECRBY DEL DUMP EXISTS EXPIRE EXPIREAT EXPIRETIME GEOADD GEODIST GEOHASH GEOPOS"
    " GEORADIUS GEORADIUSBYMEMBER GEOSEARCH GEOSEARCHSTORE GET GETBIT GETDEL GETEX GETRANGE GETSET"
    " HDEL HEXISTS HEXPIRE HEXPIREAT HGET HGETALL HGETDEL HGETEX HINCRBY HINCRBYFLOAT HKEYS HLEN"
    " HMGET HMSET HPERSIST HPEXPIRE HPTTL HRANDFIELD HSCAN HSET HSETEX HSETNX HSTRLEN HTTL HVALS"
    " INCR INCRBY INCRBYFLOAT JSON.ARRAPPEND JSON.ARRLEN JSON.ARRPOP JSON.DEL JSON.GET JSON.MERGE"
    " JSON.MGET JSON.NUMINCRBY JSON.OBJKEYS JSON.OBJLEN JSON.SET JSON.STRLEN JSON.TYPE LINDEX"
    " LINSERT LLEN LMOVE LPOP LPOS LPUSH LPUSHX LRANGE LREM LSET LTRIM MGET MOVE MSET MSETNX"
    " PERSIST PEXPIRE PEXPIREAT PEXPIRETIME PFADD PFCOUNT PFMERGE PSETEX PTTL RENAME RENAMENX"
    " RESTORE RPOP RPOPLPUSH RPUSH RPUSHX SADD SCARD SDIFF SDIFFSTORE SET SETBIT SETEX SETNX"
    " SETRANGE SINTER SINTERSTORE SISMEMBER SMEMBERS SMISMEMBER SMOVE SORT SORT_RO SPOP"
    " SRANDMEMBER SREM SSCAN STRLEN SUBSTR SUNION SUNIONSTORE TOUCH TTL TYPE UNLINK WATCH XACK"
    " XADD XAUTOCLAIM XCLAIM XDEL XLEN XPENDING XRANGE XREVRANGE XTRIM ZADD ZCARD ZCOUNT"
    " ZDIFFSTORE ZINCRBY ZINTERSTORE ZLEXCOUNT ZMSCORE ZPOPMAX ZPOPMIN ZRANDMEMBER ZRANGE"
    " ZRANGEBYLEX ZRANGEBYSCORE ZRANGESTORE ZRANK ZREM ZREMRANGEBYLEX ZREMRANGEBYRANK"
    " ZREMRANGEBYSCORE ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE ZREVRANK ZSCAN ZSCORE ZUNIONSTORE"
)


class _Place(dict[str, "_Place"]):
    """The words that have been seen at one place of a key, and what followed them."""


class KeyPatterns:
    """Reduces keys, and remembers which words it has let pass."""

    def __init__(self) -> None:
        self._start = _Place()
        self._words = 0

    def of(self, key: Any) -> str:
        """The pattern of a key: text or bytes, and a number is `?`."""
        text = key[:_LONGEST_KEY].decode("latin-1") if isinstance(key, bytes) else key
        if not isinstance(text, str):
            return "?"
        parts = _SEPARATORS.split(text[:_LONGEST_KEY], maxsplit=_MOST_PARTS)
        place = self._start
        for n in range(0, len(parts), 2):
            if parts[n]:
                is_rest = n == 2 * _MOST_PARTS
                parts[n], place = self._step(place, "" if is_rest else parts[n])
        for n in range(1, len(parts), 2):
            parts[n] = parts[n][:2]
        return "".join(parts)[:_LONGEST_PATTERN]

    def _step(self, place: _Place, part: str) -> tuple[str, _Place]:
        if not _is_plain(part):
            part = "?"
        known = place.get(part)
        if known is not None:
            return part, known
        if part != "?":
            if len(place) >= FAN_OUT or self._words >= MOST:
                return self._step(place, "?")
            self._words += 1
        return part, place.setdefault(part, _Place())


def _is_plain(part: str) -> bool:
    parts = re.split(r"[._-]", part)
    return all(_VERSION.fullmatch(word) or _is_word(word) for word in parts)


def _is_word(word: str) -> bool:
    return bool(len(word) <= _LONGEST_WORD and _WORD.fullmatch(word) and not _HEX.fullmatch(word))
