"""R: recorded frames give the events written down beside them, whatever was said before on other connections."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pytest

from tickwire import EVENTS_OF, Channel, DataError, Event, UnknownNativeError
from tickwire.plugin import Control, Frame, Router, Unknown
from tickwire.testing.checks import check
from tickwire.testing.frames import RECEIVED, FramesFile, events_lines
from tickwire.testing.kit import Conformance, per_channel
from tickwire.testing.mutations import document_of, leaves, objects, replaced, with_member
from tickwire.testing.sanity import insane, market_events
from tickwire.testing.subject import Strategies, Subject
from tickwire.testing.verdicts import if_claimed, refuse, verify

__all__ = ["RoutingChecks", "each_frame", "read"]

_UNHEARD = "tickwire_unheard_of"
_SYMBOL = re.compile(rb'"symbol":"[^"]*"')


class RoutingChecks(Conformance):
    """The checks R1 to R6."""

    @check(
        "R1",
        proves="every claimed channel has a recorded or documented frame that gives its events",
        skip_when="the exchange has no such channel",
        file="frames/",
    )
    @per_channel()
    def test_r1_claimed_channels_have_frames(self, subject: Subject, channel: Channel) -> None:
        with if_claimed(subject.info, channel):
            strategies = subject.reading()
            carriers = {channel, subject.info.channels[channel].shares}
            files = [file for file in subject.files() if file.channel in carriers and file.frames]
            path = subject.frames / f"{channel}.jsonl"
            do = f"add {path}: a header line and a frame as the exchange sends it, or declare NOT_YET"
            verify(files, f"frames/{channel}.jsonl", f"{channel} is claimed, and no frame shows it", do)
            socket = subject.info.channels[channel].socket
            given = {type(event) for file in files for event in market_events(_all(strategies, file, socket))}
            what = f"the frames of {channel} give {_names(given)}, none of {_names(EVENTS_OF[channel])}"
            verify(given & set(EVENTS_OF[channel]), "routing.py", what, "give the channel's own events")

    @check(
        "R2",
        proves="each recorded frame gives exactly the events written down beside it",
    )
    def test_r2_frames_give_their_events(self, subject: Subject, pytestconfig: pytest.Config) -> None:
        strategies = subject.reading()
        for file in subject.files():
            lines = events_lines(_each(strategies, file, subject.socket_of(file)))
            if pytestconfig.getoption("--write-events", False):
                file.events_path.write_bytes(lines)
                continue
            name = f"frames/{file.events_path.name}"
            do = "run pytest --write-events, and review what it writes as you review code"
            verify(file.events_path.is_file(), name, f"nothing says what {file.path.name} gives", do)
            pairs = list(zip(lines.splitlines(), file.events_path.read_bytes().splitlines(), strict=False))
            verify(
                lines.count(b"\n") == len(file.events_path.read_bytes().splitlines()),
                name, f"it has {len(pairs)} lines for {len(file.frames)} frames", do,
            )  # fmt: skip
            for number, (given, written) in enumerate(pairs, 1):
                what = f"{file.path.name}: frame {number} gives\n    {_text(given)}\n  and written down is\n    "
                only_names = given != written and _SYMBOL.sub(b"", given) == _SYMBOL.sub(b"", written)
                place, do = ("symbols.py", "mend the symbol") if only_names else ("routing.py", "mend the router")
                verify(given == written, place, what + _text(written), f"{do}, or review {name}")

    @check("R3", proves="events name this exchange, a loaded instrument, the time of receipt and sane values")
    def test_r3_events_are_sane(self, subject: Subject) -> None:
        strategies = subject.reading()
        for name, frame, socket in each_frame(subject):
            for event in market_events(read(strategies.router(socket), frame)):
                verify(event.exchange == subject.exchange, "routing.py", f"{name}: exchange {event.exchange!r}", "say "
                       f"{subject.exchange!r}")  # fmt: skip
                known = event.symbol is None or event.symbol in strategies.instruments.symbols
                verify(known, "routing.py", f"{name}: symbol {event.symbol!r}", "take it from the instrument")
                verify(event.ts_recv == RECEIVED, "routing.py", f"{name}: ts_recv is not the frame's", "hand it on")
                verify(not insane([event]), "routing.py", f"{name}: {insane([event])}", "check units and signs")

    @check("R4", proves="unknown fields change nothing")
    def test_r4_unknown_fields_are_ignored(self, subject: Subject) -> None:
        strategies = subject.reading()
        for name, frame, socket in each_frame(subject):
            document = document_of(frame)
            expected = read(strategies.router(socket), frame)
            for path in objects(document):
                fresh = with_member(document, path, _UNHEARD, {"a": [1, None, "x"]})
                try:
                    found = read(strategies.router(socket), fresh)
                except DataError as error:
                    do = "ignore unknown fields: an object with known keys is a Struct, not a mapping"
                    refuse("routing.py", f"{name}: a new field at {path} is refused: {error}", do)
                verify(found == expected, "routing.py", f"{name}: a new field at {path} changes it", "ignore it")

    @check("R5", proves="a frame of an unknown kind is Unknown, neither an error nor an event")
    def test_r5_unknown_kinds_are_unknown(self, subject: Subject) -> None:
        strategies = subject.reading()
        for name, frame, socket in each_frame(subject):
            document = document_of(frame)
            if document is None or not market_events(read(strategies.router(socket), frame)):
                continue
            kinds = [path for path, value in leaves(document) if isinstance(value, str)]
            outcomes = [_outcome(strategies.router(socket), replaced(document, path, _UNHEARD)) for path in kinds]
            is_told = any(isinstance(item, Unknown) for items in outcomes for item in items)
            do = "give tickwire.plugin.Unknown(kind), as NativeMessageRouter does"
            verify(is_told or not kinds, "routing.py", f"{name}: no unheard-of kind in it gives Unknown", do)

    @check("R6", proves="an instrument that is not loaded is an UnknownNativeError")
    def test_r6_unknown_instruments_are_told_apart(self, subject: Subject) -> None:
        known = subject.reading()
        empty = subject.strategies()
        for name, frame, socket in each_frame(subject):
            if not market_events(read(known.router(socket), frame)):
                continue
            try:
                found: Any = list(empty.router(socket).route(Frame(frame, RECEIVED)))
            except UnknownNativeError:
                continue
            except Exception as error:  # whatever it is: that is what the check is about
                found = f"{type(error).__name__}: {error}"
            refuse(
                "routing.py", f"{name}: with no instrument loaded it gives {found}", "look it up: instruments.native[…]"
            )

    @check("R7", proves="routers share no state: what one connection said or read changes nothing for the next")
    def test_r7_routers_share_no_state(self, subject: Subject) -> None:
        strategies = subject.reading()
        instrument = next(iter(strategies.instruments))
        wanted = [subject.subscription(one, instrument) for one in subject.offered() if one in EVENTS_OF]

        def found(fresh: Callable[..., Router[Any]]) -> Mapping[str, Sequence[object]]:
            # of what is asked for the frames are not compared: their ids may be random
            asked = {str(one): [send.subscriptions for send in fresh().subscribe([one])] for one in wanted}
            return asked | {name: _outcome(fresh(socket), frame) for name, frame, socket in each_frame(subject)}

        before = found(lambda *socket: subject.reading().router(*socket))
        used = strategies.router()
        for one in wanted:
            list(used.subscribe([one]))
        for _, frame, _ in each_frame(subject):
            _outcome(used, frame)
        for name, after in found(strategies.router).items():
            what = f"{name}: gives {after} after other connections, and {before[name]} before any"
            do = "keep state in the router, never in the routing or a module"
            verify(after == before[name], "routing.py", what, do)


def read(router: Router[Any], frame: bytes) -> list[Event | Control]:
    """Route one frame, received at the time of all recorded ones."""
    return list(router.route(Frame(frame, RECEIVED)))


def each_frame(subject: Subject) -> Iterable[tuple[str, bytes, str]]:
    """Give all recorded frames, each with a name for messages and the socket it came from."""
    for file in subject.files():
        for number, frame in enumerate(file.frames, 1):
            yield f"{file.path.name}, frame {number}", frame, subject.socket_of(file)


def _each(strategies: Strategies, file: FramesFile, socket: str) -> list[list[Event | Control]]:
    router = strategies.router(socket)
    results = []
    for number, frame in enumerate(file.frames, 1):
        try:
            results.append(read(router, frame))
        except Exception as error:  # whatever it is: a recorded frame must be read
            what = f"{file.path.name}: frame {number} raises {type(error).__name__}: {error}"
            place = "symbols.py" if isinstance(error, UnknownNativeError) else "routing.py"
            refuse(place, what, "read what the exchange sends; list its instruments in frames/rest/ or the test")
    return results


def _all(strategies: Strategies, file: FramesFile, socket: str) -> list[Event | Control]:
    return [item for items in _each(strategies, file, socket) for item in items]


# An error counts as an outcome too; only its class, since texts may quote numbers of requests.
def _outcome(router: Router[Any], frame: bytes) -> Sequence[object]:
    try:
        return read(router, frame)
    except DataError as error:
        return [type(error)]


def _names(kinds: Iterable[type]) -> str:
    return ", ".join(sorted(kind.__name__ for kind in kinds)) or "nothing"


def _text(line: bytes) -> str:
    return line.decode(errors="replace")
