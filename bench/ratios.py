"""Ratios, not times: what is measured and its yardstick take turns in one run, so a busy machine slows both alike."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from time import perf_counter_ns
from typing import TypeVar

T = TypeVar("T")

CHUNK = 2_000


def ratio(
    items: Sequence[T], yardstick: Callable[[T], object], measured: Callable[[T], object], chunk_size: int = CHUNK
) -> tuple[float, float, float]:
    """Go through ``items`` once with each, chunk by chunk in turn.

    Returns:
        The median ratio over the chunks, and ns per item of the yardstick and of what is measured.
    """
    ratios, base, spent = list[float](), 0, 0
    for start in range(0, len(items), chunk_size):
        chunk = items[start : start + chunk_size]
        t0 = perf_counter_ns()
        for item in chunk:
            yardstick(item)
        t1 = perf_counter_ns()
        for item in chunk:
            measured(item)
        t2 = perf_counter_ns()
        ratios.append((t2 - t1) / (t1 - t0))
        base += t1 - t0
        spent += t2 - t1
    return statistics.median(ratios), base / len(items), spent / len(items)
