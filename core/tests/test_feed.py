"""The public ``Feed``: callbacks exactly at their event, a bounded iterator, one original error, a clean stop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from tickwire.model.channels import Channel
from tickwire.model.errors import (
    AuthRejectedError,
    ConfigError,
    ConnectionLostError,
    SubscriptionRejectedError,
    TickwireError,
    UnknownExchangeError,
    UnknownInstrumentError,
)
from tickwire.model.events import BookDelta, MarketEvent, Trade
from tickwire.model.health import HealthStatus
from tickwire.model.quality import (
    Dropped,
    Event,
    Gap,
    QualityEvent,
    Severity,
    Subscribed,
    Unsubscribed,
    UnsubscribeReason,
)
from tickwire.run.feed import Feed

if TYPE_CHECKING:
    from conftest import Toy

REFUSAL = {"k": "no", "streams": ["trades:SOL_USD"], "why": "not today"}


def trade(number: int, symbol: str = "SOL") -> dict[str, Any]:
    return {"k": "trade", "s": f"{symbol}_USD", "n": number}


def numbers(events: Sequence[Event]) -> list[int | None]:
    return [event.sequence for event in events if isinstance(event, Trade)]


# callbacks


def test_callbacks_are_called_by_kind_in_order_of_registration(toy: Toy) -> None:
    async def main() -> None:
        called: list[tuple[str, str]] = []

        def note(name: str) -> Any:
            return lambda event: called.append((name, type(event).__name__))

        feed = toy.feed()
        kinds: list[tuple[Any, str]] = [
            (Trade, "trade"), (Event, "event"), (Trade[float], "generic"), (MarketEvent, "market"),
            (QualityEvent, "quality"), (Gap, "gap"), (Trade | Gap, "either"),
        ]  # fmt: skip
        for kind, name in kinds:
            feed.on(kind, note(name))
        async with feed:
            await toy.settle()
            toy.last.give(trade(1))
            assert called == [
                ("event", "Subscribed"), ("quality", "Subscribed"),
                ("trade", "Trade"), ("event", "Trade"), ("generic", "Trade"), ("market", "Trade"), ("either", "Trade"),
            ]  # fmt: skip

    asyncio.run(main())


def test_a_kind_that_is_no_class_of_events_is_refused(toy: Toy) -> None:
    with pytest.raises(ConfigError, match=r"\'trades\' is no class of events → write feed\.on"):
        toy.feed().on("trades", print)  # type: ignore[call-overload]


def test_books_are_exactly_at_the_event_of_a_callback(toy: Toy) -> None:
    async def main() -> None:
        feed = toy.feed(["SOL-USD"], ["l2_book"])
        seen: list[tuple[int | None, int | None]] = []
        feed.on(BookDelta, lambda delta: seen.append((delta.last_sequence, feed.books["SOL-USD"].sequence)))
        async with feed:
            await toy.settle(1)
            toy.last.give(*({"k": "delta", "s": "SOL_USD", "n": number} for number in range(101, 104)))
        assert seen == [(101, 101), (102, 102), (103, 103)]

    asyncio.run(main())


def test_a_callback_that_raises_is_logged_once_and_counted_and_the_feed_goes_on(
    toy: Toy, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(event: Trade) -> None:
        raise RuntimeError(f"at {event.sequence}")

    async def slow_and_broken(event: Trade) -> None:
        raise RuntimeError(f"later at {event.sequence}")

    async def main() -> None:
        feed = toy.feed()
        feed.on(Trade, broken)
        feed.on(Trade, slow_and_broken)
        async with feed:
            await toy.settle()
            toy.last.give(trade(1), trade(2), trade(3))
            await toy.settle()
        assert numbers(toy.events) == [1, 2, 3]
        counts = {labels["callback"].rpartition(".")[2]: value for name, labels, value in feed.metrics
                  if name == "callback_errors_total"}  # fmt: skip
        assert counts == {"broken": 3, "slow_and_broken": 3}

    asyncio.run(main())
    texts = [(record.getMessage().split("<locals>.")[-1], str(record.exc_info[1] if record.exc_info else ""))
             for record in caplog.records]  # fmt: skip
    told = "raised; it stays registered, further errors are counted"
    assert [(text.split()[-7:], error) for text, error in texts] == [
        (told.split()[-7:], "at 1"), (told.split()[-7:], "later at 1"),
    ]  # fmt: skip


def test_an_async_callback_gets_every_event_in_order_and_is_finished_at_the_end(toy: Toy) -> None:
    async def main() -> None:
        seen: list[int | None] = []

        async def handle(event: Trade) -> None:
            await asyncio.sleep(0)
            seen.append(event.sequence)

        feed = toy.feed()
        feed.on(Trade, handle)
        async with feed:
            await toy.settle()
            toy.last.give(*map(trade, range(50)))
        assert seen == list(range(50))

    asyncio.run(main())


def test_a_slow_async_callback_loses_the_oldest_and_everybody_is_told(toy: Toy) -> None:
    async def main() -> None:
        seen: list[int | None] = []

        async def handle(event: Trade) -> None:
            seen.append(event.sequence)

        feed = toy.feed(buffer=10)
        feed.on(Trade, handle)
        async with feed:
            await toy.settle()
            toy.last.give(*map(trade, range(25)))
            await toy.settle()
            drops = [one for one in toy.seen(Dropped) if one.sink.startswith("callback")]
            assert [(one.symbol, one.channel, one.count) for one in drops] == [("SOL-USD", Channel.TRADES, 15)]
        assert seen == list(range(15, 25))

    asyncio.run(main())


def test_an_async_callback_for_all_events_meets_its_own_drops(toy: Toy) -> None:
    async def main() -> None:
        seen: list[Event] = []

        async def handle(event: Event) -> None:
            seen.append(event)

        feed = toy.feed(buffer=10)
        feed.on(Event, handle)
        async with feed:
            await toy.settle()
            toy.last.give(*map(trade, range(25)))
            await toy.settle()
            assert [type(event) for event in seen[:3]] == [Dropped, Dropped, Trade]
            assert numbers(seen) == list(range(15, 25))

    asyncio.run(main())


def test_an_async_callback_that_blocks_pauses_the_connection_and_loses_nothing(toy: Toy) -> None:
    async def main() -> None:
        seen: list[int | None] = []
        may_go = asyncio.Event()

        async def handle(event: Trade) -> None:
            await may_go.wait()
            seen.append(event.sequence)

        feed = toy.feed(buffer=4, when_full="block")
        feed.on(Trade, handle)
        async with feed:
            await toy.settle()
            toy.last.give(*map(trade, range(3)))
            await toy.settle()
            toy.last.give(*map(trade, range(3, 10)))
            assert toy.last.is_paused
            may_go.set()
            while toy.last.is_paused:
                await toy.settle()
                await feed.take()
            await toy.settle()
            assert seen == list(range(10))
            assert feed.metrics.total("frames_total") == 10

    asyncio.run(main())


def test_callbacks_cannot_be_added_while_running(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed() as feed:
            with pytest.raises(TickwireError, match=r"before the feed starts → call feed\.on before 'async with'"):
                feed.on(Trade, print)

    asyncio.run(main())


# the iterator


def test_the_iterator_gives_every_event_in_order_and_ends_with_the_feed(toy: Toy) -> None:
    async def main() -> None:
        seen: list[Event] = []
        async with toy.feed() as feed:
            await toy.settle()
            toy.last.give(*map(trade, range(5)))
            async for event in feed:
                seen.append(event)
                if numbers([event]) == [4]:
                    await feed.stop()
        assert seen == toy.events
        assert [type(event) for event in seen[-1:]] == [Unsubscribed]

    asyncio.run(main())


def test_what_was_received_can_be_iterated_after_the_end(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed() as feed:
            await toy.settle()
            toy.last.give(*map(trade, range(5)))
        assert [event async for event in feed] == toy.events

    asyncio.run(main())


def test_a_slow_iterator_meets_dropped_before_what_is_left(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(buffer=10) as feed:
            await toy.settle()
            toy.last.give(*map(trade, range(25)))
            batch = await feed.take()
            now = toy.clock.now()
            head = ("toy", "SOL-USD", None, now)
            assert batch[:2] == [
                Dropped(*head, Channel.QUALITY, None, Severity.WARNING, "iterator", "drop_oldest", 1, now, now),
                Dropped(*head, Channel.TRADES, None, Severity.WARNING, "iterator", "drop_oldest", 15, now, now),
            ]
            assert numbers(batch[2:]) == list(range(15, 25))

    asyncio.run(main())


def test_all_events_received_before_an_error_come_first_and_then_the_one_original_error(toy: Toy) -> None:
    async def main() -> None:
        seen: list[Event] = []
        with pytest.raises(SubscriptionRejectedError) as raised:
            await iterate(toy, seen)
        assert str(raised.value) == "toy refused every subscription, last: not today"
        assert numbers(seen) == list(range(100))
        assert seen == toy.events

    async def iterate(toy: Toy, seen: list[Event]) -> None:
        async with toy.feed() as feed:
            await toy.settle()
            toy.last.give(*map(trade, range(100)), REFUSAL)
            while True:
                seen.append(await anext(feed))

    asyncio.run(main())


def test_an_error_is_raised_once_by_the_iterator_which_then_has_ended(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["NOT-LISTED"]) as feed:
            with pytest.raises(UnknownInstrumentError):
                await anext(feed)
            with pytest.raises(StopAsyncIteration):
                await anext(feed)

    asyncio.run(main())


def test_an_error_nobody_iterated_to_is_raised_at_the_exit(toy: Toy) -> None:
    async def main() -> None:
        with pytest.raises(UnknownInstrumentError):
            async with toy.feed(["NOT-LISTED"]):
                await toy.settle()

    asyncio.run(main())


def test_a_bug_of_a_plugin_comes_out_as_itself(toy: Toy) -> None:
    async def main() -> None:
        error = toy.subscribe_error = ZeroDivisionError("a bug")
        with pytest.raises(ZeroDivisionError) as raised:
            async with toy.feed() as feed:
                await feed.wait()
        assert raised.value is error

    asyncio.run(main())


def test_an_exception_of_the_body_passes_and_the_feed_is_stopped(toy: Toy) -> None:
    async def main() -> None:
        error = ValueError("the user's own")
        with pytest.raises(ValueError) as raised:
            await fail_inside(toy, error)
        assert raised.value is error
        assert (toy.last.is_open, toy.is_closed) == (False, True)

    async def fail_inside(toy: Toy, error: Exception) -> None:
        async with toy.feed():
            await toy.settle()
            raise error

    asyncio.run(main())


def test_cancelling_the_user_s_task_stops_the_feed(toy: Toy) -> None:
    async def main() -> None:
        async def use() -> None:
            async with toy.feed() as feed:
                async for _ in feed:
                    pass

        using = asyncio.create_task(use())
        await toy.settle()
        using.cancel()
        with pytest.raises(asyncio.CancelledError):
            await using
        assert (toy.last.is_open, toy.is_closed) == (False, True)

    asyncio.run(main())


def test_without_a_buffer_a_feed_calls_back_and_cannot_be_iterated(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(buffer=0) as feed:
            await toy.settle()
            toy.last.give(trade(1))
            assert numbers(toy.events) == [1]
            with pytest.raises(TickwireError, match="cannot be iterated → use 'async with', and a buffer above 0"):
                await anext(feed)

    asyncio.run(main())


def test_a_feed_that_was_not_started_cannot_be_iterated(toy: Toy) -> None:
    async def main() -> None:
        with pytest.raises(TickwireError, match="'toy' cannot be iterated before it started → use 'async with'"):
            await anext(toy.feed())

    asyncio.run(main())


def test_a_full_buffer_that_blocks_pauses_every_connection_and_loses_nothing(toy: Toy) -> None:
    async def main() -> None:
        toy.declare(public={"max_streams": 1})
        async with toy.feed(["SOL-USD", "BTC-USD"], buffer=4, when_full="block") as feed:
            await toy.settle()
            first = toy.connections[0]
            first.give(*map(trade, range(20)))
            assert [connection.is_paused for connection in toy.connections] == [True, True]
            await feed.subscribe(["ETH-USD"], ["trades"])
            await toy.settle()
            assert toy.last.is_paused
            taken: list[Event] = []
            while any(connection.is_paused for connection in toy.connections):
                taken += await feed.take()
                await toy.settle()
            taken += await feed.take()
            assert numbers(taken) == list(range(20))
            assert [type(event) for event in taken if isinstance(event, QualityEvent)] == [Subscribed]

    asyncio.run(main())


# stopping


def test_a_stop_closes_the_connections_and_ends_the_coverage(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD", "BTC-USD"], ["trades"]) as feed:
            await toy.settle()
            toy.last.give(trade(1))
            await feed.stop()
            assert [(one.symbol, one.reason) for one in toy.seen(Unsubscribed)] == [
                ("SOL-USD", UnsubscribeReason.STOPPED)
            ]
            assert (toy.last.is_open, toy.is_closed, toy.seen(Gap)) == (False, True, [])

    asyncio.run(main())


def test_coverage_ends_too_when_an_error_ends_the_feed(toy: Toy) -> None:
    async def main() -> None:
        with pytest.raises(AuthRejectedError):
            await use(toy)
        assert [(one.symbol, one.reason) for one in toy.seen(Unsubscribed)] == [("SOL-USD", UnsubscribeReason.STOPPED)]

    async def use(toy: Toy) -> None:
        async with toy.feed(["SOL-USD", "BTC-USD"]) as feed:
            await toy.settle()
            toy.last.give(trade(1), {"k": "login", "ok": False})
            await feed.wait()

    asyncio.run(main())


def test_nothing_is_dialled_after_a_stop(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed() as feed:
            await toy.settle()
            toy.last.end()
            await toy.settle()
            await feed.stop()
            await toy.settle(600)
            assert len(toy.dials) == 1

    asyncio.run(main())


def test_a_second_stop_is_harmless_and_so_is_one_before_the_start(toy: Toy) -> None:
    async def main() -> None:
        feed = toy.feed()
        await feed.stop()
        async with feed:
            await toy.settle()
            await asyncio.gather(feed.stop(), feed.stop())
            await feed.stop()
        await feed.stop()
        assert [type(event) for event in toy.events] == []

    asyncio.run(main())


def silent(toy: Toy) -> None:
    toy.is_hanging = True


def unreachable_rest(toy: Toy) -> None:
    toy.answers.extend([ConnectionLostError("no")] * 50)


def unreachable_socket(toy: Toy) -> None:
    toy.refusal = ConnectionLostError("no")


@pytest.mark.parametrize("script", [silent, unreachable_rest, unreachable_socket])
def test_a_stop_while_the_exchange_is_down_ends_it(toy: Toy, script: Any) -> None:
    async def main() -> None:
        script(toy)
        async with toy.feed() as feed:
            await toy.settle(20)
            began = time.monotonic()
            await feed.stop()
            assert time.monotonic() - began < 20

    asyncio.run(main())


def test_a_stop_while_dialling_ends_it(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed() as feed:
            await toy.settle()
            toy.is_hanging = True
            toy.last.end()
            await toy.settle(5)
            assert len(toy.dials) == 2
            began = time.monotonic()
            await feed.stop()
            assert time.monotonic() - began < 20

    asyncio.run(main())


def test_a_feed_is_started_once(toy: Toy) -> None:
    async def main() -> None:
        feed = toy.feed()
        async with feed:
            pass
        with pytest.raises(TickwireError, match="was started before → make a new Feed"):
            await feed.__aenter__()

    asyncio.run(main())


@pytest.mark.parametrize("is_over", [True, False])
def test_subscribing_needs_a_running_feed(toy: Toy, is_over: bool) -> None:
    async def main() -> None:
        feed = toy.feed()
        if is_over:
            async with feed:
                pass
        with pytest.raises(TickwireError, match="'toy' is not running → subscribe inside 'async with'"):
            await feed.subscribe(["SOL-USD"], ["trades"])

    asyncio.run(main())


# making one


def test_a_text_instead_of_a_list_is_caught(toy: Toy) -> None:
    with pytest.raises(ConfigError, match=r"symbols is the text 'SOL-USD' → write symbols=\['SOL-USD'\]"):
        toy.feed("SOL-USD")
    with pytest.raises(ConfigError, match=r"channels is the text 'trades' → write channels=\['trades'\]"):
        toy.feed(channels="trades")


def test_an_unknown_exchange_says_what_to_install() -> None:
    with pytest.raises(UnknownExchangeError, match="pip install tickwire-nowhere"):
        Feed("nowhere", ["SOL-USD"])


def test_a_socket_that_does_not_exist_is_refused(toy: Toy) -> None:
    with pytest.raises(ConfigError, match="toy has no socket 'private' → one of public, other"):
        toy.feed(websocket={"private": "wss://x"})


def test_hosts_can_be_set(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD"], ["trades", "l1_book"], websocket={"public": "ws://127.0.0.1:1"}):
            await toy.settle()
            assert [connection.url for connection in toy.connections] == [
                "ws://127.0.0.1:1", "wss://toy.example/ws/other",
            ]  # fmt: skip

    asyncio.run(main())


def test_a_feed_is_not_healthy_before_data_and_healthy_with_it(toy: Toy) -> None:
    async def main() -> None:
        feed = toy.feed()
        assert feed.health.status is HealthStatus.UNHEALTHY
        async with feed:
            await toy.settle()
            assert feed.health.reasons == {"data": "nothing received yet"}
            toy.last.give(trade(1))
            assert (feed.health.status, feed.health.reasons) == (HealthStatus.HEALTHY, {})

    asyncio.run(main())


def test_a_feed_without_symbols_waits_for_subscriptions(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed([]) as feed:
            await toy.settle(60)
            assert (toy.dials, len(feed.instruments), feed.status(), dict(feed.books)) == ([], 4, {}, {})

    asyncio.run(main())


def test_a_wrong_key_is_told_when_the_feed_is_made(toy: Toy) -> None:
    with pytest.raises(AuthRejectedError, match="bad key"):
        toy.feed(credentials={"api_key": "bad"})


def test_ordinary_life_logs_no_warning(toy: Toy, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD"], ["trades", "l2_book"]):
            await toy.settle(1)
            for number in range(10):
                toy.last.give(trade(number))
                await toy.settle(10)

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    assert caplog.messages == []
