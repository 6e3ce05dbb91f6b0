"""``tickwire schema``: the JSON Schema of the config file."""

from __future__ import annotations

__all__ = ["schema"]


def schema() -> None:
    """Print the JSON Schema of the config file, for editors. The settings of the installed sinks are in it.

    Example: tickwire schema > tickwire.schema.json
    """
    from tickwire.cli.layout import print_json
    from tickwire.plugin.registry import Registry
    from tickwire.run.schema import config_schema

    print_json(config_schema(Registry.discover().sinks.values()))
