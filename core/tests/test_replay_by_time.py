"""Replays that cannot follow turn by turn: what is asked and dialled is found by what it is about, and by its time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tickwire import ConfigError, ConnectionLostError, Nanos, Registry, RetryableError
from tickwire.cli.sink_specs import sinks_of
from tickwire.plugin import Ending, Frame, Located, Request
from tickwire.record.by_time import ANYWHERE
from tickwire.record.entries import (
    FORMAT,
    Answered,
    Asked,
    Dialed,
    Dialing,
    Ended,
    Entry,
    Failure,
    Framed,
    Lost,
    RunBegun,
    Stopped,
)
from tickwire.record.foreign import roughly
from tickwire.record.pace import Pace
from tickwire.record.replay_transport import ReplayTransport
from tickwire.record.replayer import Replayer
from tickwire.record.taped import request_key
from tickwire.record.turns import SETTLED
from tickwire.run.settings import SinkConfig

SECOND = 1_000_000_000
START = 1_790_000_000 * SECOND
URL = "wss://acme.example/ws"


def at(seconds: float) -> tuple[int, Nanos, int]:
    return SETTLED, START + round(seconds * SECOND), round(seconds * SECOND)


def asked(number: int, path: str, **params: Any) -> Asked:
    return Asked(START, "acme", number, "GET", path, params, None, {}, "https://acme.example", False)


def answered(seconds: float, number: int, body: bytes, failure: Failure | None = None) -> Answered:
    return Answered(*at(seconds), "acme", number, at(seconds)[1], 200, {}, body, None, failure)


def dialed(seconds: float, number: int, url: str = URL) -> list[Entry]:
    return [Dialing(START, "acme", number, url), Dialed(*at(seconds), "acme", number, False)]


def framed(seconds: float, connection: int, payload: bytes) -> Framed:
    return Framed(*at(seconds), "acme", connection, at(seconds)[1], payload)


class Play:
    """A replay, and what somebody who uses its transport notes down, with the replay's seconds."""

    def __init__(self, entries: list[Entry], version: str = "0.1.0") -> None:
        begun = RunBegun(START, 0, FORMAT, version, "R", 0, False, None)
        self.replayer = Replayer(begun, entries, Pace())
        self.transport = ReplayTransport(self.replayer, "acme")
        self.clock = self.replayer.clock
        self.noted: list[tuple[float, object]] = []

    def note(self, what: object) -> None:
        self.noted.append((self.clock.monotonic(), what))

    async def ask(self, path: str, **params: Any) -> None:
        try:
            self.note((await self.transport.fetch(Request("GET", path, params))).body)
        except RetryableError as error:
            self.note(str(error))

    async def dial(self, url: str = URL) -> Any:
        def on_frame(frame: Frame) -> None:
            self.note(frame.payload)

        def on_close(ending: Ending) -> None:
            self.note(ending.code)

        return await self.transport.connect(Located(url), on_frame, on_close)


def play(entries: list[Entry], use: Callable[[Play], Any], version: str = "0.1.0") -> list[tuple[float, object]]:
    async def main() -> list[tuple[float, object]]:
        one = Play(entries, version)
        task = asyncio.create_task(use(one))
        await one.replayer.until.wait()
        task.cancel()
        return one.noted

    return asyncio.run(main())


def test_an_answer_comes_when_it_came_and_the_newest_is_for_who_asks_later() -> None:
    entries: list[Entry] = [
        asked(0, "/depth", symbol="A"), answered(1, 0, b"a1"), asked(1, "/depth", symbol="B"), answered(2, 1, b"b1"),
        asked(2, "/depth", symbol="A"), answered(3, 2, b"a2"), answered(20, 9, b"end"),
    ]  # fmt: skip

    async def use(one: Play) -> None:
        await one.ask("/depth", symbol="A")
        await one.clock.sleep(4)
        await asyncio.gather(one.ask("/depth", symbol="B"), one.ask("/depth", symbol="A"))

    assert play(entries, use) == [(1.0, b"a1"), (5.0, b"b1"), (5.0, b"a2")]


def test_failures_are_replayed_and_requests_are_matched_in_any_order_of_their_parameters() -> None:
    entries: list[Entry] = [
        asked(0, "/x?b=2&a=1"), answered(1, 0, b"", Failure("ConnectionLostError", "reset", {})), answered(9, 9, b""),
    ]  # fmt: skip

    async def use(one: Play) -> None:
        await one.ask("/x", a=1, b=2)

    assert play(entries, use) == [(1.0, "reset")]


