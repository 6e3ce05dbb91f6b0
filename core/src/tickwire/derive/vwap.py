"""The average price of the trades of a rolling window, weighted by their sizes."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from typing import Any

import attrs

from tickwire.derive.buckets import moment_of
from tickwire.derive.exact_sums import as_number, is_spot, product, total_of
from tickwire.model.clock import Nanos
from tickwire.model.events import Ticker, Trade
from tickwire.model.quality import Event

__all__ = ["Vwap"]

_Seen = tuple[Nanos, int, Any, Any]


@attrs.define(eq=False)
class _Window:
    # by time; numbered, so that trades of one moment keep the order in which they came
    trades: list[_Seen] = attrs.field(factory=list)
    due: Nanos = 0
    count: int = 0


class Vwap:
    """Gives a ``Ticker`` whose ``last`` is the average and whose ``window`` is ``vwap:`` and the length.

    The window goes by the exchange's time and ends with the newest trade; one that is older than it is not counted.
    ``volume`` is in the instrument's size unit, ``quote_volume`` is given of spot only, where sizes are in the base
    asset; of inverse contracts the weights are contracts. Trades pass.
    """

    def __init__(self, window: Nanos, name: str, every: Nanos) -> None:
        """Begin.

        Args:
            window: Its length, ns.
            name: What it is called, e.g. ``1m``.
            every: Shortest time between two of an instrument, ns of the exchange's time.
        """
        self._window = window
        self._name = f"vwap:{name}"
        self._every = every
        self._windows: dict[tuple[str, str], _Window] = {}

    def apply(self, event: Event) -> Iterator[Event]:
        """Take one event."""
        yield event
        if isinstance(event, Trade):
            yield from self._trade(event)

    def flush(self) -> Iterator[Event]:
        """Give nothing: nothing is held back."""
        yield from ()

    def _trade(self, trade: Trade[Any]) -> Iterator[Event]:
        window = self._windows.setdefault((trade.exchange, trade.symbol), _Window())
        window.count += 1
        insort(window.trades, (moment_of(trade), window.count, trade.price, trade.size), key=_place)
        newest = window.trades[-1][0]
        first = next(n for n, seen in enumerate(window.trades) if seen[0] > newest - self._window)
        del window.trades[:first]
        if newest >= window.due:
            window.due = newest + self._every
            yield from self._ticker(trade, window.trades)

    def _ticker(self, trade: Trade[Any], trades: list[_Seen]) -> Iterator[Ticker[Any]]:
        like, prices = trade.price, [price for _, _, price, _ in trades]
        volume = total_of(size for _, _, _, size in trades)
        paid = total_of(product(price, size) for _, _, price, size in trades)
        if not volume:
            return
        yield Ticker(
            trade.exchange, trade.symbol, trade.ts_event, trade.ts_recv, as_number(like, paid / volume), None,
            prices[0], max(prices), min(prices), as_number(like, volume),
            as_number(like, paid) if is_spot(trade.symbol) else None, len(trades), self._name,
        )  # fmt: skip


def _place(seen: _Seen) -> tuple[Nanos, int]:
    return seen[:2]
