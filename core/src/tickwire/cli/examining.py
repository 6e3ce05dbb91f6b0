"""Runs raw frames through a plugin and says of each what came of it, what nobody read, and what looks wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any

import attrs
import msgspec

from tickwire.cli.captures import Frames
from tickwire.cli.units import refused_for_its_unit, size_doubts, time_doubts, usual_numbers
from tickwire.model.clock import ManualClock, Nanos
from tickwire.model.errors import TickwireError
from tickwire.model.instruments import Instrument
from tickwire.model.quality import Event
from tickwire.native.drift import unknown_fields
from tickwire.plugin.protocols import ConnectionInfo, Control, Frame, Located, Router, Unknown
from tickwire.plugin.registry import Registry
from tickwire.plugin.selection import Selection
from tickwire.run.feed import Feed
from tickwire.testing.conversation import hold

__all__ = ["Outcome", "Reader"]


@attrs.frozen
class Outcome:
    """What came of one frame.

    Attributes:
        number: Of the frame in its file, from 1.
        items: Events and controls.
        error: Why it could not be read; empty: it was.
        new_fields: Paths of fields that no type reads.
        unread: Those that the router leaves out on purpose.
        doubts: What may be in another unit.
    """

    number: int
    items: Sequence[Event | Control] = ()
    error: str = ""
    new_fields: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def unknown(self) -> list[str]:
        """Kinds that the router does not know."""
        return [item.kind for item in self.items if isinstance(item, Unknown)]


class Reader:
    """One plugin, assembled as a feed does it, without credentials.

    Attributes:
        notes: What went wrong while instruments were loaded.
    """

    def __init__(self, registry: Registry, selection: Selection) -> None:
        claim = selection.claim
        feed: Feed[Any] = Feed(claim.info.id, (), (), registry=registry, plugin=claim.plugin, clock=ManualClock())
        self._wiring = feed.wiring
        self.notes: list[str] = []

    def load(self, frames: Frames) -> int:
        """Load every instrument that frames may name, recorded ones first; give how many."""
        if frames.strange:
            self.notes.append(f"{frames.strange} lines have no known form and are left out")
        found: dict[str, Instrument] = {}
        for one in [*self._recorded(frames), *self._dressed()]:
            found.setdefault(one.native_key or one.native, one)
        unique = {one.symbol: one for one in reversed(found.values())}
        self._wiring.instruments.replace(unique.values())
        return len(unique)

    def read(self, frames: Frames) -> list[Outcome]:
        """Read the frames of a file in order, as one connection's."""
        info = self._wiring.info
        socket = "public" if "public" in info.sockets else next(iter(info.sockets))
        url = info.sockets[socket].url
        router = self._wiring.routing.router(ConnectionInfo("check", socket, Located(url)))
        plain = [self._one(router, number, *frame) for number, frame in enumerate(frames.frames, 1)]
        return list(self._doubted(plain, frames))

    def _one(self, router: Router[Any], number: int, received: Nanos, payload: bytes) -> Outcome:
        try:
            items = list(router.route(Frame(payload, received)))
        except Exception as error:  # one frame: whatever it is, the others are examined
            kind, unit = type(error).__name__, refused_for_its_unit(str(error))
            return Outcome(number, error=f"{kind}: {error}", doubts=(unit,) if unit else ())
        # what is of an unknown kind has no type to compare with
        has_unknown = any(isinstance(item, Unknown) for item in items)
        fields = [] if has_unknown else sorted(set(_fields_without_reader(router, payload)))
        on_purpose = frozenset(getattr(router, "unread", ()))
        return Outcome(
            number,
            items,
            new_fields=tuple(name for name in fields if name not in on_purpose),
            unread=tuple(name for name in fields if name in on_purpose),
        )

    def _doubted(self, outcomes: Sequence[Outcome], frames: Frames) -> Iterator[Outcome]:
        usual = usual_numbers(item for one in outcomes for item in one.items)
        symbols = self._wiring.instruments.symbols
        for one, (received, _) in zip(outcomes, frames.frames, strict=True):
            doubts = list(one.doubts)
            for item in one.items:
                if not isinstance(item, Control):
                    name, instrument = type(item).__name__, symbols.get(str(getattr(item, "symbol", "")))
                    found = [
                        *time_doubts(item, received if frames.is_timed else None),
                        *size_doubts(item, instrument, usual),
                    ]
                    doubts += [f"{name}: {doubt}" for doubt in found]
            yield attrs.evolve(one, doubts=tuple(doubts))

    def _recorded(self, frames: Frames) -> Iterable[Instrument]:
        if not frames.has_answers:
            return ()
        try:
            return hold(self._wiring.symbols.load(), frames.answer)
        except TickwireError as error:
            self.notes.append(f"the recorded list of instruments cannot be read: {error}")
            return ()

    def _dressed(self) -> Iterable[Instrument]:
        if self._wiring.info.simulator is None:
            return ()
        from tickwire.testing.speaking import SpeakingExchange

        module, _, name = self._wiring.info.simulator.partition(":")
        try:
            exchange = SpeakingExchange(getattr(import_module(module), name))
            return hold(self._wiring.symbols.load(), exchange.fetch)
        except (TickwireError, ImportError, AttributeError) as error:
            self.notes.append(f"the simulator's list of instruments cannot be read: {error}")
            return ()


def _fields_without_reader(router: object, payload: bytes) -> Iterator[str]:
    marked = [decoder for mark, decoder in getattr(router, "untagged", {}).items() if mark in payload]
    for decoder in (*marked, getattr(router, "decoder", None), getattr(router, "answers", None)):
        if isinstance(decoder, msgspec.json.Decoder):
            try:
                decoder.decode(payload)
                loose = msgspec.json.decode(payload)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                continue
            yield from unknown_fields(decoder.type, loose)
            return
