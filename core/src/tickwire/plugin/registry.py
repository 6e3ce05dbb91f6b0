"""All installed plugins: each loaded in a ``try`` of its own, the broken ones kept with their reason.

Nothing here is global: whoever needs plugins makes a registry and hands it on.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from functools import cached_property

import attrs

from tickwire.model.errors import PluginError, PluginLoadError, PluginVersionError
from tickwire.plugin.environment import PluginEnvironment
from tickwire.plugin.info import SinkInfo
from tickwire.plugin.installed import Installed, installed_plugins
from tickwire.plugin.loading import load_all
from tickwire.plugin.records import Claim, PluginRecord, PluginStatus
from tickwire.plugin.selection import Selection, not_installed, select

__all__ = ["Claim", "PluginRecord", "PluginStatus", "Registry"]

logger = logging.getLogger(__name__)

_TROUBLE = (PluginStatus.FAILED, PluginStatus.INCOMPATIBLE, PluginStatus.DUPLICATE)


@attrs.frozen
class Registry:
    """The plugins of one process, or of one test.

    Attributes:
        records: Every plugin, core's own first, then by name; never in the order of installation.
        is_traced: Show the hook calls of an assembly.
        is_strict: A plugin that cannot be used is an error.
    """

    records: tuple[PluginRecord, ...]
    is_traced: bool = False
    is_strict: bool = False

    @classmethod
    def discover(cls, environ: Mapping[str, str] | None = None, *, check: bool = True) -> Registry:
        """Load everything that is installed.

        Args:
            environ: Where ``TICKWIRE_LOAD_PLUGINS``, ``…_BLOCK_PLUGINS``, ``…_TRACE`` and ``…_STRICT`` stand;
                ``None``: the process's own environment.
            check: Obey ``TICKWIRE_STRICT``; without, ask ``trouble()``.

        Raises:
            PluginError: A plugin cannot be used, and ``TICKWIRE_STRICT=1``.
            ConfigError: One of the variables makes no sense.
        """
        environment = PluginEnvironment.read(os.environ if environ is None else environ)
        registry = cls._load(installed_plugins(), environment)
        trouble = registry.trouble()
        if check and registry.is_strict and trouble is not None:
            raise trouble
        return registry

    @classmethod
    def of(cls, **modules: object) -> Registry:
        """Make a registry for a test: core's own plugins and these modules (or objects with hook methods)."""
        given = [_given(name, module) for name, module in modules.items()]
        core = [plugin for plugin in installed_plugins() if plugin.is_core]
        return cls._load([*core, *given], PluginEnvironment())

    def including(self, **modules: object) -> Registry:
        """Make a registry that has these modules (or objects with hook methods) beside its own plugins.

        A feed uses one of them as an extension by its name, e.g. a transport of a test's own:
        ``Feed("acme", …, registry=Registry.discover().including(memory=way), extensions={"memory": {}})``.
        """
        given = load_all([_given(name, module) for name, module in modules.items()], PluginEnvironment())
        return attrs.evolve(self, records=(*self.records, *given))

    @classmethod
    def _load(cls, installed: Iterable[Installed], environment: PluginEnvironment) -> Registry:
        return cls(load_all(installed, environment), environment.is_traced, environment.is_strict)

    @cached_property
    def claims(self) -> tuple[Claim, ...]:
        """What the loaded plugins serve, by exchange and then by plugin."""
        claims = [
            Claim(info, record.name, record.distribution, record.version)
            for record in self.records
            for info in record.exchanges
        ]
        return tuple(sorted(claims, key=lambda claim: (claim.info.id, claim.plugin)))

    @cached_property
    def sinks(self) -> Mapping[str, SinkInfo]:
        """Every kind of sink, by the word in a config's ``type:``."""
        return {info.type: info for record in self.records for info in record.sinks}

    def record(self, name: str) -> PluginRecord:
        """Give the record of an installed plugin, whatever became of it.

        Raises:
            PluginLoadError: None has that name.
        """
        named = [record for record in self.records if record.name == name]
        if not named:
            raise not_installed(name, [record.name for record in self.records])
        return min(named, key=lambda record: record.status is not PluginStatus.LOADED)

    def loaded(self, name: str) -> PluginRecord:
        """Give the record of a plugin that works.

        Raises:
            PluginError: It is not installed, or not loaded; the message says why.
        """
        record = self.record(name)
        if record.status is PluginStatus.LOADED:
            return record
        raise _unusable([record])

    def module(self, name: str) -> object:
        """Give the imported plugin.

        Raises:
            PluginError: It is not installed, or not loaded; the message says why.
        """
        return self.loaded(name).module

    def select(self, exchange: str, pin: str | None = None) -> Selection:
        """Choose who serves an exchange; see ``selection.select``, whose errors this makes more telling.

        Raises:
            ConfigError: Nobody claims it, or several do and the user has not chosen.
            PluginError: The plugin that is pinned, or named like the exchange, is not installed or not loaded.
        """
        if pin is not None:
            self.loaded(pin)
        namesakes = [record for record in self.records if _is_namesake(record, exchange)]
        is_claimed = any(claim.info.id == exchange for claim in self.claims)
        if namesakes and not is_claimed:
            raise _unusable(namesakes)
        selection = select(exchange, self.claims, pin)
        for record in namesakes if pin is None else ():
            if record.status in _TROUBLE:
                logger.warning("%s serves %s, because %s", selection.claim, exchange, _trouble(record))
        return selection

    def trouble(self) -> PluginError | None:
        """Give the error that the plugins which cannot be used amount to; blocked ones are no trouble."""
        troubled = [record for record in self.records if record.status in _TROUBLE]
        return _unusable(troubled) if troubled else None


def _given(name: str, module: object) -> Installed:
    return Installed(name, f"tickwire-{name}".replace("_", "-"), "0", lambda: module)


# A plugin named like the exchange would probably serve it, if it worked.
def _is_namesake(record: PluginRecord, exchange: str) -> bool:
    names = (record.name, record.distribution.removeprefix("tickwire-").replace("-", "_"))
    return record.status is not PluginStatus.LOADED and exchange in names


def _unusable(records: list[PluginRecord]) -> PluginError:
    message = "; ".join(map(_trouble, records))
    if all(record.status is PluginStatus.BLOCKED for record in records):
        return PluginLoadError(message, hint="change that variable")
    if all(record.status is PluginStatus.INCOMPATIBLE for record in records):
        return PluginVersionError(message, hint="install versions that fit together, or uninstall the plugin")
    return PluginLoadError(message, hint="upgrade, fix or uninstall it; tickwire plugins shows all")


def _trouble(record: PluginRecord) -> str:
    return f"plugin {record} is {record.status}: {record.reason}"
