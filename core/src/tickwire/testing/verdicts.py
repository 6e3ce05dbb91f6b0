"""How a check ends: failed with the file to look at, skipped because the exchange cannot, or not yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import pytest

from tickwire import Channel
from tickwire.plugin import ExchangeInfo, Support

__all__ = ["CANNOT", "NOT_YET", "SPOKEN", "Nonconformity", "cannot", "if_claimed", "refuse", "verify"]

CANNOT = "cannot: "
"""Begins the reason of every skip."""
NOT_YET = "not yet: "
"""Begins the reason of every expected failure."""
SPOKEN = "routing.py, or simulator.py if R2 passes"
"""Where to look if what the router reads of the simulator's words is not what happened: one of the two is wrong, and
not the router as far as it gives of recorded frames what was reviewed."""


class Nonconformity(AssertionError):
    """A plugin does not do what the contract says.

    Attributes:
        file: The plugin's file to look at.
    """

    def __init__(self, file: str, what: str, do: str) -> None:
        super().__init__(f"{what}\n    look at  {file}\n    do       {do}")
        self.file = file


def refuse(file: str, what: str, do: str) -> NoReturn:
    """Fail a check.

    Args:
        file: The plugin's file to look at.
        what: What was found.
        do: What to do about it, as an imperative.
    """
    __tracebackhide__ = True
    raise Nonconformity(file, what, do)


def verify(holds: object, file: str, what: str, do: str) -> None:
    """Fail a check unless something holds."""
    __tracebackhide__ = True
    if not holds:
        raise Nonconformity(file, what, do)


def cannot(why: str) -> NoReturn:
    """Skip a check, because the declaration says that there is nothing to check."""
    __tracebackhide__ = True
    pytest.skip(f"{CANNOT}{why}")


@contextmanager
def if_claimed(info: ExchangeInfo, channel: Channel) -> Iterator[None]:
    """Judge what the block does with a channel by what is declared of it.

    ``NO`` and undeclared: skipped. ``NOT_YET``: the block must fail, and then the check is an expected failure.
    """
    __tracebackhide__ = True
    declared = info.channels.get(channel)
    if declared is None or declared.support is Support.NO:
        cannot(f"{info.id} has no {channel}")
    if declared.support is Support.YES:
        yield
        return
    try:
        yield
    except Exception:  # whatever it is: it does not work yet, as declared
        pytest.xfail(f"{NOT_YET}{channel}")
    refuse("info.py", f"{channel} is declared NOT_YET, and it works", "declare Support.YES")
