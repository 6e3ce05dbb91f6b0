"""Subscriptions from wish to flow: acknowledgements, refusals, changes while running, and books brought into sync."""

from __future__ import annotations

import asyncio
import logging
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tickwire.feed.backoff import BackoffPolicy
from tickwire.feed.streams import SubscriptionState
from tickwire.model.books import Books
from tickwire.model.channels import Channel, ChannelRequest, Subscribe
from tickwire.model.errors import (
    ConnectionLostError,
    ExchangeUnavailableError,
    RateLimitedError,
    SubscriptionRejectedError,
    UnknownInstrumentError,
    UnsupportedChannelError,
)
from tickwire.model.events import BookDelta, BookSnapshot, SnapshotCause, Trade
from tickwire.model.quality import Event, Gap, GapCause, Resynced, Subscribed, Unsubscribed, UnsubscribeReason
from tickwire.model.sequence import SequenceRule
from tickwire.plugin.info import BookFeed, BookStart, Checksum

if TYPE_CHECKING:
    from conftest import Toy, ToyConnection
    from tickwire.run.feed import Feed

BOOK = {"b": [[10, 1]], "a": [[11, 1]]}


def trade(number: int, symbol: str = "SOL") -> dict[str, Any]:
    return {"k": "trade", "s": f"{symbol}_USD", "n": number}


def delta(number: int, symbol: str = "SOL", **levels: Any) -> dict[str, Any]:
    return {"k": "delta", "s": f"{symbol}_USD", "n": number, **levels}


def snap(number: int, symbol: str = "SOL") -> dict[str, Any]:
    return {"k": "snap", "s": f"{symbol}_USD", "n": number, **BOOK}


async def until_it_ends(feed: Feed, toy: Toy, message: dict[str, Any]) -> None:
    async with feed:
        await toy.settle()
        toy.last.give(message)
        await feed.wait()


over_the_socket = pytest.mark.parametrize("start", [BookStart.SOCKET, BookStart.SYNCED], ids=str)


def socket_start(toy: Toy, start: BookStart) -> None:
    toy.declare(book=BookFeed(start, SequenceRule.CONSECUTIVE))


def states(feed: Feed) -> dict[str, SubscriptionState]:
    return {str(subscription): status.state for subscription, status in feed.status().items()}


# acknowledged and refused


def test_wanted_then_pending_then_active(toy: Toy) -> None:
    async def main() -> None:
        toy.refusals.append(ConnectionLostError("no"))
        async with toy.feed(["SOL-USD", "BTC-USD"]) as feed:
            await toy.settle()
            assert states(feed) == dict.fromkeys(["SOL-USD trades", "BTC-USD trades"], SubscriptionState.WANTED)
            await toy.settle(1)
            assert states(feed) == dict.fromkeys(["SOL-USD trades", "BTC-USD trades"], SubscriptionState.PENDING)
            toy.last.give({"k": "ack", "streams": ["trades:SOL_USD"]}, trade(1, "BTC"))
            assert states(feed) == dict.fromkeys(["SOL-USD trades", "BTC-USD trades"], SubscriptionState.ACTIVE)
            assert toy.names() == ["Subscribed BTC-USD trades", "Trade BTC-USD"]

    asyncio.run(main())


