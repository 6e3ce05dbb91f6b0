"""Which event loop the commands run on: uvloop where it is installed, else asyncio's own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from importlib.util import find_spec
from typing import Any, TypeVar

__all__ = ["loop_words", "run_loop"]

T = TypeVar("T")


def run_loop(main: Coroutine[Any, Any, T], *, is_plain: bool = False) -> T:
    """Run ``main`` as ``asyncio.run`` does, on the fastest loop there is, or on asyncio's own if ``is_plain``."""
    with asyncio.Runner(loop_factory=None if is_plain else _factory()) as runner:
        return runner.run(main)


def loop_words() -> str:
    """Say which loop that is, and why."""
    if _is_installed():
        return "uvloop"
    why = "not for Windows" if sys.platform == "win32" else "not installed: pip install 'tickwire[speed]'"
    return f"asyncio (uvloop {why})"


def _factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if not _is_installed():
        return None
    import uvloop

    return uvloop.new_event_loop


def _is_installed() -> bool:
    return sys.platform != "win32" and find_spec("uvloop") is not None
