"""Can these channels be had, and without credentials? Read off the exchange's declaration, before anything starts."""

from __future__ import annotations

from collections.abc import Iterable

from tickwire.model.channels import PER_INTERVAL, Channel, ChannelRequest
from tickwire.model.errors import CredentialsError, UnsupportedChannelError
from tickwire.plugin.info import ExchangeInfo

__all__ = ["check_channels", "check_credentials"]


def check_channels(info: ExchangeInfo, requests: Iterable[ChannelRequest]) -> None:
    """Refuse what the exchange does not offer, before anything starts.

    Raises:
        UnsupportedChannelError: Names what it offers.
    """
    offered = [channel for channel in info.channels if info.offers(channel)]
    seen: set[object] = set()
    for request in requests:
        one = (request.channel, request.interval) if request.channel in PER_INTERVAL else request.channel
        if one in seen:
            raise UnsupportedChannelError(
                f"{info.id} {request.channel} is asked for twice, with different parameters", hint="keep one of them"
            )
        seen.add(one)
        if not info.offers(request.channel):
            raise UnsupportedChannelError(
                f"{info.id} does not offer {request.channel.value!r} (it offers: {', '.join(offered)})",
                hint="remove it, or pin a plugin that offers it",
            )
        depths = info.book.depths if info.book is not None and request.channel is Channel.L2_BOOK else ()
        if request.depth is not None and request.channel is not Channel.L2_BOOK:
            raise UnsupportedChannelError(f"{info.id} {request.channel}: it has no depth", hint="remove depth")
        if request.depth is not None and depths and request.depth not in depths:
            raise UnsupportedChannelError(
                f"{info.id} {request.channel}: depth {request.depth} is not offered",
                hint=f"one of {', '.join(map(str, depths))}",
            )
        intervals = info.channels[request.channel].intervals
        if request.channel in PER_INTERVAL and request.interval is None and intervals:
            raise UnsupportedChannelError(
                f"{info.id} {request.channel}: an interval is needed",
                hint=f"one of {', '.join(intervals)}: {request.channel}:interval={intervals[0]}",
            )
        if request.interval is not None and request.interval not in intervals:
            raise UnsupportedChannelError(
                f"{info.id} {request.channel}: interval {request.interval!r} is not offered",
                hint=f"one of {', '.join(intervals)}" if intervals else "remove interval",
            )


def check_credentials(info: ExchangeInfo, requests: Iterable[ChannelRequest], path: str = "") -> None:
    """Refuse what needs a login, where no credentials are set.

    Args:
        info: The exchange.
        requests: Channels that it offers.
        path: Where the feed's settings stand in a configuration.

    Raises:
        CredentialsError: Names the credentials that are missing.
    """
    names = info.credentials
    private = [one.channel for one in requests if info.sockets[info.channels[one.channel].socket].login]
    if not names or not private:
        return
    entries = ", ".join(f"{name}: ${{{name.upper()}:?}}" if path else f'"{name}": …' for name in names)
    raise CredentialsError(
        f"{info.id} {', '.join(dict.fromkeys(private))}: a login is needed, and {' and '.join(names)} "
        f"{'is' if len(names) == 1 else 'are'} not set",
        hint=f"write credentials: {{{entries}}} under {path} in the configuration"
        if path
        else f"give the feed credentials={{{entries}}}",
        path=f"{path}.credentials" if path else "",
    )
