"""The list of instruments while a feed runs: what comes, goes and changes is told, and followed."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import attrs
import pytest

import tickwire.feed.listing as listing
from tickwire.feed.listing import ListingSettings, listing_changes
from tickwire.model.channels import Channel
from tickwire.model.errors import ConnectionLostError, UnknownInstrumentError
from tickwire.model.instruments import Instrument, Instruments, InstrumentStatus
from tickwire.model.quality import ListingChange, ListingKind, Severity, Unsubscribed, UnsubscribeReason

if TYPE_CHECKING:
    from conftest import Toy
    from tickwire.run.feed import Feed


def instrument(base: str, **changes: Any) -> Instrument:
    return Instrument("toy", f"{base}-USD", f"{base}_USD", base, "USD", **changes)


SOL, BTC, NEW = instrument("SOL"), instrument("BTC"), instrument("NEW")


class Listed:
    """The toy's list, as a test sets it."""

    def __init__(self, *instruments: Instrument) -> None:
        self.now: Iterable[Instrument] = instruments
        self.reads = 0

    def load(self) -> Any:
        self.reads += 1
        return list(self.now)
        yield


@pytest.fixture
def listed(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> Listed:
    """Let the toy list what the test says."""
    found = Listed(SOL, BTC)
    module = sys.modules[type(toy).__module__]
    monkeypatch.setattr(module.ToySymbols, "load", lambda self: found.load())
    return found


def feed(toy: Toy, *symbols: str, refresh: float = 900.0, **settings: Any) -> Feed:
    return toy.feed(symbols, ["trades"], listing=ListingSettings(refresh, **settings))


def subscribed(feed: Feed) -> list[str]:
    return [str(one.symbol) for one in feed.status()]


def test_two_readings_are_compared_by_symbol() -> None:
    tick = attrs.evolve(SOL, tick_size=Decimal("0.1"))
    halted = attrs.evolve(BTC, status=InstrumentStatus.CLOSED)
    before, after = {"SOL-USD": SOL, "BTC-USD": BTC, "OLD-USD": NEW}, {"SOL-USD": tick, "BTC-USD": halted, "N": NEW}
    assert listing_changes(before, after) == [
        (ListingKind.CHANGED, "SOL-USD", tick, SOL),
        (ListingKind.STATUS, "BTC-USD", halted, BTC),
        (ListingKind.LISTED, "N", NEW, None),
        (ListingKind.DELISTED, "OLD-USD", None, NEW),
    ]  # fmt: skip


def test_a_new_listing_that_a_selector_matches_is_subscribed_to(toy: Toy, listed: Listed) -> None:
    async def main() -> None:
        async with feed(toy, "*-USD", "!BTC-*") as running:
            await toy.settle()
            assert subscribed(running) == ["SOL-USD"]
            listed.now = [SOL, BTC, NEW]
            await toy.settle(900)
            assert subscribed(running) == ["SOL-USD", "NEW-USD"]
            assert toy.last.asked() == ["trades:SOL_USD", "trades:NEW_USD"]
            assert toy.seen(ListingChange) == [
                ListingChange(
                    "toy", "NEW-USD", None, toy.clock.now(), None, None, Severity.INFO, ListingKind.LISTED, NEW, None
                )
            ]

    asyncio.run(main())


def test_what_is_delisted_is_unsubscribed_and_the_rest_runs(toy: Toy, listed: Listed) -> None:
    async def main() -> None:
        async with feed(toy, "SOL-USD", "BTC-USD") as running:
            await toy.settle()
            listed.now = [BTC]
            await toy.settle(900)
            assert subscribed(running) == ["BTC-USD"]
            assert toy.last.asked("unsub") == ["trades:SOL_USD"]
            [change] = toy.seen(ListingChange)
            assert (change.kind, change.symbol, change.before) == (ListingKind.DELISTED, "SOL-USD", SOL)
            [ended] = toy.seen(Unsubscribed)
            assert (ended.symbol, ended.reason) == ("SOL-USD", UnsubscribeReason.DELISTED)

    asyncio.run(main())


def test_a_halt_is_told_and_ends_nothing(toy: Toy, listed: Listed) -> None:
    async def main() -> None:
        async with feed(toy, "*") as running:
            await toy.settle()
            listed.now = [attrs.evolve(SOL, status=InstrumentStatus.CLOSED), BTC]
            await toy.settle(900)
            assert subscribed(running) == ["SOL-USD", "BTC-USD"]
            assert [change.kind for change in toy.seen(ListingChange)] == [ListingKind.STATUS]

    asyncio.run(main())


def test_what_opens_is_taken_in_by_a_glob(toy: Toy, listed: Listed) -> None:
    async def main() -> None:
        listed.now = [attrs.evolve(SOL, status=InstrumentStatus.CLOSED), BTC]
        async with feed(toy, "*") as running:
            await toy.settle()
            assert subscribed(running) == ["BTC-USD"]
            listed.now = [SOL, BTC]
            await toy.settle(900)
            assert subscribed(running) == ["BTC-USD", "SOL-USD"]

    asyncio.run(main())


def test_another_spelling_on_the_wire_is_asked_for_anew(toy: Toy, listed: Listed) -> None:
    async def main() -> None:
        async with feed(toy, "SOL-USD"):
            await toy.settle()
            listed.now = [attrs.evolve(SOL, native="SOLUSD"), BTC]
            await toy.settle(900)
            assert (toy.last.asked("unsub"), toy.last.asked()) == (
                ["trades:SOL_USD"],
                ["trades:SOL_USD", "trades:SOLUSD"],
            )

    asyncio.run(main())


def test_another_tick_size_leaves_the_subscription_alone_and_it_can_be_asked_for_again(
    toy: Toy, listed: Listed
) -> None:
    async def main() -> None:
        async with feed(toy, "SOL-USD") as running:
            await toy.settle()
            listed.now = [attrs.evolve(SOL, tick_size=Decimal("0.1")), BTC]
            await toy.settle(900)
            await running.subscribe(["SOL-USD"], ["trades"])
            await toy.settle()
            assert (toy.last.asked("unsub"), toy.last.asked()) == ([], ["trades:SOL_USD"])

    asyncio.run(main())


def test_an_unknown_native_symbol_has_the_list_read_again_at_most_once_a_minute(toy: Toy, listed: Listed) -> None:
    async def main() -> None:
        async with feed(toy, "*"):
            await toy.settle()
            listed.now = [SOL, BTC, NEW]
            toy.last.give({"k": "trade", "s": "NEW_USD", "n": 1})
            await toy.settle(59)
            assert listed.reads == 1
            await toy.settle(1)
            assert (listed.reads, toy.last.asked()[-1]) == (2, "trades:NEW_USD")
            toy.last.give({"k": "trade", "s": "NONE_USD", "n": 1}, {"k": "trade", "s": "NONE_USD", "n": 2})
            await toy.settle(60)
            assert listed.reads == 3
            await toy.settle(600)
            assert listed.reads == 3

    asyncio.run(main())


def test_without_an_interval_the_list_is_read_once(toy: Toy, listed: Listed) -> None:
    async def main() -> None:
        async with toy.feed():
            await toy.settle()
            toy.last.give({"k": "trade", "s": "NEW_USD", "n": 1})
            await toy.settle(7200)
            assert listed.reads == 1

    asyncio.run(main())


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (ConnectionLostError("no route"), "toy: the list of instruments cannot be read again: no route"),
        (KeyError("symbol"), "toy: the list of instruments cannot be read again"),
        (None, "toy: the list of instruments came back empty; the one before stays"),
        ([SOL, SOL], "toy: the list of instruments cannot be read again: toy: 'SOL_USD' and 'SOL_USD' are both"),
    ],
)
def test_a_reading_that_fails_changes_nothing(
    toy: Toy, listed: Listed, answer: Any, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        def load() -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer or []
            yield

        async with feed(toy, "*") as running:
            await toy.settle()
            listed.load = load  # type: ignore[method-assign]
            await toy.settle(900)
            assert (subscribed(running), toy.seen(ListingChange)) == (["SOL-USD", "BTC-USD"], [])

    with caplog.at_level(logging.WARNING, listing.__name__):
        asyncio.run(main())
    assert [record.message[: len(says)] for record in caplog.records if record.name == listing.__name__] == [says]


def test_a_symbol_that_was_listed_once_is_a_warning_and_an_event(
    toy: Toy, listed: Listed, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with feed(toy, "SOL-USD", "NEW-USD", former={"NEW-USD": NEW}.get) as running:
            await toy.settle()
            assert subscribed(running) == ["SOL-USD"]
            [change] = toy.seen(ListingChange)
            assert (change.kind, change.symbol, change.before) == (ListingKind.DELISTED, "NEW-USD", NEW)
            listed.now = [SOL, NEW]
            await toy.settle(900)
            assert subscribed(running) == ["SOL-USD", "NEW-USD"]

    asyncio.run(main())
    assert "toy: 'NEW-USD' is listed no longer; the rest runs" in caplog.messages


def test_a_symbol_that_was_never_listed_is_a_warning_where_the_user_says_so(
    toy: Toy, listed: Listed, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with feed(toy, "SOL-USD", "NEW-USD", is_lenient=True) as running:
            await toy.settle()
            assert (subscribed(running), toy.seen(ListingChange)) == (["SOL-USD"], [])

    asyncio.run(main())
    assert "toy: 'NEW-USD' is not listed; it is subscribed to once it is" in caplog.messages


@pytest.mark.parametrize(
    ("symbols", "says"),
    [
        (["SOL-USD", "NEW-USD"], "'NEW-USD' is not listed on toy (2 instruments, read just now)"),
        (["*-EUR"], "'*-EUR' selects none of 2 instruments of toy → tickwire symbols toy lists them"),
    ],
)
def test_a_symbol_that_was_never_listed_is_an_error(toy: Toy, listed: Listed, symbols: list[str], says: str) -> None:
    async def main() -> None:
        async with feed(toy, *symbols) as running:
            await running.wait()

    with pytest.raises(UnknownInstrumentError) as caught:
        asyncio.run(main())
    assert str(caught.value).startswith(says)


def test_selectors_without_effect_are_warned_of(toy: Toy, listed: Listed, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with feed(toy, "SOL-USD", "*-EUR", "!BTC-*"):
            await toy.settle()

    asyncio.run(main())
    assert caplog.messages[:2] == [
        "toy: selector '*-EUR' matches nothing yet", "toy: selector '!BTC-*' excludes nothing",
    ]  # fmt: skip


def test_whoever_keeps_the_list_is_told_of_each_reading(toy: Toy, listed: Listed) -> None:
    told: list[list[str]] = []

    async def main() -> None:
        def loaded(instruments: Instruments) -> None:
            told.append(list(instruments.symbols))

        async with feed(toy, "SOL-USD", loaded=loaded):
            await toy.settle()
            listed.now = [SOL]
            await toy.settle(900)

    asyncio.run(main())
    assert told == [["SOL-USD", "BTC-USD"], ["SOL-USD"]]


def test_what_is_wanted_can_be_replaced_and_what_stays_is_not_touched(toy: Toy, listed: Listed) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD"], ["trades"]) as running:
            await toy.settle()
            running.want(["*"], ["trades"])
            await toy.settle()
            running.want(["BTC-USD"], ["trades", "l2_book"])
            await toy.settle()
            assert toy.last.asked() == ["trades:SOL_USD", "trades:BTC_USD", "l2_book:BTC_USD"]
            assert toy.last.asked("unsub") == ["trades:SOL_USD"]
            with pytest.raises(UnknownInstrumentError):
                running.want(["NEW-USD"], ["trades"])
            assert [(one.symbol, one.channel) for one in running.status()] == [
                ("BTC-USD", Channel.TRADES), ("BTC-USD", Channel.L2_BOOK),
            ]  # fmt: skip

    asyncio.run(main())


def test_what_is_wanted_can_be_replaced_before_the_list_is_there(toy: Toy, listed: Listed) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD"], ["trades"]) as running:
            running.want(["BTC-USD"], ["trades"])
            await toy.settle()
            assert subscribed(running) == ["BTC-USD"]

    asyncio.run(main())
