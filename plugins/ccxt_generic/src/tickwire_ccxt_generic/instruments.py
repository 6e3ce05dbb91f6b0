"""ccxt's markets as instruments: read from their fields, never from the text of a symbol.

ccxt's unified symbol is the native one here (``BTC/USDT:USDT``), and the way back goes through the table of
instruments. Ours is the short name where only one market can have it. Where several contracts differ in nothing but
what they settle in, the linear one keeps the short name, before the inverse one, before the quanto; the others carry
their settle currency (``BTC-USD:BTC-PERP``). A name once given stays: a later listing never renames an earlier one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs

from tickwire import (
    Instrument,
    InstrumentStatus,
    InstrumentType,
    OptionType,
    SizeUnit,
    SymbolError,
    SymbolParts,
    format_symbol,
)

__all__ = ["Listing", "assign_symbols", "instrument_of", "parts_of", "read_markets"]

_TYPES = {
    "spot": InstrumentType.SPOT,
    "swap": InstrumentType.PERP,
    "future": InstrumentType.FUTURE,
    "option": InstrumentType.OPTION,
}
_UNSETTLED = (InstrumentType.SPOT, InstrumentType.RFQ)
_RIGHTS = {"call": OptionType.CALL, "put": OptionType.PUT}
_STATUS: Mapping[Any, InstrumentStatus] = {True: InstrumentStatus.OPEN, False: InstrumentStatus.CLOSED}
_ROW_ERRORS = (SymbolError, LookupError, TypeError, ValueError, ArithmeticError, AttributeError)


@attrs.frozen
class Listing:
    """What an exchange's markets came to.

    Attributes:
        instruments: All that could be read, in the order of the markets.
        symbols: Our symbol by ccxt's, of these and of all that were known before: to be kept for the next reading.
        quarantined: Reasons by ccxt's symbol of the markets that are left out.
    """

    instruments: tuple[Instrument, ...]
    symbols: Mapping[str, str]
    quarantined: Mapping[str, str]


def read_markets(
    exchange_id: str,
    markets: Iterable[Mapping[str, Any]],
    known: Mapping[str, str] | None = None,
    *,
    precision: str = "tick_size",
) -> Listing:
    """Read all markets of an exchange; one odd row never breaks the rest.

    Args:
        exchange_id: The exchange's id.
        markets: ccxt's market structures, e.g. ``client.markets.values()``.
        known: Our symbol by ccxt's, as given before.
        precision: What the numbers under ``precision`` are, by ``Capabilities.precision``.
    """
    rows: dict[str, tuple[Mapping[str, Any], SymbolParts]] = {}
    quarantined: dict[str, str] = {}
    for number, market in enumerate(markets):
        native = f"row {number}"
        try:
            native = _text(market, "symbol")
            if native in rows:
                raise SymbolError(f"{native!r} is listed twice", hint="report it to ccxt")
            rows[native] = (market, parts_of(market))
        except _ROW_ERRORS as error:
            quarantined[native] = f"{type(error).__name__}: {error}"
    symbols, twins = assign_symbols((market for market, _ in rows.values()), known or {})
    instruments = []
    for native, (market, parts) in rows.items():
        if native in twins:
            quarantined[native] = f"SymbolError: {twins[native]}"
            continue
        try:
            instruments.append(instrument_of(exchange_id, market, symbols[native], parts, precision=precision))
        except _ROW_ERRORS as error:
            quarantined[native] = f"{type(error).__name__}: {error}"
    return Listing(tuple(instruments), {**(known or {}), **symbols}, quarantined)


def parts_of(market: Mapping[str, Any]) -> SymbolParts:
    """Read what a market is: ``base``, ``quote``, ``settle``, ``type``, ``expiry``, ``strike`` and ``optionType``.

    ``expiry`` is in ms since 1970; its day is that of UTC.

    Raises:
        SymbolError: It is of a kind that has no symbol, or its fields do not belong to its kind.
        LookupError, TypeError, ValueError: A field is missing, or is none.
    """
    kind = _TYPES.get(market["type"])
    if kind is None:
        raise SymbolError(f"ccxt's type {market['type']!r} is no kind of instrument", hint="one of spot, swap, …")
    if kind is InstrumentType.SPOT and market.get("executionModel") == "rfq":
        kind = InstrumentType.RFQ
    has_expiry = kind in (InstrumentType.FUTURE, InstrumentType.OPTION)
    is_option = kind is InstrumentType.OPTION
    parts = SymbolParts(
        _text(market, "base"),
        _text(market, "quote"),
        kind,
        None if kind in _UNSETTLED else _text(market, "settle"),
        datetime.fromtimestamp(market["expiry"] / 1000, UTC).date() if has_expiry else None,
        _number(market["strike"]) if is_option else None,
        _RIGHTS[market["optionType"]] if is_option else None,
    )
    format_symbol(parts)  # its checks
    return parts


def assign_symbols(
    markets: Iterable[Mapping[str, Any]], known: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Give each market a symbol that no other has.

    Args:
        markets: ccxt's market structures; those that ``parts_of`` refuses must not be among them.
        known: Our symbol by ccxt's, as given before; of markets listed no longer too, whose names are not given again.

    Returns:
        Our symbol by ccxt's, and by ccxt's symbol why a market can have none: it differs from another in nothing that
        a symbol says.
    """
    given = {market["symbol"]: (market, parts_of(market)) for market in markets}
    symbols = {native: known[native] for native in given if native in known}
    owners = {symbol: native for native, symbol in known.items()}
    twins: dict[str, str] = {}
    for native in sorted(given.keys() - symbols.keys(), key=lambda native: _rank(*given[native])):
        parts = given[native][1]
        short = format_symbol(attrs.evolve(parts, settle=parts.settle and parts.quote))
        full = format_symbol(parts, with_settle=True)
        name = next((name for name in (short, full) if owners.setdefault(name, native) == native), None)
        if name is None:
            twins[native] = f"{full!r} is the name of {owners[full]!r} already"
        else:
            symbols[native] = name
    return symbols, twins


