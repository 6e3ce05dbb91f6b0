"""Leading ccxt to the hosts that the user set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

__all__ = ["moved", "moved_all"]


def moved_all(urls: Any, move: Callable[[str], str]) -> Any:
    """Move every URL in one of ccxt's trees."""
    if isinstance(urls, dict):
        return {key: moved_all(value, move) for key, value in urls.items()}
    return move(urls) if isinstance(urls, str) else urls


def moved(url: str, base: str, declared: str | None, *, keeps_host: bool = False) -> str:
    """Give the URL to use instead of one of ccxt's.

    A base on another host of the same domain stands in for the exchange's main host alone (``api1.binance.com`` for
    ``api.binance.com``, not for ``fapi.binance.com``). One elsewhere, a proxy or a simulator, stands in for all:
    nothing goes to the exchange itself then.

    Args:
        url: ccxt's own.
        base: What the user set.
        declared: The exchange's main one, with or without a path.
        keeps_host: On a base elsewhere the host stays, as the beginning of the path.
    """
    theirs, ours = urlsplit(url), urlsplit(base)
    main = urlsplit(declared).hostname if declared else None
    if not theirs.netloc or base == declared:
        return url
    is_sibling = _domain(theirs.hostname) == _domain(ours.hostname)
    if is_sibling and theirs.hostname != main:
        return url
    prefix, path = ours.path.rstrip("/"), theirs.path
    if keeps_host and not is_sibling:
        path = f"/{theirs.netloc}{path}"
    if prefix and (path == prefix or path.startswith(f"{prefix}/")):
        prefix = ""  # the base says where on the host already
    query = f"?{theirs.query}" if theirs.query else ""
    return f"{ours.scheme}://{ours.netloc}{prefix}{path}{query}"


def _domain(host: str | None) -> str:
    labels = (host or "").split(".")
    return host or "" if labels[-1].isdecimal() else ".".join(labels[-2:])
