"""What the environment says about plugins: which to load, which not, and how loudly to fail."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from tickwire.model.errors import ConfigError

__all__ = ["PluginEnvironment"]

_LOAD, _BLOCK = "TICKWIRE_LOAD_PLUGINS", "TICKWIRE_BLOCK_PLUGINS"
_TRACE, _STRICT = "TICKWIRE_TRACE", "TICKWIRE_STRICT"
_WORDS = {"1": True, "true": True, "yes": True, "on": True, "": False, "0": False, "false": False, "no": False}


@attrs.frozen
class PluginEnvironment:
    """The four variables.

    Attributes:
        load: Only these plugins, and core's own; ``None``: all.
        block: Never these, core's own included.
        is_traced: Show tracebacks and hook calls.
        is_strict: A plugin that cannot be used is an error.
    """

    load: frozenset[str] | None = None
    block: frozenset[str] = frozenset()
    is_traced: bool = False
    is_strict: bool = False

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> PluginEnvironment:
        """Read the variables.

        Raises:
            ConfigError: A switch is neither on nor off.
        """
        only = environ.get(_LOAD, "")
        return cls(
            load=_names(only) if only.strip() else None,
            block=_names(environ.get(_BLOCK, "")),
            is_traced=_switch(environ, _TRACE),
            is_strict=_switch(environ, _STRICT),
        )

    @property
    def named(self) -> frozenset[str]:
        """Every plugin that the variables name."""
        return self.block | (self.load or frozenset())

    def refusal(self, name: str, *, is_core: bool) -> str:
        """Say why a plugin is not to be loaded; empty where it is."""
        if name in self.block:
            return f"{_BLOCK} names it"
        if self.load is not None and name not in self.load and not is_core:
            return f"{_LOAD} does not name it"
        return ""


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip() for name in text.split(",") if name.strip())


def _switch(environ: Mapping[str, str], name: str) -> bool:
    text = environ.get(name, "")
    try:
        return _WORDS[text.strip().lower()]
    except KeyError:
        raise ConfigError(f"the environment variable {name} is {text!r}", hint="set it to 1 or 0") from None
