"""Buckets of time by name, and the candles of one bucket length as time goes on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from tickwire.model.clock import Nanos
from tickwire.simulation.figures import SECOND, SimCandle

__all__ = ["CandleSeries", "bucket_of", "is_bucket"]

_NAME = re.compile(r"([1-9]\d{0,3})(s|m|h|d|w|month)", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
_MONDAY = 4 * 86_400  # 1970-01-05; weeks begin on Mondays, as in most of the trade


def is_bucket(name: str) -> bool:
    """Tell whether this names a length of candles: ``1s``, ``15m``, ``4h``, ``1d``, ``1w``, ``1month``."""
    return _NAME.fullmatch(name) is not None


def bucket_of(name: str, ts: Nanos) -> tuple[Nanos, Nanos]:
    """Give start and end, UTC, of the bucket that holds a moment.

    Raises:
        ValueError: No bucket has such a name.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise ValueError(f"{name!r} is no length of candles")
    count, unit = int(found[1]), found[2]
    if unit == "month":
        moment = datetime.fromtimestamp(ts // SECOND, UTC)
        month = (moment.year * 12 + moment.month - 1) // count * count
        return _month(month), _month(month + count)
    length = count * _SECONDS[unit] * SECOND
    origin = _MONDAY * SECOND if unit == "w" else 0
    start = (ts - origin) // length * length + origin
    return start, start + length


def _month(number: int) -> Nanos:
    year, month = divmod(number, 12)
    return int(datetime(year, month + 1, 1, tzinfo=UTC).timestamp()) * SECOND


class CandleSeries:
    """The candles of one length from a moment on.

    Args:
        bucket: The length's name.
        now: The moment.
        candle: Makes the candle from a start to an end, as closed or not.
    """

    def __init__(self, bucket: str, now: Nanos, candle: Callable[[Nanos, Nanos, bool], SimCandle]) -> None:
        self._bucket = bucket
        self._candle = candle
        self._start, self._end = bucket_of(bucket, now)
        self._told = 0

    def tell(self, now: Nanos, is_due: bool) -> Iterator[SimCandle]:
        """Give the candles that have closed; and the open one, if it is due and has changed."""
        while now >= self._end:
            yield self._candle(self._start, self._end, True)
            self._start, self._end = bucket_of(self._bucket, self._end)
            self._told = 0
        if is_due:
            candle = self._candle(self._start, self._end, False)
            if candle.trades > self._told:
                self._told = candle.trades
                yield candle
