"""Core's own sinks, and how records reach a sink."""

import asyncio
import io
import json
import os
import random
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
import zstandard

from tickwire.model.clock import ManualClock
from tickwire.model.errors import ConfigError, OutputClosedError, RetryableError, TickwireError
from tickwire.model.events import Side, Trade
from tickwire.model.quality import Dropped, Event
from tickwire.model.stored import Record, decode_event, encode_record
from tickwire.plugin.protocols import Sink
from tickwire.run.delivery import Delivery
from tickwire.run.durations import Duration
from tickwire.run.off_loop import OffLoop
from tickwire.run.report import SinkFailure
from tickwire.run.run_id import new_run_id
from tickwire.run.settings import SinkConfig
from tickwire.run.sink_callback import CallbackSink
from tickwire.run.sink_console import ConsoleSink
from tickwire.run.sink_jsonl import JsonLinesSink
from tickwire.run.sinks import CallbackOptions, ConsoleOptions, JsonLinesOptions, tickwire_sinks


def record(number: int) -> Record:
    trade = Trade("backpack", "SOL-USDC", 5, 6 + number, 98.97, 12.4, Side.BUY, str(number), number)
    return Record(trade, "RUN", number, f"backpack/SOL-USDC/{number}")


def written(sink: Sink, *batches: Sequence[Record]) -> None:
    async def main() -> None:
        await sink.open()
        for batch in batches:
            await sink.write(batch)
        await sink.close()
        await sink.close()

    asyncio.run(main())


# JSON Lines
@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("a/b.jsonl", "a/b.jsonl"),
        ("a/b", "a/b/events.jsonl"),
        ("a.d/", "a.d/events.jsonl"),
        ("there.d", "there.d/events.jsonl"),
    ],
)
def test_a_path_is_a_file_or_a_directory(tmp_path: Path, path: str, file: str) -> None:
    (tmp_path / "there.d").mkdir()
    written(JsonLinesSink(JsonLinesOptions(os.path.join(tmp_path, path))), [record(1)])
    assert (tmp_path / file).read_bytes() == encode_record(record(1)) + b"\n"


