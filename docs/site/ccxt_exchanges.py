"""The page *Every exchange of ccxt*, made from what the generic plugin declares."""

from __future__ import annotations

from collections.abc import Iterator

from tickwire import Channel
from tickwire.plugin import ExchangeInfo
from tickwire_ccxt_generic.capabilities import Capabilities, table
from tickwire_ccxt_generic.info import POLLED, exchange_infos

__all__ = ["ccxt_page"]

_HEAD = """# Every exchange of ccxt

Made from what the generic plugin declares, by the classes of ccxt {version}: {streamed} exchanges with streams,
{polled} that are polled over REST. What the words promise stands in [its guide](exchanges/ccxt.md).

- **verified**: a lost event would be noticed by the exchange's own numbers or checksums.
- **unverified**: it would not, while the connection stands. Streamed books are compared with REST now and then.
- **polled**: asked for over REST again and again; trades missed between two answers are told of where it shows.
- **anew alone**: a book that is wrong is asked for anew by itself; without it, its connection is made anew.

| exchange | trades | holes in trades | books | anew alone | beside them |
|---|---|---|---|---|---|
"""
_BESIDE = (Channel.L1_BOOK, Channel.TICKER, Channel.CANDLES)


def ccxt_page() -> str:
    """Write the page: a row for every exchange."""
    known = table()
    streamed = sum(each.streams for each in known.exchanges.values())
    head = _HEAD.format(version=known.ccxt, streamed=streamed, polled=len(known.exchanges) - streamed)
    rows = (_row(info, known.exchanges[info.id]) for info in exchange_infos())
    return head + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(info: ExchangeInfo, known: Capabilities) -> Iterator[str]:
    trades = info.channels.get(Channel.TRADES)
    yield f"`{info.id}`"
    yield _word(info, Channel.TRADES)
    yield "filled" if trades is not None and trades.history is not None else "told"
    yield _word(info, Channel.L2_BOOK)
    yield "yes" if Channel.L2_BOOK in known.unwatch else ""
    yield ", ".join(f"`{each}`{_mark(info, each)}" for each in _BESIDE if info.offers(each))


def _word(info: ExchangeInfo, channel: Channel) -> str:
    if not info.offers(channel):
        return "no"
    if info.channels[channel].socket == POLLED:
        return "polled"
    return "verified" if info.is_verified(channel) else "unverified"


def _mark(info: ExchangeInfo, channel: Channel) -> str:
    return " polled" if info.channels[channel].socket == POLLED else ""
