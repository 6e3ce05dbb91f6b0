"""Real ccxt classes under tickwire's contract, against simulated exchanges on loopback and beside native plugins."""

from __future__ import annotations

import asyncio
import os
import runpy
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
from ccxt.base.errors import ChecksumError

from tickwire import (
    Backfilled,
    BookDelta,
    BookSnapshot,
    Channel,
    Event,
    Feed,
    Gap,
    GapCause,
    L2Book,
    QualityEvent,
    Reconnected,
    Registry,
    Resynced,
    Subscribed,
    Trade,
)
from tickwire.simulation import Dress, Fault, FaultKind, Faults, MemoryTruth, SeededMarket, SimBook, SimServer, Site
from tickwire_backpack.simulator import BackpackSimulator
from tickwire_binance.simulator import BinanceSimulator, BinanceUsdmSimulator, BinanceUsSimulator
from tickwire_ccxt_generic import venues
from tickwire_ccxt_generic.info import info_of
from tickwire_kraken.simulator import KrakenSimulator

CHANGES = int(os.environ.get("TICKWIRE_CHANGES", "6000"))
REGISTRY = Registry.discover()


@attrs.frozen
class Place:
    """An exchange and one of its instruments.

    Attributes:
        is_numbered: Its book changes are.
    """

    exchange: str
    dress: Callable[[], Dress]
    symbol: str
    native: str
    is_numbered: bool = True

    def __str__(self) -> str:
        return self.exchange


PLACES = [
    Place("backpack", BackpackSimulator, "SOL-USDC", "SOL_USDC"),
    Place("binance", BinanceSimulator, "BTC-USDT", "BTCUSDT"),
    Place("binanceus", BinanceUsSimulator, "BTC-USDT", "BTCUSDT"),
    Place("binanceusdm", BinanceUsdmSimulator, "BTC-USDT-PERP", "BTCUSDT"),
    Place("kraken", KrakenSimulator, "BTC-USD", "BTC/USD", is_numbered=False),
]


# one exchange of each kind in every run, the others in ``nox -s long``
_LONG = pytest.mark.long
FIRST = [PLACES[0], *(pytest.param(place, marks=_LONG) for place in PLACES[1:])]


async def until(is_so: Callable[[], bool], within: float = 45.0) -> None:
    """Wait for something that tells nobody."""
    async with asyncio.timeout(within):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


class Reader:
    """A feed and all that it gave.

    Attributes:
        states: The best ten levels a side after each book event: by sequence, or by checksum where there is none.
    """

    def __init__(self, feed: Feed[Any], symbol: str) -> None:
        self.feed = feed
        self.symbol = symbol
        self.events: list[Event] = []
        self.states: dict[int, tuple[Any, Any]] = {}
        feed.on(Event, self._take)

    def _take(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, BookSnapshot | BookDelta):
            book = self.feed.books[self.symbol]
            number = book.sequence if book.sequence is not None else event.checksum
            if number is not None:
                self.states[number] = (book.bids(10), book.asks(10))

    def of(self, *kinds: type) -> list[Any]:
        """Give its events of some kinds."""
        return [event for event in self.events if isinstance(event, kinds)]

    @property
    def trades(self) -> list[Trade[float]]:
        """Give its trades."""
        return self.of(Trade)

    @property
    def troubles(self) -> list[Any]:
        """Give its quality events that tell of something that went wrong or was mended."""
        return [one for one in self.of(QualityEvent) if type(one).__name__ not in ("Subscribed", "Watermark")]

    @property
    def book(self) -> L2Book[float]:
        """Give its book."""
        return self.feed.books[self.symbol]

    @property
    def is_open(self) -> bool:
        """Whether a hole is open."""
        return any(status.open_gap is not None for status in self.feed.status().values())

    @property
    def is_in_sync(self) -> bool:
        """Whether its book is there and in sync."""
        return self.symbol in self.feed.books and self.book.is_synced


