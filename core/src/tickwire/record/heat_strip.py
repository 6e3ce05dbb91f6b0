"""Coverage as a picture: a strip for each series, hot where something is missing. Plain SVG, nothing to install.

A strip is cut into cells, and each is as hot as the worst that lies in it: a hole of a second is seen in a week.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from itertools import pairwise

from tickwire.model.clock import Nanos
from tickwire.record.coverage import Coverage
from tickwire.record.intervals import Span, clipped, joined, length
from tickwire.record.moments import moment_text, span_words
from tickwire.record.words import ratio_text

__all__ = ["heat_strip"]

_SECOND = 1_000_000_000
_CELLS, _CELL = 360, 2
_WIDTH = _CELLS * _CELL
_ROW, _STRIP = 22, 14
_MARGIN = 16
_RISE = 3
_HEAT = ("warm", "hot", "worst")
_LETTER = 7.2  # px of a letter of the labels
_STEPS = (
    1, 5, 10, 30, 60, 300, 600, 1800, 3600, 2 * 3600, 6 * 3600, 12 * 3600, 86_400, 2 * 86_400, 7 * 86_400, 28 * 86_400,
)  # fmt: skip
_LEGEND = (
    ("ok", "complete"),
    ("bare", "complete, unverified"),
    ("filled", "filled"),
    ("warm", "missing < 1 %"),
    ("hot", "< 50 %"),
    ("worst", "more"),
    ("none", "not covered"),
)
_STYLE = """
text { font: 12px ui-monospace, 'DejaVu Sans Mono', monospace; fill: #24292f }
.head { font-weight: 600 } .dim { fill: #6e7781 } .grid { stroke: #d0d7de }
.ok { fill: #2da44e } .bare { fill: #9fd4ad } .filled { fill: #218bff }
.warm { fill: #f5b82e } .hot { fill: #e5622b } .worst { fill: #b3131f } .none { fill: #e4e8ec }
"""


def heat_strip(found: Sequence[Coverage], start: Nanos | None = None, end: Nanos | None = None) -> str:
    """Draw coverages one below the other over one time.

    Args:
        found: In the order of the strips.
        start: From when, ns; ``None``: from the earliest beginning.
        end: Until when; ``None``: until the latest end.

    Returns:
        An SVG document.
    """
    low = start if start is not None else min((one.start for one in found), default=0)
    high = end if end is not None else max((one.end for one in found), default=low)
    high = max(high, low + 1)
    labels = _labels(found)
    left = _MARGIN + round(max(map(len, labels), default=0) * _LETTER) + 12
    width, top = left + _WIDTH + 84, 58
    height = top + len(found) * _ROW + 56
    body = [
        f'<text x="{_MARGIN}" y="26" class="head">{escape(span_words(low, high))} UTC</text>',
        *_axis(low, high, left, top, len(found)),
        *(line for number, one in enumerate(found) for line in _strip(one, labels[number], low, high, left, number)),
        *_legend(left, height - 22),
    ]
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" {size}>'
    back = f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    return "\n".join([head, f"<style>{_STYLE}</style>", back, *body, "</svg>", ""])


def _labels(found: Sequence[Coverage]) -> list[str]:
    rows = [(one.exchange, one.symbol or "*", str(one.channel)) for one in found]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _axis(low: Nanos, high: Nanos, left: int, top: int, rows: int) -> Iterator[str]:
    step = next((one for one in _STEPS if (high - low) / (one * _SECOND) <= 8), _STEPS[-1]) * _SECOND
    bottom = top + rows * _ROW
    at = -(-low // step) * step
    while at <= high:
        x = left + (at - low) * _WIDTH / (high - low)
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top - 6}" y2="{bottom}" class="grid"/>'
        yield f'<text x="{x:.1f}" y="{top - 12}" text-anchor="middle" class="dim">{_tick(at, step)}</text>'
        at += step


def _tick(at: Nanos, step: Nanos) -> str:
    when = datetime.fromtimestamp(at // _SECOND, UTC)
    if step >= 86_400 * _SECOND or (when.hour, when.minute, when.second) == (0, 0, 0):
        return f"{when:%m-%d}"
    return f"{when:%H:%M:%S}" if step < 60 * _SECOND else f"{when:%H:%M}"


def _strip(one: Coverage, label: str, low: Nanos, high: Nanos, left: int, number: int) -> Iterator[str]:
    y = 58 + number * _ROW
    yield f'<text x="{_MARGIN}" y="{y + 13}">{escape(label)}</text>'
    for first, last, kind in _runs(_cells(one, low, high)):
        x, wide = left + first * _CELL, (last - first) * _CELL
        begin, end = (low + edge * (high - low) // _CELLS for edge in (first, last))
        title = escape(_title(one, kind, begin, end))
        rise = _RISE if kind in _HEAT else 0  # a thin mark is seen by its height, whatever the eye makes of red
        place = f'x="{x}" y="{y + 2 - rise}" width="{wide}" height="{_STRIP + 2 * rise}"'
        yield f'<rect {place} class="{kind}"><title>{title}</title></rect>'
    yield f'<text x="{left + _WIDTH + 72}" y="{y + 13}" text-anchor="end">{ratio_text(one)}</text>'


def _cells(one: Coverage, low: Nanos, high: Nanos) -> list[str]:
    covered = joined(one.complete)
    holes = joined((hole.span[0], max(hole.span[1], hole.start + 1)) for hole in one.holes)
    filled = joined((hole.span[0], max(hole.span[1], hole.start + 1)) for hole in one.closed if hole.is_filled)
    edges = [low + number * (high - low) // _CELLS for number in range(_CELLS + 1)]
    return [_kind(one, covered, holes, filled, begin, end) for begin, end in pairwise(edges)]


def _kind(
    one: Coverage, covered: Sequence[Span], holes: Sequence[Span], filled: Sequence[Span], begin: Nanos, end: Nanos
) -> str:
    missing = length(clipped(holes, begin, end)) / max(end - begin, 1)
    if missing:
        return "warm" if missing < 0.01 else "hot" if missing < 0.5 else "worst"
    if length(clipped(covered, begin, end)) * 2 < end - begin:
        return "none"
    if clipped(filled, begin, end):
        return "filled"
    return "bare" if one.is_verified is False else "ok"


def _runs(cells: Iterable[str]) -> Iterator[tuple[int, int, str]]:
    first, before, number = 0, "", 0
    for number, kind in enumerate(cells):
        if kind != before:
            if before:
                yield first, number, before
            first, before = number, kind
    if before:
        yield first, number + 1, before


def _title(one: Coverage, kind: str, begin: Nanos, end: Nanos) -> str:
    named = dict(_LEGEND)[kind]
    inside = [hole for hole in (*one.holes, *one.closed) if hole.start < end and hole.span[1] > begin]
    holes = [f"{moment_text(hole.start)} {hole.cause}: {hole.detail}" for hole in inside[:5]]
    return "\n".join([f"{span_words(begin, end)} {named}", *holes])


def _legend(left: int, y: int) -> Iterator[str]:
    x = float(left)
    for kind, words in _LEGEND:
        yield f'<rect x="{x:.0f}" y="{y - 10}" width="12" height="12" class="{kind}"/>'
        yield f'<text x="{x + 17:.0f}" y="{y}" class="dim">{escape(words)}</text>'
        x += 17 + len(words) * _LETTER + 14
