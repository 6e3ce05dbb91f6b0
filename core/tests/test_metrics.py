"""Counters and gauges by name and labels."""

from __future__ import annotations

import pytest

from tickwire import Metrics


def test_the_same_name_and_labels_give_the_same_counter() -> None:
    metrics = Metrics()
    held = metrics.counter("events_total", exchange="acme", type="trade")
    held.value += 1
    held.add(2)
    assert metrics.counter("events_total", type="trade", exchange="acme") is held
    assert held.value == 3


def test_a_total_sums_one_name_over_its_labels() -> None:
    metrics = Metrics()
    metrics.counter("gaps_total", cause="sequence").add(2)
    metrics.counter("gaps_total", cause="disconnected").add()
    metrics.gauge("gaps_open").value = 7
    assert (metrics.total("gaps_total"), metrics.total("gaps_open"), metrics.total("nothing")) == (3, 7, 0)


def test_iterating_gives_every_figure_with_its_labels() -> None:
    metrics = Metrics()
    metrics.counter("frames_total", exchange="acme").add(4)
    metrics.gauge("books_synced").value = 2.0
    assert list(metrics) == [("frames_total", {"exchange": "acme"}, 4), ("books_synced", {}, 2.0)]


def test_a_watched_figure_is_read_when_somebody_looks() -> None:
    metrics, source = Metrics(), [0.25]
    metrics.watch("limiter_used_ratio", lambda: source[0], limit="default")
    source[0] = 0.5
    assert list(metrics) == [("limiter_used_ratio", {"limit": "default"}, 0.5)]


def test_a_name_is_a_counter_or_a_gauge_never_both() -> None:
    metrics = Metrics()
    metrics.counter("frames_total")
    with pytest.raises(TypeError, match="metric 'frames_total' is a Counter, not a Gauge"):
        metrics.gauge("frames_total")
