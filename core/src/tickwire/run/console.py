"""Events as lines for people: time, symbol, what, and last ``ts_recv - ts_event``. Pure: nothing is printed here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tickwire.model import quality as q
from tickwire.model.account import Balance, Fill, OrderUpdate, Position
from tickwire.model.book import L2Book, Level
from tickwire.model.channels import Channel
from tickwire.model.clock import Nanos
from tickwire.model.counting import counted, span_text
from tickwire.model.events import (
    Candle,
    Funding,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Quote,
    Side,
    Ticker,
    Trade,
)
from tickwire.model.numbers import exact, number_text
from tickwire.model.quality import Event, QualityEvent, Severity

__all__ = [
    "Columns",
    "balance_body",
    "book_body",
    "candle_body",
    "fill_body",
    "funding_body",
    "is_loud",
    "latency_text",
    "liquidation_body",
    "mark_body",
    "open_interest_body",
    "order_body",
    "position_body",
    "quality_body",
    "quote_body",
    "seconds_text",
    "ticker_body",
    "trade_body",
]

_RESET, _BOLD, _DIM = "\x1b[0m", "\x1b[1m", "\x1b[2m"
_RED, _GREEN, _YELLOW = "\x1b[31m", "\x1b[32m", "\x1b[33m"
_GOOD = (q.Resynced, q.Backfilled, q.Recovered)
_NOUNS = {Channel.TRADES: "trade", Channel.L2_BOOK: "update"}
_CAUSES = {
    q.GapCause.NOT_RUNNING: "tickwire was not running",
    q.GapCause.DISCONNECTED: "disconnected",
    q.GapCause.SEQUENCE: "the sequence jumped",
    q.GapCause.CHECKSUM: "the checksum differs",
    q.GapCause.CROSSED: "the book was crossed",
    q.GapCause.STALE: "nothing came any more",
    q.GapCause.DECODE: "a frame could not be read",
    q.GapCause.OVERFLOW: "the buffer overflowed",
    q.GapCause.REFUSED: "the exchange refused it",
    q.GapCause.EXCHANGE_RESET: "the exchange started anew",
}
_REPAIRS = {
    q.Repair.RESYNC: ", fetching a snapshot",
    q.Repair.BACKFILL: ", fetching what is missing",
    q.Repair.NONE: "",
}


def seconds_text(nanos: Nanos) -> str:
    """Write a length of time as ``0.30 s``."""
    return f"{nanos / 1e9:,.2f} s"


def latency_text(event: Event) -> str:
    """Write ``ts_recv - ts_event``; empty where the wire has no time, and for backfilled trades, which arrive late."""
    if event.ts_event is None or (isinstance(event, Trade) and event.backfilled):
        return ""
    millis = (event.ts_recv - event.ts_event) / 1e6
    if abs(millis) >= 10_000:
        return f"{millis / 1000:,.1f} s"
    return f"{millis:.0f} ms" if abs(millis) >= 9.95 else f"{millis:.1f} ms"


def trade_body(trade: Trade[Any]) -> tuple[str, str]:
    """Give side, price × size; and the trade's id."""
    side = str(trade.taker_side or "–").upper()
    late = "  backfilled" if trade.backfilled else ""
    body = f"{side:<8}{number_text(trade.price)} × {number_text(trade.size)}{late}"
    return body, f"#{trade.trade_id}" if trade.trade_id else ""


def book_body(book: L2Book[Any]) -> tuple[str, str]:
    """Give the top of a book: ``298.87 @ 98.96 | 98.97 @ 22.39   spread 0.01``; and its sequence."""
    bid, ask = book.best_bid, book.best_ask
    return _top(bid, ask), "" if book.sequence is None else f"seq {book.sequence}"


def quote_body(quote: Quote[Any]) -> tuple[str, str]:
    """Give best bid and ask as a book's top; and the sequence."""
    bid = None if quote.bid_price is None else Level(quote.bid_price, quote.bid_size or 0.0)
    ask = None if quote.ask_price is None else Level(quote.ask_price, quote.ask_size or 0.0)
    return _top(bid, ask), "" if quote.sequence is None else f"seq {quote.sequence}"


def ticker_body(ticker: Ticker[Any]) -> tuple[str, str]:
    """Give the last price, then first, lowest and highest of the window; and the volume."""
    ends = f"{_text(ticker.low)}–{_text(ticker.high)}"
    return f"{_text(ticker.last)}   {ticker.window}: open {_text(ticker.open)}, {ends}", f"vol {_text(ticker.volume)}"


