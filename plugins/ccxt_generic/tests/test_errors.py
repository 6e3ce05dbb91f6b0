"""ccxt's own exception classes, the whole tree of the installed version, as errors of ours."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Mapping
from typing import Any

import aiohttp
import ccxt
import pytest
from ccxt.base.errors import error_hierarchy

from tickwire import (
    AuthRejectedError,
    ChecksumMismatchError,
    ConfigError,
    ConnectionLostError,
    DataError,
    DecodeError,
    ExchangeUnavailableError,
    RateLimitedError,
    RefusedError,
    RequestRejectedError,
    RetryableError,
    SequenceGapError,
    TickwireError,
)
from tickwire_ccxt_generic.errors import TRANSLATIONS, translated

GROUPS = (RetryableError, RefusedError, DataError, ConfigError)


def names_in(tree: Mapping[str, Any]) -> Iterator[str]:
    for name, below in tree.items():
        yield name
        yield from names_in(below)


def subclasses(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    for below in kind.__subclasses__():
        yield below
        yield from subclasses(below)


EVERY = sorted(
    {kind for kind in [ccxt.BaseError, *subclasses(ccxt.BaseError)] if kind.__module__ == "ccxt.base.errors"},
    key=lambda kind: kind.__name__,
)


def test_the_whole_tree_of_ccxt_is_translated_and_nothing_else() -> None:
    assert set(names_in(error_hierarchy)) == set(TRANSLATIONS)
    assert {kind.__name__ for kind in EVERY} == set(TRANSLATIONS)


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize("status", [None, 200, 400, 401, 403, 404, 418, 429, 451, 500, 503, 599])
def test_each_class_becomes_an_error_that_says_what_to_do_next(kind: type[Exception], status: int | None) -> None:
    found = translated(kind("kraken says no"), what="kraken fetch_trades", status=status)
    assert isinstance(found, GROUPS)
    assert str(found).startswith(f"kraken fetch_trades: {kind.__name__}: kraken says no")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (ccxt.AuthenticationError, AuthRejectedError),
        (ccxt.AccountSuspended, AuthRejectedError),
        (ccxt.BadSymbol, RefusedError),
        (ccxt.NotSupported, RefusedError),
        (ccxt.RestrictedLocation, ExchangeUnavailableError),
        (ccxt.InvalidProxySettings, ConfigError),
        (ccxt.NetworkError, ConnectionLostError),
        (ccxt.RequestTimeout, ConnectionLostError),
        (ccxt.RateLimitExceeded, RateLimitedError),
        (ccxt.DDoSProtection, RateLimitedError),
        (ccxt.OnMaintenance, ExchangeUnavailableError),
        (ccxt.ExchangeError, ExchangeUnavailableError),
        (ccxt.ChecksumError, ChecksumMismatchError),
        (ccxt.NullResponse, DecodeError),
    ],
)
def test_what_a_class_means(kind: type[Exception], expected: type[TickwireError]) -> None:
    assert type(translated(kind("x"), what="okx load_markets")) is expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, AuthRejectedError),
        (403, ExchangeUnavailableError),
        (404, RequestRejectedError),
        (418, RateLimitedError),
        (429, RateLimitedError),
        (451, ExchangeUnavailableError),
        (502, ExchangeUnavailableError),
        (200, ExchangeUnavailableError),
    ],
)
def test_a_status_decides_where_ccxt_only_says_exchange_error(status: int, expected: type[TickwireError]) -> None:
    found = translated(ccxt.ExchangeError('{"code": "X"}'), what="backpack", status=status, retry_after=7.5)
    assert type(found) is expected
    assert getattr(found, "status", status) == status
    assert getattr(found, "retry_after", 7.5) == 7.5
    assert getattr(found, "is_ban", status == 418) == (status == 418)


def test_a_limit_told_in_a_body_with_another_status_stays_a_limit() -> None:
    found = translated(ccxt.RateLimitExceeded("-1003"), what="binance", status=400)
    assert type(found) is RateLimitedError


def test_a_class_that_a_later_ccxt_adds_is_read_as_the_nearest_known_one() -> None:
    later = type("Overloaded", (ccxt.OnMaintenance,), {"__module__": "ccxt.base.errors"})
    assert type(translated(later("x"), what="okx")) is ExchangeUnavailableError


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("invalid literal for int(): 'X'"), DecodeError),
        (KeyError("bids"), DecodeError),
        (AttributeError("'NoneType' object has no attribute 'split'"), DecodeError),
        (TimeoutError(), ConnectionLostError),
        (socket.gaierror(-2, "Name or service not known"), ConnectionLostError),
        (ConnectionResetError(104, "reset"), ConnectionLostError),
        (aiohttp.ServerDisconnectedError(), ConnectionLostError),
        (asyncio.CancelledError(), ConnectionLostError),
    ],
)
def test_what_ccxt_lets_through_is_translated_too(error: BaseException, expected: type[TickwireError]) -> None:
    assert type(translated(error, what="okx watch_trades")) is expected


def test_an_error_of_ours_is_left_as_it_is() -> None:
    ours = SequenceGapError("hole", expected=4, found=7)
    assert translated(ours, what="okx") is ours


def test_no_secret_and_no_query_comes_into_the_message() -> None:
    told = (
        "binance GET https://user:pw@api.binance.com/api/v3/account?timestamp=1&signature=deadbeef 401 Unauthorized "
        '{"apiKey": "AKEY123", "signature":"s1g", "msg": "bad"} wss://stream.binance.com/ws?listenKey=LK9 secret=zzz9'
    )
    text = str(translated(ccxt.AuthenticationError(told), what="binance fetch_balance"))
    assert "https://api.binance.com/api/v3/account 401 Unauthorized" in text
    for secret in ("deadbeef", "user:pw", "AKEY123", "s1g", "LK9", "zzz9"):
        assert secret not in text


def test_a_page_of_html_does_not_fill_the_log() -> None:
    text = str(translated(ccxt.ExchangeNotAvailable("<html>\n" + "<p>busy</p>\n" * 500), what="okx", status=503))
    assert len(text) < 400
    assert "\n" not in text
