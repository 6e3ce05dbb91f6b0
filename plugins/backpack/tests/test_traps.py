"""The trap list of the reference (§12): each trap that touches trades, books, instruments or signing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from tickwire import (
    BookDelta,
    BookSnapshot,
    Channel,
    Event,
    Instruments,
    InstrumentStatus,
    L2Book,
    Quote,
    RequestRejectedError,
    Side,
    Subscription,
    Trade,
)
from tickwire.native import NativeRestClient
from tickwire.plugin import Control, Frame, Refused, Request, Response, Unknown
from tickwire_backpack.auth import BackpackSigner
from tickwire_backpack.info import BACKPACK
from tickwire_backpack.routing import BackpackRouter, BackpackRouting
from tickwire_backpack.symbols import BackpackSymbols

RECV = 1_790_000_000_000_000_000
Frames = Callable[[str], list[bytes]]
Answer = Callable[[str], Any]


def read(router: BackpackRouter, message: object) -> Event | Control:
    payload = message if isinstance(message, bytes) else json.dumps(message).encode()
    (item,) = router.route(Frame(payload, RECV))
    return item


def snapshot(routing: BackpackRouting, native: str, body: object, instruments: Instruments) -> BookSnapshot:
    conversation = routing.snapshot(Subscription(Channel.L2_BOOK, instruments.native[native]))
    next(conversation)
    with pytest.raises(StopIteration) as end:
        conversation.send(Response(200, {}, json.dumps(body).encode(), RECV))
    assert isinstance(end.value.value, BookSnapshot)
    return end.value.value


def depth(native: str, sequence: int, bids: list[list[str]], asks: list[list[str]]) -> dict[str, object]:
    data = {"e": "depth", "s": native, "U": sequence, "u": sequence, "b": bids, "a": asks, "T": 1_788_367_431_034_824}
    return {"data": data, "stream": f"depth.{native}"}


def utc(ns: int | None) -> str:
    assert ns is not None
    return datetime.fromtimestamp(ns // 10**9, UTC).isoformat()


def test_trap_1_the_best_bid_comes_last_over_rest(
    routing: BackpackRouting, instruments: Instruments, answer: Answer
) -> None:
    """REST bids come worst first."""
    body = answer("depth")
    assert float(body["bids"][0][0]) < float(body["bids"][-1][0])
    event = snapshot(routing, "SOL_USDC", body, instruments)
    assert event.bids[0] == (100.64, 67.95)
    assert L2Book.from_snapshot(event).best_bid == (100.64, 67.95)


def test_trap_2_one_price_written_in_two_ways_is_one_level(
    routing: BackpackRouting, router: BackpackRouter, instruments: Instruments
) -> None:
    """Level keys must be numeric: a text key would leave a ghost at 86700 and cross the book."""
    body = {
        "asks": [["86700", "1.5"]],
        "bids": [["86699.9", "2"]],
        "lastUpdateId": "10",
        "timestamp": 1_788_285_151_254_895,
    }
    book = L2Book.from_snapshot(snapshot(routing, "BTC_USDC", body, instruments))
    delta = read(
        router, depth("BTC_USDC", 11, [["86700.0", "0.30000"]], [["86700.0", "0.00000"], ["86700.1", "1.00000"]])
    )
    assert isinstance(delta, BookDelta)
    book.apply(delta)
    assert (book.bids(), book.asks()) == ([(86700.0, 0.3), (86699.9, 2.0)], [(86700.1, 1.0)])


def test_trap_3_every_time_of_trades_and_books_is_microseconds(
    routing: BackpackRouting, router: BackpackRouter, instruments: Instruments, frames: Frames, answer: Answer
) -> None:
    """Three time units: ``T`` of a frame and ``timestamp`` of a depth are µs; both become ns."""
    items = [read(router, frames(name)[0]) for name in ("trades", "l2_book", "l1_book")]
    stamps = [item.ts_event for item in items if isinstance(item, Trade | BookDelta | Quote)]
    stamps.append(snapshot(routing, "SOL_USDC", answer("depth"), instruments).ts_event)
    assert [utc(ns) for ns in stamps] == [
        "2025-01-06T17:57:28+00:00",
        "2026-09-02T16:43:50+00:00",
        "2026-09-02T16:43:50+00:00",
        "2026-09-01T17:52:31+00:00",
    ]


def test_trap_4_silence_is_declared_so_core_waits_for_data_and_never_for_an_answer(
    router: BackpackRouter, instruments: Instruments
) -> None:
    """Unknown symbols are silent and nothing is acknowledged; an error frame names no stream, so it refuses none."""
    assert {info.acknowledged for info in BACKPACK.channels.values()} == {False}
    router.subscribe([Subscription(Channel.TRADES, instruments.native["SOL_USDC"])])
    item = read(router, {"id": None, "error": {"code": 4006, "message": "Invalid stream"}})
    assert item == Unknown("error 4006 Invalid stream")
    assert not isinstance(item, Refused)


@pytest.mark.parametrize("native", ["AAPL.US_USDC_PERP", "kPEPE_USDC_PERP"])
@pytest.mark.parametrize("prefix", ["depth", "depth.200ms"])
def test_trap_5_symbols_hold_dots_and_lower_case_letters(
    native: str, prefix: str, router: BackpackRouter, instruments: Instruments
) -> None:
    """Never ``.upper()``, never split a stream's name on ``.``: frames are routed by what is in them."""
    instrument = instruments.native[native]
    item = read(router, depth(native, 1, [], []) | {"stream": f"{prefix}.{native}"})
    assert isinstance(item, BookDelta)
    assert item.symbol == instrument.symbol
    assert router.stream(Subscription(Channel.L2_BOOK, instrument)) == f"depth.{native}"


