"""What a capture holds, entry by entry, and its bytes: MessagePack arrays whose first item is the kind.

Two families. *Notes* say what the feeds did or were told at the start; *arrivals* are what came from outside (frames,
answers, endings, passed time), each with the number of turns of the event loop since the delivery before it, so that a
replay lets the same tasks run in between. Numbers name operations: what was asked, dialled, slept, in the order asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import msgspec

from tickwire.model.clock import Nanos

__all__ = [
    "FORMAT", "Answered", "Asked", "Arrival", "Dialed", "Dialing", "Done", "Ended", "Entry", "Failure", "FeedBegun",
    "Framed", "Known", "Lost", "Marked", "Note", "RunBegun", "Sent", "Stopped", "decode_entries", "encode_entry",
]  # fmt: skip

FORMAT = 1
"""Version of the entries; goes up when one changes its meaning."""


class Failure(msgspec.Struct, frozen=True, array_like=True):
    """An error that came instead of a result.

    Attributes:
        kind: Its class in tickwire's tree; ``ConnectionLostError`` for any other.
        message: In words, secrets masked.
        facts: Its attributes, e.g. ``retry_after``.
    """

    kind: str
    message: str
    facts: dict[str, Any] = msgspec.field(default_factory=dict)


class Note(msgspec.Struct, frozen=True, array_like=True):
    """What was done, or known at the start; a replay only compares it."""

    ts: Nanos


class RunBegun(Note, frozen=True, tag=1):
    """Stands first in every file.

    Attributes:
        ts: Wall clock, ns.
        mono: Monotonic clock, ns.
        format: Of the entries.
        version: Of tickwire.
        run_id: The run's ULID.
        file: Number of the file in the run, from 0.
        is_exact: The feeds lived by the recorder's clock, so that a replay can follow turn by turn.
        config: What was run, secrets masked; ``None``: the recorder was not told.
    """

    mono: int
    format: int
    version: str
    run_id: str
    file: int
    is_exact: bool
    config: dict[str, Any] | None


class FeedBegun(Note, frozen=True, tag=2):
    """A feed's transport was made."""

    feed: str
    exchange: str
    rest: list[str]
    websocket: dict[str, list[str]]


class Marked(Note, frozen=True, tag=3):
    """How far the run before came, as the feed was told: ``trade`` is its JSON."""

    feed: str
    symbol: str
    channel: str
    ts_until: Nanos | None
    trade: bytes | None


class Known(Note, frozen=True, tag=4):
    """An instrument of an earlier list, as the feed was told; ``None``: it was never listed."""

    feed: str
    symbol: str
    instrument: dict[str, Any] | None


class Asked(Note, frozen=True, tag=5):
    """A request left. Of a signed one only method and path are kept."""

    feed: str
    number: int
    method: str
    path: str
    params: dict[str, Any]
    body: bytes | None
    headers: dict[str, str]
    base_url: str | None
    is_signed: bool


class Dialing(Note, frozen=True, tag=6):
    """A connection is being opened; from here on its name is ``number``."""

    feed: str
    number: int
    url: str


class Sent(Note, frozen=True, tag=7):
    """A frame was sent."""

    feed: str
    connection: int
    payload: Any


class Lost(Note, frozen=True, tag=8):
    """That many entries are missing here: the disk was too slow or full, or they could not be written down."""

    entries: int
    reason: str


class Arrival(msgspec.Struct, frozen=True, array_like=True):
    """What came from outside.

    Attributes:
        turns: Of the event loop since the delivery before it; ``SETTLED``: everybody had come to rest.
        ts: Wall clock when it was delivered, ns; what the feeds' clock shows from then on.
        mono: Monotonic clock then, ns.
    """

    turns: int
    ts: Nanos
    mono: int


class Framed(Arrival, frozen=True, tag=20):
    """A frame came; ``ts_recv`` is when its bytes left the socket."""

    feed: str
    connection: int
    ts_recv: Nanos
    payload: Any


class Answered(Arrival, frozen=True, tag=21):
    """A request has its answer, or failed."""

    feed: str
    number: int
    ts_recv: Nanos
    status: int
    headers: dict[str, str]
    body: bytes
    value: Any = None
    failure: Failure | None = None


class Dialed(Arrival, frozen=True, tag=22):
    """A connection is open, or could not be opened; ``can_ping``: it can prove that it is alive."""

    feed: str
    number: int
    can_ping: bool
    failure: Failure | None = None


class Ended(Arrival, frozen=True, tag=23):
    """A connection ended."""

    feed: str
    connection: int
    code: int
    reason: str
    failure: Failure | None = None


class Done(Arrival, frozen=True, tag=24):
    """Something else is over: a wait, a ping, a close. ``value`` is its result."""

    number: int
    value: Any = None
    failure: Failure | None = None


class Stopped(Arrival, frozen=True, tag=25):
    """The run was told to stop."""


Entry: TypeAlias = (
    RunBegun | FeedBegun | Marked | Known | Asked | Dialing | Sent | Lost
    | Framed | Answered | Dialed | Ended | Done | Stopped
)  # fmt: skip

_encode = msgspec.msgpack.Encoder(decimal_format="string").encode
_decode: msgspec.msgpack.Decoder[Entry] | None = None


def encode_entry(entry: Entry) -> bytes:
    """Write one entry: its length in four bytes, big-endian, and its MessagePack.

    Raises:
        TypeError: A payload holds an object that MessagePack has no form for.
    """
    body = _encode(entry)
    return len(body).to_bytes(4, "big") + body


def decode_entries(block: bytes) -> Iterator[Entry]:
    """Read the entries of one block.

    Raises:
        msgspec.DecodeError: They are not entries of this format.
    """
    global _decode  # made at first use: building it costs what an import should not pay
    if _decode is None:
        _decode = msgspec.msgpack.Decoder(Entry)
    decode, start = _decode.decode, 0
    view = memoryview(block)
    while start < len(view):
        end = start + 4 + int.from_bytes(view[start : start + 4], "big")
        yield decode(view[start + 4 : end])
        start = end