class Stage:
    """A market that moves only when told to, served on loopback."""

    def __init__(
        self, place: Place, folder: Path, *, faults: Faults | None = None, seed: int = 9, registry: Registry = REGISTRY
    ) -> None:
        self.place = place
        self.registry = registry
        self.truth = MemoryTruth()
        self.faults = faults or Faults()
        dress = place.dress()
        self.market = SeededMarket.of(dress, [place.native], seed=seed, truth=self.truth)
        self.server = SimServer(dress, self.market, faults=self.faults)
        self._folder = folder

    @classmethod
    @asynccontextmanager
    async def open(cls, place: Place, folder: Path, **given: Any) -> AsyncIterator[Stage]:
        """Serve it."""
        stage = cls(place, folder, **given)
        async with stage.server:
            yield stage

    def feed(
        self, channels: Sequence[str], plugin: str | None = "ccxt_generic", buffer: int = 0, **given: Any
    ) -> Feed[Any]:
        """Make a feed, by default through ccxt."""
        options = {"state": str(self._folder), **given.pop("options", {})} if plugin == "ccxt_generic" else None
        return Feed(
            self.place.exchange, [self.place.symbol], channels, plugin=plugin, options=options,
            rest=self.server.rest_url, websocket=self.server.ws_url, registry=self.registry, buffer=buffer, **given,
        )  # fmt: skip

    @asynccontextmanager
    async def reader(
        self, plugin: str | None = "ccxt_generic", channels: Sequence[str] = ("trades", "l2_book"), **given: Any
    ) -> AsyncIterator[Reader]:
        """Read it, and wait until book and trades have come."""
        reader = Reader(self.feed(channels, plugin, **given), self.place.symbol)
        async with reader.feed:
            await self.moving_until(lambda: self.is_served(reader, channels))
            yield reader

    @staticmethod
    def is_served(reader: Reader, channels: Sequence[str]) -> bool:
        """Tell whether all that was subscribed to has come."""
        has_book = "l2_book" not in channels or (reader.is_in_sync and bool(reader.of(BookDelta)))
        return has_book and ("trades" not in channels or bool(reader.trades))

    async def moving_until(self, is_so: Callable[[], bool], changes: int = 20, within: float = 40.0) -> None:
        """Move the market until something is so."""
        async with asyncio.timeout(within):
            while not is_so():
                await self.server.step(changes)
                await asyncio.sleep(0.005)

    def last_trade(self) -> int:
        """Give the number of the market's last trade."""
        return max(trade.number for trade in self.truth.trades(self.place.native))

    async def caught_up(self, *readers: Reader) -> None:
        """Wait until readers have the market's last trade and a book of its last change."""
        number, sequence = self.last_trade(), self.truth.span(self.place.native)[1]
        best = self.market.book(self.place.native, 10)
        sides = tuple(tuple((float(price), float(size)) for price, size in side) for side in (best.bids, best.asks))

        def has_all(reader: Reader) -> bool:
            is_here = reader.book.sequence == sequence if self.place.is_numbered else True
            levels = (reader.book.bids(10), reader.book.asks(10))
            ours = tuple(tuple((float(price), float(size)) for price, size in side) for side in levels)
            return bool(reader.trades) and reader.trades[-1].trade_id == str(number) and is_here and ours == sides

        await until(lambda: all(reader.is_in_sync and has_all(reader) for reader in readers))


def trades_of(reader: Reader, first: int) -> list[Any]:
    return [
        (t.sequence, t.trade_id, t.price, t.size, t.taker_side, t.ts_event, t.matches)
        for t in reader.trades
        if (t.sequence or 0) >= first
    ]


