"""Would a lost update be noticed? Said by the declaration, in doctor, in the metrics and where coverage begins."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from tickwire import BookDelta, Channel, Decision, Subscribed, encode_event
from tickwire.cli.declared import channel_table
from tickwire.plugin import BookFeed, BookStart, ChannelInfo, Checksum, ExchangeInfo, Ids, SequenceRule

if TYPE_CHECKING:
    from conftest import Toy


def own_rule(last: int, delta: BookDelta[Any]) -> Decision:
    return Decision.APPLY


def with_book(info: ExchangeInfo, book: BookFeed) -> ExchangeInfo:
    return attrs.evolve(info, book=book)


@pytest.mark.parametrize(
    ("book", "numbers", "expected"),
    [
        (BookFeed(BookStart.REST, SequenceRule.CONSECUTIVE), float, True),
        (BookFeed(BookStart.SOCKET, SequenceRule.LINKED), float, True),
        (BookFeed(BookStart.SYNCED, own_rule), float, True),
        (BookFeed(BookStart.SYNCED, SequenceRule.INCREASING), float, False),
        (BookFeed(BookStart.SYNCED, SequenceRule.NONE), float, False),
        (BookFeed(BookStart.SOCKET, SequenceRule.NONE, checksum=Checksum(10)), float, True),
        (BookFeed(BookStart.SOCKET, SequenceRule.NONE, checksum=Checksum(10, needs_text=True)), float, False),
        (BookFeed(BookStart.SOCKET, SequenceRule.NONE, checksum=Checksum(10, needs_text=True)), Decimal, True),
        (BookFeed(BookStart.EVERY_FRAME, SequenceRule.NONE), float, None),
    ],
)
def test_a_book_is_verified_by_a_sequence_that_links_or_by_a_checksum_that_can_be_made(
    toy: Toy, book: BookFeed, numbers: type, expected: bool | None
) -> None:
    assert with_book(toy.info, book).is_verified(Channel.L2_BOOK, numbers) is expected


@pytest.mark.parametrize("ids", Ids)
def test_trades_are_verified_by_ids_without_holes(toy: Toy, ids: Ids) -> None:
    info = attrs.evolve(toy.info, channels={Channel.TRADES: ChannelInfo(ids=ids)})
    assert info.is_verified(Channel.TRADES) is (ids is Ids.CONSECUTIVE)


def test_a_channel_whose_events_say_everything_is_neither(toy: Toy) -> None:
    assert toy.info.is_verified(Channel.L1_BOOK) is None


def test_doctor_marks_what_is_not_verified(toy: Toy) -> None:
    info = with_book(toy.info, BookFeed(BookStart.SYNCED, SequenceRule.NONE))
    words = dict(channel_table(info))
    assert "unverified: a lost update would not be noticed" in words["l2_book"]
    assert not any("unverified" in words[channel] for channel in ("trades", "l1_book"))


@pytest.mark.parametrize(("rule", "expected"), [(SequenceRule.CONSECUTIVE, True), (SequenceRule.NONE, False)])
def test_coverage_and_metrics_say_it(toy: Toy, rule: SequenceRule, expected: bool) -> None:
    async def main() -> None:
        toy.declare(book=BookFeed(BookStart.REST, rule))
        seen: list[Subscribed] = []
        feed = toy.feed(["SOL-USD"], ["l2_book", "l1_book"])
        feed.on(Subscribed, seen.append)
        async with feed:
            await toy.settle(1)
            for connection in toy.connections:
                connection.give({"k": "quote", "s": "SOL_USD", "n": 1, "b": "1", "a": "2"})
            await toy.settle(1)
            figures = {labels["channel"]: value for name, labels, value in feed.metrics if name == "is_verified"}
        assert figures == {"l2_book": float(expected)}
        said = {event.channel: event for event in seen}
        assert said[Channel.L2_BOOK].is_verified is expected
        assert said[Channel.L1_BOOK].is_verified is None
        assert f'"is_verified":{str(expected).lower()}'.encode() in encode_event(said[Channel.L2_BOOK])

    asyncio.run(main())
