"""Counters and gauges, handed on for subclassing."""

from tickwire.model.metrics import Counter, Gauge, Metrics

__all__ = ["Counter", "Gauge", "Metrics"]
