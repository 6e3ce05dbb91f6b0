"""What an exchange declares, in words."""

from __future__ import annotations

from tickwire.model.channels import Channel
from tickwire.model.sequence import SequenceRule
from tickwire.plugin.info import BookFeed, BookStart, ChannelInfo, ExchangeInfo, History, Ids, Stamp, Support

__all__ = ["channel_table", "limit_words"]

_STAMPS = {
    Stamp.ENGINE: "engine time",
    Stamp.PUBLISHED: "publishing time",
    Stamp.NONE: "no time on the wire",
}
_IDS = {Ids.CONSECUTIVE: "consecutive ids", Ids.INCREASING: "increasing ids", Ids.OPAQUE: "ids without order"}
_STARTS = {
    BookStart.REST: "snapshot over REST",
    BookStart.SOCKET: "snapshot on the socket",
    BookStart.EVERY_FRAME: "every frame is a snapshot",
    BookStart.SYNCED: "kept in sync by the transport",
}
_SEQUENCES = {
    SequenceRule.CONSECUTIVE: "consecutive sequence",
    SequenceRule.LINKED: "linked sequence",
    SequenceRule.INCREASING: "increasing sequence",
    SequenceRule.NONE: "no sequence",
}


def channel_table(info: ExchangeInfo, numbers: type = float) -> list[tuple[str, str]]:
    """Say what each channel gives, e.g. ``engine time · consecutive ids · no acknowledgement``; then what there is not.

    Args:
        info: The exchange.
        numbers: ``float`` or ``Decimal``, in which the feed takes prices and sizes.

    Returns:
        (channel, words); channels that cannot be subscribed to share a line under ``not yet`` or ``never``.
    """
    offered = [(str(channel), _words(info, channel, numbers)) for channel in info.channels if info.offers(channel)]
    missing = [
        (label, ", ".join(channel for channel, each in info.channels.items() if each.support is support))
        for label, support in (("not yet", Support.NOT_YET), ("never", Support.NO))
    ]
    return offered + [line for line in missing if line[1]]


def limit_words(info: ExchangeInfo) -> str:
    """Say how much may be asked for, e.g. ``2,000 per 60 s``."""
    limits = [f"{name} {limit.weight:,.10g} per {limit.seconds:g} s" for name, limit in info.limits.items()]
    return " · ".join(limits) or "none declared"


def _words(info: ExchangeInfo, channel: Channel, numbers: type) -> str:
    declared = info.channels[channel]
    words = [
        _STAMPS[declared.ts_event],
        *_id_words(channel, declared),
        *(_book_words(info.book) if channel is Channel.L2_BOOK and info.book else []),
        *(_history_words(declared.history) if declared.history else []),
        *([f"stream of {declared.shares}"] if declared.shares else []),
        *([f"intervals {', '.join(declared.intervals)}"] if declared.intervals else []),
        "acknowledged" if declared.acknowledged else "no acknowledgement",
        *(["unverified: a lost update would not be noticed"] if info.is_verified(channel, numbers) is False else []),
        *([f"socket {declared.socket}"] if len(info.sockets) > 1 else []),
    ]
    return " · ".join(words)


def _id_words(channel: Channel, declared: ChannelInfo) -> list[str]:
    if declared.ids is not Ids.NONE:
        return [_IDS[declared.ids]]
    return ["no ids"] if channel is Channel.TRADES else []


def _book_words(book: BookFeed) -> list[str]:
    rule = book.sequence
    return [
        _SEQUENCES[rule] if isinstance(rule, SequenceRule) else "sequence by the plugin's own rule",
        _STARTS[book.start],
        _checksum_words(book),
        f"depths {', '.join(map(str, book.depths))}" if book.depths else "any depth",
        *(["windowed"] if book.windowed else []),
    ]


def _checksum_words(book: BookFeed) -> str:
    if book.checksum is None:
        return "no checksum"
    texts = " of the wire's texts" if book.checksum.needs_text else ""
    return f"checksum over {book.checksum.levels} levels{texts}"


def _history_words(history: History) -> list[str]:
    reach = "" if history.reach == "all" else f", back to {history.reach}"
    return [f"history by {history.by}, {history.page:,} rows a request{reach}"]
