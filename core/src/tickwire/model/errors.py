"""The error tree, grouped by what the caller does next. Nothing else is raised on purpose."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "AmbiguousExchangeError", "AuthRejectedError", "ChecksumMismatchError", "ConfigError", "ConnectionLostError",
    "CredentialsError", "CrossedBookError", "DataError", "DecodeError", "ExchangeUnavailableError",
    "OutputClosedError", "PluginContractError", "PluginError", "PluginLoadError", "PluginVersionError",
    "RateLimitedError", "RecordsRefusedError", "RefusedError", "RequestRejectedError", "RetryableError",
    "SequenceGapError", "SubscriptionRejectedError", "SymbolError", "TickwireError", "UnknownExchangeError",
    "UnknownInstrumentError", "UnknownNativeError", "UnsupportedChannelError",
]  # fmt: skip


class TickwireError(Exception):
    """Anything tickwire raises on purpose."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} → {self.hint}" if self.hint else self.message


class ConfigError(TickwireError):
    """The user edits something, then tries again.

    Attributes:
        hint: What to do, as an imperative.
        path: Where in the configuration, e.g. ``exchanges.backpack.symbols[3]``; empty outside one.
    """

    def __init__(self, message: str, *, hint: str, path: str = "") -> None:
        super().__init__(message, hint=hint)
        self.path = path

    def __str__(self) -> str:
        return f"{self.path}: {super().__str__()}" if self.path else super().__str__()


class UnknownExchangeError(ConfigError):
    """No installed plugin serves the exchange."""


class AmbiguousExchangeError(ConfigError):
    """Several plugins of one tier claim the exchange and the user has not chosen."""


class UnknownInstrumentError(ConfigError):
    """The exchange does not list the symbol."""


class UnsupportedChannelError(ConfigError):
    """The plugin does not offer the channel, or not with that parameter."""


class CredentialsError(ConfigError):
    """A key is missing, malformed, or does not belong to its secret."""


class SymbolError(ConfigError):
    """A text is not a symbol of our grammar."""


class PluginError(TickwireError):
    """Install, upgrade or fix a plugin."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message, hint=hint)


class PluginLoadError(PluginError):
    """A plugin could not be imported, or its hooks are not ours."""


class PluginContractError(PluginError):
    """A plugin answered with something that the protocols do not allow."""


class PluginVersionError(PluginError):
    """A plugin speaks another major version of the hook contract."""


class RetryableError(TickwireError):
    """Core reconnects or waits."""


class ConnectionLostError(RetryableError):
    """The network failed: name not resolved, refused, reset, timed out."""


class RateLimitedError(RetryableError):
    """The exchange asked for fewer requests (429, 418).

    Attributes:
        retry_after: Seconds it asked us to wait, ``None`` if it did not say.
        is_ban: It banned our address (418): every budget must rest, not only the one that was spent.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, is_ban: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.is_ban = is_ban


class ExchangeUnavailableError(RetryableError):
    """The exchange answered that it cannot serve now (5xx, maintenance, 403, 451).

    Attributes:
        status: The HTTP status, ``None`` where there was none.
        retry_after: Seconds it asked us to wait, ``None`` if it did not say.
    """

    def __init__(self, message: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class RefusedError(TickwireError):
    """Stop: retrying will not help."""


class AuthRejectedError(RefusedError):
    """The exchange refused the key or the signature."""


class SubscriptionRejectedError(RefusedError):
    """The exchange refused a subscription for good."""


class RequestRejectedError(RefusedError):
    """The exchange refused an HTTP request as wrong (4xx).

    Attributes:
        status: The HTTP status.
    """

    def __init__(self, message: str, *, status: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class OutputClosedError(RefusedError):
    """Nobody reads a sink's output any more, e.g. a pipe that was closed: the run ends."""


class RecordsRefusedError(RefusedError):
    """A sink wrote a batch but for some records, which nothing will make it take.

    Attributes:
        indices: Where they stood in the batch, from 0.
    """

    def __init__(self, message: str, *, indices: Sequence[int], hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.indices = tuple(indices)


class DataError(TickwireError):
    """Drop the frame or resync; the feed lives on."""


class DecodeError(DataError):
    """A frame or an answer is not what the exchange documents."""


class UnknownNativeError(DataError):
    """A frame names an instrument that was not loaded, e.g. a new listing."""


class SequenceGapError(DataError):
    """A delta does not follow the book's state.

    Attributes:
        expected: The sequence that would have followed.
        found: The sequence that came.
    """

    def __init__(self, message: str, *, expected: int | None, found: int | None) -> None:
        super().__init__(message)
        self.expected = expected
        self.found = found


class ChecksumMismatchError(DataError):
    """Our book's digest differs from the exchange's."""


class CrossedBookError(DataError):
    """The best bid is above the best ask."""
