"""Which numbers of an event look as if they were in another unit: a time off by 1,000, a size that is a price.

A doubt is no error: the rules know nothing but the instrument's steps and the other events of the same file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from statistics import median

from tickwire.model.account import OrderUpdate
from tickwire.model.clock import Nanos
from tickwire.model.events import BookDelta, BookSnapshot, Quote, Trade
from tickwire.model.instruments import Instrument
from tickwire.model.numbers import exact

__all__ = ["Usual", "refused_for_its_unit", "size_doubts", "time_doubts", "usual_numbers"]

_FROM, _TO = 1_230_768_000, 4_102_444_800  # 2009 and 2100, seconds
_UNITS = {1: "seconds", 10**3: "milliseconds", 10**6: "microseconds", 10**9: "nanoseconds"}
_DAY: Nanos = 86_400 * 10**9
_TIMES = ("ts_event", "ts_start", "ts_end", "ts_funding")
_ENOUGH = 5  # numbers of which "usual" can be said

Pair = tuple[float, float]
Usual = Mapping[str, Sequence[Pair]]
"""By symbol, every price with its size, of all events of a file."""


def time_doubts(event: object, received: Nanos | None) -> Iterator[str]:
    """Say which times of an event are in no likely unit, or a day from its arrival, where that is known."""
    for name in _TIMES:
        value = getattr(event, name, None)
        if not isinstance(value, int):
            continue
        if not _FROM <= value / 10**9 < _TO:
            unit = next((per for per in _UNITS if _FROM * per <= value < _TO * per), None)
            meant = f"it looks like {_UNITS[unit]}, times are ns" if unit else "in no unit is it a time"
            yield f"{name} is {value}: {meant}" + (f" (× {10**9 // unit:,})" if unit else "")
        elif name == "ts_event" and received is not None and abs(value - received) > _DAY:
            days = (value - received) / _DAY
            yield f"{name} is {_when(value)}, {days:+.1f} days from its arrival"


def usual_numbers(events: Iterable[object]) -> Usual:
    """Collect what is usual in a file."""
    found: dict[str, list[Pair]] = {}
    for event in events:
        for pair in _pairs(event):
            found.setdefault(str(getattr(event, "symbol", "")), []).append(pair)
    return found


def size_doubts(event: object, instrument: Instrument | None, usual: Usual) -> Iterator[str]:
    """Say which prices and sizes of an event look like the other."""
    others = usual.get(str(getattr(event, "symbol", "")), ())
    is_turned = _are_turned(others)
    middle = median(price for price, _ in others) if others else 0.0
    for price, size in _pairs(event):
        if is_turned:
            yield f"price {price} and size {size}: sizes stay close together, prices do not: are they turned round?"
            return
        if len(others) >= _ENOUGH and size > 0 and _apart(price, middle) > 100 and _apart(size, middle) < 2:
            yield f"price {price} and size {size}: other prices are around {middle}: are they turned round?"
            return
        if instrument is not None and (doubt := _step_doubt(price, size, instrument)):
            yield doubt
            return


def refused_for_its_unit(reason: str) -> str:
    """Say so if a frame was refused because a time is in another unit than its wire type says; else nothing."""
    bounds = {str(edge * per): unit for per, unit in _UNITS.items() for edge in (_FROM, _TO)}
    words = set(reason.replace("`", " ").split())
    unit = next((unit for bound, unit in bounds.items() if bound in words), None)
    return f"the type says {unit}: the wire has another unit" if unit else ""


def _pairs(event: object) -> Iterator[Pair]:
    if isinstance(event, BookSnapshot | BookDelta):
        yield from (*event.bids, *event.asks)
    elif isinstance(event, Trade):
        yield event.price, event.size
    elif isinstance(event, Quote):
        for price, size in ((event.bid_price, event.bid_size), (event.ask_price, event.ask_size)):
            if price is not None and size is not None:
                yield price, size
    elif isinstance(event, OrderUpdate) and event.price is not None and event.size is not None:
        yield event.price, event.size


# Prices of one instrument in one file differ little, sizes by orders of magnitude.
def _are_turned(pairs: Sequence[Pair]) -> bool:
    prices = [price for price, size in pairs if price > 0 and size > 0]
    sizes = [size for price, size in pairs if price > 0 and size > 0]
    return len(prices) >= _ENOUGH and max(prices) / min(prices) > 10 and max(sizes) / min(sizes) < 1.5


def _step_doubt(price: float, size: float, instrument: Instrument) -> str:
    tick, lot = instrument.tick_size, instrument.lot_size
    if tick is None or _fits(price, tick):
        return ""
    if lot is not None and size > 0 and _fits(size, tick) and _fits(price, lot):
        return f"price {price} is no multiple of the tick {tick}, and size {size} is: are they turned round?"
    return f"price {price} is no multiple of the tick {tick}"


def _fits(number: float, step: Decimal) -> bool:
    return exact(number) % step == 0


def _apart(one: float, other: float) -> float:
    return max(one, other) / min(one, other) if one > 0 and other > 0 else float("inf")


def _when(ns: Nanos) -> str:
    return datetime.fromtimestamp(ns // 10**9, UTC).strftime("%Y-%m-%d %H:%M:%S")
