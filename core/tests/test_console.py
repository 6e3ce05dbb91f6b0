"""Events as lines for people."""

from collections.abc import Iterable
from typing import Any

import pytest

from tickwire.model.account import Balance, Fill, OrderStatus, OrderUpdate, Position
from tickwire.model.channels import Channel
from tickwire.model.events import (
    BookDelta,
    BookSnapshot,
    Candle,
    Funding,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Quote,
    Side,
    Ticker,
    Trade,
)
from tickwire.model.quality import (
    Backfilled,
    Dropped,
    Event,
    Gap,
    GapCause,
    Inexact,
    Reconnected,
    Repair,
    Resynced,
    Severity,
    Stale,
    StaleAction,
    Subscribed,
    Unsubscribed,
    UnsubscribeReason,
    Watermark,
)
from tickwire.run.console import latency_text
from tickwire.run.report import Tally
from tickwire.run.sink_console import EventLines

T0 = 1_788_361_471_034_000_000  # 15:04:31.034 UTC
MS = 1_000_000
WARN = Severity.WARNING


def lines(*events: Event, is_terminal: bool = False, is_coloured: bool = False) -> list[str]:
    shown = EventLines(is_terminal, is_coloured)
    return [line for line in map(shown.line, events) if line is not None]


def trade(**changes: object) -> Trade[float]:
    values: dict[str, object] = {
        "exchange": "backpack",
        "symbol": "SOL-USDC",
        "ts_event": T0 - 84 * MS,
        "ts_recv": T0,
        "price": 98.97,
        "size": 12.4,
        "taker_side": Side.BUY,
        "trade_id": "341399899",
    }
    return Trade(**{**values, **changes})  # type: ignore[arg-type]


def snapshot(bid: float, ask: float, at: int = T0, symbol: str = "SOL-USDC") -> BookSnapshot[float]:
    return BookSnapshot("backpack", symbol, at - 5 * MS, at, ((bid, 298.87),), ((ask, 22.39),), 10)


def delta(bids: Iterable[tuple[float, float]], sequence: int, at: int) -> BookDelta[float]:
    return BookDelta("backpack", "SOL-USDC", at - 5 * MS, at, tuple(bids), (), sequence, sequence)


def test_a_trade_line() -> None:
    assert lines(trade()) == ["15:04:31.034  SOL-USDC  trade   BUY     98.97 × 12.4" + " " * 38 + "#341399899    84 ms"]


def test_a_backfilled_trade_says_so_and_has_no_latency() -> None:
    (line,) = lines(trade(backfilled=True, taker_side=None))
    assert line == "15:04:31.034  SOL-USDC  trade   –       98.97 × 12.4  backfilled" + " " * 26 + "#341399899"


def test_a_book_line_shows_the_top() -> None:
    assert lines(snapshot(98.96, 98.97)) == [
        "15:04:31.034  SOL-USDC  book    298.87 @ 98.96 | 98.97 @ 22.39   spread 0.01                  seq 10   5.0 ms"
    ]


def test_an_empty_side_is_named() -> None:
    empty = BookSnapshot[float]("backpack", "A-B", None, T0, (), ((2.0, 1.0),))
    assert lines(empty) == ["15:04:31.034  A-B       book    no bid | 2.0 @ 1.0"]


def test_a_quote_line() -> None:
    quote = Quote[float]("backpack", "SOL-USDC", T0, T0, 98.96, 1.0, 98.97, 2.0, 7)
    (line,) = lines(quote)
    assert line.split()[2:] == ["quote", *"1.0 @ 98.96 | 98.97 @ 2.0 spread 0.01 seq 7 0.0 ms".split()]  # noqa: SIM905


SOL = ("backpack", "SOL-USDC", None)


def ticker(last: float, at: int = T0) -> Ticker[float]:
    return Ticker(*SOL, at, last, None, 100.87, 101.19, 97.38, 15089.56, None, None, "24h")


