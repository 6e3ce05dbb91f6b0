"""How faults spoil one frame: bytes in, bytes out, whatever exchange they come from.

What needs JSON is done on its text, token by token, so that the rest stays as the dress wrote it, digit by digit.
"""

from __future__ import annotations

import re
from random import Random
from typing import Final

import msgspec

__all__ = [
    "HUGE", "corrupt_numbers", "garbage", "huge", "is_json", "truncated", "unheard_of", "with_unknown_fields",
]  # fmt: skip

HUGE: Final = 10 * 2**20 + 1
"""Bytes of a frame that is too long."""

_STRING = rb'"(?:[^"\\]|\\.)*"'
_NUMBER = rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
_TOKEN: Final = re.compile(rb"(?P<string>%s)(?P<colon>\s*:)?|(?P<open>\{)(?P<empty>\s*\})?|%s" % (_STRING, _NUMBER))
_FRACTION: Final = re.compile(rb'"?-?\d+\.\d+(?:[eE][-+]?\d+)?"?')
_LETTER: Final = re.compile(rb"[A-Za-z]")
_PAD = b" "


def is_json(payload: bytes) -> bool:
    """Tell whether a frame is JSON; the others are left alone where a fault needs it."""
    try:
        msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def truncated(payload: bytes) -> bytes:
    """Cut a frame in half."""
    return payload[: len(payload) // 2]


def huge(payload: bytes) -> bytes:
    """Fill a frame up, which JSON allows, beyond what any client should take."""
    return payload + _PAD * (HUGE - len(payload))


def garbage(random: Random) -> bytes:
    """Make text that is no JSON."""
    return b"}" + bytes(random.choices(range(32, 127), k=random.randrange(1, 40)))


def with_unknown_fields(payload: bytes) -> bytes:
    """Give each object one more field."""

    def more(token: re.Match[bytes]) -> bytes:
        if not token["open"]:
            return token[0]
        field = b'{"tickwire_new":[{"seen":"never"}]'
        return field + (b"}" if token["empty"] is not None else b",")

    return _TOKEN.sub(more, payload)


def unheard_of(payload: bytes) -> bytes:
    """Make each name a frame mentions one that nobody knows; keys and numbers stay."""

    def renamed(token: re.Match[bytes]) -> bytes:
        is_name = token["string"] and not token["colon"] and _LETTER.search(token["string"])
        return b'"unheard_of_' + token[0][1:] if is_name else token[0]

    return _TOKEN.sub(renamed, payload)


def corrupt_numbers(payload: bytes, number: str) -> bytes:
    """Replace each number that has a fraction, in quotes or not, by a text that says ``number``."""
    text = b'"%s"' % number.encode()

    def spoilt(token: re.Match[bytes]) -> bytes:
        return text if not token["colon"] and _FRACTION.fullmatch(token[0]) else token[0]

    return _TOKEN.sub(spoilt, payload)