def test_records_are_appended_as_lines_that_read_back(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    written(JsonLinesSink(JsonLinesOptions(str(file))), [record(1), record(2)], [record(3)])
    written(JsonLinesSink(JsonLinesOptions(str(file))), [record(4)])
    lines = file.read_bytes().splitlines()
    assert [decode_event(line) for line in lines] == [record(number).event for number in (1, 2, 3, 4)]
    assert [json.loads(line)["key"] for line in lines] == [record(number).key for number in (1, 2, 3, 4)]


def test_a_batch_is_in_the_file_before_the_sink_is_closed(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    sink = JsonLinesSink(JsonLinesOptions(str(file)))

    async def main() -> None:
        await sink.open()
        await sink.write([record(1)])
        assert file.read_bytes() == encode_record(record(1)) + b"\n"
        await sink.close()

    asyncio.run(main())


def test_a_torn_line_of_a_crash_is_ended_and_never_glued_to_the_next_record(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_bytes(b'{"type":"trade"}\n{"type":"tra')
    written(JsonLinesSink(JsonLinesOptions(str(file))), [record(1)], [record(2)])
    assert file.read_bytes().splitlines() == [
        b'{"type":"trade"}',
        b'{"type":"tra',
        encode_record(record(1)),
        encode_record(record(2)),
    ]


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TickwireError, match=r"cannot open .*file/x/events.jsonl: Not a directory → change path"):
        written(JsonLinesSink(JsonLinesOptions(str(tmp_path / "file/x"))))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a disk that is always full")
def test_a_full_disk_is_named(tmp_path: Path) -> None:
    (tmp_path / "full.jsonl").symlink_to("/dev/full")
    with pytest.raises(TickwireError, match=r"cannot write .*full.jsonl: No space left on device → make room"):
        written(JsonLinesSink(JsonLinesOptions(str(tmp_path / "full.jsonl"))), [record(1)])


def unpacked(file: Path) -> bytes:
    with file.open("rb") as packed:
        return bytes(zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True).read())


def lines_of(*numbers: int) -> bytes:
    return b"".join(encode_record(record(number)) + b"\n" for number in numbers)


@pytest.mark.parametrize(
    ("path", "file"), [("b.jsonl", "b.jsonl.zst"), ("b.jsonl.zst", "b.jsonl.zst"), ("a.d/", "a.d/events.jsonl.zst")]
)
def test_compressed_batches_are_frames_of_one_file_that_any_zstd_reads(tmp_path: Path, path: str, file: str) -> None:
    options = JsonLinesOptions(os.path.join(tmp_path, path), compress="zstd")
    written(JsonLinesSink(options), [record(1), record(2)], [record(3)])
    written(JsonLinesSink(options), [record(4)])
    assert unpacked(tmp_path / file) == lines_of(1, 2, 3, 4)


def test_a_frame_torn_at_any_byte_is_cut_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "x.jsonl.zst"
    options = JsonLinesOptions(str(file), compress="zstd")
    written(JsonLinesSink(options), [record(1)])
    first = file.stat().st_size
    written(JsonLinesSink(options), [record(2)])
    whole = file.read_bytes()
    for cut in range(first, len(whole)):
        file.write_bytes(whole[:cut])
        written(JsonLinesSink(options), [record(3)])
        assert unpacked(file) == lines_of(1, 3)
    assert f"ends in {len(whole) - 1 - first} torn bytes, of a crash perhaps: cut" in caplog.text


def test_what_is_rotated_goes_by_the_time_of_arrival(tmp_path: Path) -> None:
    def at(number: int, second: int) -> Record:
        trade = Trade("acme", "SOL-USDC", 5, second * 1_000_000_000, 1.5, 1.0, None, str(number))
        return Record(trade, "RUN", number, str(number))

    sink = JsonLinesSink(JsonLinesOptions(str(tmp_path / "x.jsonl"), rotate=Duration(60.0)))
    written(sink, [at(1, 0), at(2, 59), at(3, 60)], [at(4, 119), at(5, 58), at(6, 86_400)])
    found = {
        file.name: [json.loads(line)["ordinal"] for line in file.read_bytes().splitlines()]
        for file in tmp_path.iterdir()
    }
    assert found == {
        "x-19700101T0000Z.jsonl": [1, 2],
        "x-19700101T0001Z.jsonl": [3, 4, 5],  # what comes late stands in the file of its arrival
        "x-19700102T0000Z.jsonl": [6],
    }


@pytest.mark.parametrize("compress", [None, "zstd"])
@pytest.mark.parametrize("rotate", [None, Duration(1.0)])
def test_a_batch_that_does_not_fit_is_written_once_when_it_does(
    tmp_path: Path, compress: Literal["zstd"] | None, rotate: Duration | None
) -> None:
    sink = JsonLinesSink(JsonLinesOptions(str(tmp_path / "x.jsonl"), compress, rotate))
    rng = random.Random(1)
    wide = Trade("acme", rng.randbytes(9000).hex(), 5, 2_000_000_000, 1.5, 1.0)
    batch = [record(2), Record(wide, "RUN", 3, "3"), record(4)]

    async def main() -> None:
        await sink.open()
        await sink.write([record(1)])
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, before[1]))
        try:
            for _ in range(2):  # as a delivery does: close, open, and the same batch again
                with pytest.raises(RetryableError, match=r"cannot write .*: File too large → make room"):
                    await sink.write(batch)
                await sink.close()
                await sink.open()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        await sink.write(batch)
        await sink.close()

    asyncio.run(main())
    content = b"".join(map(unpacked if compress else Path.read_bytes, sorted(tmp_path.iterdir())))
    assert sorted(json.loads(line)["ordinal"] for line in content.splitlines()) == [1, 2, 3, 4]


def test_a_record_that_cannot_be_written_leaves_no_part_of_its_batch(tmp_path: Path) -> None:
    poison = Record(Trade("acme", "SOL-USDC", 1.5, 6, 1.0, 1.0), "RUN", 2, "2")  # type: ignore[arg-type]
    sink = JsonLinesSink(JsonLinesOptions(str(tmp_path / "x.jsonl")))

    async def main() -> None:
        await sink.open()
        with pytest.raises(TypeError, match=r"ts_event is 1\.5"):
            await sink.write([record(1), poison])
        await sink.write([record(3)])
        await sink.close()

    asyncio.run(main())
    assert (tmp_path / "x.jsonl").read_bytes() == lines_of(3)


# console
def test_the_console_prints_lines_or_json() -> None:
    for is_json in (False, True):
        out = io.StringIO()
        written(ConsoleSink(ConsoleOptions(is_json), out), [record(1), record(2)], [record(3)])
        assert len(out.getvalue().splitlines()) == 3
        assert out.getvalue().startswith('{"type":"trade","schema":1,"exchange"' if is_json else "00:00:00.000  SOL")


def test_the_console_tells_a_closed_pipe() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as out, pytest.raises(OutputClosedError):
        written(ConsoleSink(ConsoleOptions(), out), [record(1)])


# callback
called: list[Event] = []


def remember(event: Event) -> None:
    called.append(event)


