"""pyarrow, imported when it is first needed, with an error that says how to get it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tickwire.model.errors import ConfigError

__all__ = ["arrow", "compute", "parquet", "warm_up"]


def arrow() -> Any:
    """Give the module ``pyarrow``.

    Raises:
        ConfigError: It is not installed.
    """
    return _imported("pyarrow")


def compute() -> Any:
    """Give the module ``pyarrow.compute``; raises as ``arrow`` does."""
    return _imported("pyarrow.compute")


def parquet() -> Any:
    """Give the module ``pyarrow.parquet``; raises as ``arrow`` does."""
    return _imported("pyarrow.parquet")


def warm_up() -> None:
    """Let pyarrow import what it imports at its first array: pandas, where that is installed, takes a second."""
    arrow().array([0.0])


def _imported(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"Parquet files need pyarrow, which cannot be imported: {error}", hint="pip install 'tickwire[parquet]'"
        ) from error
