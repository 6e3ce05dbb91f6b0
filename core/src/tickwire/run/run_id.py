"""The name of one run: a ULID, 48 bits of milliseconds and 80 random bits, so that names sort by start."""

from __future__ import annotations

import os
import time

__all__ = ["new_run_id"]

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_run_id(millis: int | None = None, random: bytes | None = None) -> str:
    """Make a ULID, 26 letters; the arguments are for tests."""
    moment = time.time_ns() // 1_000_000 if millis is None else millis
    number = moment << 80 | int.from_bytes(os.urandom(10) if random is None else random, "big")
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))
