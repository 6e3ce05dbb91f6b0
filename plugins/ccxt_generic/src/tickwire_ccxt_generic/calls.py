"""Keeping subscriptions asked for: one task for each, which sleeps while data comes by way of the tap."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from tickwire import Channel, ConfigError, ConnectionLostError, GapCause, RefusedError, RetryableError
from tickwire.plugin import Ending
from tickwire_ccxt_generic.errors import translated
from tickwire_ccxt_generic.payloads import Lost, Payload, Refusal, Watch
from tickwire_ccxt_generic.tap import Tap
from tickwire_ccxt_generic.venues import Venue

__all__ = ["METHODS", "Calls"]

_log = logging.getLogger(__name__)

METHODS = {
    Channel.TRADES: "watch_trades",
    Channel.L2_BOOK: "watch_order_book",
    Channel.TICKER: "watch_ticker",
    Channel.L1_BOOK: "watch_bids_asks",
    Channel.CANDLES: "watch_ohlcv",
}
_ANSWER_WITHIN = 5.0
_FIRST_PAUSE, _MOST_PAUSE = 0.5, 30.0
_Key = tuple[Channel, str, str | None]


class Calls:
    """The calls of one connection."""

    def __init__(
        self,
        exchange_id: str,
        venue: Venue,
        tap: Tap,
        put: Callable[[Payload], None],
        end: Callable[[Ending], None],
        settled: Callable[[], Callable[[], Awaitable[object]]],
    ) -> None:
        """Make them for a connection.

        Args:
            exchange_id: For messages.
            venue: What is known of it.
            tap: Is told what is wanted.
            put: Takes refusals.
            end: Ends the connection, where nothing less helps.
            settled: Called before a frame is sent; what it gives waits until that was sent, and until all has come that
                the exchange had sent before it read it.
        """
        self._exchange_id = exchange_id
        self._venue = venue
        self._tap = tap
        self._put = put
        self._end = end
        self._settled = settled
        self._exchange: Any = None
        self._tasks: dict[_Key, asyncio.Task[None]] = {}
        self._todo: dict[_Key, deque[Watch]] = {}
        self._wakes: dict[_Key, asyncio.Event] = {}
        self._subscribed: dict[_Key, Watch] = {}
        self._broadcasts: set[int] = set()

    def begin(self, exchange: Any) -> None:
        """Ask this instance from now on."""
        self._exchange = exchange

    def put(self, watch: Watch) -> None:
        """Begin or end a subscription, after what is still to be done for it."""
        key = watch.key
        if key not in self._tasks:
            self._todo[key], self._wakes[key] = deque(), asyncio.Event()
            self._tasks[key] = asyncio.create_task(self._serve(key), name=f"{METHODS[key[0]]} {key[1]}")
        self._todo[key].append(watch)
        self._wakes[key].set()

    def begin_anew(self, native: str) -> None:
        """Ask anew for a book."""
        watch = self._subscribed.get((Channel.L2_BOOK, native, None))
        if watch is not None:
            self.put(Watch(watch.subscription, False))
            self.put(watch)

    async def stop(self) -> None:
        """Ask for nothing any more."""
        tasks = [task for task in self._tasks.values() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def rejecting(self, reject: Callable[..., Any]) -> Callable[..., Any]:
        """Note which errors ccxt tells to everybody at once: they are nobody's refusal."""

        def noted(error: Any, message_hash: Any = None) -> Any:
            if message_hash is None and isinstance(error, BaseException):
                self._broadcasts.add(id(error))
            return reject(error, message_hash)

        return noted

    # one subscription
    async def _serve(self, key: _Key) -> None:
        todo, wake = self._todo[key], self._wakes[key]
        flow: asyncio.Task[None] | None = None
        try:
            while True:
                await wake.wait()
                wake.clear()
                while todo:
                    watch = todo.popleft()
                    if flow is not None:
                        flow.cancel()
                        await asyncio.gather(flow, return_exceptions=True)
                        flow = None
                    if not watch.on:
                        await self._leave(watch)
                    elif key in self._subscribed and key[0] is Channel.L2_BOOK:
                        # it could not be left, and ccxt would not ask again
                        self._end(Ending(1000, f"the book of {key[1]} can be asked for anew only on a new connection"))
                        return
                    else:
                        self._join(watch)
                        flow = asyncio.create_task(self._flow(watch))
        finally:
            if flow is not None:
                flow.cancel()

    def _join(self, watch: Watch) -> None:
        self._subscribed[watch.key] = watch
        market = self._exchange.markets.get(watch.native) or {}
        self._tap.want(watch.channel, watch.native, str(market.get("id", watch.native)))

    async def _flow(self, watch: Watch) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._ask(watch)
                return  # it flows: what follows is the tap's
            except asyncio.CancelledError as raised:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                error: BaseException = raised  # ccxt's own: it gave up a future of ours
            except Exception as raised:  # ccxt's, and what it lets through
                error = raised
            if self._is_refusal(watch, error):
                return
            _log.debug("%s %s: %r", self._exchange_id, watch.subscription, error)
            await asyncio.sleep(pause)  # an error that was parked comes back at once, for ever
            pause = min(2 * pause, _MOST_PAUSE)

    def _is_refusal(self, watch: Watch, error: BaseException) -> bool:
        what = f"{self._exchange_id} {METHODS[watch.channel]} {watch.native}"
        found = translated(error, what=what)
        if id(error) in self._broadcasts:
            if not isinstance(found, ConnectionLostError):  # that ends the connection, which is told of
                _log.warning("%s: the exchange complains, and does not say of what: %s", self._exchange_id, found)
            return False
        if isinstance(found, RefusedError | ConfigError):
            self._put(Refusal(watch.subscription, str(found), retry=False))
            return True
        if type(error).__name__ == "ExchangeError":
            self._put(Refusal(watch.subscription, str(found), retry=True))
            self._subscribed.pop(watch.key, None)
            return True
        if not isinstance(found, RetryableError) and watch.channel is Channel.L2_BOOK:
            self._put(Lost(Channel.L2_BOOK, watch.native, GapCause.SEQUENCE, str(found)))
        return False

    async def _ask(self, watch: Watch) -> None:
        exchange, native, channel = self._exchange, watch.native, watch.channel
        params = dict(self._venue.watch_params.get(channel, {}))
        if channel is Channel.TRADES:
            await exchange.watch_trades(native, None, None, params)
        elif channel is Channel.L2_BOOK:
            await exchange.watch_order_book(native, watch.subscription.depth or self._venue.depth, params)
        elif channel is Channel.TICKER:
            await exchange.watch_ticker(native, params)
        elif channel is Channel.L1_BOOK:
            await exchange.watch_bids_asks([native], params)
        else:
            await exchange.watch_ohlcv(native, watch.subscription.interval, None, None, params)

    async def _leave(self, watch: Watch) -> None:
        self._tap.unwant(watch.channel, watch.native)
        if watch.key not in self._subscribed:
            return
        method = _own_method(self._exchange, f"un_{METHODS[watch.channel]}")
        settle = self._settled()
        try:
            async with asyncio.timeout(_ANSWER_WITHIN):
                if method is not None:
                    await self._un_watch(method, watch)
                elif not await self._say_leave(watch):
                    return
                await settle()
        except TimeoutError:
            _log.info("%s: nobody answered that %s is not wanted any more", self._exchange_id, watch.subscription)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
        except Exception as error:  # ccxt's, and what it lets through
            _log.info("%s: %s", self._exchange_id, translated(error, what=f"leaving {watch.subscription}"))
        self._subscribed.pop(watch.key, None)
        if method is not None and watch.channel is Channel.L2_BOOK:
            # what was still under way may have begun another book, which would lack what comes in between
            self._exchange.orderbooks.pop(watch.native, None)

    async def _un_watch(self, method: Callable[..., Any], watch: Watch) -> None:
        if watch.channel is Channel.CANDLES:
            await method(watch.native, watch.subscription.interval)
        elif watch.channel is Channel.L1_BOOK:
            await method([watch.native])
        else:
            await method(watch.native)

    async def _say_leave(self, watch: Watch) -> bool:
        # where ccxt has no method: the frame is sent, and ccxt made to forget that it had asked
        leave = self._venue.leave
        if leave is None or watch.channel is not Channel.L2_BOOK:
            return False
        for client in list((self._exchange.clients or {}).values()):
            asked = [one for one in client.subscriptions if "book" in str(one) and watch.native in str(one)]
            if asked:
                await client.send(leave(watch.native, watch.subscription.depth or self._venue.depth))
            for one in asked:
                del client.subscriptions[one]
        return True


def _own_method(exchange: Any, name: str) -> Callable[..., Any] | None:
    # ``has`` tells lies about un-watching; a class that has the method of the base class only cannot do it
    for each in type(exchange).__mro__:
        if name in vars(each):
            return getattr(exchange, name) if each.__module__.startswith("ccxt.pro.") else None
    return None
