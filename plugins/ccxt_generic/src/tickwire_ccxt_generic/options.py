"""What a user can set of this plugin, under ``options:``; what ``rest:`` and ``websocket:`` say comes here too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from tickwire import ConfigError

__all__ = ["CcxtOptions"]


def _check_above_zero(options: object, field: attrs.Attribute[Any], value: Any) -> None:
    if value is not None and value <= 0:
        raise ConfigError(f"{field.name} is {value:g}", hint="a number above zero, in seconds", path=field.name)


@attrs.frozen
class CcxtOptions:
    """Settings of one feed; times in seconds.

    Attributes:
        audit_interval: Between two comparisons with REST of a book that nothing else verifies.
        snapshot_interval: Between two requests of a channel that is polled; where books are streamed, instead of
            ``audit_interval``.
        limit: Rows or levels that a request asks for; the exchange's default otherwise.
        rest_only: Poll over REST what could be streamed.
        markets_ttl: Age above which the list of markets on disk is read again.
        state: Folder of the lists of markets and of the names given to them; where the system keeps such things
            otherwise.
        ccxt: Options of ccxt itself, e.g. ``{defaultType: swap}``; they go before the plugin's own.
    """

    audit_interval: float = attrs.field(default=60.0, validator=_check_above_zero)
    snapshot_interval: float | None = attrs.field(default=None, validator=_check_above_zero)
    limit: int | None = None
    rest_only: bool = False
    markets_ttl: float = 3_600.0
    state: str | None = None
    ccxt: Mapping[str, object] = attrs.field(factory=dict)

    @property
    def poll_every(self) -> float:
        """Seconds between two requests of what is polled."""
        return self.snapshot_interval if self.snapshot_interval is not None else 5.0

    @property
    def audit_every(self) -> float:
        """Seconds between two comparisons of a book."""
        return self.snapshot_interval if self.snapshot_interval is not None else self.audit_interval
