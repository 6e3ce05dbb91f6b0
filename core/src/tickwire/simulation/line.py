"""One client as the exchange sees it: what it asked for, what it is sent, and the faults in between."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from tickwire.model.channels import Channel
from tickwire.model.errors import UnknownNativeError
from tickwire.simulation import damage
from tickwire.simulation.board import Board, encode
from tickwire.simulation.faults import Fault, FaultKind, Faults, Injected
from tickwire.simulation.records import Dress

__all__ = ["Line", "Wire"]


class Wire(Protocol):
    """What carries a line's frames: a socket, or a queue in memory."""

    def put(self, payload: bytes) -> None:
        """Queue a frame for the client."""
        ...

    def hang_up(self, code: int, reason: str) -> None:
        """Close in order: a close frame follows what is queued, and nothing follows it."""
        ...

    def abort(self) -> None:
        """Reset: the client sees no close frame, and what is queued is lost."""
        ...

    def die(self) -> None:
        """Stay open, lose what is queued, send and read nothing any more."""
        ...


class Line:
    """A ``SimClient``.

    Args:
        dress: The wire format.
        board: Who receives what.
        faults: What goes wrong.
        wire: What carries the frames.
    """

    def __init__(self, dress: Dress, board: Board, faults: Faults, wire: Wire) -> None:
        self._dress = dress
        self._board = board
        self._faults = faults
        self._wire = wire
        self._put = wire.put
        self._topics: dict[str, tuple[Channel, str]] = {}
        self._behind_answer: list[tuple[bytes, Channel, str]] = []
        # while one frame is being understood: its answers, which a fault may swallow
        self._answers: list[bytes] | None = None
        self._joins = self._ignored = 0
        self._is_mute = False

    # what the dress calls
    def send(self, message: object) -> None:
        """Queue an answer."""
        payload = encode(message)
        if self._answers is None:
            self.push(payload, None, None)
        else:
            self._answers.append(payload)

    def join(
        self,
        topic: str,
        channel: Channel,
        native: str,
        interval: float = 0,
        bucket: str = "",
        *,
        depth: int = 0,
        snapshot: bool = True,
    ) -> bool:
        """Receive a topic; the whole book, where it is due, waits until the frame is answered."""
        if self._faults.take((FaultKind.SUBSCRIPTION_IGNORED,), lambda fault: fault.concerns(channel, native)):
            self._ignored += 1
            return True
        try:
            first = self._board.join(self, topic, channel, native, interval, bucket, depth)
        except UnknownNativeError:
            return False
        self._joins += 1
        self._topics[topic] = channel, native
        if first is not None and snapshot:
            self._behind_answer.append((first, channel, native))
        return True

    def leave(self, topic: str) -> None:
        """Receive a topic no more."""
        self._topics.pop(topic, None)
        self._board.leave(self, topic)

    # what the exchange calls
    def received(self, payload: bytes) -> None:
        """Let the dress understand one frame, answer it, and send what belongs behind the answer."""
        if self._is_mute:
            return
        self._answers, self._joins, self._ignored = [], 0, 0
        try:
            self._dress.received(payload, self)
        finally:
            answers, self._answers = self._answers, None
            behind, self._behind_answer = self._behind_answer, []
        if self._joins and (closing := self._faults.take((FaultKind.CLOSE_AFTER_SUBSCRIBE,), self.carries)):
            self.close(closing.fault)
            return
        for answer in () if self._ignored else answers:
            self.push(answer, None, None)
        for first, channel, native in behind:
            self.push(first, channel, native)

    def push(self, payload: bytes, channel: Channel | None, native: str | None) -> None:
        """Queue a frame, spoilt by the faults that are under way; an answer has neither channel nor symbol."""
        if self._is_mute:
            return
        if not self._faults.frames:
            self._put(payload)
            return
        found = [payload]
        for injected in self._faults.frames:
            if injected.fault.concerns(channel, native) and not injected.is_over:
                found = [part for whole in found for part in self._spoilt(injected, whole, channel, native)]
        for part in found:
            self._put(part)

    def carries(self, fault: Fault) -> bool:
        """Tell whether it has a topic that the fault concerns; a fault that is not particular concerns any line."""
        if fault.channel is None and fault.native is None:
            return True
        return any(fault.concerns(channel, native) for channel, native in self._topics.values())

    def suffer(self, injected: Injected) -> None:
        """Let a fault of connections fall upon it; one that is over leaves it reset."""
        kind = injected.fault.kind
        if injected.is_over or kind is FaultKind.CLOSE_ABRUPT:
            self._wire.abort()
        elif kind is FaultKind.HALF_OPEN:
            self.mute(injected)
            self._wire.die()
        else:
            self.close(injected.fault)

    def mute(self, injected: Injected) -> None:
        """Neither understand nor send anything any more."""
        injected.strike(self)
        self._is_mute = True

    def close(self, fault: Fault) -> None:
        """Close as the fault says."""
        self._is_mute = True
        self._wire.hang_up(fault.code, "")

    def gone(self) -> None:
        """Be forgotten, once the connection has ended."""
        self._is_mute = True
        self._board.forget(self)
        self._faults.gone(self)

    def _spoilt(
        self, injected: Injected, payload: bytes, channel: Channel | None, native: str | None
    ) -> Sequence[bytes]:
        fault, faults = injected.fault, self._faults
        if fault.kind is FaultKind.STALL:
            injected.hold(self, payload, channel, native)
            faults.touch(injected)
            return ()
        # the others spoil what topics bring; an answer is no data
        if channel is None or injected.is_spent or (fault.kind in _OF_JSON and not damage.is_json(payload)):
            return (payload,)
        if fault.kind is FaultKind.REORDER:
            if injected.is_of_another(self):
                return (payload,)
            injected.hold(self, payload, channel, native)
            faults.touch(injected)
            return ()
        spoilt = _SPOILT[fault.kind](payload, fault, faults)
        faults.touch(injected)
        return spoilt


_OF_JSON: Final = (FaultKind.UNKNOWN_FIELD, FaultKind.UNKNOWN_KIND, FaultKind.CORRUPT_NUMBER)
_SPOILT: Final[Mapping[FaultKind, Callable[[bytes, Fault, Faults], Sequence[bytes]]]] = {
    FaultKind.DROP: lambda payload, fault, faults: (),
    FaultKind.DUPLICATE: lambda payload, fault, faults: (payload, payload),
    FaultKind.GARBAGE: lambda payload, fault, faults: (damage.garbage(faults.random), payload),
    FaultKind.TRUNCATED: lambda payload, fault, faults: (damage.truncated(payload),),
    FaultKind.HUGE: lambda payload, fault, faults: (damage.huge(payload),),
    FaultKind.UNKNOWN_FIELD: lambda payload, fault, faults: (damage.with_unknown_fields(payload),),
    FaultKind.UNKNOWN_KIND: lambda payload, fault, faults: (damage.unheard_of(payload), payload),
    FaultKind.CORRUPT_NUMBER: lambda payload, fault, faults: (damage.corrupt_numbers(payload, fault.number),),
}
