"""Prices and sizes: ``float`` by the checked 15-digit rule, or ``Decimal`` where the user asked for it.

A decimal text of at most 15 significant digits survives text -> ``float`` -> ``repr`` exactly (IEEE 754), so nothing
is lost by converting once; see design.md, "Numbers are ``float`` and exact".
"""

from __future__ import annotations

from decimal import Decimal

from typing_extensions import TypeVar

__all__ = ["N", "exact", "number_text"]

N = TypeVar("N", float, Decimal, default=float)


def exact(number: float | Decimal) -> Decimal:
    """Turn a price, size or rate into the decimal number the exchange wrote.

    Args:
        number: A finite ``float`` made from a text of at most 15 significant digits, or a ``Decimal``.

    Returns:
        The shortest decimal that reads back as ``number``; a ``Decimal`` unchanged.
    """
    return number if isinstance(number, Decimal) else Decimal(repr(number))


def number_text(number: float | Decimal) -> str:
    """Write a number as the shortest text that reads back equal, never with an exponent, always with a point.

    ``1.23e-07`` is ``"0.000000123"``, ``100.0`` and ``Decimal("100.00")`` are both ``"100.0"``.
    """
    if isinstance(number, Decimal):
        text = format(number, "f")
        if "." not in text:
            return f"{text}.0"
        text = text.rstrip("0")
        return f"{text}0" if text.endswith(".") else text
    text = repr(number)
    if "e" not in text:
        return text
    return number_text(Decimal(text))
