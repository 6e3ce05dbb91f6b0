"""From one configuration to the next while it runs: what comes, what goes, what is changed in place."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from tickwire.model.errors import ConfigError
from tickwire.run.mistakes import join_path
from tickwire.run.settings import Config, ExchangeConfig, SinkConfig

__all__ = ["Changes", "changes_between"]

_AT_START_ONLY = ("name", "state", "instruments", "recovery")
_IN_PLACE = ("symbols", "channels")
_RESTART = "restart tickwire to change it, or set it back"


@attrs.frozen
class Changes:
    """What a new configuration asks for.

    Attributes:
        added: Feeds to start.
        removed: Names of feeds to stop.
        restarted: Feeds to stop and start again, each with the keys that cannot be changed in place.
        resubscribed: Feeds that stay, with other symbols or channels.
        sinks_added: Sinks to open.
        sinks_removed: Names of sinks to close.
        sinks_changed: Sinks to close and open again.
    """

    added: Sequence[ExchangeConfig] = ()
    removed: Sequence[str] = ()
    restarted: Sequence[tuple[ExchangeConfig, Sequence[str]]] = ()
    resubscribed: Sequence[ExchangeConfig] = ()
    sinks_added: Sequence[SinkConfig] = ()
    sinks_removed: Sequence[str] = ()
    sinks_changed: Sequence[SinkConfig] = ()

    def lines(self) -> list[str]:
        """Say it, a line each; ``nothing has changed`` if there is nothing to say."""
        lines = [f"exchanges.{entry.name}: added" for entry in self.added]
        lines += [f"exchanges.{name}: removed" for name in self.removed]
        lines += [
            f"exchanges.{entry.name}: started again, since {', '.join(keys)} cannot be changed while it runs"
            for entry, keys in self.restarted
        ]
        lines += [f"exchanges.{entry.name}: subscriptions changed" for entry in self.resubscribed]
        lines += [f"sinks.{entry.name}: added" for entry in self.sinks_added]
        lines += [f"sinks.{name}: removed" for name in self.sinks_removed]
        lines += [f"sinks.{entry.name}: closed and opened again, since it has changed" for entry in self.sinks_changed]
        return lines or ["nothing has changed"]


def changes_between(old: Config, new: Config) -> Changes:
    """Compare two configurations.

    Raises:
        ConfigError: Something has changed that only a new process can take over; names it.
    """
    for name in _AT_START_ONLY:
        if getattr(old, name) != getattr(new, name):
            raise _fixed(new, name, "is read at the start only")
    _refuse_other_blocking(old, new)
    feeds = {entry.name: entry for entry in old.exchanges}
    sinks = {entry.name: entry for entry in old.sinks}
    restarted: list[tuple[ExchangeConfig, Sequence[str]]] = []
    resubscribed: list[ExchangeConfig] = []
    for entry in new.exchanges:
        keys = _different(feeds[entry.name], entry) if entry.name in feeds else []
        if set(keys) - set(_IN_PLACE):
            restarted.append((entry, [key for key in keys if key not in _IN_PLACE]))
        elif keys:
            resubscribed.append(entry)
    return Changes(
        [entry for entry in new.exchanges if entry.name not in feeds],
        [name for name in feeds if name not in {entry.name for entry in new.exchanges}],
        restarted,
        resubscribed,
        [entry for entry in new.sinks if entry.name not in sinks],
        [name for name in sinks if name not in {entry.name for entry in new.sinks}],
        [entry for entry in new.sinks if entry.name in sinks and entry != sinks[entry.name]],
    )


def _refuse_other_blocking(old: Config, new: Config) -> None:
    # feeds are made to be stopped by full queues, or not to be
    blocking = [[entry for entry in config.sinks if entry.when_full == "block"] for config in (old, new)]
    if bool(blocking[0]) != bool(blocking[1]):
        known = {entry.name for entry in new.sinks}
        changed = [entry for entry in blocking[0] + blocking[1] if entry.name in known] or blocking[0]
        raise _fixed(new, f"{changed[0].path}.when_full", "block cannot begin or end while feeds run")
    if bool(old.sinks) != bool(new.sinks):
        raise _fixed(new, "sinks", "the console cannot come or go while feeds run")


def _fixed(config: Config, path: str, what: str) -> ConfigError:
    return ConfigError(what, hint=_RESTART, path=join_path(config.source, path))


def _different(old: ExchangeConfig, new: ExchangeConfig) -> list[str]:
    return [name for name in attrs.fields_dict(ExchangeConfig) if getattr(old, name) != getattr(new, name)]
