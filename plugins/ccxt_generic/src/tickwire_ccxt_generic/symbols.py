"""The instruments of an exchange: whatever ccxt lists."""

from __future__ import annotations

from collections.abc import Iterable

from tickwire import Instrument
from tickwire.plugin import Fetch, Request
from tickwire_ccxt_generic.rest import CALL, INSTRUMENTS

__all__ = ["CcxtSymbols"]


class CcxtSymbols:
    """A ``SymbolSource`` that leaves reading, naming and keeping to the transport's cache."""

    def load(self) -> Fetch[Iterable[Instrument]]:
        """Ask for all instruments."""
        reply = yield Request(CALL, INSTRUMENTS)
        found: Iterable[Instrument] = reply.value
        return found