def test_trap_7_a_snapshots_id_is_a_text_of_the_same_count_as_the_deltas_numbers(
    routing: BackpackRouting, router: BackpackRouter, instruments: Instruments, answer: Answer
) -> None:
    """``lastUpdateId`` is a text, ``U`` and ``u`` are numbers: the next delta follows all the same."""
    book = L2Book.from_snapshot(snapshot(routing, "SOL_USDC", answer("depth"), instruments))
    delta = read(router, depth("SOL_USDC", 4324522524, [["100.64", "0.00"]], []))
    assert isinstance(delta, BookDelta)
    book.apply(delta)
    assert (book.sequence, book.best_bid) == (4324522524, (100.63, 149.64))


def test_trap_7_a_quote_carries_its_id_and_is_no_part_of_the_books_order(
    router: BackpackRouter, frames: Frames
) -> None:
    """bookTicker shares the id space, skips ids and may come early: it gives a quote, never a delta."""
    quote, delta = read(router, frames("l1_book")[0]), read(router, frames("l2_book")[0])
    assert (type(quote), type(delta)) == (Quote, BookDelta)
    assert isinstance(quote, Quote)
    assert isinstance(delta, BookDelta)
    assert quote.sequence == delta.last_sequence == 4330360995


@pytest.mark.parametrize("state", ["Closed", "CancelOnly", "PostOnly", "LimitOnly"])
def test_trap_8_a_market_that_a_stale_list_calls_closed_is_loaded_all_the_same(state: str, answer: Answer) -> None:
    """``/markets`` comes from a CDN minutes old: its state is told, and drives nothing."""
    symbols = BackpackSymbols()
    symbols.read([answer("markets")[0] | {"orderBookState": state}])
    (market,) = symbols.markets.values()
    assert market.instrument.status is not InstrumentStatus.OPEN


