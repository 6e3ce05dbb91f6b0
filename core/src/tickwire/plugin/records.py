"""What is known of an installed plugin, whether it works or not, and what the working ones claim."""

from __future__ import annotations

from enum import StrEnum, auto

import attrs

from tickwire.plugin.hooks import Implementation
from tickwire.plugin.info import ExchangeInfo, SinkInfo

__all__ = ["Claim", "PluginRecord", "PluginStatus"]


class PluginStatus(StrEnum):
    """What became of a plugin; only ``LOADED`` ones are used.

    ``BLOCKED``: the environment says so. ``FAILED``: it cannot be imported or declares something wrong.
    ``INCOMPATIBLE``: it speaks another major version of the hooks. ``DUPLICATE``: its name is taken twice.
    """

    LOADED = auto()
    BLOCKED = auto()
    FAILED = auto()
    INCOMPATIBLE = auto()
    DUPLICATE = auto()


@attrs.frozen
class PluginRecord:
    """One plugin as ``tickwire plugins`` shows it.

    Attributes:
        name: Of its entry point; what a config pins.
        distribution: What ``pip`` installed it from.
        version: Of the distribution; empty where its metadata is broken.
        status: Whether it is used.
        reason: Why it is not, in one line; empty where it is.
        exchanges: What it declared.
        sinks: What it declared.
        hooks: The hooks it implements, full names, in the order of the contract.
        wraps: Those of ``hooks`` that it wraps instead of supplying.
        is_core: It is part of tickwire itself.
        module: The imported plugin; ``None`` where it is not used.
        implementations: Its hook functions.
    """

    name: str
    distribution: str
    version: str
    status: PluginStatus
    reason: str = ""
    exchanges: tuple[ExchangeInfo, ...] = ()
    sinks: tuple[SinkInfo, ...] = ()
    hooks: tuple[str, ...] = ()
    wraps: tuple[str, ...] = ()
    is_core: bool = False
    module: object = attrs.field(default=None, repr=False, eq=False)
    implementations: tuple[Implementation, ...] = attrs.field(default=(), repr=False, eq=False)

    @property
    def is_default(self) -> bool:
        """Whether it takes part in every feed: a part of tickwire that supplies, and does not only wrap."""
        return self.is_core and not (self.hooks and set(self.hooks) == set(self.wraps))

    @property
    def label(self) -> str:
        """Name it as people know it: core's defaults are ``tickwire``."""
        return self.distribution if self.is_default else self.name

    def __str__(self) -> str:
        return f"{self.name!r} ({self.distribution} {self.version})"


@attrs.frozen
class Claim:
    """A loaded plugin's word that it serves an exchange."""

    info: ExchangeInfo
    plugin: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.plugin!r} ({self.distribution} {self.version}, {self.info.tier})"