def candle_body(candle: Candle[Any]) -> tuple[str, str]:
    """Give interval, start, first and last price, lowest and highest; and the volume."""
    start = f"{candle.interval} {_clock(candle.ts_start)[:8]}"
    if candle.open is None:
        prices = "no trade"
    else:
        prices = f"{_text(candle.open)} → {_text(candle.close)}  ({_text(candle.low)}–{_text(candle.high)})"
    return f"{start}  {prices}" + ("" if candle.is_closed else "  so far"), f"vol {_text(candle.volume)}"


def mark_body(mark: MarkPrice[Any]) -> tuple[str, str]:
    """Give the mark price, and what goes with it where there is any."""
    index = "" if mark.index is None else f"   index {_text(mark.index)}"
    settlement = "" if mark.settlement is None else f"   settlement {_text(mark.settlement)}"
    return f"{_text(mark.mark)}{index}{settlement}", ""


def funding_body(funding: Funding[Any]) -> tuple[str, str]:
    """Give the rate in percent and when it is paid; and whether it is an estimate."""
    when = "" if funding.ts_funding is None else f"   paid at {_clock(funding.ts_funding)[:8]}"
    return f"{number_text(exact(funding.rate) * 100)} %{when}", "paid" if funding.is_final else "estimate"


def open_interest_body(interest: OpenInterest[Any]) -> tuple[str, str]:
    """Give what is held open, and its value where there is one."""
    return _text(interest.size), "" if interest.value is None else f"value {_text(interest.value)}"


def liquidation_body(liquidation: Liquidation[Any]) -> tuple[str, str]:
    """Give the order's side, price × size; and its id."""
    side = str(liquidation.side or "–").upper()
    body = f"{side:<8}{_text(liquidation.price)} × {_text(liquidation.size)}   liquidation"
    return body, f"#{liquidation.order_id}" if liquidation.order_id else ""


def order_body(order: OrderUpdate[Any]) -> tuple[str, str]:
    """Give side, price (else the order's type) × size, how much has traded, where the order is; and its id."""
    at = order.order_type if order.price is None and order.order_type else _text(order.price)
    filled = f"   {_text(order.filled_size)} filled" if order.filled_size else ""
    reason = f" ({order.reason})" if order.reason else ""
    status = order.status.replace("_", " ")
    return f"{_side_word(order.side)}{at} × {_text(order.size)}{filled}   {status}{reason}", f"#{order.order_id}"


def fill_body(fill: Fill[Any]) -> tuple[str, str]:
    """Give side, price × size and the fee where there is one; and the order's id."""
    fee = "" if fill.fee is None else f"   fee {_text(fill.fee)} {fill.fee_asset or ''}".rstrip()
    return f"{_side_word(fill.side)}{_text(fill.price)} × {_text(fill.size)}{fee}", f"#{fill.order_id}"


def balance_body(balance: Balance[Any]) -> tuple[str, str]:
    """Give asset and total; and what of it is free."""
    return f"{balance.asset:<8}{_text(balance.total)}", f"free {_text(balance.free)}"


def position_body(position: Position[Any]) -> tuple[str, str]:
    """Give the signed size and the price it was entered at; and the profit so far."""
    entry = "" if position.entry_price is None else f" @ {_text(position.entry_price)}"
    return f"{_text(position.size)}{entry}", f"pnl {_text(position.unrealised_pnl)}"


def _side_word(side: Side) -> str:
    return f"{side.upper():<8}"


def _text(number: float | Decimal | None) -> str:
    return "–" if number is None else number_text(number)


def _top(bid: Level[Any] | None, ask: Level[Any] | None) -> str:
    left = f"{number_text(bid.size)} @ {number_text(bid.price)}" if bid else "no bid"
    right = f"{number_text(ask.price)} @ {number_text(ask.size)}" if ask else "no ask"
    spread: Decimal | None = exact(ask.price) - exact(bid.price) if bid and ask else None
    return f"{left} | {right}" + ("" if spread is None else f"   spread {number_text(spread)}")


def is_loud(event: QualityEvent) -> bool:
    """Tell whether a person should see it: trouble and its end, not that things go as they should."""
    if isinstance(event, q.Unsubscribed):
        return event.reason not in (q.UnsubscribeReason.STOPPED, q.UnsubscribeReason.USER)
    return not isinstance(event, q.Subscribed | q.Watermark)


def quality_body(event: QualityEvent) -> tuple[str, str]:
    """Give the word of a quality event and what it says."""
    word, say = _SAYINGS.get(type(event), (str(event.__struct_config__.tag).upper(), lambda _: ""))
    about = f"{event.channel}: " if event.channel else ""
    return word, about + say(event)