@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("place", PLACES, ids=str)
def test_the_same_trades_and_books_as_natively(place: Place, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Stage.open(place, tmp_path) as stage,
            stage.reader(None) as native,
            stage.reader() as generic,
        ):
            start = stage.market.changes
            await stage.moving_until(lambda: stage.market.changes >= start + CHANGES, within=1_000)
            await stage.caught_up(native, generic)
            first = max(reader.trades[0].sequence or 0 for reader in (native, generic))
            found = trades_of(generic, first)
            assert found == trades_of(native, first)
            assert [(number, price, size) for number, _, price, size, *_ in found] == [
                (t.number, float(t.price), float(t.size)) for t in stage.truth.trades(place.native, first - 1)
            ]
            common = native.states.keys() & generic.states.keys()
            assert len(common) >= CHANGES / 500
            assert {one: generic.states[one] for one in common} == {one: native.states[one] for one in common}
            if place.is_numbered:
                for number in sorted(common)[:: max(1, len(common) // 100)]:
                    assert generic.states[number] == best_of(stage.truth.book(place.native, number))
            assert generic.troubles == []

    asyncio.run(main())


def best_of(book: SimBook) -> tuple[Any, Any]:
    """Give the best ten levels a side of a true book, as a reader has them."""
    bids, asks = ([(float(price), float(size)) for price, size in side[:10]] for side in (book.bids, book.asks))
    return bids, asks


def is_whole(reader: Reader) -> bool:
    numbers = [trade.sequence or 0 for trade in reader.trades]
    return numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@pytest.mark.timeout(200)
@pytest.mark.parametrize("place", FIRST, ids=str)
def test_a_burst_of_20000_trades_reaches_a_sleeping_consumer_whole_and_in_order(place: Place, tmp_path: Path) -> None:
    async def main() -> None:
        async with Stage.open(place, tmp_path) as stage:
            numbers: list[int] = []
            async with stage.feed(["trades"], buffer=65_536) as feed, asyncio.timeout(150):
                moving = asyncio.create_task(stage.moving_until(lambda: bool(numbers)))
                last = None
                async for event in feed:
                    numbers += [event.sequence or 0] if isinstance(event, Trade) else []
                    if numbers and last is None:
                        await moving
                        goal = stage.market.trades_made + 20_000
                        while stage.market.trades_made < goal:
                            await stage.server.step(5_000)
                        await asyncio.sleep(1)
                        last = stage.last_trade()
                    if numbers and numbers[-1] == last:
                        break
            assert len(numbers) > 20_000
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))

    asyncio.run(main())


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_a_gap_of_150_updates_is_noticed_and_the_book_is_right_again(place: Place, tmp_path: Path) -> None:
    async def main() -> None:
        async with Stage.open(place, tmp_path) as stage, stage.reader() as reader:
            gap = stage.faults.inject(Fault(FaultKind.SEQUENCE_GAP, count=150))
            await stage.moving_until(lambda: gap.is_over, changes=5)
            await stage.moving_until(lambda: bool(reader.of(Resynced)))
            # asking anew must not lose anything itself
            after = stage.market.changes + 1_000
            await stage.moving_until(lambda: stage.market.changes >= after)
            await stage.caught_up(reader)
            (noticed,) = reader.of(Gap)
            # a book that went wrong may cross before its next checksum tells
            causes = [GapCause.SEQUENCE] if place.is_numbered else [GapCause.CHECKSUM, GapCause.CROSSED]
            assert noticed.cause in causes
            assert (noticed.channel, noticed.symbol) == (Channel.L2_BOOK, place.symbol)
            assert reader.of(Resynced)[0].gap_id == noticed.gap_id
            assert reader.of(Reconnected) == []
            assert is_whole(reader)

    asyncio.run(main())


@pytest.mark.parametrize("kind", [FaultKind.CLOSE_CLEAN, FaultKind.CLOSE_ABRUPT])
@pytest.mark.parametrize("place", PLACES, ids=str)
def test_after_a_reconnect_the_book_is_right_and_trades_of_the_hole_are_there(
    place: Place, kind: FaultKind, tmp_path: Path
) -> None:
    async def main() -> None:
        async with Stage.open(place, tmp_path) as stage, stage.reader() as reader:
            stage.faults.inject(Fault(kind))
            await stage.server.step(300)
            await stage.moving_until(lambda: bool(reader.of(Reconnected)))
            await stage.moving_until(lambda: bool(reader.of(Resynced)) and bool(reader.of(Backfilled)))
            await stage.caught_up(reader)
            assert {(gap.cause, gap.channel) for gap in reader.of(Gap)} == {
                (GapCause.DISCONNECTED, Channel.TRADES), (GapCause.DISCONNECTED, Channel.L2_BOOK)
            }  # fmt: skip
            assert is_whole(reader)
            assert any(trade.backfilled for trade in reader.trades)

    asyncio.run(main())


