"""The symbol grammar, both ways; texts are parsed from the right.

==============================  =================================================
``SOL-USDC``                    spot
``BTC-USDT-PERP``               perpetual
``BTC-USD-20261226``            dated future
``BTC-USD-20261226-100000-C``   option: strike, then ``C`` or ``P``
``X-USDC-PREDICTION``           prediction market
``X-USDC-RFQ``                  request for quote
``BTC-USD:BTC-PERP``            a settle currency that is not the quote
==============================  =================================================

Letters, digits, ``.`` and ``_`` stand for themselves, in either case; any other character of a base, quote or settle
is percent-encoded (``FLX-CRCL`` is ``FLX%2DCRCL``), so a symbol is safe in a path, a shell glob and YAML.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from enum import StrEnum, auto
from urllib.parse import unquote

import attrs

from tickwire.model.errors import SymbolError

__all__ = ["InstrumentType", "OptionType", "SymbolParts", "format_symbol", "parse_symbol"]


class InstrumentType(StrEnum):
    """Kinds of instrument."""

    SPOT = auto()
    PERP = auto()
    FUTURE = auto()
    OPTION = auto()
    PREDICTION = auto()
    RFQ = auto()


class OptionType(StrEnum):
    """Right to buy or right to sell."""

    CALL = "C"
    PUT = "P"


@attrs.frozen
class SymbolParts:
    """What a symbol says.

    Attributes:
        settle: ``None`` for spot, prediction and RFQ; else what profit is paid in.
        expiry: Of futures and options.
        strike: Of options, in quote currency.
    """

    base: str
    quote: str
    type: InstrumentType = InstrumentType.SPOT
    settle: str | None = None
    expiry: date | None = None
    strike: Decimal | None = None
    option_type: OptionType | None = None


_HINT = "write BASE-QUOTE, BASE-QUOTE-PERP, BASE-QUOTE-20261226 or BASE-QUOTE-20261226-100000-C"
_WORDS = {"PERP": InstrumentType.PERP, "PREDICTION": InstrumentType.PREDICTION, "RFQ": InstrumentType.RFQ}
_SUFFIX = {type: word for word, type in _WORDS.items()}
_SETTLED = {InstrumentType.PERP, InstrumentType.FUTURE, InstrumentType.OPTION}
_EXPIRY = re.compile(r"\d{8}", re.ASCII)
_STRIKE = re.compile(r"(?:0|[1-9]\d*)(?:\.\d*[1-9])?", re.ASCII)


def format_symbol(parts: SymbolParts, *, with_settle: bool = False) -> str:
    """Write a symbol.

    Args:
        parts: What it is to say.
        with_settle: Write what profit is paid in though it be the quote, ``BTC-USDT:USDT-PERP``: users may, and
            ``Instruments.canonical`` reads it. It is not the symbol's canonical form.

    Raises:
        SymbolError: A part is empty, or the parts do not belong to the type.
    """
    _check(parts)
    quote = _escape(parts.quote)
    if parts.settle is not None and (with_settle or parts.settle != parts.quote):
        quote = f"{quote}:{_escape(parts.settle)}"
    words = [_escape(parts.base), quote]
    if parts.type in _SUFFIX:
        words.append(_SUFFIX[parts.type])
    if parts.expiry is not None:
        words.append(f"{parts.expiry.year:04}{parts.expiry.month:02}{parts.expiry.day:02}")
    if parts.strike is not None and parts.option_type is not None:
        words += [_strike_text(parts.strike), parts.option_type.value]
    return "-".join(words)


def parse_symbol(symbol: str) -> SymbolParts:
    """Read a symbol; ``format_symbol`` gives the same text back.

    Raises:
        SymbolError: It is not a symbol in its one canonical form.
    """
    words = symbol.split("-")
    head, tail = words[:2], words[2:]
    if len(head) < 2:
        raise SymbolError(f"{symbol!r} is not a symbol", hint=_HINT)
    type, expiry, strike, option_type = _tail(symbol, tail)
    quote, colon, settle = head[1].partition(":")
    settled = _unescape(settle if colon else quote) if type in _SETTLED else None
    parts = SymbolParts(_unescape(head[0]), _unescape(quote), type, settled, expiry, strike, option_type)
    if format_symbol(parts) != symbol:
        raise SymbolError(f"{symbol!r} is not in canonical form", hint=f"write {format_symbol(parts)}")
    return parts


def _tail(symbol: str, words: list[str]) -> tuple[InstrumentType, date | None, Decimal | None, OptionType | None]:
    match words:
        case []:
            return InstrumentType.SPOT, None, None, None
        case [word] if word in _WORDS:
            return _WORDS[word], None, None, None
        case [day] if _EXPIRY.fullmatch(day):
            return InstrumentType.FUTURE, _date(symbol, day), None, None
        case [day, strike, ("C" | "P") as right] if _EXPIRY.fullmatch(day) and _STRIKE.fullmatch(strike):
            return InstrumentType.OPTION, _date(symbol, day), Decimal(strike), OptionType(right)
    raise SymbolError(f"{symbol!r} ends in {'-'.join(words)!r}, which is no kind of instrument", hint=_HINT)


def _date(symbol: str, day: str) -> date:
    try:
        return date(int(day[:4]), int(day[4:6]), int(day[6:]))
    except ValueError:
        raise SymbolError(f"{symbol!r}: {day} is not a day", hint="expiries are YYYYMMDD, UTC") from None


def _check(parts: SymbolParts) -> None:
    is_option = parts.type is InstrumentType.OPTION
    fits = (
        parts.base
        and parts.quote
        and (parts.settle is not None) == (parts.type in _SETTLED)
        and parts.settle != ""
        and (parts.expiry is not None) == (is_option or parts.type is InstrumentType.FUTURE)
        and (parts.strike is not None) == is_option == (parts.option_type is not None)
    )
    if not fits:
        raise SymbolError(f"{parts} does not describe a {parts.type}", hint="see tickwire.SymbolParts")
    if parts.strike is not None and not (parts.strike.is_finite() and parts.strike >= 0):
        raise SymbolError(f"a strike of {parts.strike} is not a price", hint="strikes are finite and not negative")


def _escape(text: str) -> str:
    return "".join(char if char.isalnum() or char in "._" else _percent(char) for char in text)


def _percent(char: str) -> str:
    try:
        return "".join(f"%{byte:02X}" for byte in char.encode())
    except UnicodeEncodeError:
        raise SymbolError(f"{char!r} is half a character", hint="symbols are text that UTF-8 can write") from None


def _unescape(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise SymbolError(f"{text!r} is not percent-encoded UTF-8", hint="encode with tickwire.format_symbol") from None


def _strike_text(strike: Decimal) -> str:
    text = format(strike.copy_abs(), "f")  # of a negative zero
    return text.rstrip("0").rstrip(".") if "." in text else text
