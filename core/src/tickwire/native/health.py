"""Health with reasons, handed on for subclassing."""

from tickwire.model.health import Health, HealthStatus

__all__ = ["Health", "HealthStatus"]
