"""Counters and gauges that cost one attribute addition on the message path."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

__all__ = ["Counter", "Gauge", "Metrics"]


class Counter:
    """A number that only grows; add to ``value`` directly on the message path."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def add(self, count: int = 1) -> None:
        """Count."""
        self.value += count


class Gauge:
    """A number that goes up and down; set ``value`` directly."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0.0


class _Reading:
    """A gauge that is read from its source whenever somebody looks, for figures that change by themselves."""

    __slots__ = ("_read",)

    def __init__(self, read: Callable[[], float]) -> None:
        self._read = read

    @property
    def value(self) -> float:
        """What the source says now."""
        return self._read()


_M = TypeVar("_M", Counter, Gauge)


class Metrics:
    """All figures of one feed, by name and labels. Subclass it to add an exchange's own.

    Names are those of interfaces.md §6 without the prefix ``tickwire_``.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[str, tuple[tuple[str, str], ...]], Counter | Gauge | _Reading] = {}

    def counter(self, name: str, **labels: str) -> Counter:
        """Give the counter of that name and those labels; the same one each time, to be held by its user."""
        return self._get(Counter, name, labels)

    def gauge(self, name: str, **labels: str) -> Gauge:
        """Give the gauge of that name and those labels."""
        return self._get(Gauge, name, labels)

    def watch(self, name: str, read: Callable[[], float], **labels: str) -> None:
        """Give the metric of that name and those labels the value that ``read`` tells whenever somebody looks."""
        self._made[name, tuple(sorted(labels.items()))] = _Reading(read)

    def _get(self, kind: type[_M], name: str, labels: dict[str, str]) -> _M:
        made = self._made.setdefault((name, tuple(sorted(labels.items()))), kind())
        if not isinstance(made, kind):
            raise TypeError(f"metric {name!r} is a {type(made).__name__}, not a {kind.__name__}")
        return made

    def total(self, name: str) -> float:
        """Sum one metric over its labels; 0 if nothing was counted."""
        return sum(made.value for (known, _), made in self._made.items() if known == name)

    def __iter__(self) -> Iterator[tuple[str, dict[str, str], float]]:
        for (name, labels), made in self._made.items():
            yield name, dict(labels), made.value
