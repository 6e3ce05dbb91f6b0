"""Heavy imports keep neither the event loop nor the end of a process waiting."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from tickwire_ccxt_generic.loading import unhurried

LEFT = """
import asyncio, threading
from tickwire_ccxt_generic.loading import unhurried

async def main() -> None:
    waiting = asyncio.create_task(unhurried(threading.Event().wait))
    await asyncio.sleep(0)
    waiting.cancel()

asyncio.run(main())
print("ended")
"""


def test_what_it_gives_or_raises_is_the_caller_s() -> None:
    async def main() -> None:
        assert await unhurried(lambda: 7) == 7
        with pytest.raises(ZeroDivisionError):
            await unhurried(lambda: 1 // 0)

    asyncio.run(main())


def test_a_process_ends_while_one_is_under_way() -> None:
    done = subprocess.run([sys.executable, "-c", LEFT], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ended\n", "")