def instrument_of(
    exchange_id: str,
    market: Mapping[str, Any],
    symbol: str,
    parts: SymbolParts | None = None,
    *,
    precision: str = "tick_size",
) -> Instrument:
    """Make the instrument of a market.

    Sizes are in base units where ccxt's amounts are: of spot, and of linear contracts of one base unit each.

    Args:
        exchange_id: The exchange's id.
        market: ccxt's market structure.
        symbol: Ours, of ``assign_symbols``.
        parts: What ``parts_of`` read, where that is at hand.
        precision: What the numbers under ``precision`` are. Ticks and lots are unknown of ``significant_digits``.

    Raises:
        SymbolError: A contract does not say how much it is of.
        LookupError, TypeError, ValueError, ArithmeticError: A field is missing, or is none.
    """
    parts = parts or parts_of(market)
    is_contract = parts.type not in _UNSETTLED
    contract_size = Decimal(1)
    if is_contract:
        if not market.get("contractSize"):
            raise SymbolError("ccxt does not know its contract size", hint="sizes would mean nothing")
        contract_size = _number(market["contractSize"])
    is_linear = is_contract and market.get("linear") is True
    in_base = not is_contract or (is_linear and contract_size == 1)
    steps = market.get("precision") or {}
    return Instrument(
        exchange_id,
        symbol,
        market["symbol"],
        parts.base,
        parts.quote,
        parts.type,
        parts.settle,
        parts.expiry,
        parts.strike,
        parts.option_type,
        tick_size=_step(steps.get("price"), precision),
        lot_size=_step(steps.get("amount"), precision),
        size_unit=SizeUnit.BASE if in_base else SizeUnit.CONTRACTS,
        contract_size=contract_size,
        is_inverse=is_contract and market.get("inverse") is True,
        status=_STATUS.get(market.get("active"), InstrumentStatus.UNKNOWN),
    )


# linear, inverse, quanto; then what settles in the quote; then what ccxt spells by base and quote alone, of two that
# are alike; then by name, so that no order of rows matters
def _rank(market: Mapping[str, Any], parts: SymbolParts) -> tuple[int, bool, bool, str]:
    native: str = market["symbol"]
    kind = 0 if market.get("linear") is True else 1 if market.get("inverse") is True else 2
    is_odd = native.partition(":")[0] != f"{parts.base}/{parts.quote}"
    return kind, parts.settle != parts.quote, is_odd, native


def _step(value: Any, precision: str) -> Decimal | None:
    if value is None or precision == "significant_digits":
        return None
    step = Decimal(1).scaleb(-int(value)) if precision == "decimal_places" else _number(value)
    return step if step.is_finite() and step > 0 else None


def _number(value: Any) -> Decimal:
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    if not number.is_finite():
        raise ValueError(f"{value!r} is no number")
    return number


def _text(market: Mapping[str, Any], field: str) -> str:
    value = market[field]
    if not isinstance(value, str) or not value:
        raise SymbolError(f"{field} is {value!r}", hint="a text is needed")
    return value
