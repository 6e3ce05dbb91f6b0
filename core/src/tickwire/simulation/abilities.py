"""What a dress may have beside ``Dress``: read once, when a market or a server is made for it.

One thing is given to a dress, not read: ``market``, where it has that attribute, is set to the market that it dresses,
for frames that tell of the book and of the trades at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import attrs

from tickwire.model.clock import Clock
from tickwire.model.instruments import Instrument
from tickwire.model.symbols import SymbolParts
from tickwire.simulation.figures import SimCandle, SimMark, SimOpenInterest, SimTicker
from tickwire.simulation.records import Dress, SimBook, SimOrder, SimTrade

__all__ = ["Abilities", "default_instruments"]


def default_instruments(exchange: str = "simulated") -> tuple[Instrument, ...]:
    """Give the instruments of a dress that names none: three coins in dollars, written ``BTC/USD``."""
    steps = {"BTC": ("0.1", "0.00001"), "ETH": ("0.01", "0.0001"), "SOL": ("0.01", "0.01")}
    return tuple(
        Instrument.of(exchange, f"{base}/USD", SymbolParts(base, "USD"), tick_size=Decimal(tick), lot_size=Decimal(lot))
        for base, (tick, lot) in steps.items()
    )


@attrs.frozen
class Abilities:
    """The optional attributes and methods of a dress.

    Attributes:
        instruments: ``instruments``: what there is to simulate.
        prices: ``prices``: where an instrument opens, by native symbol; without one, at 10,000 ticks.
        snapshot_on_join: ``snapshot_on_join``: joining a book sends the whole of it first. ``False`` where the
            exchange gives snapshots over REST.
        quote: ``quote(whole)``: puts best bid and ask into words, for ``L1_BOOK``.
        ticker: ``ticker(ticker)``: puts the figures of the trades so far into words, for ``TICKER``.
        candle: ``candle(candle)``: likewise, for ``CANDLES``; ``None`` says nothing, e.g. of a bucket without trades.
        mark: ``mark(mark)``: likewise, for ``MARK_PRICE``.
        open_interest: ``open_interest(interest)``: likewise, for ``OPEN_INTEREST``.
        liquidation: ``liquidation(trade)``: puts the liquidation that made a trade into words, for ``LIQUIDATIONS``.
        order: ``order(order)``: puts a change of one of the account's orders into words, for ``ORDERS``. Without it the
            account has no orders.
        recent: ``recent(trades)``: puts the last trades, 50 at most, oldest first, into words: joining ``TRADES`` sends
            them first, where there are any.
        envelope: ``envelope(topic, message)``: wraps a message for one topic.
        welcome: ``welcome()``: what a client is sent once it has connected.
        heartbeat: ``heartbeat()``: what a client that has joined something is sent after each second of silence.
        clock: ``clock``: what the dress reads the time from, set to one that faults can put wrong; ``None``: it dates
            everything by what the market says.
    """

    instruments: Sequence[Instrument]
    prices: Mapping[str, Decimal]
    snapshot_on_join: bool
    quote: Callable[[SimBook], object] | None
    envelope: Callable[[str, object], object] | None
    ticker: Callable[[SimTicker], object] | None = None
    candle: Callable[[SimCandle], object] | None = None
    mark: Callable[[SimMark], object] | None = None
    open_interest: Callable[[SimOpenInterest], object] | None = None
    liquidation: Callable[[SimTrade], object] | None = None
    clock: Clock | None = None
    order: Callable[[SimOrder], object] | None = None
    recent: Callable[[Sequence[SimTrade]], object] | None = None
    welcome: Callable[[], object] | None = None
    heartbeat: Callable[[], object] | None = None

    @classmethod
    def of(cls, dress: Dress) -> Abilities:
        """Read them off a dress."""
        return cls(
            instruments=getattr(dress, "instruments", None) or default_instruments(),
            prices=getattr(dress, "prices", {}),
            snapshot_on_join=getattr(dress, "snapshot_on_join", True),
            quote=getattr(dress, "quote", None),
            envelope=getattr(dress, "envelope", None),
            ticker=getattr(dress, "ticker", None),
            candle=getattr(dress, "candle", None),
            mark=getattr(dress, "mark", None),
            open_interest=getattr(dress, "open_interest", None),
            liquidation=getattr(dress, "liquidation", None),
            clock=getattr(dress, "clock", None),
            order=getattr(dress, "order", None),
            recent=getattr(dress, "recent", None),
            welcome=getattr(dress, "welcome", None),
            heartbeat=getattr(dress, "heartbeat", None),
        )
