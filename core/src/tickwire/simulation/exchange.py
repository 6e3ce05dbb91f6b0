"""The simulated exchange without its network: lines, REST answers and upgrades, and the faults that spoil them.

``SimServer`` puts it on sockets, ``MemoryExchange`` into a transport: what a client sees is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final

import attrs

from tickwire.model.errors import UnknownNativeError
from tickwire.plugin.protocols import Request
from tickwire.simulation.abilities import Abilities
from tickwire.simulation.board import Board, encode
from tickwire.simulation.faults import Fault, FaultKind, Faults
from tickwire.simulation.line import Line, Wire
from tickwire.simulation.market import SeededMarket
from tickwire.simulation.records import Dress, SimReply
from tickwire.simulation.stale import PastBooks, StaleMarket, names
from tickwire.simulation.wrong_clock import WrongClock

__all__ = ["Answer", "SimExchange"]

_REFUSALS: Final = (
    FaultKind.STATUS_429, FaultKind.STATUS_418, FaultKind.STATUS_451, FaultKind.STATUS_403, FaultKind.STATUS_5XX,
    FaultKind.EMPTY_ANSWER, FaultKind.HTML_ANSWER,
)  # fmt: skip
_PAGE: Final = "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>"


@attrs.frozen
class Answer:
    """An HTTP answer as it goes out.

    Attributes:
        status: The HTTP status.
        content_type: What the body is, with its character set.
        headers: Beside those that every answer has.
        body: All of it.
        delay: Seconds until it is sent.
        is_cut: Half of the body is sent, then the connection ends.
    """

    status: int
    content_type: str
    headers: Mapping[str, str]
    body: bytes
    delay: float = 0
    is_cut: bool = False


class SimExchange:
    """A market in a dress, and what goes wrong with it.

    Args:
        dress: The wire format.
        market: What is traded.
        faults: What goes wrong; ``None``: nothing ever does.

    Attributes:
        market: What is traded.
        board: Who receives what.
        faults: What goes wrong.
    """

    def __init__(self, dress: Dress, market: SeededMarket, faults: Faults | None) -> None:
        self.market = market
        self.faults = faults or Faults()
        self.board = Board(dress, market, self.faults)
        self._dress = dress
        self._lines: dict[Line, None] = {}
        self._welcome = Abilities.of(dress).welcome
        if hasattr(dress, "market") and not callable(dress.market):  # a dress may have a method of that name
            dress.market = market
        # remembering costs memory and time: only where somebody may ask for it
        self._past = None if faults is None else PastBooks(market, self.faults)
        if faults is not None:
            faults.attach(market.clock, lambda: self._lines)
            if clock := Abilities.of(dress).clock:
                dress.clock = WrongClock(clock, faults)  # type: ignore[attr-defined]  # an ability

    @property
    def date(self) -> str:
        """The header ``Date`` as the exchange's clock shows it."""
        seconds = (self.market.now() + self.faults.skew) // 1_000_000_000
        return format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True)

    def upgrade(self) -> Answer | None:
        """Refuse the next connection; ``None``: it is welcome."""
        taken = self.faults.take((FaultKind.UPGRADE_REFUSED,))
        return None if taken is None else _refusal(taken.fault)

    def connected(self, wire: Wire) -> Line:
        """Take up a connection; ``left`` is to be called once it has ended."""
        line = Line(self._dress, self.board, self.faults, wire)
        self._lines[line] = None
        if silent := self.faults.take((FaultKind.SILENT,)):
            line.mute(silent)
        if closing := self.faults.take((FaultKind.CLOSE_ON_OPEN,)):
            line.close(closing.fault)
        if self._welcome is not None:
            line.send(self._welcome())
        return line

    def left(self, line: Line) -> None:
        """Forget a connection that has ended."""
        if line in self._lines:
            del self._lines[line]
            line.gone()

    def answer(self, request: Request) -> Answer:
        """Answer an HTTP request as the dress does, or as faults have it."""

        def concerns(fault: Fault) -> bool:
            return fault.path in request.path and (fault.native is None or names(request, fault.native))

        refusal = self.faults.take(_REFUSALS, concerns)
        answer = _refusal(refusal.fault) if refusal is not None else self._dressed(request)
        if slow := self.faults.take((FaultKind.SLOW_ANSWER,), concerns):
            answer = attrs.evolve(answer, delay=slow.fault.seconds)
        if self.faults.take((FaultKind.CUT_ANSWER,), concerns):
            answer = attrs.evolve(answer, is_cut=True)
        return answer

    def _dressed(self, request: Request) -> Answer:
        market = self.market if self._past is None else StaleMarket(self.market, self._past, self.faults, request)
        try:
            answer = self._dress.rest(request, market)
        except UnknownNativeError as error:
            answer = SimReply(404, {"message": error.message})
        return _written(answer if isinstance(answer, SimReply) else SimReply(200, answer))


def _refusal(fault: Fault) -> Answer:
    if fault.kind is FaultKind.EMPTY_ANSWER:
        return _written(SimReply(200, "", "application/json"))
    if fault.kind is FaultKind.HTML_ANSWER:
        return _written(SimReply(200, _PAGE, "text/html"))
    headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:.0f}"}
    return attrs.evolve(_written(SimReply(fault.status, f"simulated {fault.kind}")), headers=headers)


def _written(reply: SimReply) -> Answer:
    if reply.content_type is not None:
        kind = reply.content_type
    elif isinstance(reply.body, bytes):
        kind = "application/octet-stream"
    else:
        kind = "text/plain" if isinstance(reply.body, str) else "application/json"
    charset = "" if isinstance(reply.body, bytes) else "; charset=utf-8"
    return Answer(reply.status, f"{kind}{charset}", {}, encode(reply.body))
