"""A connection that is none: what is not streamed is asked for over REST, again and again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tickwire import Channel, GapCause, Nanos, RateLimitedError, RefusedError, RetryableError, TickwireError
from tickwire.plugin import Ending, Frame
from tickwire_ccxt_generic.options import CcxtOptions
from tickwire_ccxt_generic.payloads import (
    BookSeen,
    CandleSeen,
    Fault,
    Lost,
    Payload,
    QuoteSeen,
    Refusal,
    TickerSeen,
    TradeSeen,
    Watch,
)
from tickwire_ccxt_generic.rest import CcxtRestTransport

__all__ = ["PolledConnection"]

_log = logging.getLogger(__name__)

_KNOWN = 10_000
_CANDLES = 2  # the one that has just closed, and the present one
_ABNORMAL = 1006


class PolledConnection:
    """Polls each subscription at the user's interval; implements ``Connection`` and ``Probing``."""

    def __init__(
        self,
        rest: CcxtRestTransport,
        base: str,
        options: CcxtOptions,
        read_book: Callable[[str, Mapping[str, Any]], BookSeen],
        on_frame: Callable[[Frame[Payload]], None],
        on_close: Callable[[Ending], None],
        now: Callable[[], Nanos] = time.time_ns,
    ) -> None:
        """Make one that asks for nothing yet.

        Args:
            rest: Asks.
            base: Which host.
            options: How often, and for how much.
            read_book: Reads what ``fetch_order_book`` gives.
            on_frame: Takes what came.
            on_close: Is told once that it has ended: as soon as a host does not answer, so that another is asked.
            now: Dates what came.
        """
        self._rest = rest
        self._base = base
        self._options = options
        self._read_book = read_book
        self._on_frame = on_frame
        self._on_close = on_close
        self._now = now
        self._tasks: dict[Any, asyncio.Task[None]] = {}
        self._may_ask = asyncio.Event()
        self._may_ask.set()
        self._is_over = False

    def send(self, payload: Payload) -> None:
        """Begin or end polling."""
        if self._is_over or not isinstance(payload, Watch):
            return
        task = self._tasks.pop(payload.key, None)
        if task is not None:
            task.cancel()
        if payload.on:
            self._tasks[payload.key] = asyncio.create_task(self._poll(payload), name=f"polling {payload.subscription}")

    def pause(self) -> None:
        """Ask for nothing."""
        self._may_ask.clear()

    def resume(self) -> None:
        """Ask again."""
        self._may_ask.set()

    async def ping(self) -> bool:
        """Prove nothing: between two answers nobody knows what happened."""
        return False

    async def close(self) -> None:
        """End; a second call is harmless."""
        self._end(Ending(1000, "closed by us"))
        tasks = [task for task in self._tasks.values() if task is not asyncio.current_task()]
        await asyncio.gather(*tasks, return_exceptions=True)

    def _end(self, ending: Ending) -> None:
        if self._is_over:
            return
        self._is_over = True
        for task in self._tasks.values():
            if task is not asyncio.current_task():
                task.cancel()
        self._on_close(ending)

    async def _poll(self, watch: Watch) -> None:
        ask = {
            Channel.TRADES: self._trades,
            Channel.L2_BOOK: self._book,
            Channel.TICKER: self._ticker,
            Channel.L1_BOOK: self._ticker,
            Channel.CANDLES: self._candles,
        }[watch.channel]
        known: dict[str, None] = {}
        loop = asyncio.get_running_loop()
        while not self._is_over:
            await self._may_ask.wait()
            began = loop.time()
            try:
                await ask(watch, known)
            except RateLimitedError as error:
                _log.warning("%s", error)
                await asyncio.sleep(error.retry_after or self._options.poll_every)
            except RetryableError as error:
                return self._end(Ending(_ABNORMAL, str(error), error))
            except RefusedError as error:
                return self._tell(Refusal(watch.subscription, str(error), retry=False))
            except TickwireError as error:
                self._tell(Fault(error))
            await asyncio.sleep(began + self._options.poll_every - loop.time())
        return None

    def _tell(self, payload: Payload) -> None:
        if not self._is_over:
            self._on_frame(Frame(payload, self._now()))

    async def _trades(self, watch: Watch, known: dict[str, None]) -> None:
        limit = self._options.limit
        rows: Sequence[Mapping[str, Any]] = await self._call("fetch_trades", watch, limit=limit)
        named = [_identity(row) for row in rows]
        if known and rows and not any(name in known for name in named):
            detail = f"none of the {len(rows)} newest trades was among those before: some are missing"
            self._tell(Lost(Channel.TRADES, watch.native, GapCause.SEQUENCE, detail))
        is_first = not known
        for name, row in zip(named, rows, strict=True):
            if name not in known:
                known[name] = None
                self._tell(TradeSeen(row, is_first))  # what was there before is no news
        while len(known) > _KNOWN:
            del known[next(iter(known))]

    async def _book(self, watch: Watch, _: dict[str, None]) -> None:
        limit = watch.subscription.depth or self._options.limit
        book = await self._call("fetch_order_book", watch, limit=limit)
        self._tell(self._read_book(watch.native, book))

    async def _ticker(self, watch: Watch, _: dict[str, None]) -> None:
        ticker = await self._call("fetch_ticker", watch)
        kind = TickerSeen if watch.channel is Channel.TICKER else QuoteSeen
        self._tell(kind(watch.native, ticker))

    async def _candles(self, watch: Watch, _: dict[str, None]) -> None:
        interval = watch.subscription.interval or ""
        rows = await self._call("fetch_ohlcv", watch, timeframe=interval)
        for row in rows[-_CANDLES:]:
            self._tell(CandleSeen(watch.native, interval, tuple(row)))

    async def _call(self, method: str, watch: Watch, **own: Any) -> Any:
        given = {name: value for name, value in own.items() if value is not None}
        return await self._rest.call(method, {"symbol": watch.native, **given}, None, self._base)


def _identity(row: Mapping[str, Any]) -> str:
    if row.get("id") is not None:
        return str(row["id"])
    return f"{row['timestamp']} {row['side']} {row['price']} {row['amount']}"
