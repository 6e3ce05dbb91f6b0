"""Do one instrument's numbers survive as floats? At most 15 significant digits do; what has more is announced, once.

With ``d`` decimals that is one comparison: ``value < 10 ** (15 - d)``, and neither nan nor infinity passes it. How many
decimals there are is the instrument's tick and lot. Where these are unknown each value is judged by its own digits:
slower, and the only way to see that ``0.12345678901234568`` was longer on the wire.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal
from functools import cache
from operator import attrgetter
from typing import Any, TypeAlias, get_args, get_type_hints

import attrs

from tickwire.model.account import AccountEvent
from tickwire.model.errors import DecodeError
from tickwire.model.events import Levels, MarketEvent
from tickwire.model.instruments import Instrument
from tickwire.model.numbers import N, number_text

__all__ = ["ExactnessCheck", "Inexactness", "number_fields"]

_DIGITS = 15
_INFINITE = Decimal("Infinity")
_PRICES = frozenset({"price", "bid_price", "ask_price"})
_SIZES = frozenset({"size", "bid_size", "ask_size"})

Limits: TypeAlias = tuple[float | Decimal, float | Decimal, float | Decimal]
Values: TypeAlias = Iterable[tuple[str, float | Decimal | None]]


@attrs.frozen
class Inexactness:
    """A value that is not what was on the wire: its field, how many digits it had at least, and itself in digits."""

    field: str
    digits: int
    sample: str


class ExactnessCheck:
    """Checks one subscription's numbers.

    Attributes:
        limits: A price between the first two and a size below the third need no further look.
    """

    def __init__(self, instrument: Instrument | None, numbers: type) -> None:
        """Know the bounds of an instrument; decimals are exact, so only nan and infinity are looked for there."""
        self.limits: Limits = (-_INFINITE, _INFINITE, _INFINITE)
        self._decimals: dict[str, int | None] = {}
        self._is_exact = numbers is Decimal
        self._told: set[str] = set()
        if numbers is Decimal:
            return
        if instrument is not None:
            self._decimals = dict.fromkeys(_PRICES, instrument.price_decimals)
            self._decimals |= dict.fromkeys(_SIZES, instrument.size_decimals)
        self._set_limits()

    def _set_limits(self) -> None:
        price = self._bound("price")
        self.limits = (-price, price, self._bound("size"))

    def _bound(self, field: str) -> float:
        if field in self._told:
            return math.inf  # what was told once is not looked for again
        # an unknown number of decimals: nothing is below, so every value is looked at
        decimals = self._decimals.get(field)
        return -math.inf if decimals is None else float(f"1e{_DIGITS - decimals}")

    def passes_levels(self, levels: Levels[Any]) -> bool:
        """Tell whether all prices and sizes need no further look."""
        low, high, most = self.limits
        return all(low < price < high and size < most for price, size in levels)

    def look(self, values: Values) -> list[Inexactness]:
        """Look at values one by one.

        Returns:
            What must be announced: at most one for each field, and none that was returned before.

        Raises:
            DecodeError: One is nan or infinite: no market has that.
        """
        found: list[Inexactness] = []
        for field, value in values:
            if value is None:
                continue
            if not math.isfinite(value):
                raise DecodeError(f"{field} is {value}")
            if self._is_exact or field in self._told:
                continue
            digits = self._digits(field, value)
            if digits > _DIGITS:
                self._told.add(field)
                found.append(Inexactness(field, digits, number_text(value)))
        if found:
            self._set_limits()
        return found

    def look_at_levels(self, *sides: Levels[Any]) -> list[Inexactness]:
        """Look at every price and size of a book's levels; as ``look``."""
        return self.look(one for side in sides for price, size in side for one in (("price", price), ("size", size)))

    def look_at(self, event: MarketEvent | AccountEvent) -> list[Inexactness]:
        """Look at every number of an event that is no book; as ``look``."""
        fields = number_fields(type(event))
        return self.look(zip(fields, attrgetter("exchange", *fields)(event)[1:], strict=True))

    def _digits(self, field: str, value: float | Decimal) -> int:
        decimals = self._decimals.get(field)
        if decimals is None:
            if len(repr(value)) <= _DIGITS + 1:  # 15 digits and a point
                return 0
            return len(Decimal(repr(value)).normalize().as_tuple().digits)
        return Decimal(repr(value)).adjusted() + 1 + decimals if value else 0


@cache
def number_fields(kind: type) -> tuple[str, ...]:
    """Name the fields of an event class that hold one number of the feed's number type."""
    hints = get_type_hints(kind)
    return tuple(name for name, hint in hints.items() if hint is N or N in get_args(hint))
