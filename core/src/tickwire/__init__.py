"""Crypto market data that can be trusted.

A lazy name table (PEP 562): ``import tickwire`` costs next to nothing, a name is imported when it is first used.
Type checkers read ``__init__.pyi``; a test keeps the two equal.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_NAMES = {
    "feed.backoff": "BackoffPolicy",
    "feed.limits": "Limits",
    "model.account": "AccountEvent Balance Fill OrderStatus OrderUpdate Position",
    "model.book": "BookArrays BookSide FillEstimate L2Book Level",
    "model.books": "Books",
    "model.channel_events": "EVENTS_OF channel_of",
    "model.channels": "Channel ChannelRequest Subscribe Subscription",
    "model.clock": "Clock ManualClock Nanos SystemClock",
    "model.errors": "AmbiguousExchangeError AuthRejectedError ChecksumMismatchError ConfigError ConnectionLostError "
    "CredentialsError CrossedBookError DataError DecodeError ExchangeUnavailableError OutputClosedError "
    "PluginContractError PluginError PluginLoadError PluginVersionError RateLimitedError RecordsRefusedError "
    "RefusedError RequestRejectedError RetryableError SequenceGapError SubscriptionRejectedError SymbolError "
    "TickwireError UnknownExchangeError UnknownInstrumentError UnknownNativeError UnsupportedChannelError",
    "model.events": "BookDelta BookSnapshot Candle Funding Levels Liquidation MarkPrice MarketEvent OpenInterest Quote "
    "Side SnapshotCause Ticker Trade",
    "model.health": "Health HealthStatus",
    "model.instruments": "Instrument Instruments InstrumentStatus SizeUnit",
    "model.metrics": "Counter Gauge Metrics",
    "model.numbers": "N exact number_text",
    "model.quality": "Backfilled Dropped Event EventOf Gap GapCause Inexact ListingChange ListingKind QualityEvent "
    "Reconnected Recovered Repair Resynced Severity Stale StaleAction Subscribed UnsubscribeReason Unsubscribed "
    "Watermark",
    "model.sequence": "Decision SequenceDecider SequenceRule decide",
    "model.stored": "Record StoredEvent decode_event decode_record encode_event encode_record encode_records",
    "model.symbols": "InstrumentType OptionType SymbolParts format_symbol parse_symbol",
    "plugin.hookspecs": "hookimpl",
    "plugin.registry": "Registry",
    "record.replay": "replay",
    "record.stored": "Stored load",
    "record.stored_books": "books",
    "record.stored_holes": "StoredHole",
    "run.assembling": "sink_of",
    "run.delivery": "Delivery",
    "run.durations": "Duration",
    "run.feed": "Feed",
    "run.secrets": "Secret",
    "run.script": "stream",
    "run.settings": "SinkConfig",
    "store.instruments": "instruments_at",
    "store.schema": "arrow_schema",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    module = _HOME.get(name)
    if module is None:
        raise AttributeError(f"module 'tickwire' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"tickwire.{module}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
