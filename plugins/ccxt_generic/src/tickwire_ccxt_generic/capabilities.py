"""What ccxt's classes can do, read from the checked-in table: ccxt itself is not imported.

``capabilities.json`` beside this file is written by ``nox -s ccxt_table -- --write``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import attrs
import msgspec

from tickwire import Channel, UnknownExchangeError

__all__ = ["CREDENTIALS", "TABLE", "Capabilities", "Table", "capabilities_of", "table"]

TABLE = "capabilities.json"

CREDENTIALS: Mapping[str, str] = {
    "api_key": "apiKey",
    "api_secret": "secret",
    "password": "password",
    "uid": "uid",
    "login": "login",
    "account_id": "accountId",
    "private_key": "privateKey",
    "wallet_address": "walletAddress",
    "token": "token",
    "twofa": "twofa",
}
"""Names of credentials in a tickwire config, and the attribute of a ccxt class that takes each."""


@attrs.frozen
class Capabilities:
    """One ccxt id.

    Attributes:
        rest: Base URL of its public REST interface, without a path.
        websocket: URL of its public socket, without a path; ``None``: it has no socket, or is told the URL over REST.
        streams: ccxt has a streaming class for it.
        watch: Channels that can be streamed.
        watch_many: Of these, those with a method for many symbols (``watch_trades_for_symbols``, …).
        unwatch: Of these, those that can be unsubscribed: the method is really there, whatever ``has`` says.
        unwatch_many: As ``unwatch``, of the methods for many symbols.
        fetch: Channels that can be polled over REST.
        intervals: Of its candles, as ccxt names them.
        precision: What the numbers in a market's ``precision`` are: ``tick_size``, ``significant_digits`` or
            ``decimal_places``.
        credentials: What it needs for private channels, by tickwire's names.
    """

    rest: str
    websocket: str | None
    streams: bool
    watch: tuple[Channel, ...]
    watch_many: tuple[Channel, ...]
    unwatch: tuple[Channel, ...]
    unwatch_many: tuple[Channel, ...]
    fetch: tuple[Channel, ...]
    intervals: tuple[str, ...]
    precision: str
    credentials: tuple[str, ...]


@attrs.frozen
class Table:
    """All of ccxt.

    Attributes:
        ccxt: The version it was made from.
        exchanges: By ccxt id, in ccxt's order.
    """

    ccxt: str
    exchanges: Mapping[str, Capabilities]


@cache
def table() -> Table:
    """Read the table; the same object each time."""
    return msgspec.json.decode(Path(__file__).with_name(TABLE).read_bytes(), type=Table)


def capabilities_of(exchange_id: str) -> Capabilities:
    """Give what one exchange can do.

    Raises:
        UnknownExchangeError: ccxt had no such id when the table was made.
    """
    found = table().exchanges.get(exchange_id)
    if found is None:
        raise UnknownExchangeError(
            f"ccxt {table().ccxt} has no exchange {exchange_id!r}", hint="tickwire plugins --json lists its ids"
        )
    return found
