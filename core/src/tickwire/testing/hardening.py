"""R: whatever arrives, a router answers with events, controls or a ``DataError``, and never with an insane value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from hypothesis import strategies as st

from tickwire import DataError, Event
from tickwire.plugin import Control, Frame, Router
from tickwire.testing.checks import check
from tickwire.testing.frames import RECEIVED
from tickwire.testing.kit import Conformance, for_all
from tickwire.testing.mutations import BAD_NUMBERS, BAD_TIMES, document_of, leaves, replaced, writes_number, writes_time
from tickwire.testing.routing import each_frame
from tickwire.testing.sanity import insane, market_events
from tickwire.testing.subject import Subject
from tickwire.testing.verdicts import refuse, verify

__all__ = ["HardeningChecks", "route_safely"]

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


class HardeningChecks(Conformance):
    """The checks R8 to R11."""

    @check("R8", proves="arbitrary bytes raise a DataError or give nothing insane, and never another exception")
    def test_r8_arbitrary_bytes(self, subject: Subject) -> None:
        strategies = subject.reading()

        def holds(payload: bytes) -> None:
            route_safely(strategies.router(), payload, "arbitrary bytes")

        for_all(subject, st.binary(max_size=200) | _JSON.map(msgspec.json.encode))(holds)
        for payload in (b"", b"[" * 5_000, b'{"a":' * 5_000, b"\x00" * 64, b'"\xff"', b"NaN", b"1" * 5_000):
            holds(payload)

    @check("R9", proves="a real frame cut short, or with bytes changed, raises a DataError or stays sane")
    def test_r9_truncated_and_damaged_frames(self, subject: Subject) -> None:
        strategies = subject.reading()
        frames = list(each_frame(subject))
        for name, frame, socket in frames:
            for length in range(0, len(frame), max(1, len(frame) // 40)):
                cut = route_safely(strategies.router(socket), frame[:length], f"{name}, cut at byte {length}")
                verify(not market_events(cut), "routing.py", f"{name}: {length} of its bytes give {cut}", "read whole "
                       "frames only")  # fmt: skip
        if not frames:
            return

        def holds(chosen: tuple[str, bytes, str], place: int, garbage: bytes) -> None:
            name, frame, socket = chosen
            at = place % (len(frame) + 1)
            route_safely(
                strategies.router(socket), frame[:at] + garbage + frame[at + len(garbage) :], f"{name}, damaged"
            )

        garbage = st.binary(min_size=1, max_size=4)
        for_all(subject, st.sampled_from(frames), st.integers(0, 10_000), garbage)(holds)

    @check("R10", proves="nan, infinity and negative sizes are refused at every place that holds a number")
    def test_r10_numbers_that_are_none(self, subject: Subject) -> None:
        _check_places(subject, writes_number, BAD_NUMBERS, "take numbers through tickwire.native's Price and Size")

    @check("R11", proves="1970, the year 50,000 and wrong units are refused at every place that holds a time")
    def test_r11_times_out_of_all_reason(self, subject: Subject) -> None:
        _check_places(subject, writes_time, BAD_TIMES, "take times through tickwire.native's Millis, Micros, …")


def route_safely(router: Router[Any], payload: Any, what: str) -> Sequence[Event | Control]:
    """Route a payload that may be anything; a ``DataError`` gives nothing.

    Raises:
        Nonconformity: Another exception came, or something insane.
    """
    try:
        found = list(router.route(Frame(payload, RECEIVED)))
    except DataError:
        return ()
    except Exception as error:  # whatever it is: that is what the check is about
        refuse("routing.py", f"{what}: raises {type(error).__name__}: {error} ({payload!r:.60})", "raise DecodeError")
    wrong = insane(found)
    verify(not wrong, "routing.py", f"{what}: {'; '.join(wrong)}", "refuse it with DecodeError")
    return found


def _check_places(subject: Subject, is_one: Any, bad: Sequence[Any], do: str) -> None:
    strategies = subject.reading()
    for what, payload, socket in _nearly_right(subject, is_one, bad):
        try:
            found = list(strategies.router(socket).route(Frame(payload, RECEIVED)))
        except DataError:
            continue
        except Exception as error:  # whatever it is: that is what the check is about
            refuse("routing.py", f"{what} raises {type(error).__name__}: {error}", "raise DecodeError")
        verify(not insane(found), "routing.py", f"{what} gives {'; '.join(insane(found))}", do)


def _nearly_right(subject: Subject, is_one: Any, bad: Sequence[Any]) -> Iterator[tuple[str, bytes, str]]:
    for name, frame, socket in each_frame(subject):
        document = document_of(frame)
        for path, value in leaves(document):
            if is_one(value):
                for wrong in bad:
                    place = ".".join(map(str, path))
                    yield f"{name}: {wrong!r} at {place}", replaced(document, path, wrong), socket