@pytest.mark.parametrize(
    ("status", "body", "kind", "text"),
    [
        (
            400,
            b'{"code":"INVALID_CLIENT_REQUEST","message":"Invalid market symbol"}',
            "application/json",
            "Invalid market",
        ),
        (404, b"not found", "text/plain", "404 not found"),
        (
            400,
            b'failed to parse parameter `limit`: failed to parse "DepthLimit": Expect a valid enumeration value.',
            "text/plain",
            "Expect a valid enumeration value.",
        ),
    ],
)
def test_trap_11_an_error_is_told_whether_it_is_json_or_plain_text(
    status: int, body: bytes, kind: str, text: str, routing: BackpackRouting, instruments: Instruments
) -> None:
    """Errors may be plain text."""
    request = next(routing.snapshot(Subscription(Channel.L2_BOOK, instruments.native["SOL_USDC"])))

    async def answer(asked: web.Request) -> web.Response:
        assert (asked.path, dict(asked.query)) == ("/api/v1/depth", {"symbol": "SOL_USDC", "limit": "1000"})
        return web.Response(status=status, body=body, content_type=kind)

    async def main() -> None:
        app = web.Application()
        app.router.add_get("/api/v1/depth", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            async with NativeRestClient(f"http://127.0.0.1:{runner.addresses[0][1]}") as client:
                with pytest.raises(RequestRejectedError, match=text) as caught:
                    await client.fetch(request)
            assert caught.value.status == status
        finally:
            await runner.cleanup()

    asyncio.run(main())


def test_trap_12_signing_in_all_its_details(signer: BackpackSigner) -> None:
    """``true``/``false``, the window, the instruction first, a DELETE's body, no None, decimals as they stand."""
    body = json.dumps(
        {"symbol": "SOL_USDC", "price": "12.0", "postOnly": True, "ioc": False, "clientId": None}
    ).encode()
    assert signer.signing_text(Request("DELETE", "/api/v1/order", body=body), 1_614_550_000_000) == (
        "instruction=orderCancel&ioc=false&postOnly=true&price=12.0&symbol=SOL_USDC&timestamp=1614550000000&window=5000"
    )


def test_trap_13_a_and_b_of_a_trade_are_order_ids_and_no_prices(router: BackpackRouter, frames: Frames) -> None:
    """Seller's and buyer's order ids: they are neither price nor size nor part of the event."""
    (frame,) = frames("trades")
    message = json.loads(frame)
    expected = Trade(
        "backpack", "SOL-USDC", 1_736_186_248_744_398_000, RECV, 218.5, 0.07, Side.SELL, "341399899", 341399899, 1
    )
    assert read(router, message) == expected
    message["data"] |= {"a": "no number", "b": None}
    assert read(router, message) == expected


@pytest.mark.parametrize(("buyer_is_maker", "taker"), [(True, Side.SELL), (False, Side.BUY)])
def test_trap_13_the_taker_is_the_other_side_of_the_maker(
    buyer_is_maker: bool, taker: Side, router: BackpackRouter, frames: Frames
) -> None:
    """``m`` says that the buyer was the maker."""
    message = json.loads(frames("trades")[0])
    message["data"]["m"] = buyer_is_maker
    item = read(router, message)
    assert isinstance(item, Trade)
    assert item.taker_side is taker


def test_trap_14_whatever_grows_does_not_raise(router: BackpackRouter, frames: Frames, answer: Answer) -> None:
    """Unknown market types, states, codes, kinds of events and keys."""
    spot = answer("markets")[0]
    grown = {"brandNew": {"a": [1]}, "rwaMarketType": "ART"}
    symbols = BackpackSymbols()
    symbols.read(
        [spot | grown | {"orderBookState": "Dreaming"}, spot | {"symbol": "SOL_USDC_MONAD", "marketType": "MONAD"}]
    )
    assert [market.instrument.status for market in symbols.markets.values()] == [InstrumentStatus.UNKNOWN]
    assert list(symbols.quarantined) == ["SOL_USDC_MONAD"]
    assert read(router, {"id": None, "error": {"code": 4999, "message": "New", "more": 1}}) == Unknown("error 4999 New")
    assert read(router, {"data": {"e": "brandNew"}, "stream": "brandNew"}) == Unknown("brandNew")
    for name in ("trades", "l2_book", "l1_book"):
        message = json.loads(frames(name)[0])
        plain = read(router, message)
        message["data"] |= grown
        assert read(router, message | {"more": 1}) == plain


@pytest.mark.parametrize("sequence", [2**53 + 1, 2**62 + 1, 2**63 - 1])
def test_trap_15_ids_above_2_to_the_53_keep_every_digit(
    sequence: int,
    router: BackpackRouter,
    routing: BackpackRouting,
    frames: Frames,
    instruments: Instruments,
    answer: Answer,
) -> None:
    """Ids are ints, never floats."""
    trade = json.loads(frames("trades")[0])
    trade["data"]["t"] = sequence
    quote = json.loads(frames("l1_book")[0])
    quote["data"]["u"] = str(sequence)
    items = [read(router, trade), read(router, depth("SOL_USDC", sequence, [], [])), read(router, quote)]
    assert isinstance(items[0], Trade)
    assert isinstance(items[1], BookDelta)
    assert isinstance(items[2], Quote)
    assert (items[0].sequence, items[0].trade_id) == (sequence, str(sequence))
    assert (items[1].first_sequence, items[1].last_sequence) == (sequence, sequence)
    assert items[2].sequence == sequence
    body = answer("depth") | {"lastUpdateId": str(sequence)}
    assert snapshot(routing, "SOL_USDC", body, instruments).sequence == sequence
