"""From an exchange's market list to instruments; one odd row never breaks the rest."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import attrs

from tickwire.model.errors import DataError, DecodeError, PluginContractError, SymbolError
from tickwire.model.instruments import Instrument, InstrumentStatus
from tickwire.model.symbols import InstrumentType, parse_symbol
from tickwire.plugin.protocols import Fetch, Request, Response

__all__ = ["NativeMarket", "NativeSymbolService"]

_log = logging.getLogger(__name__)


@attrs.frozen
class NativeMarket:
    """A row of an exchange's list and the instrument it became."""

    instrument: Instrument
    entry: Mapping[str, Any]


class NativeSymbolService:
    """A ``SymbolSource`` over one request whose answer is a list of market objects.

    Override ``_include_market`` to leave rows out, and either ``_normalize_symbol`` (our symbol of a row, enough
    where the symbol says it all) or ``_build_market`` (the whole instrument, with tick and lot sizes). Where the answer
    is not simply a list, e.g. rows by their symbol beside an error, override ``_entries``.

    Class attributes:
        request: What to ask; may be given to the constructor instead.
        rows: Keys that lead to the list inside the answer; empty: the answer is the list.
        native_field: Field of a row that holds the native symbol.
        types: Of ``type_of``: our type by the exchange's word, ``None`` where a row has none.
        statuses: Of ``status_of``: our status by the exchange's word.

    Attributes:
        exchange: The exchange's id, as it was given.
        quarantined: Reasons by native symbol of the rows the last load could not use.
    """

    request: ClassVar[Request | None] = None
    rows: ClassVar[Sequence[str]] = ()
    native_field: ClassVar[str] = "symbol"
    types: ClassVar[Mapping[str | None, InstrumentType]] = {}
    statuses: ClassVar[Mapping[str, InstrumentStatus]] = {}

    def __init__(
        self,
        request: Request | None = None,
        rows: Sequence[str] | None = None,
        *,
        exchange: str = "",
        ttl: float = 0.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a service.

        Args:
            request: Instead of the class attribute.
            rows: Instead of the class attribute.
            exchange: The exchange's id; the default ``_build_market`` needs it, and a plugin that serves several.
            ttl: Seconds for which ``load`` answers from memory without a request.
            monotonic: Seconds that never jump.
        """
        self._request = request or self.request
        self._rows = self.rows if rows is None else rows
        self.exchange = exchange
        self._ttl = ttl
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._markets: Mapping[str, NativeMarket] = {}
        self._loaded: float | None = None
        self.quarantined: Mapping[str, str] = {}

    def load(self) -> Fetch[Iterable[Instrument]]:
        """Ask the exchange, or answer from memory while that is younger than ``ttl``.

        Raises:
            DecodeError: The answer is not a list of market objects.
        """
        with self._lock:
            is_fresh = self._loaded is not None and self._monotonic() - self._loaded < self._ttl
        if not is_fresh:
            if self._request is None:
                raise PluginContractError(
                    f"{type(self).__name__} has nothing to ask", hint="set request = Request('GET', '/…')"
                )
            response = yield self._request
            self.read(self._entries(response))
        return [market.instrument for market in self.markets.values()]

    def read(self, entries: Iterable[Any]) -> None:
        """Take over rows; each that cannot be used is quarantined with its reason."""
        markets: dict[str, NativeMarket] = {}
        quarantined: dict[str, str] = {}
        taken: dict[str, str] = {}
        for number, entry in enumerate(entries):
            native = f"row {number}"
            try:
                native = str(entry.get(self.native_field, native))
                if not self._include_market(entry):
                    continue
                instrument = self._build_market(entry)
                twin = taken.setdefault(instrument.symbol, instrument.native)
                if twin != instrument.native:
                    raise SymbolError(f"{instrument.symbol} is already {twin!r}", hint="name them apart")
                market = NativeMarket(instrument, entry)
                key = instrument.native_key or instrument.native
                if markets.setdefault(key, market).instrument.symbol != instrument.symbol:
                    raise SymbolError(f"{key!r} is already {markets[key].instrument.symbol}", hint="set native_key")
                markets[key] = market
            except (
                DataError,
                SymbolError,
                LookupError,
                TypeError,
                ValueError,
                ArithmeticError,
                AttributeError,
            ) as error:
                quarantined[native] = f"{type(error).__name__}: {error}"
        for native, reason in quarantined.items():
            _log.warning("instrument %s is left out: %s", native, reason)
        with self._lock:
            self._markets, self.quarantined, self._loaded = markets, quarantined, self._monotonic()

    def invalidate(self) -> None:
        """Make the next ``load`` ask the exchange."""
        with self._lock:
            self._loaded = None

    @property
    def markets(self) -> Mapping[str, NativeMarket]:
        """What was loaded last, by native key."""
        with self._lock:
            return self._markets

    def type_of(self, native: str | None) -> InstrumentType:
        """Tell what kind of instrument the exchange's word means.

        Raises:
            SymbolError: The word is not in ``types``: the row is quarantined, never guessed.
        """
        if native not in self.types:
            package = type(self).__module__.partition(".")[0].replace("_", "-")
            raise SymbolError(f"instrument type {native!r} is not known", hint=f"upgrade {package}")
        return self.types[native]

    def status_of(self, native: str) -> InstrumentStatus:
        """Tell what the exchange's word for a state means; ``UNKNOWN`` where it is not in ``statuses``."""
        return self.statuses.get(native, InstrumentStatus.UNKNOWN)

    def _entries(self, response: Response) -> Iterable[Any]:
        return _list_in(response.decode(object), self._rows)

    def _include_market(self, entry: Mapping[str, Any]) -> bool:
        return True

    def _normalize_symbol(self, native_symbol: str, entry: Mapping[str, Any]) -> str:
        return native_symbol

    def _build_market(self, entry: Mapping[str, Any]) -> Instrument:
        native = entry[self.native_field]
        return Instrument.of(self.exchange, native, parse_symbol(self._normalize_symbol(native, entry)))


def _list_in(answer: Any, keys: Sequence[str]) -> list[Any]:
    for key in keys:
        if not isinstance(answer, dict) or key not in answer:
            raise DecodeError(f"the market list has no {'.'.join(keys)!r}")
        answer = answer[key]
    if not isinstance(answer, list):
        raise DecodeError(f"the market list is a {type(answer).__name__}, not a list")
    return answer