async def remember_later(event: Event) -> None:
    await asyncio.sleep(0)
    called.append(event)


def choke_on_two(event: Event) -> None:
    if event.ts_recv == 8:
        raise ValueError("two")
    called.append(event)


def test_a_callback_is_called_with_each_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mine", sys.modules[__name__])
    for name in ("remember", "remember_later"):
        called.clear()
        written(CallbackSink(CallbackOptions(f"mine:{name}")), [record(1), record(2)], [record(3)])
        assert called == [record(1).event, record(2).event, record(3).event]


def test_a_callback_that_raises_is_still_called_with_the_next_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mine", sys.modules[__name__])
    called.clear()
    with pytest.raises(TickwireError, match=r"^mine:choke_on_two raised ValueError: two \(1 of 3 events\)$"):
        written(CallbackSink(CallbackOptions("mine:choke_on_two")), [record(1), record(2), record(3)])
    assert called == [record(1).event, record(3).event]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("no_such_module_of_mine:f", "call: cannot import 'no_such_module_of_mine:f': No module named"),
        ("json:no_such", "call: cannot import 'json:no_such': module 'json' has no attribute 'no_such'"),
        ("json:__name__", "call: 'json:__name__' is a str → name a function"),
    ],
)
def test_a_callback_that_is_none_is_told(call: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        CallbackSink(CallbackOptions(call))
    assert str(caught.value).startswith(message)


def test_a_module_of_the_working_directory_can_be_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "callback_of_a_user.py").write_text("seen = []\nhandle = seen.append\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    written(CallbackSink(CallbackOptions("callback_of_a_user:handle")), [record(1)])
    assert sys.modules.pop("callback_of_a_user").seen == [record(1).event]


def test_call_names_a_module_and_a_function() -> None:
    with pytest.raises(ConfigError, match="call is 'print' → write module:function"):
        CallbackOptions("print")


def test_core_declares_its_sinks() -> None:
    assert [info.type for info in tickwire_sinks()] == ["console", "jsonl", "parquet", "callback"]


def test_a_run_id_is_a_ulid() -> None:
    assert new_run_id(1_469_918_176_385, b"\0" * 10) == "01ARYZ6S410000000000000000"
    assert new_run_id(2**48 - 1, b"\xff" * 10) == "7" + "Z" * 25
    assert new_run_id(1) < new_run_id(2)


# beside the loop
def test_an_error_beside_the_loop_reaches_the_caller() -> None:
    async def main() -> None:
        thread = OffLoop("x")
        with pytest.raises(ZeroDivisionError):
            await thread.call(lambda: 1 // 0)
        assert await thread.call(lambda: 5) == 5
        thread.close()

    asyncio.run(main())


def test_after_it_was_closed_a_call_begins_anew() -> None:
    async def main() -> None:
        thread = OffLoop("x")
        first = await thread.call(threading.current_thread)
        thread.close()
        thread.close()
        second = await thread.call(threading.current_thread)
        thread.close()
        assert first is not second
        first.join(10)
        second.join(10)
        assert not first.is_alive()
        assert not second.is_alive()

    asyncio.run(main())


def test_between_calls_the_thread_is_about_its_own_business() -> None:
    async def main() -> None:
        ticks: asyncio.Queue[threading.Thread] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def tick() -> None:
            loop.call_soon_threadsafe(ticks.put_nowait, threading.current_thread())

        thread = OffLoop("x", tick=tick)
        own = await thread.call(threading.current_thread)
        async with asyncio.timeout(30):
            assert await ticks.get() is own
        thread.close()
        await loop.run_in_executor(None, own.join)

    asyncio.run(main())


SETTLING = """
import pathlib, sys, threading
from tickwire.run.off_loop import OffLoop

begun = threading.Event()

def work():
    begun.set()
    threading.main_thread().join()  # the process is about to end
    pathlib.Path(sys.argv[1]).write_text("done")

OffLoop("x", settle=30).post(work)
begun.wait()
"""


def test_the_end_of_the_process_waits_for_what_must_not_be_broken_off(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", SETTLING, str(tmp_path / "x")], check=True, timeout=60)
    assert (tmp_path / "x").read_text() == "done"


# delivery
class Collecting:
    def __init__(self, fails: Callable[[Sequence[Record]], BaseException | None] = lambda _: None) -> None:
        self.records: list[Record] = []
        self.fails = fails
        self.gate = asyncio.Event()
        self.gate.set()
        self.is_closed = False

    async def open(self) -> None: ...

    async def write(self, records: Sequence[Record]) -> None:
        await self.gate.wait()
        error = self.fails(records)
        if error is not None:
            raise error
        self.records += records

    async def close(self) -> None:
        self.is_closed = True


class Announced:
    """What a delivery tells its runner."""

    def __init__(self) -> None:
        self.dropped: list[Dropped] = []
        self.pressure: list[tuple[str, bool]] = []
        self.pipe = 0

    def announce(self, dropped: Dropped) -> Record:
        self.dropped.append(dropped)
        return Record(dropped, "RUN", 0, "")

    def press(self, sink: str, is_full: bool) -> None:
        self.pressure.append((sink, is_full))

    def closed(self) -> None:
        self.pipe += 1


def delivered(
    sink: Sink, drive: Callable[[Delivery], Coroutine[Any, Any, None]], **settings: Any
) -> tuple[Delivery, Announced]:
    told = Announced()

    async def main() -> Delivery:
        entry = SinkConfig("hot", "x", **settings)
        delivery = Delivery(entry, sink, ManualClock(), told.announce, told.press, told.closed)
        await delivery.open()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(delivery.run())
            await drive(delivery)
            delivery.finish()
        return delivery

    return asyncio.run(main()), told


def test_all_that_was_put_is_written_and_then_the_sink_is_closed() -> None:
    sink = Collecting()

    async def drive(delivery: Delivery) -> None:
        for number in range(3000):
            delivery.put(record(number))

    delivered(sink, drive)
    assert (sink.records, sink.is_closed) == ([record(number) for number in range(3000)], True)


def test_what_a_sink_is_just_writing_is_not_written_yet() -> None:
    sink = Collecting()
    sink.gate.clear()
    oldest: list[int | None] = []

    async def drive(delivery: Delivery) -> None:
        delivery.put(record(7))
        oldest.append(delivery.oldest)
        for number in (8, 9):
            await asyncio.sleep(0)
            delivery.put(record(number))
            oldest.append(delivery.oldest)
        sink.gate.set()
        for _ in range(5):
            await asyncio.sleep(0)
        oldest.append(delivery.oldest)

    delivered(sink, drive)
    assert oldest == [7, 7, 7, None]


def test_a_failing_sink_is_logged_once_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    refused = {record(0).key, record(1).key}
    sink = Collecting(lambda records: ValueError("no") if records[0].key in refused else None)

    async def drive(delivery: Delivery) -> None:
        for number in range(3):
            delivery.put(record(number))
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    delivery, _ = delivered(sink, drive)
    assert delivery.failure == SinkFailure(2, 2, "ValueError: no")
    assert delivery.dropped == 2
    assert [one.ordinal for one in sink.records if isinstance(one.event, Trade)] == [2]
    assert [one.getMessage() for one in caplog.records] == ["sink 'hot': ValueError: no; further errors are counted"]


def test_a_full_queue_forgets_the_oldest_and_announces_it_at_the_end_at_the_latest() -> None:
    sink = Collecting()

    async def drive(delivery: Delivery) -> None:
        for number in range(10):
            delivery.put(record(number))

    delivery, told = delivered(sink, drive, queue=4)
    (dropped,) = told.dropped
    assert (dropped.sink, dropped.policy, dropped.count, delivery.dropped) == ("hot", "drop_oldest", 6, 6)
    assert [one.event for one in sink.records] == [*(record(number).event for number in range(6, 10)), dropped]


def test_a_full_blocking_queue_asks_for_a_pause_and_loses_nothing() -> None:
    sink = Collecting()

    async def drive(delivery: Delivery) -> None:
        for number in range(10):
            delivery.put(record(number))

    delivery, told = delivered(sink, drive, queue=4, when_full="block")
    assert (len(sink.records), delivery.dropped) == (10, 0)
    assert told.pressure == [("hot", True), ("hot", False)]


def test_a_closed_pipe_is_told_and_is_no_failure() -> None:
    sink = Collecting(lambda _: OutputClosedError("nobody reads it"))

    async def drive(delivery: Delivery) -> None:
        delivery.put(record(1))

    delivery, told = delivered(sink, drive)
    assert (told.pipe, delivery.failure) == (1, None)


def test_what_could_not_be_written_in_time_counts_as_dropped() -> None:
    sink = Collecting()
    sink.gate.clear()
    told = Announced()

    async def main() -> Delivery:
        delivery = Delivery(SinkConfig("hot", "x"), sink, ManualClock(), told.announce, told.press, told.closed)
        task = asyncio.create_task(delivery.run())
        for number in range(1500):
            delivery.put(record(number))
        for _ in range(3):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return delivery

    assert asyncio.run(main()).dropped == 1500
    assert sink.is_closed
