"""Health: the worst trouble decides, and a reason goes when its cause passes."""

from __future__ import annotations

from tickwire import Health, HealthStatus


def test_what_never_received_anything_is_not_healthy() -> None:
    health = Health()
    assert (health.status, health.reasons) == (HealthStatus.UNHEALTHY, {"data": "nothing received yet"})


def test_it_is_healthy_once_data_arrived() -> None:
    health = Health()
    health.received()
    health.received()
    assert (health.status, health.reasons) == (HealthStatus.HEALTHY, {})


def test_the_worst_trouble_decides_and_all_reasons_are_told() -> None:
    health = Health()
    health.received()
    health.trouble("book SOL-USDC", HealthStatus.DEGRADED, "out of sync for 3 s")
    health.trouble("connection public-1", HealthStatus.UNHEALTHY, "reconnecting, attempt 4")
    assert (health.status, health.reasons) == (
        HealthStatus.UNHEALTHY,
        {"book SOL-USDC": "out of sync for 3 s", "connection public-1": "reconnecting, attempt 4"},
    )


def test_it_recovers_when_the_cause_passes() -> None:
    health = Health()
    health.received()
    health.trouble("connection", HealthStatus.DEGRADED, "attempt 1")
    health.trouble("connection", HealthStatus.UNHEALTHY, "attempt 9")
    health.clear("connection")
    health.clear("connection")
    assert (health.status, health.reasons) == (HealthStatus.HEALTHY, {})