def test_the_example_of_a_derived_feed_collects_from_the_simulated_exchange(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    example = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "ccxt_feed.py"))

    async def main() -> None:
        async with Stage.open(PLACES[0], tmp_path) as stage:
            feed = example["BackpackMajors"](
                rest=stage.server.rest_url, websocket=stage.server.ws_url, symbols=["SOL-USDC"],
                options={"state": str(tmp_path)}, buffer=0, registry=REGISTRY,
            )  # fmt: skip
            assert feed.wiring.suppliers["transport"] == "ccxt_generic"
            moving = asyncio.create_task(stage.moving_until(lambda: False))
            try:
                await example["collect"](feed, 20)
            finally:
                moving.cancel()

    asyncio.run(main())
    assert capsys.readouterr().out.count("SOL-USDC ") >= 20


CONFIG = """
exchanges:
  ccxt_generic:
    class: CcxtGenericFeed
    exchange: backpack
    symbols: ["{symbol}"]
    channels: [TRADES, L2_BOOK]
    rest:
      snapshot_interval: 30
      limit: 100
    websocket:
      enabled: true
      rest_only: false
    credentials:
      api_key: ${{API_KEY:?}}
      api_secret: ${{API_SECRET:?}}
    endpoints:
      rest: {rest}
      websocket: {websocket}
    options:
      state: {state}
"""


@pytest.mark.parametrize("symbol", ["SOL-USDC", "SOL-USDT"])
def test_the_config_of_the_documents_runs_and_an_unlisted_symbol_is_answered_with_near_ones(
    symbol: str, tmp_path: Path
) -> None:
    async def main() -> tuple[int, str]:
        async with Stage.open(PLACES[0], tmp_path) as stage:
            file = tmp_path / "night.yaml"
            rest, websocket = stage.server.rest_url, stage.server.ws_url
            file.write_text(CONFIG.format(symbol=symbol, rest=rest, websocket=websocket, state=tmp_path))
            environ = {**os.environ, "API_KEY": "key-of-nobody", "API_SECRET": "secret-of-nobody"}
            run = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tickwire.cli.main", "run", str(file),
                env=environ, stdout=PIPE, stderr=STDOUT,
            )  # fmt: skip
            output = asyncio.create_task(run.communicate())
            await stage.moving_until(lambda: output.done() or stage.server.clients > 0, within=90)
            for _ in range(60):  # some seconds of a market that moves
                await stage.server.step(20)
                await asyncio.sleep(0.1)
            if not output.done():
                run.send_signal(signal.SIGINT)
            return await run.wait(), (await output)[0].decode()

    code, output = asyncio.run(main())
    assert "nobody" not in output
    if symbol == "SOL-USDC":
        assert code == 0
        assert "1/1 books in sync" in output
        assert " book deltas · no gaps · nothing dropped" in output
    else:
        assert code == 3
        assert "exchanges.ccxt_generic.symbols[0]: 'SOL-USDT' is not listed on backpack" in output
        assert "did you mean SOL-USDC?" in output


def unannounced(reader: Reader) -> set[int]:
    """Give the trades that are missing, and that no gap names."""
    numbers = [trade.sequence or 0 for trade in reader.trades]
    missing = set(range(min(numbers), max(numbers) + 1)) - set(numbers)
    for gap in reader.of(Gap):
        if gap.channel is Channel.TRADES and gap.first_missing is not None and gap.last_missing is not None:
            missing -= set(range(gap.first_missing, gap.last_missing + 1))
    return missing


