"""Random faults, one after the other: for a soak, or to watch a client suffer."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from itertools import count
from random import Random
from typing import Final

from tickwire.model.clock import Clock
from tickwire.model.errors import ConfigError
from tickwire.simulation.faults import Fault, FaultKind, Faults, Site

__all__ = ["fault_kinds", "random_fault", "storm"]

# what waits for a frame, a request or a dial that never comes must not pile up
_WAITS: Final = 30.0


def fault_kinds(text: str) -> tuple[FaultKind, ...]:
    """Read ``drop,half-open``; ``all`` is every kind.

    Raises:
        ConfigError: There is no such kind; the near ones are named.
    """
    found: dict[FaultKind, None] = {}
    for name in filter(None, (part.strip().lower().replace("-", "_") for part in text.split(","))):
        if name != "all" and name not in set(FaultKind):
            near = get_close_matches(name, list(FaultKind))
            meant = f"did you mean {' or '.join(near)}?" if near else f"all, or one or more of {', '.join(FaultKind)}"
            raise ConfigError(f"there is no kind of fault {name!r}", hint=meant)
        found |= dict.fromkeys(FaultKind if name == "all" else (FaultKind(name),))
    if not found:
        raise ConfigError("no kind of fault is named", hint=f"all, or one or more of {', '.join(FaultKind)}")
    return tuple(found)


def random_fault(kind: FaultKind, random: Random) -> Fault:
    """Make up a fault of a kind, of a size that a client can survive; the same ``random`` gives the same."""
    count: int | None = random.randint(1, 5)
    if kind is FaultKind.REORDER:
        count = random.randint(2, 8)
    elif kind is FaultKind.HUGE or kind.site is Site.DIAL:
        count = 1
    elif kind is FaultKind.CLOCK_SKEW or kind is FaultKind.STALL or kind.site is Site.CONNECTION:
        count = None
    seconds = random.uniform(-30, 30) if kind is FaultKind.CLOCK_SKEW else random.uniform(0.5, 10)
    return Fault(
        kind,
        count=count,
        seconds=round(seconds, 3),
        # those last until the client has had enough of a connection
        lasts=None if kind in (FaultKind.SILENT, FaultKind.HALF_OPEN) else _WAITS,
        status=random.choice((500, 502, 503, 504, 520)) if kind is FaultKind.STATUS_5XX else Fault(kind).status,
        retry_after=random.choice((None, 1.0, 3.0)),
        code=random.choice((1000, 1001, 1008, 1011, 1012, 1013)),
        behind=random.randint(1, 500),
        number=random.choice(("nan", "inf", "-1")),
    )


async def storm(
    faults: Faults,
    kinds: Sequence[FaultKind],
    *,
    every: float,
    random: Random,
    clock: Clock,
    limit: int | None = None,
) -> None:
    """Inject one random fault after the other.

    Args:
        faults: Those of the exchange.
        kinds: What to choose from.
        every: Seconds from one to the next, on average.
        random: Where the choice comes from.
        clock: What is waited by.
        limit: How many; ``None``: without end.
    """
    for _ in count() if limit is None else range(limit):
        await clock.sleep(every * random.uniform(0.5, 1.5))
        faults.inject(random_fault(random.choice(kinds), random))
