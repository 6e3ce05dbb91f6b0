"""Topics of records: a template with ``{exchange}``, ``{channel}``, ``{symbol}``, ``{type}``, filled for one broker.

Brokers give some characters a meaning; in a filled-in word these are percent-encoded, and ``%`` itself, so that
``urllib.parse.unquote`` of the word is the symbol again. What has no symbol (a connection's quality events, balances)
has ``_`` in its place, which is no symbol.
"""

from __future__ import annotations

import re
from string import Formatter

from tickwire import ConfigError, Event, Record, channel_of

__all__ = ["NO_SYMBOL", "Topics"]

NO_SYMBOL = "_"
"""Stands for the symbol of an event that has none."""

_WORDS = ("exchange", "channel", "symbol", "type")
_REMEMBERED = 100_000


class Topics:
    """Makes the topic of each record from a template; the last hundred thousand are remembered."""

    def __init__(self, template: str, *, reserved: str = "", forbidden: str = "", option: str = "topic") -> None:
        """Take over a template.

        Args:
            template: E.g. ``tickwire.{exchange}.{channel}.{symbol}``.
            reserved: Characters that are percent-encoded in what is filled in; with any, ``%`` is too.
            forbidden: Characters that the template itself may not have.
            option: Name of the setting, for messages.

        Raises:
            ConfigError: The template names something else, or has a character that the broker does not allow.
        """
        _check(template, forbidden, option)
        self._template = template
        self._reserved = re.compile(f"[%{re.escape(reserved)}]") if reserved else None
        self._known: dict[tuple[str, str | None, type], str] = {}

    def of(self, record: Record) -> str:
        """Give the topic of a record."""
        event = record.event
        # the channel follows from the type
        name = (event.exchange, event.symbol, type(event))
        topic = self._known.get(name)
        if topic is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            topic = self._known[name] = self._filled(event)
        return topic

    def pattern(self, separator: str, wildcard: str) -> str:
        """Give what matches every topic: each word between separators that holds a name is a wildcard."""
        words = self._template.split(separator)
        return separator.join(wildcard if "{" in word else word for word in words)

    def _filled(self, event: Event) -> str:
        words = {
            "exchange": event.exchange,
            "channel": str(channel_of(event)),
            "symbol": NO_SYMBOL if event.symbol is None else event.symbol,
            "type": str(event.__struct_config__.tag),
        }
        return self._template.format_map({name: self._escaped(word) for name, word in words.items()})

    def _escaped(self, word: str) -> str:
        return self._reserved.sub(_encoded, word) if self._reserved else word


def _encoded(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode())


def _check(template: str, forbidden: str, option: str) -> None:
    hint = f"use {', '.join(f'{{{word}}}' for word in _WORDS)}"
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise ConfigError(f"{option} {template!r} is no template: {error}", hint=hint) from error
    for literal, word, spec, conversion in parts:
        if word is not None and (word not in _WORDS or spec or conversion):
            raise ConfigError(f"{option} {template!r} names {{{word}}}, which no event has", hint=hint)
        wrong = sorted(set(literal) & set(forbidden))
        if wrong:
            raise ConfigError(
                f"{option} {template!r} has {wrong[0]!r}, which is not allowed there", hint="leave it out"
            )
    if not template:
        raise ConfigError(f"{option} is empty", hint=hint)
