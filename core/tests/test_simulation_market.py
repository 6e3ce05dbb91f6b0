"""The seeded market: sane books, consecutive numbers, the same for the same seed, and a truth to check against."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire import (
    ConfigError,
    Instrument,
    InstrumentStatus,
    ManualClock,
    SymbolParts,
    UnknownInstrumentError,
    UnknownNativeError,
)
from tickwire.simulation import FileTruth, MemoryTruth, SeededMarket, SimBook, SimTrade, TruthFiles, default_instruments
from tickwire.simulation.pit import Pit
from tickwire.simulation.texts import StepTexts


class Recording:
    def __init__(self) -> None:
        self.trades: list[SimTrade] = []
        self.changes: list[SimBook] = []
        self.books: list[SimBook] = []

    def trade(self, trade: SimTrade, pit: Pit) -> None:
        self.trades.append(trade)

    def change(self, change: SimBook, pit: Pit) -> None:
        self.changes.append(change)
        self.books.append(pit.whole())


def instrument(native: str = "BTC/USD", tick: str = "0.1", lot: str = "0.00001") -> Instrument:
    base, _, quote = native.partition("/")
    return Instrument.of("simulated", native, SymbolParts(base, quote), tick_size=Decimal(tick), lot_size=Decimal(lot))


def run(market: SeededMarket, changes: int) -> None:
    while market.changes < changes:
        market.step()


SEEDS = st.integers(0, 2**32)


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.sampled_from([None, Decimal("0.3"), Decimal("86700")]))
def test_the_book_is_never_crossed_nor_one_sided(seed: int, price: Decimal | None) -> None:
    seen = Recording()
    prices = {} if price is None else {"BTC/USD": price}
    market = SeededMarket([instrument()], seed=seed, clock=ManualClock(), prices=prices)
    market.listen(seen)
    run(market, 400)
    for book in seen.books:
        bids, asks = [[Decimal(level[0]) for level in side] for side in (book.bids, book.asks)]
        assert bids == sorted(bids, reverse=True)
        assert asks == sorted(asks)
        assert 0 < bids[-1] <= bids[0] < asks[0]
        assert all(Decimal(size) > 0 for _, size in (*book.bids, *book.asks))


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_sequences_and_trade_numbers_are_consecutive_per_instrument(seed: int) -> None:
    seen = Recording()
    market = SeededMarket(default_instruments(), seed=seed, clock=ManualClock())
    market.listen(seen)
    first = {i.native: (market.pit(i.native).sequence, market.pit(i.native).number) for i in market.instruments}
    run(market, 600)
    for native, (sequence, number) in first.items():
        changes = [c for c in seen.changes if c.instrument.native == native]
        numbers = [t.number for t in seen.trades if t.instrument.native == native]
        assert [(c.previous, c.sequence) for c in changes] == [
            (n, n + 1) for n in range(sequence, sequence + len(changes))
        ]
        assert numbers == list(range(number + 1, number + 1 + len(numbers)))


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_the_truth_replays_to_the_book_at_every_sequence(seed: int) -> None:
    truth, seen = MemoryTruth(), Recording()
    market = SeededMarket([instrument()], seed=seed, clock=ManualClock(), truth=truth)
    start = market.pit("BTC/USD").whole()
    market.listen(seen)
    run(market, 60)
    assert truth.book("BTC/USD", start.sequence) == start
    assert [truth.book("BTC/USD", book.sequence) for book in seen.books] == seen.books
    assert list(truth.changes("BTC/USD")) == seen.changes
    assert list(truth.trades("BTC/USD")) == seen.trades


def test_the_truth_holds_a_snapshot_every_thousand_sequences() -> None:
    truth, seen = MemoryTruth(), Recording()
    market = SeededMarket([instrument()], seed=5, clock=ManualClock(), truth=truth)
    market.listen(seen)
    run(market, 2_500)
    by_sequence = {book.sequence: book for book in seen.books}
    some = [n for n in by_sequence if n % 1_000 in (0, 1, 999) or n % 170 == 3]
    assert len(some) > 15
    assert [truth.book("BTC/USD", n) for n in some] == [by_sequence[n] for n in some]
    assert truth.span("BTC/USD") == (seen.books[0].sequence - 1, seen.books[-1].sequence)


def test_the_same_seed_gives_the_same_market_whatever_trades_beside_it() -> None:
    alone, beside, other = Recording(), Recording(), Recording()
    for seen, instruments, seed in (
        (alone, [instrument("SOL/USD")], 7),
        (beside, [instrument("ETH/USD"), instrument("SOL/USD")], 7),
        (other, [instrument("SOL/USD")], 8),
    ):
        market = SeededMarket(instruments, seed=seed, clock=ManualClock())
        market.listen(seen)
        for _ in range(500 * len(instruments)):
            market.step()
    mine = [trade for trade in beside.trades if trade.instrument.native == "SOL/USD"]
    assert alone.trades == mine
    assert alone.changes == [change for change in beside.changes if change.instrument.native == "SOL/USD"]
    assert alone.changes != other.changes


def test_file_truth_reads_back_like_memory_truth(tmp_path: Path) -> None:
    memory, files = MemoryTruth(), FileTruth(tmp_path / "truth")
    for truth in (memory, files):
        market = SeededMarket(default_instruments(), seed=2, clock=ManualClock(), truth=truth)
        run(market, 4_000)
    files.flush()
    found = TruthFiles(tmp_path / "truth")
    assert sorted(found.instruments(), key=str) == sorted(memory.instruments(), key=str)
    for each in default_instruments():
        first, last = memory.span(each.native)
        assert found.span(each.native) == (first, last)
        assert list(found.trades(each.native)) == list(memory.trades(each.native))
        assert list(found.changes(each.native, last - 40)) == list(memory.changes(each.native, last - 40))
        for sequence in (first, first + 1, first + 700, last):
            assert found.book(each.native, sequence) == memory.book(each.native, sequence)
    files.close()
    files.close()


def test_a_line_still_being_written_is_left_alone(tmp_path: Path) -> None:
    files = FileTruth(tmp_path)
    market = SeededMarket([instrument()], seed=2, clock=ManualClock(), truth=files)
    run(market, 100)
    files.close()
    path = tmp_path / "BTC%2FUSD.jsonl"
    path.write_bytes(path.read_bytes()[:-7])
    found = TruthFiles(tmp_path)
    assert len(list(found.changes("BTC/USD")) + list(found.trades("BTC/USD"))) == 99 + market.trades_made


def test_an_unknown_sequence_or_instrument_is_no_book() -> None:
    truth = MemoryTruth()
    market = SeededMarket([instrument()], seed=2, clock=ManualClock(), truth=truth)
    first = market.pit("BTC/USD").sequence
    for sequence in (first - 1, first + 1):
        with pytest.raises(LookupError, match=f"no book at sequence {sequence}"):
            truth.book("BTC/USD", sequence)
    with pytest.raises(UnknownNativeError, match="DOGE"):
        truth.book("DOGE/USD", 1)


def test_a_directory_without_truth_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no ground truth in .* → name the DIR of simulate --truth DIR"):
        TruthFiles(tmp_path)


@pytest.mark.parametrize(
    ("step", "steps", "text"),
    [
        ("0.01", 9_890, "98.90"),
        ("0.01", 0, "0.00"),
        ("0.1", 867_000, "86700.0"),
        ("0.00001", 7, "0.00007"),
        ("1", 12, "12"),
        ("100", 12, "1200"),
        ("0.5", 3, "1.5"),
        ("0.25", 3, "0.75"),
        ("0.10", 3, "0.3"),
        (None, 3, "3"),
    ],
)
def test_steps_are_written_with_the_decimals_of_the_step(step: str | None, steps: int, text: str) -> None:
    assert StepTexts(None if step is None else Decimal(step))(steps) == text


def test_rest_reads_trades_by_number_and_by_age() -> None:
    seen = Recording()
    market = SeededMarket([instrument()], seed=4, clock=ManualClock(), kept_trades=20)
    market.listen(seen)
    run(market, 600)
    made = seen.trades
    assert len(made) > 30
    assert market.trades("BTC/USD", made[-6].number, 3) == made[-5:-2]
    assert market.trades("BTC/USD", 0, 1_000) == made[-20:]
    assert market.trades("BTC/USD", made[-1].number, 10) == []
    assert market.latest("BTC/USD", 3) == made[:-4:-1]
    assert market.latest("BTC/USD", 2, 1) == [made[-2], made[-3]]
    assert market.book("BTC/USD", 2).bids == seen.books[-1].bids[:2]


def test_a_closed_instrument_is_listed_and_does_not_trade() -> None:
    closed = Instrument.of(
        "simulated", "JTO/USD", SymbolParts("JTO", "USD"), tick_size=Decimal("0.1"), status=InstrumentStatus.CLOSED
    )
    market = SeededMarket([instrument(), closed], clock=ManualClock())
    run(market, 50)
    assert market.instruments == (instrument(), closed)
    with pytest.raises(UnknownNativeError, match="trades no 'JTO/USD'"):
        market.book("JTO/USD", 5)
    with pytest.raises(ConfigError, match=r"nothing would trade: only JTO-USD is listed → choose an open instrument"):
        SeededMarket([closed])


class Plain:
    """A dress without any ability."""

    def rest(self, request: object, market: object) -> object:
        return {}

    def received(self, payload: bytes, client: object) -> None: ...

    def trade(self, trade: object) -> object:
        return {}

    def book(self, change: object, whole: object) -> object:
        return {}


def test_symbols_choose_instruments_in_either_spelling() -> None:
    market = SeededMarket.of(Plain(), ["SOL-USD", "BTC/USD"])
    assert [each.native for each in market.instruments] == ["SOL/USD", "BTC/USD"]


def test_an_unknown_symbol_names_the_known_ones() -> None:
    with pytest.raises(
        UnknownInstrumentError, match=r"does not list 'DOGE-USD' → one or more of BTC-USD, ETH-USD, SOL-USD"
    ):
        SeededMarket.of(Plain(), ["SOL-USD", "DOGE-USD"])
