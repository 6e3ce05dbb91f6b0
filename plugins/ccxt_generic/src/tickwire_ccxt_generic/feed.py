"""``tickwire.Feed`` with this plugin pinned; to be derived from, by stating what differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

from tickwire import ChannelRequest, ConfigError, Feed, N

__all__ = ["CcxtGenericFeed"]

_NONE: Mapping[str, object] = MappingProxyType({})


class CcxtGenericFeed(Feed[N]):
    """Market data of one exchange of ccxt, under the contract of ``Feed``.

    A derived class states the exchange and what it wants of it; what is given to the constructor goes before.

    Class attributes:
        exchange_id: ccxt's id.
        symbols: Ours, or selectors of them.
        channels: What to subscribe to.
        rest: Base URLs instead of the exchange's own, primary first.
        websocket: URLs of sockets instead of the exchange's own, primary first.
        options: The plugin's, of ``CcxtOptions``; those of the constructor are laid over them one by one.
    """

    exchange_id: ClassVar[str] = ""
    symbols: ClassVar[Sequence[str]] = ()
    channels: ClassVar[Sequence[str | ChannelRequest]] = ("trades",)
    rest: ClassVar[str | Sequence[str] | None] = None
    websocket: ClassVar[str | Sequence[str] | None] = None
    options: ClassVar[Mapping[str, object]] = _NONE

    def __init__(
        self,
        exchange_id: str | None = None,
        symbols: Sequence[str] | None = None,
        channels: Sequence[str | ChannelRequest] | None = None,
        *,
        rest: str | Sequence[str] | None = None,
        websocket: str | Sequence[str] | None = None,
        options: Mapping[str, object] = _NONE,
        **settings: Any,
    ) -> None:
        """Make a feed; no I/O, and ccxt is not imported yet.

        Args:
            exchange_id: ccxt's id; the class's own by default, as all that follows.
            symbols: Ours, or selectors of them.
            channels: What to subscribe to.
            rest: Base URLs instead of the exchange's own.
            websocket: URLs of sockets instead of the exchange's own.
            options: The plugin's.
            **settings: Whatever else ``Feed`` takes: ``credentials``, ``proxy``, ``numbers``, …

        Raises:
            ConfigError: There is no such exchange, or it does not offer what is asked for.
        """
        own = type(self)
        exchange = own.exchange_id if exchange_id is None else exchange_id
        if not exchange:
            raise ConfigError(
                f"{own.__name__} is of no exchange",
                hint='give it exchange_id="bitvavo", or derive a class that has one',
            )
        super().__init__(
            exchange,
            own.symbols if symbols is None else symbols,
            own.channels if channels is None else channels,
            plugin="ccxt_generic",
            rest=own.rest if rest is None else rest,
            websocket=own.websocket if websocket is None else websocket,
            options={**own.options, **options},
            **settings,
        )
