"""Imports of heavy libraries, beside the event loop in a daemon thread: a process that ends does not wait for them.

``ccxt`` takes half a second and 100 MB, and many seconds where no bytecode is kept or the machine is busy.
asyncio's own pool is waited for at exit.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import cache
from importlib import import_module
from typing import Any, TypeVar

__all__ = ["library", "unhurried"]

T = TypeVar("T")


@cache
def library(name: str) -> Any:
    """Import a module; blocks for as long as that takes."""
    return import_module(name)


async def unhurried(function: Callable[[], T]) -> T:
    """Call a function that may import; cancelling gives up waiting, not the call.

    Raises:
        Exception: Whatever the function raised.
    """
    return await asyncio.get_running_loop().run_in_executor(_DAEMONS, function)


class _Daemons(Executor):
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # handed to the caller, whatever it is
                future.set_exception(error)
            else:
                future.set_result(result)

        threading.Thread(target=work, name="tickwire-ccxt-import", daemon=True).start()
        return future


_DAEMONS = _Daemons()