FRAMES = [
    Fault(FaultKind.GARBAGE, count=3), Fault(FaultKind.TRUNCATED, count=3), Fault(FaultKind.UNKNOWN_FIELD, count=20),
    Fault(FaultKind.UNKNOWN_KIND, count=3), Fault(FaultKind.CORRUPT_NUMBER, count=3), Fault(FaultKind.DROP, count=5),
    Fault(FaultKind.DUPLICATE, count=5), Fault(FaultKind.REORDER, count=6), Fault(FaultKind.HUGE),
    Fault(FaultKind.STALL, seconds=2),
]  # fmt: skip
REQUESTS = [
    Fault(FaultKind.STATUS_429, count=2, retry_after=2), Fault(FaultKind.STATUS_418, retry_after=1),
    Fault(FaultKind.STATUS_451, count=2), Fault(FaultKind.STATUS_403, count=2), Fault(FaultKind.STATUS_5XX, count=2),
    Fault(FaultKind.HTML_ANSWER, count=2), Fault(FaultKind.EMPTY_ANSWER, count=2), Fault(FaultKind.CUT_ANSWER),
    Fault(FaultKind.SLOW_ANSWER, seconds=2), Fault(FaultKind.STALE_SNAPSHOT, count=2, behind=2_000),
]  # fmt: skip
DIALS = [
    Fault(FaultKind.CLOSE_ON_OPEN), Fault(FaultKind.UPGRADE_REFUSED, status=503),
    Fault(FaultKind.UPGRADE_REFUSED, status=429, retry_after=2),
]  # fmt: skip
THREE = [place for place in PLACES if place.exchange in ("backpack", "binanceus", "kraken")]


@pytest.mark.parametrize("fault", [*FRAMES, *REQUESTS, *DIALS], ids=lambda fault: f"{fault.kind}-{fault.status}")
@pytest.mark.parametrize("place", [THREE[0], *(pytest.param(place, marks=_LONG) for place in THREE[1:])], ids=str)
def test_no_fault_ends_or_freezes_the_feed_and_none_passes_unseen(place: Place, fault: Fault, tmp_path: Path) -> None:
    if fault.kind is FaultKind.STALE_SNAPSHOT and place.exchange == "kraken":
        pytest.skip("Kraken sends its snapshots on the socket: REST gives none that could be stale")

    async def main() -> None:
        async with Stage.open(place, tmp_path) as stage, stage.reader() as reader:
            injected = stage.faults.inject(fault)
            if fault.kind.site in (Site.REQUEST, Site.DIAL):
                stage.faults.inject(Fault(FaultKind.CLOSE_ABRUPT))
                await stage.moving_until(lambda: bool(reader.of(Reconnected)))
            await stage.moving_until(lambda: injected.touched > 0)
            # one that falls upon several may not find as many; that it fell upon something is what counts
            with suppress(TimeoutError):
                await stage.moving_until(lambda: injected.is_over, within=10)
            stage.faults.end(injected)
            await stage.moving_until(lambda: reader.is_in_sync and not reader.is_open)
            begun = reader.trades[-1].sequence or 0
            await stage.moving_until(lambda: (reader.trades[-1].sequence or 0) > begun + 50)
            await stage.caught_up(reader)
            assert unannounced(reader) == set()
            assert sorted(numbers := [t.sequence or 0 for t in reader.trades]) == numbers
            assert len(set(numbers)) == len(numbers)

    asyncio.run(main())


@pytest.mark.parametrize("place", FIRST, ids=str)
def test_a_first_dial_that_is_refused_waits_as_long_as_it_was_told(place: Place, tmp_path: Path) -> None:
    async def main() -> None:
        async with Stage.open(place, tmp_path) as stage:
            refusal = stage.faults.inject(Fault(FaultKind.UPGRADE_REFUSED, status=429, count=1, retry_after=3))
            async with stage.reader() as reader:
                first = reader.of(Subscribed)[0]
                assert refusal.is_over
                assert refusal.began is not None
                assert first.ts_recv - refusal.began >= 3_000_000_000

    asyncio.run(main())


@pytest.fixture
def strangers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """Forget all that is known of single exchanges: each is one of the hundred that only ccxt knows."""
    monkeypatch.setattr(venues, "VENUES", {})
    info_of.cache_clear()
    yield Registry.discover()
    info_of.cache_clear()


STRANGE = [attrs.evolve(place, is_numbered=False) for place in THREE]


