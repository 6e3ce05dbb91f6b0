"""Coverage in words: a line for each series, and the same as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from tickwire.model.clock import Nanos
from tickwire.model.counting import counted, span_text
from tickwire.record.accounts import Hole
from tickwire.record.coverage import LAG, Coverage, Loss
from tickwire.record.intervals import Span
from tickwire.record.moments import day_text, moment_text, span_words

__all__ = ["coverage_data", "head_line", "loss_lines", "ratio_text", "row_of", "verdict"]

_NAMED = 4
_SECOND = 1_000_000_000
_TENTH = 100_000_000


def head_line(found: Sequence[Coverage], start: Nanos | None, end: Nanos | None) -> str:
    """Say what time it is about, and up to when something is known."""
    low = start if start is not None else min(one.start for one in found)
    high = end if end is not None else max(one.end for one in found)
    known = _known_until(found)
    told = "nothing known" if known is None else f"known until {_when(known, low, high)} (watermark)"
    return f"{span_words(low, high)} UTC    {told}"


def row_of(one: Coverage, found: Sequence[Coverage]) -> tuple[str, ...]:
    """Give exchange, symbol, channel, how much is complete, and what is missing.

    Args:
        one: The series.
        found: All of them: one that ends earlier than the others says so.
    """
    known = _known_until(found)
    said = [*_hole_words(one), *_closed_words(one), *_uncovered_words(one)]
    if known is not None and one.known_until is not None and known - one.known_until > LAG and not one.uncovered:
        said.append(f"known until {_when(one.known_until, one.start, known)}")
    if one.is_verified is False:
        said.insert(0, "unverified (no sequence)")
    return (one.exchange, one.symbol or "*", one.channel, ratio_text(one).rjust(8), " · ".join(said))


def ratio_text(one: Coverage) -> str:
    """Say how much is complete: ``100.00 %`` only where all of it is."""
    if one.known_until is None:
        return "–"
    return f"{int(one.ratio * 10_000) / 100:.2f} %" if one.ratio < 1 else "100.00 %"


def verdict(found: Sequence[Coverage]) -> str:
    """Say what is wrong; empty: everything is complete."""
    holes = sum(len(one.holes) for one in found)
    periods = sum(len(one.uncovered) for one in found)
    unknown = sum(one.known_until is None for one in found)
    said = [f"{counted(holes, 'hole')} open"] if holes else []
    said += [f"{counted(periods, 'period')} not covered"] if periods else []
    said += [f"{unknown:,} series of which nothing is known"] if unknown else []
    return " · ".join(said)


def loss_lines(found: Sequence[Coverage]) -> list[str]:
    """Say what sinks did not write, a line for each sink."""
    losses: dict[str, list[Loss]] = {}
    for one in found:
        for loss in one.losses:
            losses.setdefault(loss.sink, []).append(loss)
    return [_loss_line(sink, some) for sink, some in sorted(losses.items())]


def _loss_line(sink: str, losses: Sequence[Loss]) -> str:
    count = counted(sum(one.count for one in losses), "event")
    when = span_words(min(one.start for one in losses), max(one.end for one in losses))
    return f"sink {sink} did not write {count} ({when}): --sink {sink} counts them as holes"


def coverage_data(found: Sequence[Coverage], start: Nanos | None, end: Nanos | None) -> dict[str, Any]:
    """Give everything as plain data; times are ns, ends are exclusive."""
    return {
        "start": start,
        "end": end,
        "known_until": _known_until(found),
        "is_complete": all(one.is_complete for one in found),
        "series": [_data(one) for one in found],
    }


def _data(one: Coverage) -> dict[str, Any]:
    data = attrs.asdict(one, filter=lambda field, _: field.name not in ("holes", "closed"))
    holes = {
        name: [attrs.asdict(hole) for hole in some] for name, some in (("holes", one.holes), ("closed", one.closed))
    }
    return {**data, **holes, "ratio": one.ratio, "is_complete": one.is_complete}


def _known_until(found: Sequence[Coverage]) -> Nanos | None:
    return max((one.known_until for one in found if one.known_until is not None), default=None)


def _hole_words(one: Coverage) -> Iterator[str]:
    for hole in one.holes[:_NAMED]:
        ids = "" if hole.missing is None else f", {hole.missing:,} missing"
        if hole.first_missing is not None and hole.last_missing is not None:
            ids += f" ({span_text(hole.first_missing, hole.last_missing)})"
        yield f"{_hole_span(hole, one)} {hole.cause}{ids}"
    if len(one.holes) > _NAMED:
        yield f"{counted(len(one.holes) - _NAMED, 'hole')} more"


def _hole_span(hole: Hole, one: Coverage) -> str:
    return f"{_exactly(hole.start, one)}–…" if hole.end is None else _span((hole.start, hole.end), one)


def _closed_words(one: Coverage) -> Iterator[str]:
    filled = [hole for hole in one.closed if hole.is_filled]
    if filled:
        trades = sum(hole.fetched for hole in filled)
        first = _when(filled[0].start, one.start, one.end)
        what = f", {counted(trades, 'trade')}" if trades else ""
        yield f"{len(filled)} filled ({first}{what})"
    harmless = len(one.closed) - len(filled)
    if harmless:
        yield f"{harmless} without loss"


def _uncovered_words(one: Coverage) -> Iterator[str]:
    if one.known_until is None:
        yield "nothing known"
        return
    for span in one.uncovered[:_NAMED]:
        yield _uncovered_span(span, one)
    if len(one.uncovered) > _NAMED:
        yield f"{counted(len(one.uncovered) - _NAMED, 'period')} more"


def _uncovered_span(span: Span, one: Coverage) -> str:
    if span[1] == one.end and span[0] == one.known_until:
        return f"not known after {_when(span[0], one.start, one.end)}"
    return f"not covered {_span(span, one)}"


def _span(span: Span, one: Coverage) -> str:
    is_whole = not (span[0] % _SECOND or span[1] % _SECOND)
    digits = 0 if is_whole else 1 if span[1] - span[0] >= 2 * _TENTH else 3
    return f"{_when(span[0], one.start, one.end, digits)}–{_when(span[1], one.start, one.end, digits)}"


def _exactly(ns: Nanos, one: Coverage) -> str:
    return _when(ns, one.start, one.end, 1 if ns % _SECOND else 0)


def _when(ns: Nanos, low: Nanos, high: Nanos, digits: int = 0) -> str:
    is_one_day = day_text(low) == day_text(high) == day_text(ns)
    return moment_text(ns, digits) if is_one_day else f"{day_text(ns)} {moment_text(ns, digits)}"