def test_a_refusal_of_one_leaves_the_others_alone(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD", "BTC-USD"]) as feed:
            await toy.settle()
            toy.last.give({"k": "no", "streams": ["trades:BTC_USD"], "why": "halted"}, trade(1))
            assert states(feed) == {
                "SOL-USD trades": SubscriptionState.ACTIVE,
                "BTC-USD trades": SubscriptionState.REFUSED,
            }
            assert [(one.symbol, one.reason) for one in toy.seen(Unsubscribed)] == [
                ("BTC-USD", UnsubscribeReason.REFUSED)
            ]
            assert feed.health.reasons == {"BTC-USD trades": "refused: halted"}
            toy.last.end()
            await toy.settle(1)
            assert toy.last.asked() == ["trades:SOL_USD"]

    asyncio.run(main())


def test_a_refusal_of_all_ends_the_feed(toy: Toy) -> None:
    async def main() -> None:
        feed = toy.feed(["SOL-USD", "BTC-USD"])
        with pytest.raises(SubscriptionRejectedError) as raised:
            await until_it_ends(
                feed, toy, {"k": "no", "streams": ["trades:SOL_USD", "trades:BTC_USD"], "why": "not today"}
            )
        assert str(raised.value) == "toy refused every subscription, last: not today"
        assert (toy.last.is_open, toy.is_closed) == (False, True)

    asyncio.run(main())


def test_a_refused_book_is_not_brought_into_sync(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD", "BTC-USD"], ["l2_book"]) as feed:
            await toy.settle()
            toy.last.give({"k": "no", "streams": ["l2_book:SOL_USD"], "why": "halted"})
            await toy.settle(29)
            assert [request.params["symbol"] for request in toy.requests if request.path == "/book"] == ["BTC_USD"]
            assert states(feed)["SOL-USD l2_book"] is SubscriptionState.REFUSED
            assert toy.names() == [
                "Unsubscribed SOL-USD l2_book", "Subscribed BTC-USD l2_book", "BookSnapshot BTC-USD",
            ]  # fmt: skip

    asyncio.run(main())


def test_a_refusal_that_may_be_retried_is_asked_again_after_a_growing_while(toy: Toy) -> None:
    async def main() -> None:
        times: list[float] = []

        def refuse(connection: ToyConnection, message: dict[str, Any]) -> None:
            times.append(toy.clock.monotonic())
            connection.give({"k": "no", "streams": message["streams"], "why": "busy", "retry": True})

        toy.answer = refuse
        async with toy.feed(backoff=BackoffPolicy(first=1, cap=8)):
            await toy.settle(30)
            waits = [after - before for before, after in pairwise(times)]
            assert len(waits) >= 4
            assert all(min(8, 2**number) / 2 <= wait <= min(8, 2**number) for number, wait in enumerate(waits))
            assert toy.last.asked("unsub") == []
            assert toy.events == []

    asyncio.run(main())


# changes while running


def test_subscriptions_are_added_and_removed_while_running(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed() as feed:
            await feed.subscribe(["BTC-USD", "SOL-USD"], ["trades"])
            await toy.settle()
            toy.last.give(trade(1), trade(5, "BTC"))
            await feed.unsubscribe(["SOL-USD", "ETH-USD"], ["trades"])
            await toy.settle()
            toy.last.give(trade(2), trade(6, "BTC"))
            assert toy.last.asked() == ["trades:SOL_USD", "trades:BTC_USD"]
            assert toy.last.asked("unsub") == ["trades:SOL_USD"]
            assert [(one.symbol, one.sequence) for one in toy.seen(Trade)] == [
                ("SOL-USD", 1), ("BTC-USD", 5), ("BTC-USD", 6),
            ]  # fmt: skip
            assert [(one.symbol, one.reason) for one in toy.seen(Unsubscribed)] == [("SOL-USD", UnsubscribeReason.USER)]
            assert len(toy.dials) == 1

    asyncio.run(main())


def test_subscribing_waits_until_the_instruments_are_loaded(toy: Toy) -> None:
    async def main() -> None:
        toy.answers.extend([ExchangeUnavailableError("503"), ConnectionLostError("no")])
        async with toy.feed([]) as feed:
            adding = asyncio.create_task(feed.subscribe(["BTC-USD"], ["trades"]))
            await toy.settle()
            assert not adding.done()
            await toy.settle(5)
            await adding
            await toy.settle()
            assert toy.last.asked() == ["trades:BTC_USD"]

    asyncio.run(main())


def test_an_unknown_symbol_while_running_adds_nothing_and_the_feed_lives(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed() as feed:
            with pytest.raises(UnknownInstrumentError):
                await feed.subscribe(["BTC-USD", "BTC-USB"], ["trades"])
            await toy.settle()
            assert toy.last.asked() == ["trades:SOL_USD"]

    asyncio.run(main())


def test_a_book_is_not_subscribed_to_twice_with_different_parameters(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD"], ["l2_book"]) as feed:
            with pytest.raises(UnsupportedChannelError) as raised:
                await feed.subscribe(["SOL-USD"], [Subscribe.l2_book(depth=5)])
            assert str(raised.value) == (
                "toy: SOL-USD l2_book is subscribed to with other parameters → unsubscribe first"
            )
            await feed.unsubscribe(["SOL-USD"], ["l2_book"])
            await feed.subscribe(["SOL-USD"], [Subscribe.l2_book(depth=5)])
            assert list(states(feed)) == ["SOL-USD l2_book"]

    asyncio.run(main())


def test_a_book_is_there_from_the_start_and_stays_the_same_object(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD"], ["l2_book"]) as feed:
            book = feed.books["SOL-USD"]
            assert (book.is_synced, book.best_bid) == (False, None)
            await toy.settle(1)
            assert book.is_synced
            await feed.unsubscribe(["SOL-USD"], ["l2_book"])
            assert not book.is_synced
            await feed.subscribe(["SOL-USD"], ["l2_book"])
            await toy.settle(1)
            assert book.is_synced
            assert feed.books["SOL-USD"] is book

    asyncio.run(main())


def test_a_book_unsubscribed_is_no_longer_shown(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD"], ["l2_book"]) as feed:
            await toy.settle(1)
            book = feed.books["SOL-USD"]
            assert book.is_synced
            await feed.unsubscribe(["SOL-USD"], ["l2_book"])
            assert (book.is_synced, book.best_bid) == (False, None)

    asyncio.run(main())


# instruments


def test_an_exchange_that_cannot_be_read_at_start_is_tried_again(toy: Toy, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        toy.answers.extend([ConnectionLostError("cannot reach https://toy.example (refused)"), b"<html>maintenance"])
        async with toy.feed() as feed:
            await toy.settle()
            assert feed.health.reasons["instruments"] == "cannot reach https://toy.example (refused)"
            await toy.settle(2)
            assert toy.last.asked() == ["trades:SOL_USD"]
            assert "instruments" not in feed.health.reasons

    asyncio.run(main())
    assert [message.partition(", attempt")[0].partition(": ")[2][:40] for message in caplog.messages] == [
        "cannot reach https://toy.example (refuse",
        "GET /instruments: JSON is malformed: inv",
    ]


@pytest.mark.parametrize(
    "error", [RateLimitedError("429", retry_after=90), ExchangeUnavailableError("503", retry_after=90)], ids=str
)
def test_retry_after_is_obeyed_while_loading_the_instruments(
    toy: Toy, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        toy.answers.append(error)
        async with toy.feed():
            await toy.settle(89)
            assert len(toy.requests) == 1
            await toy.settle(1)
            assert len(toy.requests) == 2

    asyncio.run(main())
    assert caplog.messages[-1] == f"toy: {error}, attempt 1, next in 90.0 s"


@pytest.mark.parametrize(
    ("symbol", "hint"),
    [
        ("BTC-USB", "did you mean BTC-USD? tickwire symbols toy 'BTC-*'"),
        ("sol-usd", "did you mean SOL-USD? tickwire symbols toy 'SOL-*'"),
        ("PEPE-KRW", "tickwire symbols toy '*'"),
    ],
)
def test_an_unknown_symbol_ends_the_feed_and_names_near_ones_and_what_to_do(toy: Toy, symbol: str, hint: str) -> None:
    async def main() -> None:
        with pytest.raises(UnknownInstrumentError) as raised:
            async with toy.feed(["SOL-USD", symbol]) as feed:
                await feed.wait()
        assert str(raised.value).startswith(f"{symbol!r} is not listed on toy (4 instruments, read just now) → ")
        assert raised.value.hint is not None
        assert hint.rpartition("? ")[2] in raised.value.hint
        if "did you mean" in hint:
            assert raised.value.hint.startswith(hint.partition("?")[0])
        assert toy.dials == []

    asyncio.run(main())


def test_a_closed_instrument_is_subscribed_to_and_warned_about(toy: Toy, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with toy.feed(["OLD-USD"]):
            await toy.settle()
            assert toy.last.asked() == ["trades:OLD_USD"]

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    assert caplog.messages == ["toy: OLD-USD is closed; nothing will come until it opens"]


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        (["tradez"], "there is no channel 'tradez' → one of trades, l2_book, "),
        (
            ["quality"],
            "toy does not offer 'quality' (it offers: trades, l2_book, l1_book) → remove it, or pin a plugin",
        ),
        (["candles"], "toy does not offer 'candles' (it offers: trades, l2_book, l1_book) → remove it"),
        (["l2_book:depth=7"], "toy l2_book: depth 7 is not offered → one of 5, 100"),
        (["trades:depth=5"], "toy trades: it has no depth → remove depth"),
        (["l2_book:interval=5s"], "toy l2_book: interval '5s' is not offered → one of 100ms, 1s"),
        (["trades:interval=1s"], "toy trades: interval '1s' is not offered → remove interval"),
        (
            ["l2_book", ChannelRequest(Channel.L2_BOOK, 5)],
            "toy l2_book is asked for twice, with different parameters → keep one of them",
        ),
    ],
)
def test_channels_that_cannot_be_are_refused_before_anything_starts(
    toy: Toy, channels: list[Any], message: str
) -> None:
    with pytest.raises(UnsupportedChannelError) as raised:
        toy.feed(channels=channels)
    assert str(raised.value).startswith(message)


def test_the_same_channel_twice_is_one(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD", "SOL-USD"], ["trades", "TRADES"]):
            await toy.settle()
            assert toy.last.asked() == ["trades:SOL_USD"]

    asyncio.run(main())


# books, snapshot over REST


def test_the_snapshot_is_fetched_once_the_first_delta_proved_the_subscription(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD"], ["l2_book"]) as feed:
            await toy.settle()
            assert [request.path for request in toy.requests] == ["/instruments"]
            toy.last.give(delta(100), delta(101, b=[[9, 2]]))
            await toy.settle()
            assert [request.path for request in toy.requests] == ["/instruments", "/book"]
            assert toy.names() == ["Subscribed SOL-USD l2_book", "BookSnapshot SOL-USD", "BookDelta SOL-USD"]
            assert feed.books["SOL-USD"].bids() == [(10, 1), (9, 2)]

    asyncio.run(main())


def test_a_quiet_book_gets_its_snapshot_all_the_same(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD"], ["l2_book"]) as feed:
            await toy.settle(0.3)
            assert feed.books["SOL-USD"].is_synced
            assert [one.cause for one in toy.seen(BookSnapshot)] == [SnapshotCause.INITIAL]

    asyncio.run(main())


def test_a_snapshot_too_old_is_fetched_again(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD"], ["l2_book"]) as feed:
            await toy.settle()
            toy.last.give(delta(105))
            await toy.settle()
            assert not feed.books["SOL-USD"].is_synced
            toy.sequence = 104
            await toy.settle(0.3)
            assert feed.books["SOL-USD"].sequence == 105

    asyncio.run(main())


def test_a_gap_resyncs_that_instrument_only_and_drops_no_socket(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD", "BTC-USD"], ["l2_book"]) as feed:
            await toy.settle(1)
            toy.events.clear()
            toy.last.give(delta(101), delta(101, "BTC"), delta(105), delta(102, "BTC"))
            assert (feed.books["SOL-USD"].best_bid, feed.books["BTC-USD"].sequence) == (None, 102)
            toy.sequence = 104
            await toy.settle()
            toy.last.give(delta(106))
            assert toy.names() == [
                "BookDelta SOL-USD", "BookDelta BTC-USD", "Gap SOL-USD l2_book", "BookDelta BTC-USD",
                "BookSnapshot SOL-USD", "Resynced SOL-USD l2_book", "BookDelta SOL-USD", "BookDelta SOL-USD",
            ]  # fmt: skip
            assert (len(toy.dials), toy.last.asked("unsub")) == (1, [])

    asyncio.run(main())


def test_a_checksum_that_differs_resyncs_that_book(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(book=BookFeed(BookStart.REST, SequenceRule.CONSECUTIVE, checksum=Checksum(10)))
        async with toy.feed(channels=["l2_book"]) as feed:
            await toy.settle(1)
            toy.last.give(delta(101, crc=0), delta(102, crc=7))  # the toy's own digest is always 0
            assert feed.books["SOL-USD"].best_bid is None
            toy.sequence = 103
            await toy.settle()
            toy.last.give(delta(104, crc=0))
            assert toy.names()[1:] == [
                "BookSnapshot SOL-USD", "BookDelta SOL-USD", "Gap SOL-USD l2_book", "BookSnapshot SOL-USD",
                "Resynced SOL-USD l2_book", "BookDelta SOL-USD",
            ]  # fmt: skip
            assert [gap.cause for gap in toy.seen(Gap)] == [GapCause.CHECKSUM]
            assert len(toy.dials) == 1

    asyncio.run(main())


def test_a_book_lost_again_and_again_does_not_storm_the_exchange(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD"], ["l2_book"]) as feed:
            await toy.settle(1)
            before = len(toy.requests)
            for _ in range(100):
                toy.last.give(delta(toy.sequence + 1, b=[[50, 1]]))
                await toy.settle(0.1)
            assert 3 <= len(toy.requests) - before <= 7
            toy.sequence = 101
            await toy.settle(30)
            assert feed.books["SOL-USD"].is_synced
            await toy.settle(10)
            toy.last.give(delta(500))
            await toy.settle()
            toy.sequence = 600
            await toy.settle(1)
            assert feed.books["SOL-USD"].is_synced

    asyncio.run(main())


@pytest.mark.parametrize(
    "trouble",
    [ConnectionLostError("no"), ExchangeUnavailableError("503"), SubscriptionRejectedError("404"), b"<html>"],
)
def test_a_snapshot_that_cannot_be_had_is_tried_again(toy: Toy, trouble: object) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD"], ["l2_book"]) as feed:
            await toy.settle(0.2)
            toy.answers.extend([trouble] * 3)
            await toy.settle(0.1)
            assert not feed.books["SOL-USD"].is_synced
            await toy.settle(2)
            assert feed.books["SOL-USD"].is_synced

    asyncio.run(main())


def test_retry_after_of_one_snapshot_holds_back_all_of_them(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD", "BTC-USD", "ETH-USD"], ["l2_book"]) as feed:
            await toy.settle(0.2)
            toy.answers.extend([RateLimitedError("429", retry_after=60)])
            await toy.settle(0.1)
            toy.last.give(delta(500, "BTC"), delta(500, "ETH"))
            await toy.settle(50)
            asked = [request for request in toy.requests if request.path == "/book"]
            assert len(asked) == 1
            toy.sequence = 500
            await toy.settle(60)
            assert [book.is_synced for book in feed.books.values()] == [True] * 3

    asyncio.run(main())


def test_a_disconnection_before_the_snapshot_came_starts_over(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD"], ["l2_book"]) as feed:
            await toy.settle()
            toy.last.give(delta(900))
            toy.last.end()
            await toy.settle(1)
            toy.last.give(delta(101))
            await toy.settle(1)
            assert feed.books["SOL-USD"].sequence == 101
            assert toy.seen(Gap) == []

    asyncio.run(main())


def test_after_a_reconnect_a_book_is_resynced_under_its_gap(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD"], ["l2_book"]):
            await toy.settle(1)
            toy.events.clear()
            toy.last.end()
            await toy.settle(2)
            assert toy.names() == [
                "Gap SOL-USD l2_book", "Reconnected None", "BookSnapshot SOL-USD", "Resynced SOL-USD l2_book",
            ]  # fmt: skip
            gap, back = toy.seen(Gap)[0], toy.seen(Resynced)[0]
            assert (gap.cause, gap.gap_id) == (GapCause.DISCONNECTED, back.gap_id)
            assert back.ts_down == back.ts_recv - gap.ts_recv
            assert [one.cause for one in toy.seen(BookSnapshot)] == [SnapshotCause.RESYNC]

    asyncio.run(main())


# books, snapshot over the socket


@over_the_socket
def test_a_gap_asks_anew_for_that_book_on_the_same_socket(toy: Toy, start: BookStart) -> None:
    async def main() -> None:
        socket_start(toy, start)
        async with toy.feed(["SOL-USD", "BTC-USD"], ["l2_book"]) as feed:
            await toy.settle()
            toy.last.give(snap(100), snap(100, "BTC"), delta(103))
            await toy.settle()
            assert toy.last.said[1:] == [
                {"op": "unsub", "streams": ["l2_book:SOL_USD"]},
                {"op": "sub", "streams": ["l2_book:SOL_USD"]},
            ]
            toy.last.give(delta(104), snap(110), delta(111))
            assert [type(event).__name__ for event in toy.events if event.symbol == "SOL-USD"] == [
                "Subscribed", "BookSnapshot", "Gap", "BookSnapshot", "Resynced", "BookDelta",
            ]  # fmt: skip
            assert (feed.books["BTC-USD"].is_synced, len(toy.dials)) == (True, 1)

    asyncio.run(main())


@over_the_socket
def test_a_second_gap_right_after_a_resync_is_resynced_too(toy: Toy, start: BookStart) -> None:
    async def main() -> None:
        socket_start(toy, start)
        async with toy.feed(["SOL-USD"], ["l2_book"]) as feed:
            await toy.settle()
            toy.last.give(snap(100))
            for number in range(3):
                await toy.settle(1)
                toy.last.give(delta(200 + number * 100))
                await toy.settle(2)
                assert len(toy.last.asked("unsub")) == number + 1
                toy.last.give(snap(250 + number * 100))
                assert feed.books["SOL-USD"].is_synced

    asyncio.run(main())


@over_the_socket
def test_a_gap_in_the_very_next_frame_is_resynced_too(toy: Toy, start: BookStart) -> None:
    async def main() -> None:
        socket_start(toy, start)
        async with toy.feed(["SOL-USD"], ["l2_book"]):
            await toy.settle()
            toy.last.give(snap(100), delta(105))
            await toy.settle()
            assert toy.last.asked("unsub") == ["l2_book:SOL_USD"]
            toy.last.give(snap(110), delta(120))
            await toy.settle(1)
            assert toy.last.asked("unsub") == ["l2_book:SOL_USD"] * 2

    asyncio.run(main())


@over_the_socket
def test_a_server_whose_books_are_always_wrong_is_not_stormed(toy: Toy, start: BookStart) -> None:
    async def main() -> None:
        socket_start(toy, start)

        def answer(connection: ToyConnection, message: dict[str, Any]) -> None:
            if message["op"] == "sub":
                connection.give(snap(100), delta(200))

        toy.answer = answer
        async with toy.feed(["SOL-USD"], ["l2_book"]):
            await toy.settle(30)
            assert 4 <= len(toy.last.asked()) <= 10

    asyncio.run(main())


@over_the_socket
def test_a_server_that_begins_to_give_crossed_books_only_is_not_stormed(toy: Toy, start: BookStart) -> None:
    async def main() -> None:
        socket_start(toy, start)

        def answer(connection: ToyConnection, message: dict[str, Any]) -> None:
            if message["op"] == "sub":
                connection.give(snap(100) if len(connection.asked()) == 1 else {**snap(100), "b": [[50, 1]]})

        toy.answer = answer
        async with toy.feed(["SOL-USD"], ["l2_book"]):
            await toy.settle(20)
            toy.last.give(delta(200))
            await toy.settle(30)
            assert 4 <= len(toy.last.asked()) <= 10

    asyncio.run(main())


@over_the_socket
def test_a_crossed_snapshot_from_the_socket_is_asked_for_again(toy: Toy, start: BookStart) -> None:
    async def main() -> None:
        socket_start(toy, start)
        async with toy.feed(["SOL-USD"], ["l2_book"]) as feed:
            await toy.settle()
            toy.last.give({**snap(100), "b": [[50, 1]]})
            await toy.settle(1)
            assert (toy.events, len(toy.last.asked())) == ([], 2)
            toy.last.give(snap(101))
            assert feed.books["SOL-USD"].is_synced

    asyncio.run(main())


@over_the_socket
def test_a_snapshot_that_never_comes_is_asked_for_again(
    toy: Toy, start: BookStart, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        socket_start(toy, start)
        async with toy.feed(["SOL-USD"], ["l2_book"]):
            await toy.settle(31)
            assert toy.last.asked() == ["l2_book:SOL_USD"] * 2

    asyncio.run(main())
    assert caplog.messages == ["toy: no snapshot of SOL-USD l2_book came, asking again"]


def test_where_every_frame_is_a_book_nothing_is_asked(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(book=BookFeed(BookStart.EVERY_FRAME, SequenceRule.NONE))
        async with toy.feed(["SOL-USD"], ["l2_book"]):
            await toy.settle()
            toy.last.give(snap(100), {**snap(101), "b": [[50, 1]]}, snap(102))
            await toy.settle(29)
            assert [type(event) for event in toy.events] == [Subscribed, BookSnapshot, Gap, BookSnapshot, Resynced]
            assert (len(toy.last.said), len(toy.requests)) == (1, 1)

    asyncio.run(main())


def test_a_windowed_book_is_truncated_to_the_depth_asked_for(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(book=BookFeed(BookStart.SOCKET, SequenceRule.CONSECUTIVE, windowed=True))
        async with toy.feed(["SOL-USD"], ["l2_book:depth=1"]) as feed:
            await toy.settle()
            toy.last.give(snap(100), delta(101, b=[[10.5, 3]]))
            assert feed.books["SOL-USD"].bids() == [(10.5, 3)]
            assert [one.depth for one in toy.seen(BookSnapshot)] == [1]

    asyncio.run(main())


# whatever is emitted


def test_books_applied_over_the_stream_are_the_live_books_at_every_event(toy: Toy) -> None:
    async def main() -> None:
        feed, books = toy.feed(["SOL-USD", "BTC-USD"], ["trades", "l2_book"]), Books()

        def follow(event: Event) -> None:
            books.apply(event)
            for symbol, live in feed.books.items():
                followed = books.get(symbol)
                found = (followed.is_synced, followed.bids(), followed.asks()) if followed else (False, [], [])
                assert found == (live.is_synced, live.bids(), live.asks()), event

        feed.on(Event, follow)
        async with feed:
            await toy.settle(1)
            toy.last.give(delta(101, b=[[9, 1]]), trade(1), delta(105), delta(106), trade(3), {"k": "jump"})
            toy.sequence = 104
            await toy.settle(2)
            toy.last.give(delta(105), delta(107, a=[[5, 1]]), delta(101, "BTC"))
            toy.sequence = 120
            await toy.settle(3)
            toy.last.end()
            await toy.settle(3)
            await feed.unsubscribe(["BTC-USD"], ["l2_book"])
            await feed.subscribe(["BTC-USD"], ["l2_book"])
            await toy.settle(3)
            toy.last.give(delta(121, "BTC"), delta(121))
        assert feed.metrics.total("callback_errors_total") == 0
        assert len(toy.seen(BookDelta)) >= 4
        assert len(toy.seen(Resynced)) >= 5

    asyncio.run(main())