def candle(close: float | None, at: int = T0, interval: str = "1m", is_closed: bool = False) -> Candle[float]:
    start = T0 - T0 % (60_000 * MS)
    end = start + 60_000 * MS
    if close is None:
        return Candle(*SOL, at, interval, start, end, None, None, None, None, 0.0, is_closed=is_closed)
    return Candle(*SOL, at, interval, start, end, 98.9, 99.1, 98.8, close, 27.93, is_closed=is_closed)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (ticker(98.98), "ticker 98.98 24h: open 100.87, 97.38–101.19 vol 15089.56"),
        (Ticker(*SOL, T0, None, None, None, None, None, None, None, None, "24h"), "ticker – 24h: open –, ––– vol –"),
        (candle(98.95), "candle 1m 15:04:00 98.9 → 98.95 (98.8–99.1) so far vol 27.93"),
        (candle(98.95, is_closed=True), "candle 1m 15:04:00 98.9 → 98.95 (98.8–99.1) vol 27.93"),
        (candle(None, is_closed=True), "candle 1m 15:04:00 no trade vol 0.0"),
        (MarkPrice(*SOL, T0, 98.94, 98.94998504), "mark 98.94 index 98.94998504"),
        (MarkPrice(*SOL, T0, 0.41, settlement=0.4), "mark 0.41 settlement 0.4"),
        (Funding(*SOL, T0, 0.0000125, None, T0), "funding 0.00125 % paid at 15:04:31 estimate"),
        (Funding(*SOL, T0, -0.01, is_final=True), "funding -1.0 % paid"),
        (OpenInterest(*SOL, T0, 206529.68), "open 206529.68"),
        (OpenInterest(*SOL, T0, 2.0, 5.0), "open 2.0 value 5.0"),
        (Liquidation(*SOL, T0, Side.BUY, 98.7, None, 10.0, "7"), "forced BUY 98.7 × 10.0 liquidation #7"),
        (Liquidation(*SOL, T0, None, None, None, 10.0), "forced – – × 10.0 liquidation"),
    ],
)
def test_figures_are_lines(event: Event, expected: str) -> None:
    (line,) = lines(event)
    assert line.split()[2:] == expected.split()


def order(status: OrderStatus, filled: float = 0.0, **more: Any) -> OrderUpdate[float]:
    return OrderUpdate(*SOL, T0, "77", status, Side.SELL, 2.0, filled, **more)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (order(OrderStatus.NEW, price=98.5), "order SELL 98.5 × 2.0 new #77"),
        (
            order(OrderStatus.PARTIALLY_FILLED, 0.5, price=98.5),
            "order SELL 98.5 × 2.0 0.5 filled partially filled #77",
        ),
        (
            order(OrderStatus.REJECTED, reason="no margin"),
            "order SELL – × 2.0 rejected (no margin) #77",
        ),
        (order(OrderStatus.FILLED, 2.0, order_type="market"), "order SELL market × 2.0 2.0 filled filled #77"),
        (Fill(*SOL, T0, "9", "77", None, Side.BUY, 98.5, 0.5), "fill BUY 98.5 × 0.5 #77"),
        (
            Fill(*SOL, T0, "9", "77", None, Side.BUY, 98.5, 0.5, fee=-0.01, fee_asset="USDC"),
            "fill BUY 98.5 × 0.5 fee -0.01 USDC #77",
        ),
        (Balance("backpack", None, None, T0, "USDC", 10.0, 7.5, 2.5), "balance USDC 10.0 free 7.5"),
        (Position(*SOL, T0, -2.0, 98.5, unrealised_pnl=0.5), "pos -2.0 @ 98.5 pnl 0.5"),
        (Position(*SOL, T0, 0.0), "pos 0.0 pnl –"),
    ],
)
def test_account_events_are_lines(event: Event, expected: str) -> None:
    (line,) = lines(event)
    assert line.split()[2:] == expected.split()


def test_a_figure_is_a_line_only_when_it_has_changed() -> None:
    later = [ticker(98.98, T0 + MS), ticker(98.97, T0 + 2 * MS), MarkPrice(*SOL, T0, 98.97), ticker(98.97, T0 + 3 * MS)]
    shown = lines(ticker(98.98), *later)
    assert [line.split()[2:4] for line in shown] == [["ticker", "98.98"], ["ticker", "98.97"], ["mark", "98.97"]]


def test_an_open_candle_is_a_line_every_ten_seconds_and_a_closed_one_always() -> None:
    growing = [candle(float(second), T0 + second * 1_000 * MS) for second in range(22)]
    last = candle(21.0, T0 + 22_000 * MS, is_closed=True)
    assert [line.split()[7] for line in lines(*growing, last)] == ["0.0", "10.0", "20.0", "21.0"]


def test_candles_of_two_intervals_do_not_hide_each_other() -> None:
    shown = lines(candle(1.0), candle(1.0, interval="5m"))
    assert [line.split()[3] for line in shown] == ["1m", "5m"]


def test_a_book_line_comes_only_when_the_top_has_changed() -> None:
    changes = [delta([(90.0, 1.0)], 11, T0 + MS), delta([(98.96, 5.0)], 12, T0 + 2 * MS)]
    assert [line.split()[3] for line in lines(snapshot(98.96, 98.97), *changes)] == ["298.87", "5.0"]


def test_in_a_terminal_a_book_line_comes_at_most_four_times_a_second_per_instrument() -> None:
    changes = [delta([(98.96, float(n))], 10 + n, T0 + n * 10 * MS) for n in range(1, 100)]
    shown = lines(snapshot(98.96, 98.97), snapshot(1.0, 2.0, symbol="A-B"), *changes, is_terminal=True)
    assert [line.split()[0] for line in shown] == [
        "15:04:31.034",
        "15:04:31.034",
        "15:04:31.284",
        "15:04:31.534",
        "15:04:31.784",
    ]


