"""Figures of what became of the data: each name and label that interfaces.md §6 promises of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tickwire.feed.quality_metrics import QualityMetrics, reason_word
from tickwire.model.channels import Channel
from tickwire.model.clock import ManualClock
from tickwire.model.metrics import Metrics
from tickwire.model.quality import Backfilled, Gap, GapCause, Severity

if TYPE_CHECKING:
    from conftest import Toy
    from tickwire.run.feed import Feed


def trade(number: int, **more: Any) -> dict[str, Any]:
    return {"k": "trade", "s": "SOL_USD", "n": number, **more}


def figure(feed: Feed, name: str, **labels: str) -> float:
    (value,) = (
        value for known, found, value in feed.metrics if known == name and found == {"exchange": "toy"} | labels
    )
    return value


def test_a_gap_is_counted_once_however_many_events_tell_of_it_and_open_until_it_ends(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed() as feed:
            await toy.settle(1)
            toy.last.give(trade(1))
            assert figure(feed, "gaps_open", channel="trades") == 0
            toy.last.end()
            await toy.settle(1)
            assert figure(feed, "gaps_open", channel="trades") == 1
            toy.last.give(trade(5))
            assert figure(feed, "gaps_total", channel="trades", cause="disconnected") == 1
            assert figure(feed, "gaps_open", channel="trades") == 0
            toy.last.give(trade(9))
            assert figure(feed, "gaps_total", channel="trades", cause="sequence") == 1
            assert feed.metrics.total("gaps_total") == 2

    asyncio.run(main())


def test_a_connection_s_reconnections_are_counted_by_why_it_ended(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed() as feed:
            await toy.settle(1)
            assert figure(feed, "connections_open") == 1
            toy.last.end(1006, "lost")
            await toy.settle()
            assert figure(feed, "connections_open") == 0
            await toy.settle(2)
            assert figure(feed, "reconnects_total", reason="lost") == 1
            await toy.settle(61)
            assert figure(feed, "reconnects_total", reason="watchdog") == 1

    asyncio.run(main())


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("1000 bye", "closed"),
        ("1000 watchdog: SOL-USD trades was silent for 31 s", "watchdog"),
        ("1006 lost without a close frame", "lost"),
        ("1006 no answer to a ping within 20 s", "unanswered"),
        ("cannot reach wss://a (name not resolved)", "unreachable"),
        ("4711 go away", "other"),
    ],
)
def test_reasons_are_a_few_words(reason: str, word: str) -> None:
    assert reason_word(reason) == word


def test_books_in_sync_and_how_long_a_resync_took(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD", "BTC-USD"], ["l2_book"]) as feed:
            await toy.settle(1)
            assert (
                figure(feed, "books_total", channel="l2_book") == figure(feed, "books_synced", channel="l2_book") == 2
            )
            toy.answers.append({"n": 1, "b": [], "a": []})
            toy.last.give({"k": "delta", "s": "SOL_USD", "n": 101}, {"k": "delta", "s": "SOL_USD", "n": 105})
            assert figure(feed, "books_synced", channel="l2_book") == 1
            toy.sequence = 105
            await toy.settle(1)
            assert figure(feed, "books_synced", channel="l2_book") == 2
            assert 0.1 <= figure(feed, "resync_seconds", channel="l2_book") <= 0.2

    asyncio.run(main())


def test_ages_are_of_the_newest_event_and_of_the_oldest_watermark(toy: Toy) -> None:
    async def main() -> None:
        toy.can_ping()
        async with toy.feed(["SOL-USD", "BTC-USD"]) as feed:
            await toy.settle(1)
            toy.last.give({"k": "trade", "s": "BTC_USD", "n": 1})
            await toy.settle(5)
            toy.last.give(trade(1))
            await toy.settle(1)
            assert figure(feed, "last_event_age_seconds", channel="trades") == 1
            assert figure(feed, "watermark_age_seconds", channel="trades") == 6
            await toy.settle(10)
            assert figure(feed, "watermark_age_seconds", channel="trades") == 7
            toy.last.end()
            toy.is_hanging = True
            await toy.settle(100)
            assert figure(feed, "watermark_age_seconds", channel="trades") == 107

    asyncio.run(main())


def test_latency_is_from_the_engine_s_time_to_ours_and_only_where_there_is_one(toy: Toy) -> None:
    async def main() -> None:
        async with toy.feed(["SOL-USD"], ["trades", "l1_book"]) as feed:
            await toy.settle(1)
            toy.connections[0].give(trade(1, t=toy.clock.now() - 30_000_000))
            assert figure(feed, "latency_seconds", channel="trades") == 0.03
            assert [labels for name, labels, _ in feed.metrics if name == "latency_seconds"] == [
                {"exchange": "toy", "channel": "trades"}
            ]

    asyncio.run(main())


def test_a_hole_of_which_more_is_told_while_it_is_filled_is_one_gap_and_its_trades_are_counted(toy: Toy) -> None:
    metrics = Metrics()
    figures = QualityMetrics(metrics, toy.info, ManualClock(), list, list)
    head = ("toy", "SOL-USD", None, 1, Channel.TRADES, None)
    for ts_end in (None, 5, 9):
        figures.follow(Gap(*head, Severity.WARNING, "toy/1", GapCause.SEQUENCE, 1, ts_end))
    for _ in range(2):
        figures.follow(Backfilled(*head, Severity.INFO, "toy/1", 7))
    assert metrics.total("backfilled_trades_total") == 14
    assert metrics.total("gaps_total") == 1
