"""What all tests share: those with generated input judge no machine's speed."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# the first text that a process generates takes seconds where Hypothesis has not stored its tables yet
settings.register_profile(
    "unhurried", parent=settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unhurried")