@pytest.mark.parametrize("place", [STRANGE[-1], *(pytest.param(one, marks=_LONG) for one in STRANGE[:-1])], ids=str)
def test_a_book_without_numbers_that_went_wrong_is_found_by_the_audit_and_made_right(
    place: Place, tmp_path: Path, strangers: Registry
) -> None:
    async def main() -> None:
        options = {"audit_interval": 2.0, "ccxt": {"watchOrderBook": {"snapshotDelay": 0}}}
        async with (
            Stage.open(place, tmp_path, registry=strangers) as stage,
            stage.reader(options=options) as reader,
        ):
            assert [one.is_verified for one in reader.of(Subscribed) if one.channel is Channel.L2_BOOK] == [False]
            gap = stage.faults.inject(Fault(FaultKind.SEQUENCE_GAP, count=150))
            await stage.moving_until(lambda: gap.is_over, changes=5)
            # a quiet market: nothing but the audit can tell now
            await until(lambda: bool(reader.of(Gap)), within=30)
            await stage.moving_until(lambda: reader.is_in_sync and not reader.is_open)
            await stage.caught_up(reader)

    asyncio.run(main())


@pytest.mark.parametrize("place", [STRANGE[-1], *(pytest.param(one, marks=_LONG) for one in STRANGE[:-1])], ids=str)
def test_the_audit_leaves_a_right_book_alone_while_the_market_moves(
    place: Place, tmp_path: Path, strangers: Registry
) -> None:
    async def main() -> None:
        options = {"audit_interval": 0.5, "ccxt": {"watchOrderBook": {"snapshotDelay": 0}}}
        async with (
            Stage.open(place, tmp_path, registry=strangers) as stage,
            stage.reader(options=options) as reader,
        ):
            asked = stage.server.market.changes
            moving = asyncio.create_task(stage.moving_until(lambda: False))
            await asyncio.sleep(8)
            moving.cancel()
            assert stage.market.changes > asked
            await stage.caught_up(reader)
            assert reader.troubles == []

    asyncio.run(main())


# many changes are left out: ten may all lie outside the ten levels that Kraken tells of, and then nothing is missing
@pytest.mark.parametrize("place", THREE, ids=str)
def test_errors_that_ccxt_parks_or_cancels_neither_end_nor_freeze_the_feed(place: Place, tmp_path: Path) -> None:
    async def main() -> None:
        async with Stage.open(place, tmp_path) as stage, stage.reader() as reader:
            transport: Any = reader.feed.wiring.transport
            (connection,) = transport.ws.connections
            for client in connection.exchange.clients.values():
                for name in list(client.subscriptions):
                    client.reject(
                        ChecksumError("nobody waits for this"), name
                    )  # parked: raised whenever it is asked for
            gap = stage.faults.inject(Fault(FaultKind.SEQUENCE_GAP, count=150))
            await stage.moving_until(lambda: gap.is_over and bool(reader.of(Gap)), changes=5)
            cancelling = asyncio.create_task(cancel_all(connection.exchange))
            await stage.moving_until(lambda: bool(reader.of(Resynced)))
            cancelling.cancel()
            await stage.moving_until(lambda: reader.is_in_sync and not reader.is_open)
            await stage.caught_up(reader)
            assert is_whole(reader)
            assert reader.of(Reconnected) == []

    async def cancel_all(exchange: Any) -> None:
        for _ in range(3):
            for client in exchange.clients.values():
                for future in list(client.futures.values()):
                    future.cancel()
            await asyncio.sleep(0.1)

    asyncio.run(main())


@pytest.mark.parametrize("place", THREE, ids=str)
def test_decimals_are_decimals_and_those_of_the_truth(place: Place, tmp_path: Path) -> None:
    async def main() -> None:
        async with Stage.open(place, tmp_path) as stage, stage.reader(numbers=Decimal) as reader:
            await stage.moving_until(lambda: len(reader.trades) > 100)
            await stage.caught_up(reader)
            first = reader.trades[0].sequence or 0
            trades: list[Trade[Any]] = reader.of(Trade)
            assert [(t.price, t.size) for t in trades] == [
                (Decimal(t.price), Decimal(t.size)) for t in stage.truth.trades(place.native, first - 1)
            ]
            kinds: set[Any] = {type(one) for level in reader.book.bids(10) for one in level}
            assert kinds == {Decimal}

    asyncio.run(main())
