"""Ground truth: what really happened, to compare with what was received.

Per instrument a log of every trade and every changed level, with the whole book at the start and every 1,000 sequences,
so that the book at any sequence is the nearest snapshot before it and at most 999 changes. ``MemoryTruth`` is for
tests; ``FileTruth`` writes JSON Lines, so that a run of any length takes no memory, and ``TruthFiles`` reads them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Protocol, TypeAlias
from urllib.parse import quote

import msgspec

from tickwire.model.account import OrderStatus
from tickwire.model.errors import ConfigError, UnknownNativeError
from tickwire.model.instruments import Instrument, InstrumentStatus
from tickwire.model.symbols import parse_symbol
from tickwire.simulation.records import SimBook, SimOrder, SimTrade

__all__ = ["FileTruth", "MemoryTruth", "TruthFiles", "TruthLog", "TruthReader"]

# ("t", number, ts, price, size, buyer_is_taker, buyer_order, seller_order) | ("c", sequence, ts, bids, asks)
# | ("s", sequence, ts, bids, asks) | ("o", number, ts, is_buy, price, size, filled, status)
_Record: TypeAlias = Sequence[Any]


class TruthLog(Protocol):
    """Where a market writes down what happens."""

    def opened(self, instrument: Instrument) -> None:
        """An instrument begins to trade; its snapshot follows."""
        ...

    def trade(self, trade: SimTrade) -> None:
        """Two orders met."""
        ...

    def order(self, order: SimOrder) -> None:
        """An order of the account changed."""
        ...

    def change(self, change: SimBook) -> None:
        """A level changed."""
        ...

    def snapshot(self, book: SimBook) -> None:
        """The whole book as it is now."""
        ...


class TruthReader:
    """Reads a log back. Subclasses say where the records are."""

    def instruments(self) -> Sequence[Instrument]:
        """Give the instruments it knows."""
        raise NotImplementedError

    def trades(self, native: str, after: int = 0, until: int | None = None) -> Iterator[SimTrade]:
        """Give the trades numbered above ``after``, up to ``until`` inclusive, in order."""
        instrument = self._instrument(native)
        for record in self._records(native, 0, "t"):
            _, number, ts, price, size, buyer_is_taker, buyer, seller = record
            if until is not None and number > until:
                return
            if number > after:
                yield SimTrade(instrument, number, price, size, buyer_is_taker, ts, buyer, seller)

    def orders(self, native: str) -> Iterator[SimOrder]:
        """Give the changes of the account's orders, in order."""
        instrument = self._instrument(native)
        for _, number, ts, is_buy, price, size, filled, status in self._records(native, 0, "o"):
            yield SimOrder(instrument, number, is_buy, price, size, filled, OrderStatus(status), ts)

    def changes(self, native: str, after: int = 0) -> Iterator[SimBook]:
        """Give the changed levels numbered above ``after``, in order."""
        instrument = self._instrument(native)
        for _, sequence, ts, bids, asks in self._records(native, self._position(native, after), "c"):
            if sequence > after:
                yield SimBook(instrument, sequence - 1, sequence, ts, _levels(bids), _levels(asks))

    def book(self, native: str, sequence: int) -> SimBook:
        """Give the whole book right after change ``sequence``.

        Raises:
            LookupError: It was never at that sequence.
        """
        instrument = self._instrument(native)
        found, ts, bids, asks = -1, 0, dict[str, str](), dict[str, str]()
        for kind, number, moment, new_bids, new_asks in self._records(native, self._position(native, sequence), "cs"):
            if number > sequence or (kind == "s" and found >= 0):
                break
            found, ts = number, moment
            bids.update(new_bids)
            asks.update(new_asks)
        if found != sequence:
            raise LookupError(f"{native!r}: the truth holds no book at sequence {sequence}")
        return SimBook(instrument, None, sequence, ts, _sorted(bids, is_bid=True), _sorted(asks, is_bid=False))

    def span(self, native: str) -> tuple[int, int]:
        """Give the first and the last sequence at which the book is known."""
        snapshots = self._snapshots(native)
        last = snapshots[-1]
        for record in self._records(native, last[1], "c"):
            last = record[1], 0
        return snapshots[0][0], last[0]

    def _instrument(self, native: str) -> Instrument:
        for instrument in self.instruments():
            if instrument.native == native:
                return instrument
        raise UnknownNativeError(f"the truth knows no {native!r}")

    def _position(self, native: str, sequence: int) -> int:
        snapshots = self._snapshots(native)
        index = bisect_right(snapshots, sequence, key=lambda mark: mark[0]) - 1
        return snapshots[max(0, index)][1]

    def _snapshots(self, native: str) -> list[tuple[int, int]]:
        # (sequence, position), in order
        raise NotImplementedError

    def _records(self, native: str, position: int, kinds: str) -> Iterator[_Record]:
        raise NotImplementedError


