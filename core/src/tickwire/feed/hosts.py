"""Which of an exchange's hosts to use: the primary while it works, an alternative for a while when it does not."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from tickwire.model.clock import Clock
from tickwire.model.errors import ConnectionLostError, ExchangeUnavailableError, TickwireError

__all__ = ["HostChoice", "host_name", "is_the_hosts_fault"]

_KEEP = 300.0
_KEEP_AT_MOST = 3600.0


class HostChoice:
    """Chooses among the base URLs of one kind (REST, or one socket); no I/O.

    A host that fails is left for the next one, round and round. An alternative that worked is kept for five minutes;
    then the primary is tried again, once. If it fails at that, or soon after, the alternative is kept twice as long the
    next time, an hour at most: a primary that comes and goes does not make us go to and fro.
    """

    def __init__(self, urls: Sequence[str], clock: Clock) -> None:
        """Begin with the primary, which is the first."""
        self._urls = tuple(urls)
        self._clock = clock
        self._at = 0
        self._fallback = 1
        self._keep = _KEEP
        self._primary_due: float | None = None  # None: the alternative in use has not worked yet
        self._returned_at: float | None = None  # when the primary was last tried again

    def current(self) -> str:
        """Give the URL to use now."""
        if self._at and self._primary_due is not None and self._clock.monotonic() >= self._primary_due:
            self._fallback, self._at = self._at, 0
            self._returned_at, self._primary_due = self._clock.monotonic(), None
        return self._urls[self._at]

    def worked(self, url: str) -> None:
        """Note that a host served us."""
        if self._at and self._primary_due is None and url == self._urls[self._at]:
            self._primary_due = self._clock.monotonic() + self._keep

    def failed(self, url: str) -> bool:
        """Note that a host did not serve us, and tell whether another one is used now.

        Of many requests that fail at once the first makes the difference.
        """
        if url != self._urls[self._at] or len(self._urls) == 1:
            return False
        self._primary_due = None
        if self._at:
            self._at = (self._at + 1) % len(self._urls)
            return True
        self._at = self._fallback
        if self._returned_at is not None:
            is_again = self._clock.monotonic() - self._returned_at < _KEEP
            self._keep = min(self._keep * 2, _KEEP_AT_MOST) if is_again else _KEEP
        self._fallback, self._returned_at = 1, None
        return True


def is_the_hosts_fault(error: TickwireError, *, is_signed: bool = False) -> bool:
    """Tell whether another host may do better: this one is out of reach, down, or does not serve our country.

    Any 451, and any 403 to a request that is not signed, counts as geographical: public data is forbidden to nobody
    else. A signed one may lack a permission, wherever it is asked. 429 and 418 are about us, not about the host.
    """
    if isinstance(error, ExchangeUnavailableError):
        return not (is_signed and error.status == 403)
    return isinstance(error, ConnectionLostError)


def host_name(url: str) -> str:
    """Give what to call a host in a log: no path, no secret."""
    return urlsplit(url).netloc.rpartition("@")[2] or url
