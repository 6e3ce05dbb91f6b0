"""A frame that cannot be read is a gap of its connection, unless the numbers of all that it carries will tell."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tickwire.feed.undecodable import UndecodableFrames, is_numbered
from tickwire.model.books import Books
from tickwire.model.channels import Channel, Subscription
from tickwire.model.clock import ManualClock
from tickwire.model.errors import DecodeError
from tickwire.model.quality import Event, Gap, GapCause, Repair, Severity
from tickwire.model.sequence import SequenceRule
from tickwire.plugin.info import BookFeed, BookStart, ChannelInfo, Endpoint, ExchangeInfo, Ids, Tier

if TYPE_CHECKING:
    from conftest import Toy

QUOTE = {"k": "quote", "s": "SOL_USD"}
BUG = {"k": "bug"}


def of_the_connection(toy: Toy) -> list[Gap]:
    return [gap for gap in toy.seen(Gap) if gap.symbol is None]


def test_a_malformed_frame_of_an_unnumbered_channel_is_a_gap_of_its_connection(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(channels=["l1_book"]):
            await toy.settle(1)
            toy.last.give(QUOTE)
            before = toy.clock.now()
            await toy.settle(2)
            now = toy.clock.now()
            toy.last.give(b"{not json")
            assert toy.seen(Gap) == [
                Gap(
                    "toy", None, None, now, None, "other-1", Severity.WARNING, f"toy/*/other-1/{now}",
                    GapCause.DECODE, before, now, None, None, None, Repair.NONE,
                    "1 frame could not be read, the last: DecodeError: not JSON",
                )
            ]  # fmt: skip
            toy.last.give(QUOTE)
            assert toy.names()[-1] == "Quote SOL-USD"

    asyncio.run(main())


def test_where_everything_is_numbered_the_numbers_will_tell_and_it_is_only_counted(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(channels=["trades", "l2_book"]) as feed:
            await toy.settle(1)
            toy.last.give(b"{", BUG)
            await toy.settle(2)
            assert (feed.metrics.total("decode_errors_total"), toy.seen(Gap)) == (2, [])

    asyncio.run(main())


def test_a_bug_of_a_plugin_is_a_gap_likewise(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(channels=["l1_book"]):
            await toy.settle(1)
            toy.last.give(BUG)
            (gap,) = of_the_connection(toy)
            assert gap.detail == "1 frame could not be read, the last: KeyError: 'a bug of the plugin'"

    asyncio.run(main())


def test_an_instrument_that_is_not_loaded_is_none_of_ours_and_no_gap(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(channels=["l1_book"]) as feed:
            await toy.settle(1)
            toy.last.give({"k": "quote", "s": "NEW_USD"})
            await toy.settle(2)
            assert (feed.metrics.total("decode_errors_total"), toy.seen(Gap)) == (1, [])

    asyncio.run(main())


def test_a_storm_of_them_is_one_gap_a_second_with_their_number_and_none_is_left_out(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(channels=["l1_book"]):
            await toy.settle(1)
            for _ in range(25):
                toy.last.give(b"{", b"{")
                await toy.settle(0.1)
            await toy.settle(2)
            gaps = of_the_connection(toy)
            counts = [int(gap.detail.split()[0]) for gap in gaps]
            assert (counts[0], sum(counts), len(counts)) == (1, 50, 4)
            for earlier, later in pairwise(gaps):
                assert later.ts_recv - earlier.ts_recv >= 1_000_000_000
                assert earlier.ts_end is not None
                assert later.ts_start == earlier.ts_end

    asyncio.run(main())


def test_what_is_not_announced_when_the_connection_ends_is_announced_then(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(channels=["l1_book"]):
            await toy.settle(1)
            toy.last.give(b"{", b"{")
            toy.last.end()
            await toy.settle()
            assert len(of_the_connection(toy)) == 2

    asyncio.run(main())


def test_the_frame_itself_is_never_in_it() -> None:
    events: list[Event] = []
    info = ExchangeInfo("acme", Tier.NATIVE, (), {"public": Endpoint("wss://a")}, {Channel.L1_BOOK: ChannelInfo()}, {})
    frames = UndecodableFrames(info, "public-1", ManualClock(), events.append)
    frames.dropped(DecodeError("x" * 10_000), [Subscription(Channel.L1_BOOK, None)], 1, 2)
    (gap,) = events
    assert isinstance(gap, Gap)
    assert len(gap.detail) < 300


def exchange(channel: Channel, **declared: Any) -> ExchangeInfo:
    book = declared.pop("book", None)
    sockets = {"public": Endpoint("wss://a")}
    return ExchangeInfo("acme", Tier.NATIVE, (), sockets, {channel: ChannelInfo(**declared)}, {}, book)


@pytest.mark.parametrize(
    ("info", "channel", "numbered"),
    [
        (exchange(Channel.TRADES, ids=Ids.CONSECUTIVE), Channel.TRADES, True),
        (exchange(Channel.TRADES, ids=Ids.INCREASING), Channel.TRADES, False),
        (exchange(Channel.L1_BOOK, ids=Ids.CONSECUTIVE), Channel.L1_BOOK, False),
        *(
            (exchange(Channel.L2_BOOK, book=BookFeed(BookStart.REST, rule)), Channel.L2_BOOK, numbered)
            for rule, numbered in [
                (SequenceRule.CONSECUTIVE, True),
                (SequenceRule.LINKED, True),
                (SequenceRule.INCREASING, False),
                (SequenceRule.NONE, False),
            ]
        ),
    ],
)
def test_which_subscriptions_are_numbered(info: ExchangeInfo, channel: Channel, numbered: bool) -> None:
    assert is_numbered(info, Subscription(channel, None)) is numbered


def test_a_book_without_numbers_is_restarted_since_nothing_else_would_tell(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(book=BookFeed(BookStart.REST, SequenceRule.NONE))
        async with toy.feed(["SOL-USD"], ["l2_book"]) as feed:
            await toy.settle(1)
            toy.last.give(b"{")
            assert not feed.books["SOL-USD"].is_synced
            assert [(gap.symbol, gap.cause, gap.repair) for gap in toy.seen(Gap)] == [
                (None, GapCause.DECODE, Repair.NONE), ("SOL-USD", GapCause.DECODE, Repair.RESYNC),
            ]  # fmt: skip
            await toy.settle(1)
            assert feed.books["SOL-USD"].is_synced

    asyncio.run(main())


def test_a_numbered_book_goes_on_live_and_when_the_stream_is_followed(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(channels={**toy.info.channels, Channel.L1_BOOK: ChannelInfo(acknowledged=False)})
        async with toy.feed(["SOL-USD"], ["l2_book", "l1_book"]) as feed:
            await toy.settle(1)
            toy.last.give(b"{", {"k": "delta", "s": "SOL_USD", "n": 101, "b": [[9, 1]]})
            assert len(of_the_connection(toy)) == 1
            followed = Books()
            for event in toy.events:
                followed.apply(event)
            for books in (feed.books, followed):
                assert (books["SOL-USD"].is_synced, books["SOL-USD"].sequence) == (True, 101)

    asyncio.run(main())
