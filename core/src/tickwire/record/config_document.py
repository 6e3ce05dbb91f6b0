"""A configuration as plain values without secrets, in the config file's own words: what a capture keeps of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from tickwire.model.channels import ChannelRequest
from tickwire.record.redaction import MASK, Redactor, masked_settings
from tickwire.run.config import config_from
from tickwire.run.settings import Config, ExchangeConfig

__all__ = ["RECORDER", "config_of_document", "document_of", "redactor_of"]

RECORDER = "recorder"


def redactor_of(entry: ExchangeConfig) -> Redactor:
    """Know an entry's secrets, its proxy's password among them."""
    credentials = entry.credentials
    secrets = [] if credentials is None else [credentials.reveal(name) for name in credentials]
    return Redactor(tuple(secrets), credentials is not None)


def document_of(config: Config) -> dict[str, Any]:
    """Write a configuration down; sinks, proxies and where state is kept are left out, a replay has its own."""
    return {
        "name": config.name,
        "instruments": {"refresh": float(config.instruments.refresh)},
        "recovery": {
            "backfill": config.recovery.backfill.value,
            "hold": float(config.recovery.hold),
            "resume": float(config.recovery.resume),
        },
        "exchanges": {entry.name: _entry(entry) for entry in config.exchanges},
    }


def config_of_document(document: Mapping[str, Any], source: str) -> Config:
    """Read it back; ``$`` and the environment mean nothing in it.

    Raises:
        ConfigError: This tickwire does not understand it.
    """
    return config_from(_escaped(document), source, environ={})


def _entry(entry: ExchangeConfig) -> dict[str, Any]:
    secrets = redactor_of(entry)
    settings: dict[str, Any] = {
        "exchange": entry.exchange,
        "plugin": entry.plugin,
        "symbols": list(entry.symbols),
        "channels": [_channel(request) for request in entry.channels],
        "options": masked_settings(entry.options, secrets),
        "credentials": dict.fromkeys(entry.credentials, MASK) if entry.credentials is not None else None,
        "endpoints": {
            "rest": _urls(entry.endpoints.rest, secrets),
            "websocket": _urls(entry.endpoints.websocket, secrets),
        },
        "extensions": {
            name: masked_settings(options, secrets) for name, options in entry.extensions.items() if name != RECORDER
        },
        "rest": attrs.asdict(entry.rest),
        "websocket": {"enabled": entry.websocket.enabled, "rest_only": entry.websocket.rest_only},
        "connections": entry.connections,
        "numbers": entry.numbers,
        "on_unknown_symbol": entry.on_unknown_symbol,
    }
    return {key: value for key, value in settings.items() if value not in (None, {})}


def _channel(request: ChannelRequest) -> str:
    parts = [f"depth={request.depth}"] if request.depth else []
    parts += [f"interval={request.interval}"] if request.interval else []
    return f"{request.channel}:{','.join(parts)}" if parts else request.channel.value


def _urls(urls: Any, secrets: Redactor) -> Any:
    if isinstance(urls, Mapping):
        return {name: _urls(some, secrets) for name, some in urls.items()}
    if isinstance(urls, str):
        return secrets.url(urls, (urls,))
    return None if urls is None else [secrets.url(url, (url,)) for url in urls]


def _escaped(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _escaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    return value.replace("${", "$${") if isinstance(value, str) else value