def test_a_book_that_is_not_in_sync_is_not_shown() -> None:
    gap = Gap("backpack", "SOL-USDC", None, T0, Channel.L2_BOOK, None, WARN, "g", GapCause.SEQUENCE, T0)
    shown = lines(snapshot(98.96, 98.97), gap, delta([(98.96, 5.0)], 12, T0))
    assert [line.split()[2] for line in shown] == ["book", "GAP"]


def test_a_hole_that_nobody_announced_hides_the_book_until_its_next_snapshot() -> None:
    shown = lines(snapshot(98.96, 98.97), delta([(98.96, 5.0)], 14, T0), snapshot(1.0, 2.0))
    assert [line.split()[5] for line in shown] == ["98.96", "1.0"]


_HEADER = ("backpack", "SOL-USDC", None, T0, Channel.L2_BOOK, None, WARN)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            Gap(*_HEADER, "g", GapCause.SEQUENCE, T0, None, 1219, 1368, 150, Repair.RESYNC),
            "GAP       l2_book: 150 updates missing (1219…1368), fetching a snapshot",
        ),
        (
            Gap(*_HEADER, "g", GapCause.DISCONNECTED, T0, None, repair=Repair.RESYNC, detail="disconnected (1006)"),
            "GAP       l2_book: disconnected (1006)",
        ),
        (
            Gap(*_HEADER, "g", GapCause.STALE, T0 - 2_500 * MS, T0),
            "GAP       l2_book: nothing came any more, 2.50 s long",
        ),
        (Resynced(*_HEADER, "g", 7, 302 * MS), "RESYNC    l2_book: in sync after 0.30 s"),
        (Backfilled(*_HEADER, "g", 1212, is_complete=True), "BACKFILL  l2_book: 1,212 trades fetched, complete"),
        (
            Gap(*_HEADER, "g", GapCause.SEQUENCE, T0, None, 1219, 1219, 1, Repair.RESYNC),
            "GAP       l2_book: 1 update missing (1219), fetching a snapshot",
        ),
        (
            Backfilled(*_HEADER, "g", 1, remaining=1204),
            "BACKFILL  l2_book: 1 trade fetched, 1,204 still missing",
        ),
        (Backfilled(*_HEADER, "g", 2), "BACKFILL  l2_book: 2 trades fetched, some still missing"),
        (
            Stale(*_HEADER, None, 12_000 * MS, StaleAction.NONE),
            "STALE     l2_book: waits 12.00 s, the exchange asked for fewer requests",
        ),
        (
            Dropped(*_HEADER, "hot", "drop_oldest", 1, T0, T0),
            "DROPPED   l2_book: 1 event did not reach hot (drop_oldest)",
        ),
        (
            Reconnected(*_HEADER, "ws.x.org", "1006", 1, 2_000 * MS, 1),
            "RECONNECT l2_book: ws.x.org after 2.00 s (1006), attempt 1, 1 subscription",
        ),
        (
            Stale(*_HEADER, None, 9_000 * MS, StaleAction.RECONNECT),
            "STALE     l2_book: nothing for 9.00 s, reconnecting",
        ),
        (
            Reconnected(*_HEADER, "ws.x.org", "1006", 2, 2_000 * MS, 4),
            "RECONNECT l2_book: ws.x.org after 2.00 s (1006), attempt 2, 4 subscriptions",
        ),
        (
            Dropped(*_HEADER, "hot", "drop_oldest", 1500, T0, T0),
            "DROPPED   l2_book: 1,500 events did not reach hot (drop_oldest)",
        ),
        (
            Inexact(*_HEADER, "price", 17, "0.12345678901234567"),
            "INEXACT   l2_book: price 0.12345678901234567 has 17 digits; set numbers: decimal to keep them",
        ),
        (Unsubscribed(*_HEADER, UnsubscribeReason.REFUSED), "END       l2_book: coverage ends: refused"),
    ],
)
def test_trouble_and_its_end_are_lines(event: Event, expected: str) -> None:
    assert lines(event) == [f"15:04:31.034  SOL-USDC  {expected}"]


@pytest.mark.parametrize(
    "event",
    [Subscribed(*_HEADER, T0), Watermark(*_HEADER, T0), Unsubscribed(*_HEADER, UnsubscribeReason.STOPPED)],
)
def test_what_goes_as_it_should_is_no_line(event: Event) -> None:
    assert lines(event) == []


