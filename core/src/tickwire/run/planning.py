"""What a config amounts to, before it runs: instruments, streams, connections, snapshots, weight, time.

Nothing is subscribed to. A plugin's own requests are asked for and not sent, but for the one that lists instruments.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import attrs

from tickwire.feed.selectors import Selected, select
from tickwire.model.channels import Channel, Subscription
from tickwire.model.errors import TickwireError, UnknownInstrumentError
from tickwire.model.instruments import Instrument, InstrumentStatus
from tickwire.plugin.assembly import Wiring
from tickwire.plugin.info import BookStart
from tickwire.plugin.protocols import Fetch, Request
from tickwire.run.settings import ExchangeConfig

__all__ = ["ConnectionPlan", "FeedPlan", "WeightPlan", "plan_feed"]

# rough: a far exchange's answer, and how many a feed asks for at once
_ROUND_TRIP = 0.25
_AT_ONCE = 4
_DIAL = 1.0


@attrs.frozen
class ConnectionPlan:
    """The connections of one kind of socket.

    Attributes:
        socket: Which.
        streams: Streams over all of them; one may feed two channels.
        connections: How many.
        times: How many carry the same as each, itself included.
        most: What one may carry; ``None``: no limit is known.
    """

    socket: str
    streams: int
    connections: int
    times: int
    most: int | None


@attrs.frozen
class WeightPlan:
    """What the start spends of one budget: ``weight`` of ``budget`` in any ``seconds``; 0 where none is declared."""

    limit: str
    weight: float
    budget: float
    seconds: float


@attrs.frozen
class FeedPlan:
    """What one entry amounts to.

    Attributes:
        feed: Its name.
        exchange: Its exchange.
        plugin: Who serves it.
        instruments: How many are selected.
        listed: How many there are.
        symbols: The selected ones.
        connections: By socket.
        snapshots: Books that begin with a snapshot over REST.
        weights: By budget.
        seconds: Until everything flows, roughly.
        notes: What may not be as meant.
    """

    feed: str
    exchange: str
    plugin: str
    instruments: int
    listed: int
    symbols: Sequence[str]
    connections: Sequence[ConnectionPlan]
    snapshots: int
    weights: Sequence[WeightPlan]
    seconds: float
    notes: Sequence[str]

    @property
    def streams(self) -> int:
        """Streams in all."""
        return sum(one.streams for one in self.connections)


def plan_feed(
    entry: ExchangeConfig, wiring: Wiring, instruments: Mapping[str, Instrument], former: Mapping[str, Instrument]
) -> FeedPlan:
    """Find out what an entry amounts to.

    Args:
        entry: What the config says.
        wiring: What its plugins supplied.
        instruments: What is listed, by symbol.
        former: What was listed once.

    Raises:
        UnknownInstrumentError: A symbol was never listed; its path is that in the entry.
    """
    closed = [symbol for symbol, one in instruments.items() if one.status is InstrumentStatus.CLOSED]
    selected = select(entry.symbols, instruments, closed)
    notes = _notes(entry, selected, instruments, former)
    subscriptions = [
        Subscription(request.channel, instruments[symbol], request.depth, request.interval)
        for symbol in selected.symbols
        for request in entry.channels
    ]
    connections = _connections(wiring, subscriptions, entry.connections)
    books = [one for one in subscriptions if one.channel is Channel.L2_BOOK]
    is_rest = wiring.info.book is not None and wiring.info.book.start is BookStart.REST
    snapshots = books if is_rest else []
    weights = _weights(wiring, snapshots)
    seconds = _seconds(wiring, connections, len(snapshots), weights) if subscriptions else 0.0
    return FeedPlan(
        entry.name,
        entry.exchange,
        wiring.plugin,
        len(selected.symbols),
        len(instruments),
        selected.symbols,
        connections,
        len(snapshots),
        weights,
        seconds,
        notes,
    )


def _notes(
    entry: ExchangeConfig,
    selected: Selected,
    instruments: Mapping[str, Instrument],
    former: Mapping[str, Instrument],
) -> list[str]:
    notes = []
    for number in selected.idle:
        selector = entry.symbols[number]
        does = "excludes nothing the others match" if selector.startswith("!") else "matches nothing"
        notes.append(f"{entry.path}.symbols[{number}] {selector!r} {does}")
    for number in selected.unlisted:
        symbol = entry.symbols[number]
        if symbol in former:
            notes.append(f"{entry.path}.symbols[{number}] {symbol!r} is listed no longer")
        elif entry.on_unknown_symbol == "warn":
            notes.append(f"{entry.path}.symbols[{number}] {symbol!r} is not listed")
        else:
            raise UnknownInstrumentError(
                f"{symbol!r} is not listed on {entry.exchange} ({len(instruments)} instruments)",
                hint=f"tickwire symbols {entry.exchange} lists them",
                path=f"symbols[{number}]",
            )
    if not selected.symbols:
        notes.append(f"{entry.path} selects no instrument at all")
    return notes


def _connections(wiring: Wiring, subscriptions: Sequence[Subscription], times: int) -> list[ConnectionPlan]:
    counts: dict[str, int] = defaultdict(int)
    channels = wiring.info.channels
    streams = {
        (one.symbol, channels[one.channel].shares or one.channel, one.depth, one.interval): one for one in subscriptions
    }
    for subscription in streams.values():
        counts[wiring.routing.endpoint(subscription)] += 1
    plans = []
    for socket, count in counts.items():
        declared = wiring.info.sockets.get(socket)
        most = declared.max_streams if declared is not None else None
        plans.append(ConnectionPlan(socket, count, math.ceil(count / most) if most else 1, times, most))
    return plans


def _weights(wiring: Wiring, snapshots: Sequence[Subscription]) -> list[WeightPlan]:
    spent: Counter[str] = Counter()
    asked: list[Request] = [one for one in (_first(wiring.symbols.load()),) if one is not None]
    asked += [one for one in (_first(wiring.routing.snapshot(each)) for each in snapshots) if one is not None]
    for request in asked:
        spent[request.limit] += request.weight  # type: ignore[assignment]
    plans = []
    for name, weight in spent.items():
        limit = wiring.info.limits.get(name)
        budget, seconds = (limit.weight, limit.seconds) if limit is not None else (0.0, 0.0)
        plans.append(WeightPlan(name, float(weight), budget, seconds))
    return plans


def _first(conversation: Fetch[object]) -> Request | None:
    try:
        return next(conversation)
    except (StopIteration, TickwireError):
        return None
    finally:
        conversation.close()


def _seconds(
    wiring: Wiring, connections: Sequence[ConnectionPlan], snapshots: int, weights: Sequence[WeightPlan]
) -> float:
    asking = 0.0
    for plan in connections:
        declared = wiring.info.sockets.get(plan.socket)
        if declared is not None and declared.frames_per_second:
            frames = math.ceil(min(plan.streams, plan.most or plan.streams) / declared.batch)
            asking = max(asking, (frames - 1) / declared.frames_per_second)
    # what is above a budget waits for whole windows to pass
    waiting = max((math.ceil(one.weight / one.budget - 1) * one.seconds for one in weights if one.budget), default=0.0)
    return _ROUND_TRIP + _DIAL + asking + max(math.ceil(snapshots / _AT_ONCE) * _ROUND_TRIP, waiting)
