"""Dresses the simulated market as Kraken's WebSocket v2 and public REST.

An answer for each symbol, a status on connecting, a heartbeat after each second of silence, the last 50 trades where
they are asked for, books that are windows with a CRC32, numbers that are JSON numbers with all their decimals. Tickers
of trades come every second here, not at each trade. Sources: docs.kraken.com (read 2026-11-26), frames and answers
recorded in 2025; where neither tells, the comment says so.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import msgspec

from tickwire import Channel, Clock, Nanos, SystemClock, UnknownNativeError
from tickwire.plugin import Request
from tickwire.simulation import SimBook, SimCandle, SimClient, SimMarket, SimTicker, SimTrade
from tickwire_kraken.info import INTERVALS, KRAKEN
from tickwire_kraken.simulated_pairs import INSTRUMENTS, OLDEST_NAMES, PRICES, asset_rows, native_of, pair_row

__all__ = ["KrakenSimulator"]

_MINUTES = {name: minutes for minutes, name in INTERVALS.items()}
_Params = Mapping[str, Any]


class KrakenSimulator:
    """A dress for ``tickwire.simulation.SimServer``.

    Args:
        clock: What the times of answers are read from.

    Attributes:
        clock: As above; a hostile exchange puts it wrong.
        market: What it dresses.
    """

    instruments = INSTRUMENTS
    prices = PRICES

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.market: SimMarket | None = None
        self._routes: Mapping[str, Callable[[_Params, SimMarket], object]] = {
            "Time": self._time,
            "SystemStatus": lambda _, __: {"status": "online", "timestamp": _text(self.clock.now())},
            "Assets": lambda _, __: asset_rows(),
            "AssetPairs": lambda _, market: {OLDEST_NAMES[i.native]: pair_row(i) for i in market.instruments},
            "Depth": _depth,
            "Trades": _trades,
        }

    # REST
    def rest(self, request: Request, market: SimMarket) -> object:
        """Answer a public GET; errors have status 200 as well."""
        route = self._routes.get(request.path.removeprefix("/0/public/"))
        if route is None:
            return {"error": ["EGeneral:Unknown method"]}
        try:
            return {"error": [], "result": route(request.params, market)}
        except UnknownNativeError:
            return {"error": ["EQuery:Unknown asset pair"]}
        except (KeyError, ValueError):
            return {"error": ["EGeneral:Invalid arguments"]}

    def _time(self, params: _Params, market: SimMarket) -> object:
        seconds = self.clock.now() // 1_000_000_000
        return {"unixtime": seconds, "rfc1123": format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True)}

    # the socket
    def welcome(self) -> object:
        """Tell the engine's state."""
        row = {"api_version": "v2", "connection_id": 13834774380200032777, "system": "online", "version": "2.0.0"}
        return {"channel": "status", "data": [row], "type": "update"}

    def heartbeat(self) -> object:
        """Break a silence."""
        return {"channel": "heartbeat"}

    def received(self, payload: bytes, client: SimClient) -> None:
        """Answer a ping, or each symbol of a subscription by itself."""
        try:
            message = msgspec.json.decode(payload, type=_Message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return client.send({"error": "Malformed request", "method": "", "success": False, **self._times()})
        head: dict[str, object] = {} if message.req_id is None else {"req_id": message.req_id}
        if message.method == "ping":
            return client.send({"method": "pong", **head, **self._times()})
        head["method"] = message.method
        for native in message.params.symbol:
            client.send({**head, **self._answer(message, native, client), **self._times()})
        return None

    def _answer(self, message: "_Message", native: str, client: SimClient) -> dict[str, object]:
        params = message.params
        words, complaint = _read(params)
        topic = f"{params.channel} {words} {native}"
        if complaint is None and message.method == "unsubscribe":
            client.leave(topic)
        elif complaint is None and not self._join(topic, params, native, client):
            complaint = f"Currency pair not supported {native}"
        if complaint is not None:
            return {"success": False, "error": complaint, "symbol": native}
        result = {"channel": params.channel, "symbol": native, "snapshot": params.wants_snapshot, **words}
        return {"success": True, "result": result}

    def _join(self, topic: str, params: "_Asked", native: str, client: SimClient) -> bool:
        match params.channel:
            case "book":
                return client.join(topic, Channel.L2_BOOK, native, depth=params.depth, snapshot=params.wants_snapshot)
            case "trade":
                return client.join(topic, Channel.TRADES, native, snapshot=params.wants_snapshot)
            case "ohlc":
                return client.join(topic, Channel.CANDLES, native, 1, INTERVALS[params.interval])
            case _:
                is_bbo = params.event_trigger == "bbo"
                return client.join(topic, Channel.L1_BOOK if is_bbo else Channel.TICKER, native, 0 if is_bbo else 1)

    def trade(self, trade: SimTrade) -> object:
        """Write a trade."""
        return {"channel": "trade", "type": "update", "data": [_trade(trade)]}

    def recent(self, trades: Sequence[SimTrade]) -> object:
        """Write the last trades."""
        return {"channel": "trade", "type": "snapshot", "data": [_trade(trade) for trade in trades]}

    def book(self, change: SimBook, whole: SimBook) -> object:
        """Write the window, or what changed in it."""
        row = {
            "symbol": change.instrument.native,
            "bids": _levels(change.bids),
            "asks": _levels(change.asks),
            "checksum": digest([*whole.asks[:10], *whole.bids[:10]]),
            "timestamp": _text(change.ts),
        }
        return {"channel": "book", "type": "snapshot" if change.previous is None else "update", "data": [row]}

    def quote(self, whole: SimBook) -> object:
        """Write a ticker because the best bid or ask has changed."""
        assert self.market is not None
        return self._ticker(self.market.ticker(whole.instrument.native), whole)

    def ticker(self, ticker: SimTicker) -> object:
        """Write a ticker of trades."""
        assert self.market is not None
        return self._ticker(ticker, self.market.book(ticker.instrument.native, 1))

    def candle(self, candle: SimCandle) -> object:
        """Write a candle; without a trade there is none."""
        if not candle.trades:
            return None
        row = {
            "symbol": candle.instrument.native,
            **{name: _number(getattr(candle, name)) for name in ("open", "high", "low", "close", "volume")},
            "trades": candle.trades,
            "vwap": _vwap(candle),
            "interval_begin": _text(candle.ts_start),
            "interval": _MINUTES[candle.bucket],
            "timestamp": _text(candle.ts_end),
        }
        return {"channel": "ohlc", "type": "update", "timestamp": _text(self.clock.now()), "data": [row]}

    def _ticker(self, figures: SimTicker, book: SimBook) -> object:
        # what it says before the first trade, or of an empty side, is unknown
        last, first = figures.last, figures.open
        change = Decimal(last) - Decimal(first) if last and first else Decimal(0)
        row = {
            "symbol": book.instrument.native,
            **_best("bid", book.bids),
            **_best("ask", book.asks),
            **{name: _number(getattr(figures, name)) for name in ("last", "volume", "low", "high")},
            "vwap": _vwap(figures),
            "change": _number(f"{change:f}"),
            "change_pct": _number(f"{change / Decimal(first) * 100:.2f}" if first else "0"),
            "timestamp": _text(max(book.ts, figures.ts)),
        }
        return {"channel": "ticker", "type": "update", "data": [row]}

    def _times(self) -> dict[str, object]:
        return dict.fromkeys(("time_in", "time_out"), _text(self.clock.now()))


class _Asked(msgspec.Struct):
    # trades are pushed at once only if asked for, say the newer documents
    channel: str = ""
    symbol: list[str] = []
    depth: int = 10
    interval: int = 1
    event_trigger: str = "trades"
    snapshot: bool | None = None

    @property
    def wants_snapshot(self) -> bool:
        return self.channel != "trade" if self.snapshot is None else self.snapshot


class _Message(msgspec.Struct):
    method: str
    params: _Asked = msgspec.field(default_factory=_Asked)
    req_id: int | None = None


def digest(levels: Sequence[tuple[str, str]]) -> int:
    """Digest levels, asks first, by the texts that are sent."""
    return zlib.crc32("".join(text.replace(".", "").lstrip("0") for level in levels for text in level).encode())


def _read(params: _Asked) -> tuple[dict[str, object], str | None]:
    # the texts are those of the older WebSocket
    if params.channel == "book":
        bad = KRAKEN.book is not None and params.depth not in KRAKEN.book.depths
        return {"depth": params.depth}, "Subscription depth not supported" if bad else None
    if params.channel == "ohlc":
        bad = params.interval not in INTERVALS
        return {"interval": params.interval}, "Subscription ohlc interval not supported" if bad else None
    if params.channel == "ticker":
        return {"event_trigger": params.event_trigger}, None
    return {}, None if params.channel == "trade" else "Subscription name invalid"


def _trades(params: _Params, market: SimMarket) -> object:
    native, since = native_of(str(params["pair"])), int(params.get("since", 0))
    every, count = market.trades(native, 0, 1_000_000), int(params.get("count", 1000))
    found = [trade for trade in every if trade.ts > since][:count] if since else every[-count:]
    rows = [
        (t.price, t.size, _number(f"{t.ts / 1e9:.7f}"), "b" if t.buyer_is_taker else "s", "l", "", t.number)
        for t in found
    ]
    return {OLDEST_NAMES[native]: rows, "last": str(found[-1].ts if found else since)}


def _depth(params: _Params, market: SimMarket) -> object:
    native = native_of(str(params["pair"]))
    book = market.book(native, int(params.get("count", 100)))
    sides = {"asks": book.asks, "bids": book.bids}
    seconds = book.ts // 1_000_000_000
    return {OLDEST_NAMES[native]: {name: [(*level, seconds) for level in side] for name, side in sides.items()}}


def _trade(trade: SimTrade) -> object:
    return {
        "symbol": trade.instrument.native,
        "side": "buy" if trade.buyer_is_taker else "sell",
        "price": _number(trade.price),
        "qty": _number(trade.size),
        "ord_type": "limit",
        "trade_id": trade.number,
        "timestamp": _text(trade.ts),
    }


def _levels(levels: Sequence[tuple[str, str]]) -> Sequence[object]:
    return [{"price": _number(price), "qty": _number(size)} for price, size in levels]


def _best(name: str, levels: Sequence[tuple[str, str]]) -> dict[str, object]:
    price, size = levels[0] if levels else (None, None)
    return {name: _number(price), f"{name}_qty": _number(size)}


def _vwap(figures: SimTicker | SimCandle) -> object:
    volume = Decimal(figures.volume)
    decimals = figures.instrument.price_decimals or 0
    return _number(f"{Decimal(figures.quote_volume) / volume:.{decimals}f}" if volume else "0")


def _number(text: str | None) -> msgspec.Raw | None:
    # with all its decimals, as the exchange writes it
    return None if text is None else msgspec.Raw(text.encode())


def _text(ts: Nanos) -> str:
    return f"{datetime.fromtimestamp(ts // 1_000_000_000, UTC):%Y-%m-%dT%H:%M:%S}.{ts // 1_000 % 1_000_000:06}Z"
