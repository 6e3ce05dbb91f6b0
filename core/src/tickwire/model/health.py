"""Is it well? Healthy, degraded or unhealthy, with reasons; a reason goes when its cause passes."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum, auto

__all__ = ["Health", "HealthStatus"]


class HealthStatus(StrEnum):
    """From good to bad."""

    HEALTHY = auto()
    DEGRADED = auto()
    UNHEALTHY = auto()


_ORDER = list(HealthStatus)
_NOTHING_YET = "nothing received yet"


class Health:
    """Reasons by cause. Something that never received anything is not healthy."""

    def __init__(self) -> None:
        self._reasons: dict[str, tuple[HealthStatus, str]] = {"data": (HealthStatus.UNHEALTHY, _NOTHING_YET)}

    def received(self) -> None:
        """Note that data arrived for the first time."""
        self._reasons.pop("data", None)

    def trouble(self, cause: str, status: HealthStatus, reason: str) -> None:
        """State or restate a trouble; ``cause`` names it for ``clear``."""
        self._reasons[cause] = (status, reason)

    def clear(self, cause: str) -> None:
        """Withdraw a trouble; unknown causes are none."""
        self._reasons.pop(cause, None)

    @property
    def status(self) -> HealthStatus:
        """The worst of all troubles."""
        return max((status for status, _ in self._reasons.values()), key=_ORDER.index, default=HealthStatus.HEALTHY)

    @property
    def reasons(self) -> Mapping[str, str]:
        """Each cause with its reason."""
        return {cause: reason for cause, (_, reason) in self._reasons.items()}
