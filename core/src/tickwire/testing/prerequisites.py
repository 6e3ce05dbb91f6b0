"""What must hold of one file before a check of another means anything: where it does not, that file is named."""

from __future__ import annotations

from collections.abc import Iterable

from tickwire import Instrument, Instruments
from tickwire.simulation import Abilities, Dress
from tickwire.testing.verdicts import verify

__all__ = ["same_in", "verify_dress", "verify_listed", "verify_loaded"]

_METHODS = ("rest", "received", "trade", "book")
_FACTS = (
    "base", "quote", "type", "settle", "expiry", "strike", "option_type", "tick_size", "lot_size", "size_unit",
    "contract_size", "is_inverse", "status",
)  # fmt: skip


def verify_dress(dress: Dress) -> None:
    """See that a dress has what every dress must have.

    Raises:
        Nonconformity: It has not; look at simulator.py.
    """
    missing = [name for name in _METHODS if not callable(getattr(dress, name, None))]
    verify(not missing, "simulator.py", f"the dress lacks {', '.join(missing)}", "see tickwire.simulation.Dress")
    verify(Abilities.of(dress).instruments, "simulator.py", "the dress lists nothing", "give it instruments")


def same_in(loaded: Instruments, listed: Instrument) -> Instrument | None:
    """Give what was loaded of an instrument that a dress lists.

    By the exchange's own name; by ours, where a plugin reads through a library that has names of its own.
    """
    return loaded.native.get(listed.native_key or listed.native) or loaded.symbols.get(listed.symbol)


def verify_loaded(listed: Iterable[Instrument], loaded: Instruments) -> None:
    """See that every instrument of a dress was loaded, whatever is said of it.

    Raises:
        Nonconformity: One is missing; look at symbols.py.
    """
    for one in listed:
        verify(same_in(loaded, one), "symbols.py", f"{one.symbol} is not loaded", "build one of each row")


def verify_listed(listed: Iterable[Instrument], loaded: Instruments) -> None:
    """See that every instrument of a dress was loaded as it is.

    Raises:
        Nonconformity: One is missing, or another; look at symbols.py.
    """
    verify_loaded(listed := list(listed), loaded)
    for one in listed:
        found = same_in(loaded, one)
        told = {name: pair for name in _FACTS if (pair := (getattr(found, name), getattr(one, name)))[0] != pair[1]}
        verify(not told, "symbols.py", f"{one.native}: loaded and listed differ in {told}", "read its fields")
