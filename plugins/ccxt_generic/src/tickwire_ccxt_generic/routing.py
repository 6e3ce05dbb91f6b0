"""The language that core speaks with ccxt: calls to keep alive one way, what the tap saw the other way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tickwire import (
    BookSnapshot,
    Channel,
    DataError,
    DecodeError,
    Event,
    Instrument,
    Instruments,
    Nanos,
    Subscription,
    UnknownNativeError,
)
from tickwire.plugin import (
    BookView,
    ConnectionInfo,
    Control,
    Fetch,
    Frame,
    Hole,
    Located,
    Missed,
    Refused,
    Request,
    Send,
)
from tickwire_ccxt_generic.emitter import CcxtEmitter
from tickwire_ccxt_generic.info import POLLED, info_of
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
from tickwire_ccxt_generic.rest import CALL
from tickwire_ccxt_generic.transport import Place
from tickwire_ccxt_generic.venues import Query, Venue, venue_of

__all__ = ["CcxtRouter", "CcxtRouting"]

_MS = 1_000_000
_PAGE = 1000


class CcxtRouter:
    """One connection's."""

    def __init__(self, emitter: CcxtEmitter) -> None:
        """Make one that is subscribed to nothing."""
        self._emitter = emitter
        self._subscribed: dict[tuple[Channel, str], Subscription] = {}
        self._readers: Mapping[type, Callable[[Any, Nanos], Iterable[Event | Control]]] = {
            TradeSeen: self._trade,
            BookSeen: self._book,
            TickerSeen: self._ticker,
            QuoteSeen: self._quote,
            CandleSeen: self._candle,
            Lost: self._lost,
            Refusal: self._refusal,
            Fault: self._fault,
        }

    def opened(self) -> Iterable[Control]:
        """Say nothing: keys are ccxt's business."""
        return ()

    def heartbeat(self, now: Nanos) -> Iterable[Send[Payload]]:
        """Say nothing: ccxt keeps its sockets alive."""
        return ()

    def subscribe(self, subscriptions: Sequence[Subscription]) -> Iterable[Send[Payload]]:
        """Have ccxt watch these."""
        for one in subscriptions:
            if one.instrument is not None:
                self._subscribed[one.channel, one.instrument.native] = one
        return [Send(Watch(one, True), (one,)) for one in subscriptions if one.instrument is not None]

    def unsubscribe(self, subscriptions: Sequence[Subscription]) -> Iterable[Send[Payload]]:
        """Have ccxt watch these no longer."""
        return [Send(Watch(one, False), (one,)) for one in subscriptions if one.instrument is not None]

    def route(self, frame: Frame[Payload]) -> Iterable[Event | Control]:
        """Read what was seen.

        Raises:
            DataError: ccxt could not read the frame, or what it made of it is of no use.
        """
        reader = self._readers.get(type(frame.payload))
        if reader is None:
            raise DecodeError(f"a {type(frame.payload).__name__} is nothing that was seen")
        return reader(frame.payload, frame.ts_recv)

    def _trade(self, seen: TradeSeen, ts_recv: Nanos) -> Iterable[Event]:
        return (self._emitter.trade(seen.trade, ts_recv, is_late=seen.is_replay),)

    def _book(self, seen: BookSeen, ts_recv: Nanos) -> Iterable[Event]:
        return (self._emitter.book(seen, ts_recv),)

    def _ticker(self, seen: TickerSeen, ts_recv: Nanos) -> Iterable[Event]:
        return (self._emitter.ticker(seen.native, seen.ticker, ts_recv),)

    def _quote(self, seen: QuoteSeen, ts_recv: Nanos) -> Iterable[Event]:
        return (self._emitter.quote(seen.native, seen.ticker, ts_recv),)

    def _candle(self, seen: CandleSeen, ts_recv: Nanos) -> Iterable[Event]:
        return (self._emitter.candle(seen.native, seen.interval, seen.row, ts_recv),)

    def _lost(self, seen: Lost, ts_recv: Nanos) -> Iterable[Control]:
        subscription = self._subscribed.get((seen.channel, seen.native))
        return () if subscription is None else (Missed((subscription,), seen.cause, seen.reason),)

    def _refusal(self, seen: Refusal, ts_recv: Nanos) -> Iterable[Control]:
        return (Refused((seen.subscription,), seen.reason, seen.retry),)

    def _fault(self, seen: Fault, ts_recv: Nanos) -> Iterable[Control]:
        error = seen.error
        if isinstance(error, DataError):
            raise error
        # a market that is not loaded: the list is out of date, and nothing of what is subscribed to was lost
        if type(error).__name__ == "BadSymbol":
            raise UnknownNativeError(f"ccxt: {error}") from error
        raise DecodeError(f"ccxt could not read a frame ({type(error).__name__}: {error})") from error


class CcxtRouting:
    """One feed's."""

    def __init__(self, exchange_id: str, options: CcxtOptions, instruments: Instruments, numbers: type = float) -> None:
        """Make it for an exchange."""
        self._info = info_of(exchange_id)
        self._options = options
        self._venue: Venue = venue_of(exchange_id)
        self._emitter = CcxtEmitter(instruments, self._venue, numbers)

    def endpoint(self, subscription: Subscription) -> str:
        """Name the socket, or what stands for it where there is none."""
        return POLLED if self._options.rest_only else self._info.channels[subscription.channel].socket

    def locate(self, endpoint: str, url: str) -> Fetch[Located]:
        """Ask nothing: ccxt knows where to connect."""
        return Place(url, is_polled=endpoint == POLLED)
        yield

    def router(self, connection: ConnectionInfo) -> CcxtRouter:
        """Make the router of a new connection."""
        return CcxtRouter(self._emitter)

    def snapshot(self, subscription: Subscription) -> Fetch[BookSnapshot]:
        """Fetch the book over REST."""
        i = subscription.instrument
        assert i is not None
        limit = subscription.depth or self._options.limit
        params: dict[str, str | int] = {"symbol": i.native} | ({} if limit is None else {"limit": limit})
        reply = yield Request(CALL, "fetch_order_book", params)
        book = self._emitter.book(self._emitter.fetched_book(i.native, reply.value), reply.ts_recv)
        assert isinstance(book, BookSnapshot)
        return book

    def history(self, hole: Hole) -> Fetch[Sequence[Event]]:
        """Fetch one page of past trades, oldest first."""
        query = self._venue.query(hole) if self._venue.query is not None else Query(hole.start // _MS, _PAGE)
        params: dict[str, str | int] = {"symbol": hole.instrument.native}
        if query.since is not None:
            params["since"] = query.since
        if query.limit is not None:
            params["limit"] = query.limit
        params |= {f"params.{name}": value for name, value in query.params.items()}
        reply = yield Request(CALL, "fetch_trades", params)
        return self._emitter.trades(reply.value, reply.ts_recv)

    def checksum(self, book: BookView, instrument: Instrument) -> int:
        """Digest a book as the exchange does; asked for only where it sends digests.

        Raises:
            DecodeError: It sends none.
        """
        if self._venue.digest is None:
            raise DecodeError(f"{instrument.exchange} sends no checksums")
        return self._venue.digest(book, instrument)