def test_with_two_exchanges_each_line_names_its_own() -> None:
    shown = lines(trade(), trade(exchange="binance", symbol="BTC-USDT"), trade())
    assert [line[14:32].rstrip() for line in shown] == ["SOL-USDC  trade", "binance BTC-USDT", "backpack SOL-USDC"]


def test_colours_are_for_terminals_only() -> None:
    assert "\x1b[" not in "".join(lines(trade(), Resynced(*_HEADER, "g", 7, 1)))
    coloured = lines(trade(), Resynced(*_HEADER, "g", 7, 1), is_coloured=True)
    assert all("\x1b[32m" in line and "\x1b[0m" in line for line in coloured)


@pytest.mark.parametrize(
    ("millis", "expected"), [(0.4, "0.4 ms"), (84.4, "84 ms"), (-12, "-12 ms"), (61_200, "61.2 s"), (None, "")]
)
def test_latency(millis: float | None, expected: str) -> None:
    assert latency_text(trade(ts_event=None if millis is None else T0 - round(millis * MS))) == expected


def gap(id: str, ts_end: int | None = None, missing: int | None = None, repair: Repair = Repair.NONE) -> Gap:
    return Gap(*_HEADER, id, GapCause.DISCONNECTED, T0, ts_end, missing=missing, repair=repair)


def summary(*events: Event, dropped: dict[str, int] | None = None) -> str:
    tally = Tally()
    for event in events:
        tally.count(event)
    return str(tally.report("run", 61.23, dropped))


def test_the_summary_of_a_quiet_run() -> None:
    assert summary() == "61.2 s · no events · no gaps · nothing dropped"


def test_the_summary_counts_kinds_and_gaps() -> None:
    book = (snapshot(1.0, 2.0), *(delta([], 11 + n, T0) for n in range(1234)))
    events: tuple[Event, ...] = (trade(), *book, gap("g", repair=Repair.RESYNC), Resynced(*_HEADER, "g", 7, 300 * MS))
    assert summary(*events) == (
        "61.2 s · 1 trade · 1 book snapshot · 1,234 book deltas · 1 gap repaired (0.30 s) · 0 open · nothing dropped"
    )


def test_the_summary_tells_repaired_unfilled_harmless_and_open_gaps_apart() -> None:
    events = [
        *(gap("a", repair=Repair.RESYNC), Resynced(*_HEADER, "a", 7, 100 * MS)),
        *(gap("b", repair=Repair.RESYNC), Backfilled(*_HEADER, "b", 3, is_complete=True)),
        *(gap("c"), gap("c", T0 + 1, 5)),
        *(gap("d"), gap("d", T0 + 1, 0)),
        gap("e"),
    ]
    assert summary(*events) == (
        "61.2 s · no events · 2 gaps repaired (longest 0.10 s) · 3 trades filled in · 1 gap not filled · "
        "1 gap without loss · 1 open · nothing dropped"
    )


@pytest.mark.parametrize(("count", "expected"), [(1, "1 trade"), (1212, "1,212 trades")])
def test_the_summary_counts_what_a_backfill_brought(count: int, expected: str) -> None:
    hole = gap("b", repair=Repair.BACKFILL), Backfilled(*_HEADER, "b", count, is_complete=True)
    assert summary(*hole) == f"61.2 s · no events · 1 gap repaired · {expected} filled in · 0 open · nothing dropped"


def test_the_summary_counts_what_was_filled_of_a_hole_that_stays() -> None:
    hole = gap("b", repair=Repair.BACKFILL), Backfilled(*_HEADER, "b", 5, remaining=2), gap("b", T0 + 1, 2)
    assert summary(*hole) == ("61.2 s · no events · 5 trades filled in · 1 gap not filled · 0 open · nothing dropped")


def test_the_summary_counts_figures() -> None:
    events = (ticker(1.0), candle(1.0), MarkPrice(*SOL, T0, 1.0), Funding(*SOL, T0, 0.1), OpenInterest(*SOL, T0, 1.0))
    assert summary(*events, Liquidation(*SOL, T0, None, None, None, 1.0)) == (
        "61.2 s · 1 ticker · 1 candle · 1 mark price · 1 funding rate · 1 open interest figure · 1 liquidation · "
        "no gaps · nothing dropped"
    )


def test_the_summary_counts_account_events() -> None:
    orders = [order(OrderStatus.NEW)] * 2
    fill = Fill(*SOL, T0, "9", "77", None, Side.BUY, 98.5, 0.5)
    assert summary(*orders, fill, Balance("backpack", None, None, T0, "USDC"), Position(*SOL, T0, 0.0)) == (
        "61.2 s · 2 order updates · 1 fill · 1 balance · 1 position · no gaps · nothing dropped"
    )


def test_the_summary_names_sinks_that_lost_something() -> None:
    assert summary(dropped={"hot": 1500}) == "61.2 s · no events · no gaps · 1,500 dropped by hot"