class MemoryTruth(TruthReader):
    """Keeps everything in memory: for runs of some hundred thousand changes at most."""

    def __init__(self) -> None:
        self._known: dict[str, Instrument] = {}
        self._log: dict[str, list[_Record]] = {}
        self._marks: dict[str, list[tuple[int, int]]] = {}

    def instruments(self) -> Sequence[Instrument]:
        """Give the instruments it knows."""
        return tuple(self._known.values())

    def opened(self, instrument: Instrument) -> None:
        """Begin an instrument's log."""
        self._known[instrument.native] = instrument
        self._log[instrument.native] = []
        self._marks[instrument.native] = []

    def trade(self, trade: SimTrade) -> None:
        """Write down a trade."""
        self._log[trade.instrument.native].append(_trade_record(trade))

    def order(self, order: SimOrder) -> None:
        """Write down a change of an order."""
        self._log[order.instrument.native].append(_order_record(order))

    def change(self, change: SimBook) -> None:
        """Write down a changed level."""
        self._log[change.instrument.native].append(_book_record("c", change))

    def snapshot(self, book: SimBook) -> None:
        """Write down the whole book."""
        native = book.instrument.native
        self._marks[native].append((book.sequence, len(self._log[native])))
        self._log[native].append(_book_record("s", book))

    def _snapshots(self, native: str) -> list[tuple[int, int]]:
        return self._marks[native]

    def _records(self, native: str, position: int, kinds: str) -> Iterator[_Record]:
        log = self._log[native]
        return (log[index] for index in range(position, len(log)) if log[index][0] in kinds)


class FileTruth:
    """Writes one JSON Lines file per instrument into a directory; files of an earlier run are replaced.

    Args:
        directory: Made if it is not there.
    """

    def __init__(self, directory: str | Path) -> None:
        self._directory = Path(directory)
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"cannot make the truth's directory {str(directory)!r}: {error.strerror}",
                hint="name one you may write to",
            ) from error
        self._files: dict[str, IO[bytes]] = {}
        self._encode = msgspec.json.Encoder().encode

    def opened(self, instrument: Instrument) -> None:
        """Begin an instrument's file with a line that describes it."""
        path = self._directory / f"{quote(instrument.native, safe='')}.jsonl"
        self._files[instrument.native] = path.open("wb", buffering=1 << 18)
        described = (
            "i", instrument.exchange, instrument.symbol, instrument.native,
            _text(instrument.tick_size), _text(instrument.lot_size), instrument.status.value,
        )  # fmt: skip
        self._write(instrument.native, described)

    def trade(self, trade: SimTrade) -> None:
        """Write down a trade."""
        self._write(trade.instrument.native, _trade_record(trade))

    def order(self, order: SimOrder) -> None:
        """Write down a change of an order."""
        self._write(order.instrument.native, _order_record(order))

    def change(self, change: SimBook) -> None:
        """Write down a changed level."""
        self._write(change.instrument.native, _book_record("c", change))

    def snapshot(self, book: SimBook) -> None:
        """Write down the whole book."""
        self._write(book.instrument.native, _book_record("s", book))

    def flush(self) -> None:
        """Let readers see everything so far."""
        for file in self._files.values():
            file.flush()

    def close(self) -> None:
        """Write the rest; a second call is harmless."""
        for file in self._files.values():
            file.close()

    def _write(self, native: str, record: _Record) -> None:
        self._files[native].write(self._encode(record) + b"\n")


class TruthFiles(TruthReader):
    """Reads what ``FileTruth`` wrote; an index of the snapshots is all it keeps in memory.

    Args:
        directory: Where the files are. A line still being written is left alone.
    """

    def __init__(self, directory: str | Path) -> None:
        self._paths: dict[str, Path] = {}
        self._known: list[Instrument] = []
        self._marks: dict[str, list[tuple[int, int]]] = {}
        for path in sorted(Path(directory).glob("*.jsonl")):
            with path.open("rb") as file:
                instrument = _described(msgspec.json.decode(file.readline()))
            self._paths[instrument.native] = path
            self._known.append(instrument)
        if not self._known:
            raise ConfigError(f"no ground truth in {str(directory)!r}", hint="name the DIR of simulate --truth DIR")

    def instruments(self) -> Sequence[Instrument]:
        """Give the instruments it knows."""
        return tuple(self._known)

    def _snapshots(self, native: str) -> list[tuple[int, int]]:
        marks = self._marks.get(native)
        if marks is None:
            marks = self._marks[native] = []
            for position, line in self._lines(native, 0):
                if line.startswith(b'["s"'):
                    marks.append((int(line[5 : line.index(b",", 5)]), position))
        return marks

    def _records(self, native: str, position: int, kinds: str) -> Iterator[_Record]:
        decode = msgspec.json.Decoder().decode
        wanted = kinds.encode()
        for _, line in self._lines(native, position):
            if line[2] in wanted:
                yield decode(line)

    def _lines(self, native: str, position: int) -> Iterator[tuple[int, bytes]]:
        with self._paths[native].open("rb") as file:
            file.seek(position)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                yield position, line
                position += len(line)


def _trade_record(trade: SimTrade) -> _Record:
    return (
        "t", trade.number, trade.ts, trade.price, trade.size, trade.buyer_is_taker, trade.buyer_order,
        trade.seller_order,
    )  # fmt: skip


def _order_record(order: SimOrder) -> _Record:
    return ("o", order.number, order.ts, order.is_buy, order.price, order.size, order.filled, order.status.value)


def _book_record(kind: str, book: SimBook) -> _Record:
    return (kind, book.sequence, book.ts, book.bids, book.asks)


def _levels(levels: Sequence[Sequence[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((price, size) for price, size in levels)


def _sorted(levels: dict[str, str], *, is_bid: bool) -> tuple[tuple[str, str], ...]:
    kept = ((price, size) for price, size in levels.items() if float(size))
    return tuple(sorted(kept, key=lambda level: Decimal(level[0]), reverse=is_bid))


def _text(step: Decimal | None) -> str | None:
    return None if step is None else format(step, "f")


def _described(record: _Record) -> Instrument:
    _, exchange, symbol, native, tick, lot, status = record
    steps = [None if text is None else Decimal(text) for text in (tick, lot)]
    return Instrument.of(
        exchange, native, parse_symbol(symbol), tick_size=steps[0], lot_size=steps[1], status=InstrumentStatus(status)
    )
