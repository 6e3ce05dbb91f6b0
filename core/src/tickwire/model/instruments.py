"""What is traded: an instrument with its tick, lot and unit, and the live view of all instruments of one exchange."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from enum import StrEnum, auto
from functools import lru_cache

import attrs

from tickwire.model.errors import SymbolError, UnknownNativeError
from tickwire.model.numbers import exact
from tickwire.model.symbols import InstrumentType, OptionType, SymbolParts, format_symbol

__all__ = ["Instrument", "InstrumentStatus", "Instruments", "SizeUnit"]


class SizeUnit(StrEnum):
    """What an instrument's sizes count."""

    BASE = auto()
    CONTRACTS = auto()
    QUOTE = auto()


class InstrumentStatus(StrEnum):
    """Whether orders can match. ``RESTRICTED``: some order kinds only (post-only, cancel-only); it still has a book."""

    OPEN = auto()
    RESTRICTED = auto()
    CLOSED = auto()
    UNKNOWN = auto()


@lru_cache(maxsize=4096)
def _decimals(step: Decimal | None) -> int | None:
    if step is None:
        return None
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else None


@attrs.frozen(cache_hash=True)
class Instrument:
    """One tradable thing on one exchange.

    Attributes:
        exchange: The exchange's id.
        symbol: Our spelling, e.g. ``BTC-USDC-PERP``.
        native: The exchange's spelling, verbatim.
        base: What is bought.
        quote: What prices are in.
        type: Kind of instrument.
        settle: What profit is paid in; ``None`` for spot.
        expiry: Last day, UTC; ``None`` where there is none.
        strike: Of an option, in quote currency.
        option_type: Call or put.
        tick_size: Price increment in quote currency; ``None`` unknown.
        lot_size: Size increment in ``size_unit``; ``None`` unknown.
        size_unit: What every size of this instrument counts. Never converted.
        contract_size: Base (or quote, where inverse) units in one contract.
        is_inverse: Contracts are worth a fixed amount of *quote* and settle in base.
        status: Whether it trades.
        native_key: Key in ``Instruments.native`` where one native symbol names two instruments
            (``linear:BTCUSDT``); ``None``: the native symbol itself.
    """

    exchange: str
    symbol: str
    native: str
    base: str
    quote: str
    type: InstrumentType = InstrumentType.SPOT
    settle: str | None = None
    expiry: date | None = None
    strike: Decimal | None = None
    option_type: OptionType | None = None
    tick_size: Decimal | None = None
    lot_size: Decimal | None = None
    size_unit: SizeUnit = SizeUnit.BASE
    contract_size: Decimal = Decimal(1)
    is_inverse: bool = False
    status: InstrumentStatus = InstrumentStatus.OPEN
    native_key: str | None = None

    @property
    def price_decimals(self) -> int | None:
        """Decimals of the tick size; ``None`` where that is unknown."""
        return _decimals(self.tick_size)

    @property
    def size_decimals(self) -> int | None:
        """Decimals of the lot size; ``None`` where that is unknown."""
        return _decimals(self.lot_size)

    def __attrs_post_init__(self) -> None:
        for name, step in (("tick_size", self.tick_size), ("lot_size", self.lot_size)):
            if step is not None and not (step.is_finite() and step > 0):
                raise SymbolError(f"{self.native!r}: {name} is {step}", hint="a step is a positive number, or None")

    @classmethod
    def of(
        cls,
        exchange: str,
        native: str,
        parts: SymbolParts,
        *,
        tick_size: Decimal | None = None,
        lot_size: Decimal | None = None,
        size_unit: SizeUnit = SizeUnit.BASE,
        contract_size: Decimal = Decimal(1),
        is_inverse: bool = False,
        status: InstrumentStatus = InstrumentStatus.OPEN,
        native_key: str | None = None,
    ) -> Instrument:
        """Make an instrument from the parts of its symbol; the symbol is written by the grammar."""
        return cls(
            exchange, format_symbol(parts), native, parts.base, parts.quote, parts.type,
            parts.settle, parts.expiry, parts.strike, parts.option_type,
            tick_size, lot_size, size_unit, contract_size, is_inverse, status, native_key,
        )  # fmt: skip

    def price_text(self, price: float | Decimal) -> str:
        """Write a price with as many decimals as ``tick_size`` has; checksums and orders want exactly that."""
        return f"{exact(price):f}" if self.price_decimals is None else f"{price:.{self.price_decimals}f}"

    def size_text(self, size: float | Decimal) -> str:
        """Write a size with as many decimals as ``lot_size`` has."""
        return f"{exact(size):f}" if self.size_decimals is None else f"{size:.{self.size_decimals}f}"

    def base_size(self, size: float | Decimal, price: float | Decimal) -> Decimal:
        """Convert a size into base units at a price."""
        if self.size_unit is SizeUnit.BASE:
            return exact(size)
        if self.size_unit is SizeUnit.QUOTE:
            return exact(size) / exact(price)
        units = exact(size) * self.contract_size
        return units / exact(price) if self.is_inverse else units

    def notional(self, size: float | Decimal, price: float | Decimal) -> Decimal:
        """Convert a size into quote currency at a price."""
        if self.size_unit is SizeUnit.QUOTE:
            return exact(size)
        units = exact(size) * (self.contract_size if self.size_unit is SizeUnit.CONTRACTS else 1)
        return units if self.is_inverse and self.size_unit is SizeUnit.CONTRACTS else units * exact(price)


