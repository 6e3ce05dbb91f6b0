"""ccxt's exceptions as errors of tickwire's tree, by what the caller does next.

The table names every class of ccxt's tree; a class that a later ccxt adds is read as the nearest one it derives from.
ccxt itself is not imported: classes are known by their names.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping

from tickwire import (
    AuthRejectedError,
    ChecksumMismatchError,
    ConfigError,
    ConnectionLostError,
    DecodeError,
    ExchangeUnavailableError,
    RateLimitedError,
    RefusedError,
    RequestRejectedError,
    TickwireError,
)

__all__ = ["TRANSLATIONS", "translated"]

_URL = re.compile(r"((?:https?|wss?)://)(?:[^\s/@]*@)?([^\s?#]*)[^\s]*", re.IGNORECASE)
_SECRET = re.compile(r"(?i)\b(api[-_]?key|signature|secret|token|password|passphrase|listenkey)(\W{1,4})[^\s&\"',}]+")
_QUOTED = 300
_FOR_NOW = (403, 408, 425, 451)

_Make = Callable[[str, int | None, float | None], TickwireError]


def translated(
    error: BaseException, *, what: str, status: int | None = None, retry_after: float | None = None
) -> TickwireError:
    """Give the error of ours that says what to do about one that came out of ccxt.

    Raise it ``from None``: ccxt's own texts hold whole URLs, signatures included.

    Args:
        error: What was raised. An error of ours is given back as it is; ``CancelledError`` is ccxt's own, so ask
            ``task.cancelling()`` first.
        what: What was being done, to begin the message with: ``"kraken fetch_order_book BTC/USD"``.
        status: The HTTP status, where the transport saw it. It decides: ccxt forgets it when the body has a code.
        retry_after: Seconds the exchange asked to wait, ``None`` if it did not say.

    Returns:
        A ``RetryableError``, ``RefusedError``, ``DataError`` or ``ConfigError``.
    """
    if isinstance(error, TickwireError):
        return error
    text = f"{what}: {_shown(error)}"
    make = _of_status(status) or _of_class(type(error))
    if status is not None and 400 <= status < 500 and make in (_unavailable, _lost, _undecodable):
        make = _refused if status not in _FOR_NOW else _unavailable  # ccxt takes 400 and 404 for an outage
    return make(text, status, retry_after)


def _rate_limited(text: str, status: int | None, retry_after: float | None) -> TickwireError:
    return RateLimitedError(text, retry_after=retry_after, is_ban=status == 418)


def _unavailable(text: str, status: int | None, retry_after: float | None) -> TickwireError:
    return ExchangeUnavailableError(text, status=status, retry_after=retry_after)


def _refused(text: str, status: int | None, _: float | None) -> TickwireError:
    return RefusedError(text) if status is None else RequestRejectedError(text, status=status)


def _auth_rejected(text: str, _: int | None, __: float | None) -> TickwireError:
    return AuthRejectedError(text)


def _lost(text: str, _: int | None, __: float | None) -> TickwireError:
    return ConnectionLostError(text)


def _undecodable(text: str, _: int | None, __: float | None) -> TickwireError:
    return DecodeError(text)


def _checksum(text: str, _: int | None, __: float | None) -> TickwireError:
    return ChecksumMismatchError(text)


def _proxies(text: str, _: int | None, __: float | None) -> TickwireError:
    return ConfigError(text, hint="set one proxy for the exchange, by tickwire's key proxy alone")


TRANSLATIONS: Mapping[str, _Make] = {
    # what ccxt could not classify, a proxy's 502 among it: worth another try
    "BaseError": _unavailable,
    "ExchangeError": _unavailable,
    "AuthenticationError": _auth_rejected,
    "PermissionDenied": _auth_rejected,
    "AccountNotEnabled": _auth_rejected,
    "AccountSuspended": _auth_rejected,
    "ArgumentsRequired": _refused,
    "BadRequest": _refused,
    "BadSymbol": _refused,
    "OperationRejected": _refused,
    "NoChange": _refused,
    "MarginModeAlreadySet": _refused,
    "MarketClosed": _unavailable,
    "ManualInteractionNeeded": _refused,
    "RestrictedLocation": _unavailable,  # another host may be meant for here
    "InsufficientFunds": _refused,
    "InvalidAddress": _refused,
    "AddressPending": _refused,
    "InvalidOrder": _refused,
    "OrderNotFound": _refused,
    "OrderNotCached": _refused,
    "OrderImmediatelyFillable": _refused,
    "OrderNotFillable": _refused,
    "DuplicateOrderId": _refused,
    "ContractUnavailable": _refused,
    "NotSupported": _refused,
    "InvalidProxySettings": _proxies,
    "ExchangeClosedByUser": _lost,
    "OperationFailed": _unavailable,
    "NetworkError": _lost,
    "DDoSProtection": _rate_limited,
    "RateLimitExceeded": _rate_limited,
    "ExchangeNotAvailable": _unavailable,
    "OnMaintenance": _unavailable,
    "InvalidNonce": _unavailable,  # of a signed request, whose next nonce is larger
    "ChecksumError": _checksum,
    "RequestTimeout": _lost,
    "BadResponse": _undecodable,
    "NullResponse": _undecodable,
    "CancelPending": _unavailable,
    "UnsubscribeError": _lost,  # told to whoever waited for a topic that was given up
}
"""What each class of ``ccxt.base.errors`` becomes."""


def _of_status(status: int | None) -> _Make | None:
    if status is None:
        return None
    if status in (418, 429):
        return _rate_limited
    if status == 401:
        return _auth_rejected
    return _unavailable if status in _FOR_NOW or status >= 500 else None


def _of_class(kind: type[BaseException]) -> _Make:
    for each in kind.__mro__:
        if each.__module__ == "ccxt.base.errors" and each.__name__ in TRANSLATIONS:
            return TRANSLATIONS[each.__name__]
    # ccxt lets through what its parsers and aiohttp raise; a CancelledError is that of a socket it closed by itself
    if issubclass(kind, OSError | TimeoutError | asyncio.CancelledError) or kind.__module__.startswith("aiohttp"):
        return _lost
    return _undecodable


def _shown(error: BaseException) -> str:
    text = _SECRET.sub(r"\1\2…", _URL.sub(r"\1\2", str(error)))
    text = " ".join(text.split())
    text = text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
