"""Kraken's language: what is asked for, what each answer confirms, what frames mean, and the documented checksum."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire import (
    BookDelta,
    Books,
    BookSnapshot,
    Channel,
    DecodeError,
    ExchangeUnavailableError,
    Instrument,
    Instruments,
    L2Book,
    Quote,
    RateLimitedError,
    RequestRejectedError,
    Side,
    Subscription,
    SymbolParts,
    Ticker,
    Trade,
    UnknownNativeError,
)
from tickwire.plugin import (
    Alive,
    Confirmed,
    ConnectionInfo,
    Frame,
    Hole,
    Located,
    Refused,
    Request,
    Response,
    Router,
    Unknown,
)
from tickwire.testing import hold
from tickwire_kraken.router import KrakenRouter
from tickwire_kraken.routing import KrakenRouting
from tickwire_kraken.simulator import digest

BTC = Instrument.of("kraken", "BTC/USD", SymbolParts("BTC", "USD"), tick_size=Decimal("0.1"), lot_size=Decimal("1e-8"))
Frames = Callable[[str], list[bytes]]
Connect = Callable[..., KrakenRouter]
SENT = 1_696_613_755_440_295_000


def read(router: Router, frame: bytes | dict[str, Any], ts_recv: int = 7) -> list[object]:
    payload = frame if isinstance(frame, bytes) else msgspec.json.encode(frame)
    return list(router.route(Frame(payload, ts_recv)))


def wanted(instruments: Instruments, channel: Channel, *natives: str, **more: Any) -> list[Subscription]:
    return [Subscription(channel, instruments.native[native], **more) for native in natives]


def sent(router: KrakenRouter, subscriptions: Iterable[Subscription], *, add: bool = True) -> list[Any]:
    asked = list(subscriptions)
    return [msgspec.json.decode(one.payload) for one in (router.subscribe if add else router.unsubscribe)(asked)]


# --- asking


def test_a_frame_asks_for_one_channel_with_its_parameters_for_many_symbols(
    router: KrakenRouter, instruments: Instruments
) -> None:
    asked = [
        *wanted(instruments, Channel.TRADES, "BTC/USD", "ETH/USD"),
        *wanted(instruments, Channel.L2_BOOK, "BTC/USD"),
        *wanted(instruments, Channel.L2_BOOK, "ETH/USD", depth=100),
        *wanted(instruments, Channel.CANDLES, "BTC/USD", interval="4h"),
        *wanted(instruments, Channel.TICKER, "ETH/USD"),
        *wanted(instruments, Channel.L1_BOOK, "ETH/USD"),
    ]
    both = ["BTC/USD", "ETH/USD"]
    params: list[dict[str, object]] = [
        {"channel": "trade", "symbol": both},
        {"channel": "book", "symbol": both[:1], "depth": 10},
        {"channel": "book", "symbol": both[1:], "depth": 100},
        {"channel": "ohlc", "symbol": both[:1], "interval": 240},
        {"channel": "ticker", "symbol": both[1:], "event_trigger": "trades"},
        {"channel": "ticker", "symbol": both[1:], "event_trigger": "bbo"},
    ]
    assert sent(router, asked) == [
        {"method": "subscribe", "params": {**one, "snapshot": True}, "req_id": number}
        for number, one in enumerate(params, 1)
    ]
    assert sent(router, asked, add=False) == [
        {"method": "unsubscribe", "params": one, "req_id": number} for number, one in enumerate(params, 7)
    ]


def test_each_symbol_is_confirmed_or_refused_by_its_own_answer(router: KrakenRouter, instruments: Instruments) -> None:
    good, bad = wanted(instruments, Channel.L2_BOOK, "BTC/USD", "ETH/USD")
    sent(router, [good, bad])
    result = {"channel": "book", "depth": 10, "snapshot": True, "symbol": "BTC/USD"}
    assert read(router, {"method": "subscribe", "req_id": 1, "success": True, "result": result}) == [Confirmed((good,))]
    refusal = {"method": "subscribe", "req_id": 1, "success": False, "symbol": "ETH/USD"}
    said = "Currency pair not supported ETH/USD"
    assert read(router, {**refusal, "error": said}) == [Refused((bad,), said)]
    assert read(router, {**refusal, "error": said}) == []


def test_a_refusal_that_names_no_symbol_is_of_all_that_was_asked_for(
    router: KrakenRouter, instruments: Instruments
) -> None:
    asked = wanted(instruments, Channel.L2_BOOK, "BTC/USD", "ETH/USD", depth=1000)
    sent(router, asked)
    said = {"method": "subscribe", "req_id": 1, "success": False, "error": "Subscription depth not supported"}
    assert read(router, said) == [Refused((one,), "Subscription depth not supported") for one in asked]


def test_an_answer_to_nobody_and_one_to_an_unsubscription_say_nothing(
    router: KrakenRouter, instruments: Instruments, frames: Frames
) -> None:
    sent(router, wanted(instruments, Channel.TRADES, "BTC/USD"), add=False)
    assert read(router, frames("refusals")[0]) == []
    assert read(router, {"method": "unsubscribe", "req_id": 1, "success": True, "result": {"symbol": "BTC/USD"}}) == []
    assert read(router, {"method": "subscribe", "req_id": 9, "success": True, "result": {"symbol": "BTC/USD"}}) == []


def test_signs_of_life_are_nothing_else(router: KrakenRouter, frames: Frames) -> None:
    assert [read(router, frame) for frame in frames("session")[:3]] == [[Alive()]] * 3
    assert [msgspec.json.decode(one.payload) for one in router.heartbeat(0)] == [{"method": "ping"}]


# --- frames


def test_the_last_trades_pushed_on_subscribing_are_backfilled_and_live_ones_are_not(
    router: KrakenRouter, frames: Frames
) -> None:
    pushed, live = (read(router, frame) for frame in frames("trades"))
    assert [one.backfilled for one in pushed if isinstance(one, Trade)] == [True, True]
    ts_event = 1_695_628_177_708_706_000
    assert live == [
        Trade("kraken", "MATIC-USD", ts_event, 7, 0.5117, 40.0, Side.SELL, "4665906", 4_665_906, None, False)
    ]


def test_a_ticker_is_a_quote_on_the_socket_of_quotes_and_figures_elsewhere(connect: Connect, frames: Frames) -> None:
    (frame,) = frames("ticker")
    ts_event = 1_695_632_671_742_648_000
    head = ("kraken", "ALGO-USD", ts_event, 7)
    assert read(connect("quotes"), frame) == [Quote(*head, 0.10025, 740.0, 0.10036, 1361.44813783)]
    assert read(connect("public"), frame) == [
        Ticker(*head, 0.10035, None, None, 0.10285, 0.09979, 997038.98383185, None, None, "24h")
    ]


def test_a_snapshot_has_the_depth_that_was_asked_for_its_symbol(
    connect: Connect, instruments: Instruments, frames: Frames
) -> None:
    router = connect()
    sent(router, wanted(instruments, Channel.L2_BOOK, "BTC/USD", depth=25))
    btc, eth = read(router, frames("l2_book.checksum")[0]), read(router, frames("l2_book.eth")[0])
    assert [one.depth for one in (*btc, *eth) if isinstance(one, BookSnapshot)] == [25, 10]


def test_levels_keep_the_order_of_the_wire_also_where_one_price_comes_twice(router: KrakenRouter) -> None:
    levels = [{"price": 0.5657, "qty": 1.5}, {"price": 0.5658, "qty": 2}, {"price": 0.5657, "qty": 0}]
    row = {"symbol": "MATIC/USD", "bids": levels, "asks": [], "checksum": 1, "timestamp": "2023-10-06T17:35:55.440295Z"}
    bids = ((0.5657, 1.5), (0.5658, 2.0), (0.5657, 0.0))
    assert read(router, {"channel": "book", "type": "update", "data": [row]}) == [
        BookDelta("kraken", "MATIC-USD", SENT, 7, bids, (), checksum=1)
    ]


def test_numbers_written_as_text_are_the_same_numbers(router: KrakenRouter, frames: Frames) -> None:
    # the newer guide writes them so
    (frame,) = frames("l2_book.checksum")
    document = msgspec.json.decode(frame)
    for side in ("bids", "asks"):
        document["data"][0][side] = [{name: str(value) for name, value in level.items()} for level in
                                     document["data"][0][side]]  # fmt: skip
    assert read(router, document) == read(router, frame)


@pytest.mark.parametrize("name", ["trades", "l2_book", "ticker", "candles"])
def test_a_symbol_that_is_not_loaded_is_told_apart(name: str, frames: Frames) -> None:
    router = KrakenRouter(Instruments())
    for frame in frames(name):
        with pytest.raises(UnknownNativeError):
            read(router, frame)


def test_unknown_kinds_are_told_and_unknown_intervals_refused(router: KrakenRouter, frames: Frames) -> None:
    assert read(router, {"channel": "level3", "type": "update", "data": []}) == [Unknown("level3")]
    assert read(router, {"method": "add_order", "success": False}) == [Unknown("add_order")]
    odd = msgspec.json.decode(frames("candles")[1])
    odd["data"][0]["interval"] = 7
    with pytest.raises(DecodeError):
        read(router, odd)


@pytest.mark.parametrize("name", ["trades", "l2_book", "l2_book.eth", "ticker", "candles", "session", "refusals"])
def test_no_documented_field_counts_as_drift(connect: Connect, frames: Frames, name: str) -> None:
    for frame in frames(name):
        router = connect()
        read(router, frame)
        assert [labels for metric, labels, _ in router.metrics if metric == "drift_total"] == []


# --- the checksum


@pytest.mark.parametrize("numbers", [float, Decimal])
def test_the_documented_book_has_the_documented_checksum(
    instruments: Instruments, frames: Frames, numbers: type
) -> None:
    routing = KrakenRouting(instruments, numbers)
    router = routing.router(ConnectionInfo("test", "public", Located("wss://ws.kraken.com/v2")))
    (snapshot,) = read(router, frames("l2_book.checksum")[0])
    assert isinstance(snapshot, BookSnapshot)
    assert routing.checksum(L2Book.from_snapshot(snapshot), instruments.native["BTC/USD"]) == 3_310_070_434


def test_a_recorded_update_leads_to_its_recorded_checksum(
    routing: KrakenRouting, router: KrakenRouter, instruments: Instruments, frames: Frames
) -> None:
    books, digests = Books(), []
    for frame in frames("l2_book.eth"):
        for event in read(router, frame):
            assert isinstance(event, BookSnapshot | BookDelta)
            books.apply(event)
            digests.append((routing.checksum(books["ETH-USD"], instruments.native["ETH/USD"]), event.checksum))
    assert digests == [(2_606_672_715, 2_606_672_715), (3_329_440_863, 3_329_440_863)]


SIDES = st.lists(st.tuples(st.integers(1, 10**15 - 1), st.integers(1, 10**15 - 1)), max_size=12)


@given(bids=SIDES, asks=SIDES)
def test_floats_of_up_to_fifteen_digits_are_digested_as_the_exchanges_own_texts(
    bids: list[tuple[int, int]], asks: list[tuple[int, int]]
) -> None:
    sides = [[(Decimal(p).scaleb(-1), Decimal(s).scaleb(-8)) for p, s in side] for side in (bids, asks)]
    texts = [[(f"{p:.1f}", f"{s:.8f}") for p, s in side[:10]] for side in sides]
    floats = [[(float(p), float(s)) for p, s in side] for side in sides]

    class View:
        def bids(self, n: int) -> list[tuple[float, float]]:
            return floats[0][:n]

        def asks(self, n: int) -> list[tuple[float, float]]:
            return floats[1][:n]

    assert KrakenRouting(Instruments()).checksum(View(), BTC) == digest([*texts[1], *texts[0]])


# --- history


def fetched(routing: KrakenRouting, hole: Hole, body: bytes) -> tuple[list[Request], list[Trade]]:
    requests: list[Request] = []

    def answer(request: Request) -> Response:
        requests.append(request)
        return Response(200, {}, body, 7)

    return requests, [one for one in hold(routing.history(hole), answer) if isinstance(one, Trade)]


RECORDED = b"""{"error": [], "result": {"XXBTZUSD": [
 ["30243.40000", "0.34507674", 1688669597.8277369, "b", "m", "", 61044952],
 ["30243.30000", "0.00376960", 1688669598.2804112, "s", "l", "", 61044953]], "last": "1688671969993150842"}}"""


def test_a_page_of_history_is_the_documented_answer_read(routing: KrakenRouting, instruments: Instruments) -> None:
    btc = instruments.native["BTC/USD"]
    after = Trade("kraken", "BTC-USD", 1_688_669_597_000_001_000, 7, 1.0, 1.0, None, "61044951", 61_044_951)
    hole = Hole(btc, Channel.TRADES, after, None, 1_688_669_597_000_001_000, 1_688_670_000_000_000_000)
    requests, trades = fetched(routing, hole, RECORDED)
    params: dict[str, str | int] = {"pair": "XBTUSD", "since": 1_688_669_597_000_000_000, "count": 1000}
    assert requests == [Request("GET", "/0/public/Trades", params, limit="trades")]
    head = ("kraken", "BTC-USD")
    assert trades == [
        Trade(*head, 1_688_669_597_827_737_000, 7, 30243.4, 0.34507674, Side.BUY, "61044952", 61_044_952, None, True),
        Trade(*head, 1_688_669_598_280_411_000, 7, 30243.3, 0.0037696, Side.SELL, "61044953", 61_044_953, None, True),
    ]


def test_without_a_trade_before_it_a_hole_is_filled_from_its_beginning(
    routing: KrakenRouting, instruments: Instruments
) -> None:
    start = 1_688_669_000_000_000_000
    hole = Hole(instruments.native["BTC/USD"], Channel.TRADES, None, None, start, start + 10**9)
    assert fetched(routing, hole, RECORDED)[0][0].params["since"] == start - 1_000


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("EAPI:Rate limit exceeded", RateLimitedError),
        ("EGeneral:Too many requests", RateLimitedError),
        ("EGeneral:Temporary lockout", RateLimitedError),
        ("EService:Throttled: 1688669597", RateLimitedError),
        ("EService:Unavailable", ExchangeUnavailableError),
        ("EService:Busy", ExchangeUnavailableError),
        ("EGeneral:Internal error[:1]", ExchangeUnavailableError),
        ("EQuery:Unknown asset pair", RequestRejectedError),
        ("EGeneral:Invalid arguments", RequestRejectedError),
    ],
)
def test_errors_that_come_with_status_200_are_errors_of_ours(
    routing: KrakenRouting, instruments: Instruments, said: str, error: type[Exception]
) -> None:
    hole = Hole(instruments.native["BTC/USD"], Channel.TRADES, None, None, 0, 1)
    for body in ({"error": [said]}, {"error": ["WGeneral:Deprecated", said], "result": {}}):
        with pytest.raises(error, match=said.partition("[")[0]):
            fetched(routing, hole, msgspec.json.encode(body))


def test_a_warning_is_no_error_and_an_answer_of_nothing_is_one(
    routing: KrakenRouting, instruments: Instruments
) -> None:
    hole = Hole(instruments.native["BTC/USD"], Channel.TRADES, None, None, 0, 1)
    warned = msgspec.json.encode({"error": ["WGeneral:Deprecated"], "result": {"XXBTZUSD": [], "last": "0"}})
    assert fetched(routing, hole, warned)[1] == []
    with pytest.raises(DecodeError):
        fetched(routing, hole, b'{"error": []}')


def test_a_page_is_charged_to_a_budget_of_its_own(routing: KrakenRouting) -> None:
    assert attrs.asdict(routing.info.limits["trades"]) == {"weight": 1, "seconds": 1}