def _gap(gap: q.Gap) -> str:
    text = gap.detail or _missing(gap) + _REPAIRS[gap.repair]
    if gap.ts_end is not None and gap.ts_start is not None:
        text += f", {seconds_text(gap.ts_end - gap.ts_start)} long"
    return text


def _missing(gap: q.Gap) -> str:
    if gap.missing is None:
        return _CAUSES[gap.cause]
    text = f"{counted(gap.missing, _NOUNS.get(gap.channel or Channel.QUALITY, 'event'))} missing"
    first, last = gap.first_missing, gap.last_missing
    return text if first is None or last is None else f"{text} ({span_text(first, last)})"


def _backfilled(event: q.Backfilled) -> str:
    if event.is_complete:
        rest = "complete"
    else:
        rest = "some still missing" if event.remaining is None else f"{event.remaining:,} still missing"
    return f"{counted(event.count, 'trade')} fetched, {rest}"


def _stale(event: q.Stale) -> str:
    length = seconds_text(event.threshold)
    if event.action is q.StaleAction.NONE:
        return f"waits {length}, the exchange asked for fewer requests"
    doing = "subscribing again" if event.action is q.StaleAction.RESUBSCRIBE else "reconnecting"
    return f"nothing for {length}, {doing}"


def _reconnected(event: q.Reconnected) -> str:
    return (
        f"{event.host} after {seconds_text(event.ts_down)} ({event.reason}), attempt {event.attempt}, "
        f"{counted(event.subscriptions, 'subscription')}"
    )


_SAYINGS: dict[type, tuple[str, Callable[[Any], str]]] = {
    q.Gap: ("GAP", _gap),
    q.Resynced: ("RESYNC", lambda event: f"in sync after {seconds_text(event.ts_down)}"),
    q.Backfilled: ("BACKFILL", _backfilled),
    q.Stale: ("STALE", _stale),
    q.Recovered: ("RECOVER", lambda event: f"flows again after {seconds_text(event.ts_down)}"),
    q.Reconnected: ("RECONNECT", _reconnected),
    q.Dropped: (
        "DROPPED",
        lambda event: f"{counted(event.count, 'event')} did not reach {event.sink} ({event.policy})",
    ),
    q.Subscribed: ("BEGIN", lambda _: "coverage begins"),
    q.Unsubscribed: ("END", lambda event: f"coverage ends: {event.reason}"),
    q.Watermark: ("MARK", lambda event: f"complete up to {_clock(event.ts_until)}"),
    q.ListingChange: ("LISTING", lambda event: str(event.kind)),
    q.Inexact: (
        "INEXACT",
        lambda event: f"{event.field} {event.sample} has {event.digits} digits; set numbers: decimal to keep them",
    ),
}


def _clock(nanos: Nanos) -> str:
    millis = nanos // 1_000_000
    return f"{datetime.fromtimestamp(millis // 1000, UTC):%H:%M:%S}.{millis % 1000:03}"


class Columns:
    """Lays bodies out in columns; the symbol column grows with what it has seen."""

    def __init__(self, is_coloured: bool = False) -> None:
        """Make it; colours are for terminals only."""
        self._is_coloured = is_coloured
        self._width = 8
        self._exchanges: set[str] = set()

    def line(self, event: Event, word: str, body: str, right: str = "") -> str:
        """Give a whole line without its end; times are UTC."""
        name = self._name(event)
        if isinstance(event, QualityEvent):
            text = self._paint(f"{word:<10}{body}", event, _BOLD)
            return f"{_clock(event.ts_recv)}  {name}  {text}"
        text = f"{word:<8}{self._paint(f'{body:<52}', event, '')}{right:>16}  {latency_text(event):>7}"
        return f"{_clock(event.ts_recv)}  {name}  {text}".rstrip()

    def _name(self, event: Event) -> str:
        self._exchanges.add(event.exchange)
        name = event.symbol or "*"
        if len(self._exchanges) > 1:
            name = f"{event.exchange} {name}"
        self._width = max(self._width, len(name))
        return name.ljust(self._width)

    def _paint(self, text: str, event: Event, weight: str) -> str:
        if not self._is_coloured:
            return text
        if isinstance(event, QualityEvent):
            colour = _GREEN if isinstance(event, _GOOD) else _RED if event.severity is Severity.ERROR else _YELLOW
        elif (side := _side(event)) is not None:
            colour = _GREEN if side is Side.BUY else _RED
        else:
            colour = _DIM
        return f"{weight}{colour}{text}{_RESET}"


def _side(event: Event) -> Side | None:
    if isinstance(event, Trade):
        return event.taker_side
    return event.side if isinstance(event, Liquidation | OrderUpdate | Fill) else None
