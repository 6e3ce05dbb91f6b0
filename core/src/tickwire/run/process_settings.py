"""The steps that a sink's events go through, as a config says them: each a mapping of its one name to its settings."""

from __future__ import annotations

from typing import Literal

import attrs

from tickwire.model.errors import ConfigError
from tickwire.run.durations import Duration

__all__ = [
    "BooksStep", "CallStep", "CandlesStep", "ConflateStep", "NbboStep", "ProcessStep", "ThrottleStep", "VwapStep",
]  # fmt: skip

_STALE = Duration(10.0)
_SECOND = Duration(1.0)
ThrottledChannel = Literal[
    "l1_book", "ticker", "candles", "mark_price", "funding", "open_interest", "trades", "liquidations"
]


@attrs.frozen
class CandlesStep:
    """Make candles of the trades.

    Attributes:
        interval: Length of one.
        late: What becomes of a trade for a closed candle; `amend` gives the candle once more.
        grace: How much later than its end a trade must be to close a candle; not at all by default.
        updates: Give the open candle too, with each trade.
        empty: Give a candle without prices where nothing was traded.
    """

    interval: Duration
    late: Literal["amend", "drop", "ignore"] = "amend"
    grace: Duration | None = None
    updates: bool = False
    empty: bool = False


@attrs.frozen
class ThrottleStep:
    """Let one event of an instrument and channel through in a while, the latest.

    Attributes:
        every: How long a while is.
        channels: Of which channels; those whose events say how things are now by default.
    """

    every: Duration
    channels: tuple[ThrottledChannel, ...] | None = None

    def __attrs_post_init__(self) -> None:
        if self.channels == ():
            raise ConfigError("channels is empty", hint="remove it, or name at least one")


@attrs.frozen
class ConflateStep:
    """Make one delta of those of a book that come in a while.

    Attributes:
        every: How long a while is.
    """

    every: Duration


@attrs.frozen
class BooksStep:
    """Give whole books instead of deltas.

    Attributes:
        every: How often.
        changes: After how many deltas.
        depth: Levels a side; all by default.
        deltas: Let the deltas pass too.
    """

    every: Duration | None = None
    changes: int | None = None
    depth: int | None = None
    deltas: bool = False

    def __attrs_post_init__(self) -> None:
        if self.every is None and self.changes is None:
            raise ConfigError("neither every nor changes says when", hint="write every: 1s or changes: 100")
        for name, value in (("changes", self.changes), ("depth", self.depth)):
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}", hint="write 1 or more")
        if self.deltas and self.depth is not None:
            raise ConfigError(
                "deltas do not follow a snapshot of some levels", hint="remove depth, or deltas", path="deltas"
            )


@attrs.frozen
class NbboStep:
    """Give the best bid and ask over all exchanges.

    Attributes:
        stale: An exchange that said nothing for so long does not count.
        name: The exchange's id in the quotes.
    """

    stale: Duration = _STALE
    name: str = "nbbo"


@attrs.frozen
class VwapStep:
    """Give the volume-weighted average price of a rolling window, as the `last` of a ticker.

    Attributes:
        window: Its length.
        every: Shortest time between two.
    """

    window: Duration
    every: Duration = _SECOND


@attrs.frozen
class CallStep:
    """Call a function of yours with each event.

    Attributes:
        function: `module:function`; answers an event, several, or none.
    """

    function: str

    def __attrs_post_init__(self) -> None:
        module, _, function = self.function.partition(":")
        if not module or not function:
            raise ConfigError(f"function is {self.function!r}", hint="write module:function")


@attrs.frozen
class ProcessStep:
    """One step; one of these.

    Attributes:
        candles: Candles of the trades.
        throttle: One event in a while.
        conflate: One delta of a book in a while.
        books: Whole books instead of deltas.
        nbbo: The best over all exchanges.
        vwap: The average price of a rolling window.
        call: A function of yours.
    """

    candles: CandlesStep | None = None
    throttle: ThrottleStep | None = None
    conflate: ConflateStep | None = None
    books: BooksStep | None = None
    nbbo: NbboStep | None = None
    vwap: VwapStep | None = None
    call: CallStep | None = None

    def __attrs_post_init__(self) -> None:
        named = [name for name, value in attrs.asdict(self, recurse=False).items() if value is not None]
        if len(named) != 1:
            what = f"names {' and '.join(named)}" if named else "names nothing"
            raise ConfigError(f"a step {what}", hint="one step a line: - candles: {interval: 1m}")

    @property
    def kind(self) -> str:
        """What it is called in a config."""
        return next(name for name, value in attrs.asdict(self, recurse=False).items() if value is not None)

    @property
    def named(self) -> object:
        """Its settings."""
        found: object = getattr(self, self.kind)
        return found