def test_waits_end_at_their_time_between_deliveries_and_in_order() -> None:
    entries: list[Entry] = [*dialed(1, 0), framed(5, 0, b"five"), framed(9, 0, b"nine"), framed(30, 0, b"end")]

    async def use(one: Play) -> None:
        async def wait(seconds: float) -> None:
            await one.clock.sleep(seconds)
            one.note(seconds)

        await one.dial()
        try:
            async with one.clock.timeout(12):
                await asyncio.gather(wait(6.5), wait(2.5), wait(99))
        except TimeoutError:
            one.note("late")

    assert play(entries, use) == [
        (3.5, 2.5), (5.0, b"five"), (7.5, 6.5), (9.0, b"nine"), (13.0, "late"), (30.0, b"end")
    ]  # fmt: skip


def test_who_dials_late_is_given_what_came_before() -> None:
    entries: list[Entry] = [
        *dialed(1, 0),
        framed(2, 0, b"two"),
        framed(6, 0, b"six"),
        Ended(*at(7), "acme", 0, 1001, ""),
    ]

    async def use(one: Play) -> None:
        await one.clock.sleep(4)
        await one.dial(f"{URL}?token=other")
        one.note("open")

    assert play(entries, use) == [(4.0, b"two"), (4.0, "open"), (6.0, b"six"), (7.0, 1001)]


def test_connections_are_told_apart_by_their_place_and_a_foreign_one_stands_for_any() -> None:
    entries: list[Entry] = [
        *dialed(1, 0, "wss://acme.example/private"), *dialed(1, 1), framed(2, 0, b"private"), framed(2, 1, b"public"),
    ]  # fmt: skip

    async def use(one: Play) -> None:
        await one.dial()

    assert play(entries, use) == [(2.0, b"public")]
    foreign: list[Entry] = [*dialed(1, 0, ANYWHERE), framed(2, 0, b"any")]
    assert play(foreign, use) == [(2.0, b"any")]


def test_what_other_software_asked_for_is_matched_without_its_limits() -> None:
    entries: list[Entry] = [asked(0, "/depth", symbol="A", limit=1000), answered(1, 0, b"a"), answered(2, 9, b"")]

    async def use(one: Play) -> None:
        await one.ask("/depth", symbol="A", limit=5000)

    assert play(entries, use, version="cryptofeed") == [(1.0, b"a")]
    assert play(entries, use) == []
    assert roughly(request_key(Request("GET", "/d?limit=1", {"symbol": "A/B"}))) == ("GET", "/d", "symbol=A%2FB")


def test_a_hole_in_the_capture_ends_following_turn_by_turn_and_nothing_else() -> None:
    entries: list[Entry] = [
        *dialed(1, 0), framed(2, 0, b"two"), Lost(START, 3, "the disk is too slow"), framed(3, 0, b"three"),
        Stopped(*at(4)),
    ]  # fmt: skip

    async def main() -> Play:
        one = Play(entries)
        one.replayer.is_exact, one.replayer.course = True, ""
        connection = await one.dial()
        await one.replayer.until.wait()
        await connection.close()
        await connection.close()
        return one

    one = asyncio.run(main())
    assert one.noted == [(2.0, b"two"), (3.0, b"three"), (4.0, 1000)]
    assert one.replayer.course == "3 missing: the disk is too slow"


def test_after_the_end_nothing_is_answered_and_closing_takes_no_time() -> None:
    async def main() -> Play:
        one = Play([*dialed(1, 0)])
        connection = await one.dial()
        await one.replayer.until.wait()
        await one.ask("/late")
        with pytest.raises(ConnectionLostError, match="the capture is over"):
            await one.dial()
        await connection.close()
        await one.transport.close()
        return one

    assert asyncio.run(main()).noted == [(1.0, "the capture is over"), (1.0, 1000)]


# the sinks of the command line
def test_sinks_are_written_as_type_and_setting_or_as_settings(tmp_path: Path) -> None:
    registry = Registry.of()
    registry = Registry.discover()
    specs = ["console", "jsonl:a.jsonl", "jsonl:path=b.jsonl", "console:json=true", "parquet:x"]
    assert sinks_of(specs, registry) == [
        SinkConfig("console", "console"),
        SinkConfig("jsonl", "jsonl", options={"path": "a.jsonl"}),
        SinkConfig("jsonl2", "jsonl", options={"path": "b.jsonl"}),
        SinkConfig("console2", "console", options={"json": True}),
        SinkConfig("parquet", "parquet", options={"path": "x"}),
    ]
    file = tmp_path / "night.yaml"
    text = "exchanges: {backpack: {symbols: [SOL-USDC]}}\n"
    file.write_text(text + "sinks: {mine: {type: jsonl, path: c.jsonl}}\n")
    assert sinks_of([str(file)], registry) == [SinkConfig("mine", "jsonl", options={"path": "c.jsonl"})]
    file.write_text(text)
    with pytest.raises(ConfigError, match="has no sinks"):
        sinks_of([str(file)], registry)
