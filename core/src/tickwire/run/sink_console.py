"""The console: lines for people, or JSON lines, on stdout."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from tickwire.model.account import Balance, Fill, OrderUpdate, Position
from tickwire.model.book import L2Book
from tickwire.model.books import Books
from tickwire.model.clock import Nanos
from tickwire.model.errors import DataError, OutputClosedError
from tickwire.model.events import (
    BookDelta,
    BookSnapshot,
    Candle,
    Funding,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    Quote,
    Ticker,
    Trade,
)
from tickwire.model.quality import Event, QualityEvent
from tickwire.model.stored import Record, encode_event
from tickwire.run.console import (
    Columns,
    balance_body,
    book_body,
    candle_body,
    fill_body,
    funding_body,
    is_loud,
    liquidation_body,
    mark_body,
    open_interest_body,
    order_body,
    position_body,
    quality_body,
    quote_body,
    ticker_body,
    trade_body,
)
from tickwire.run.off_loop import OffLoop
from tickwire.run.sinks import ConsoleOptions

__all__ = ["ConsoleSink", "EventLines"]

_PAUSE = 250_000_000
_CANDLE_PAUSE = 10_000_000_000
_ALWAYS: dict[type, tuple[str, Callable[[Any], tuple[str, str]]]] = {
    Trade: ("trade", trade_body),
    Liquidation: ("forced", liquidation_body),
    OrderUpdate: ("order", order_body),
    Fill: ("fill", fill_body),
    Balance: ("balance", balance_body),
    Position: ("pos", position_body),
}
_CHANGED: dict[type, tuple[str, Callable[[Any], tuple[str, str]]]] = {
    Quote: ("quote", quote_body),
    Ticker: ("ticker", ticker_body),
    MarkPrice: ("mark", mark_body),
    Funding: ("funding", funding_body),
    OpenInterest: ("open", open_interest_body),
}


class EventLines:
    """Chooses which events become lines, and follows the books for that.

    A book is a line when its top has changed, and a figure (ticker, mark price …) when it has; in a terminal at most
    four a second per instrument and kind. A candle is one when it closes, and before that every ten seconds.
    """

    def __init__(self, is_terminal: bool = False, is_coloured: bool = False) -> None:
        """Begin with no books."""
        self._is_terminal = is_terminal
        self._columns = Columns(is_coloured)
        self._books: dict[str, Books] = {}
        self._shown: dict[tuple[str, str, str], tuple[str, Nanos]] = {}

    def line(self, event: Event) -> str | None:
        """Give the event's line, ``None`` if it is not worth one."""
        if (always := _ALWAYS.get(type(event))) is not None:
            return self._columns.line(event, always[0], *always[1](event))
        if isinstance(event, Candle):
            return self._candle(event)
        if isinstance(event, MarketEvent) and (changed := _CHANGED.get(type(event))) is not None:
            return self._changed(event, changed[0], *changed[1](event))
        book = self._followed(event)
        if isinstance(event, BookSnapshot | BookDelta):
            return self._changed(event, "book", *book_body(book)) if book is not None and book.is_synced else None
        if isinstance(event, QualityEvent) and is_loud(event):
            return self._columns.line(event, *quality_body(event))
        return None

    def _followed(self, event: Event) -> L2Book[Any] | None:
        books = self._books.setdefault(event.exchange, Books(event.exchange))
        try:
            books.apply(event)
        except DataError:
            return None  # what the queue dropped is announced; the book waits for its next snapshot
        return books.get(event.symbol) if event.symbol else None

    def _changed(self, event: MarketEvent, word: str, body: str, right: str) -> str | None:
        shown, when = self._shown.get((event.exchange, event.symbol, word), ("", 0))
        if body == shown or (self._is_terminal and event.ts_recv - when < _PAUSE):
            return None
        self._shown[event.exchange, event.symbol, word] = (body, event.ts_recv)
        return self._columns.line(event, word, body, right)

    def _candle(self, candle: Candle[Any]) -> str | None:
        key, (body, right) = (candle.exchange, candle.symbol, candle.interval), candle_body(candle)
        shown, when = self._shown.get(key, ("", 0))
        if not candle.is_closed and (body == shown or candle.ts_recv - when < _CANDLE_PAUSE):
            return None
        self._shown[key] = (body, candle.ts_recv)
        return self._columns.line(candle, "candle", body, right)


class ConsoleSink:
    """Prints events; a closed pipe is told by ``OutputClosedError``, which ends the run quietly."""

    def __init__(self, options: ConsoleOptions, out: TextIO | None = None) -> None:
        """Take over the settings.

        Args:
            options: Lines or JSON.
            out: Where to print; ``None``: stdout.
        """
        self._is_json = options.json
        self._out = out or sys.stdout
        self._thread = OffLoop("tickwire-console")
        is_terminal = self._out.isatty()
        is_coloured = is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self._lines = EventLines(is_terminal, is_coloured)

    async def open(self) -> None:
        """Nothing to do."""

    async def write(self, records: Sequence[Record]) -> None:
        """Print a batch.

        Raises:
            OutputClosedError: Nobody reads it any more.
        """
        if self._is_json:
            text = b"".join(encode_event(record.event) + b"\n" for record in records)
        else:
            lines = [self._lines.line(record.event) for record in records]
            text = "".join(f"{line}\n" for line in lines if line is not None).encode()
        if text:
            try:
                await self._thread.call(lambda: _print(self._out, text))
            except BrokenPipeError as error:
                raise OutputClosedError("nobody reads the console's output any more") from error

    async def close(self) -> None:
        """End the thread; a second call is harmless."""
        self._thread.close()


def _print(out: TextIO, text: bytes) -> None:
    try:
        descriptor = out.fileno()
    except (OSError, ValueError):
        out.write(text.decode())  # not a real file, e.g. in a notebook
        return
    out.flush()
    # past Python's own buffer: its lock, held in a thread that hangs, would make the interpreter's end fail
    rest = memoryview(text)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
