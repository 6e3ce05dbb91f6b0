"""Sums of prices and sizes in decimals: no digits appear that the numbers lack, and their order does not matter."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Context, Decimal
from functools import lru_cache
from typing import Any

from tickwire.model.errors import SymbolError
from tickwire.model.numbers import exact
from tickwire.model.symbols import InstrumentType, parse_symbol

__all__ = ["added", "as_number", "is_spot", "product", "total_of", "with_product"]

_EXACT = Context(prec=60)  # a price times a size has some 30 digits; a year of trades adds ten

added = _EXACT.add
"""Add a decimal to a total."""

with_product = _EXACT.fma
"""Multiply the first two decimals and add the third."""


def total_of(numbers: Iterable[Any]) -> Decimal:
    """Add up."""
    total = Decimal(0)
    for number in numbers:
        total = added(total, exact(number))
    return total


def product(price: Any, size: Any) -> Decimal:
    """Multiply."""
    return _EXACT.multiply(exact(price), exact(size))


def as_number(like: Any, value: Decimal) -> Any:
    """Give a value in the number type of the events that it was made of."""
    return value if isinstance(like, Decimal) else float(value)


@lru_cache(maxsize=4096)
def is_spot(symbol: str) -> bool:
    """Tell by the symbol whether price times size is quote currency: of contracts only the instrument could tell."""
    try:
        return parse_symbol(symbol).type is InstrumentType.SPOT
    except SymbolError:
        return False