def _with_settle(one: Instrument) -> str:
    parts = SymbolParts(one.base, one.quote, one.type, one.settle, one.expiry, one.strike, one.option_type)
    return format_symbol(parts, with_settle=True)


class _Natives(dict[str, Instrument]):
    def __missing__(self, native: str) -> Instrument:
        raise UnknownNativeError(f"no instrument is loaded under the native symbol {native!r}")


class Instruments:
    """All instruments of one exchange, live: a refresh changes this object, so routers may hold it.

    Attributes:
        native: By the exchange's spelling (or ``native_key``); a miss raises ``UnknownNativeError``.
        symbols: By our spelling.
    """

    def __init__(self, instruments: Iterable[Instrument] = ()) -> None:
        self.native: dict[str, Instrument] = _Natives()
        self.symbols: dict[str, Instrument] = {}
        self.replace(instruments)

    def replace(self, instruments: Iterable[Instrument]) -> None:
        """Take over a freshly loaded set, in place.

        Raises:
            SymbolError: Two instruments share a symbol or a native key; nothing was changed.
        """
        native: dict[str, Instrument] = {}
        symbols: dict[str, Instrument] = {}
        for instrument in instruments:
            key = instrument.native_key or instrument.native
            if (twin := symbols.get(instrument.symbol)) is not None:
                raise SymbolError(
                    f"{instrument.exchange}: {instrument.native!r} and {twin.native!r} are both {twin.symbol!r}",
                    hint="give them different symbols",
                )
            if (twin := native.get(key)) is not None:
                raise SymbolError(
                    f"{instrument.exchange}: {instrument.symbol!r} and {twin.symbol!r} are both native {key!r}",
                    hint="give each a native_key",
                )
            native[key] = symbols[instrument.symbol] = instrument
        for held, fresh in ((self.native, native), (self.symbols, symbols)):
            held.clear()
            held.update(fresh)

    def canonical(self, symbol: str) -> str:
        """Give our spelling of a contract that a user named with its settle currency, ``BTC-USDT:USDT-PERP``.

        Any other text comes back as it is, listed or not.
        """
        if symbol in self.symbols or ":" not in symbol:
            return symbol
        return next((one.symbol for one in self if one.settle is not None and _with_settle(one) == symbol), symbol)

    def closed(self) -> frozenset[str]:
        """Give our symbols of those that do not trade now."""
        return frozenset(symbol for symbol, one in self.symbols.items() if one.status is InstrumentStatus.CLOSED)

    def __iter__(self) -> Iterator[Instrument]:
        return iter(self.symbols.values())

    def __len__(self) -> int:
        return len(self.symbols)
