"""Spilling: what does not fit waits on disk, in order, whatever happens to the process, the disk or the file."""

from __future__ import annotations

import asyncio
import logging
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tickwire import (
    BackoffPolicy,
    BookDelta,
    BookSnapshot,
    ConfigError,
    ConnectionLostError,
    Delivery,
    Dropped,
    ManualClock,
    Record,
    Side,
    SinkConfig,
    SystemClock,
    Ticker,
    Trade,
)
from tickwire.run.spill import SpillingBuffer
from tickwire.run.spill_files import SpillFiles
from tickwire.run.spill_form import HEAD, framed, unframed
from tickwire.testing import every_event, recorded, stream_of

GIB = 2**30


def opened(folder: Path, limit: int = GIB, segment: int = 2**20) -> SpillFiles:
    files = SpillFiles(folder, limit, segment)
    files.open()
    return files


def rest_of(files: SpillFiles, limit: int = 1000) -> list[Record]:
    found: list[Record] = []
    while records := files.read(limit):
        found += records
        files.done()
    return found


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.spill"))


# the form
@pytest.mark.parametrize("record", recorded(every_event()), ids=lambda one: type(one.event).__name__)
def test_every_kind_of_event_comes_back_equal(record: Record) -> None:
    data = framed(record)
    assert list(unframed(data)) == [(len(data), record)]


def test_decimals_come_back_as_decimals() -> None:
    head = ("toy", "SOL-USD", None, 7)
    price, size = Decimal("98.9700000000000000001"), Decimal("1E-18")
    events: list[Any] = [
        Trade(*head, price, size, Side.BUY),
        BookSnapshot(*head, ((price, size),), ()),
        BookDelta(*head, (), ((price, size),), 1, 2),
        Ticker(*head, price, None, None, None, None, size, None, None, "24h"),
    ]
    records = recorded(events)
    found = [record for _, record in unframed(b"".join(map(framed, records)))]
    assert found == records
    assert repr(found) == repr(records)


# the files
def test_records_come_back_in_order_and_leave_nothing(tmp_path: Path) -> None:
    files = opened(tmp_path / "sink", segment=2000)
    for first in range(1, 100, 10):
        files.append(stream_of(10, first=first))
    assert len(segments(tmp_path / "sink")) > 1
    assert rest_of(files, limit=7) == stream_of(100)
    assert files.is_empty
    assert files.size == 0
    files.close()
    assert list((tmp_path / "sink").iterdir()) == []


def test_what_a_process_left_is_read_first_by_the_next_one(tmp_path: Path) -> None:
    old = opened(tmp_path)
    old.append(stream_of(10, "OLD"))
    assert old.read(4) == stream_of(4, "OLD")
    old.done()
    assert old.read(3) == stream_of(3, "OLD", first=5)  # and it was never said that the sink has them
    old.close()
    new = opened(tmp_path)
    new.append(stream_of(5, "NEW"))
    assert rest_of(new) == [*stream_of(6, "OLD", first=5), *stream_of(5, "NEW")]
    new.close()


def test_what_is_put_first_comes_before_everything_else(tmp_path: Path) -> None:
    files = opened(tmp_path)
    files.append(stream_of(5, first=6))
    files.put_first(stream_of(2, first=4))
    files.put_first(stream_of(3))
    assert files.read(100) == stream_of(5, first=6)  # whoever put the others first has them
    files.close()
    again = opened(tmp_path)
    assert rest_of(again) == stream_of(10)
    again.close()


def test_two_processes_at_once_take_nothing_from_each_other(tmp_path: Path) -> None:
    first, second = opened(tmp_path), opened(tmp_path)
    first.append(stream_of(3, "FIRST"))
    second.append(stream_of(3, "SECOND"))
    assert rest_of(second) == stream_of(3, "SECOND")
    first.close()
    second.close()
    third = opened(tmp_path)
    assert rest_of(third) == stream_of(3, "FIRST")
    third.close()


def test_of_a_file_that_was_cut_anywhere_the_whole_records_come_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    records = stream_of(2)
    ends = [len(HEAD)]
    for record in records:
        ends.append(ends[-1] + len(framed(record)))
    data = HEAD + b"".join(map(framed, records))
    for size in range(len(data)):
        folder = tmp_path / str(size)
        (folder / "01OLD").mkdir(parents=True)
        (folder / "01OLD" / "1000000001.spill").write_bytes(data[:size])
        caplog.clear()
        files = opened(folder)
        assert rest_of(files) == records[: sum(size >= end for end in ends[1:])]
        torn = size >= len(HEAD) and size not in ends
        assert [one.getMessage().split(" is torn: ")[-1] for one in caplog.records] == (
            [f"its last {size - max(end for end in ends if end <= size)} bytes are left out"] if torn else []
        )
        assert files.is_empty
        files.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(place=st.integers(len(HEAD), 10_000), bit=st.integers(0, 7))
def test_a_damaged_file_gives_what_is_before_the_damage_and_never_anything_false(
    tmp_path_factory: pytest.TempPathFactory, place: int, bit: int
) -> None:
    records, after = stream_of(4), stream_of(2, "AFTER")
    data = bytearray(HEAD + b"".join(map(framed, records)))
    place %= len(data)
    data[max(place, len(HEAD))] ^= 1 << bit
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "01OLD").mkdir()
    (folder / "01OLD" / "1000000001.spill").write_bytes(data)
    (folder / "01OLD" / "1000000002.spill").write_bytes(HEAD + b"".join(map(framed, after)))
    files = opened(folder)
    found = rest_of(files)
    files.close()
    assert found[-2:] == after
    assert found[:-2] == records[: len(found) - 2]


def test_a_file_of_another_version_stays_where_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "01OLD").mkdir()
    path = tmp_path / "01OLD" / "1000000001.spill"
    path.write_bytes(b"tickwire spill 2\nwhatever")
    files = opened(tmp_path)
    assert rest_of(files) == []
    files.close()
    assert path.exists()
    assert "is of another tickwire" in caplog.text


def test_a_file_that_cannot_be_read_is_left_out_and_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = opened(tmp_path, segment=1)
    files.append(stream_of(2))
    files.append(stream_of(3, first=3))
    path = segments(tmp_path)[0]
    kept = path.rename(tmp_path / "kept")
    path.mkdir()  # reading a directory is an error of the system
    assert rest_of(files) == stream_of(3, first=3)
    assert "cannot be read and is left out: Is a directory" in caplog.text
    assert (path.exists(), kept.exists(), files.is_empty) == (True, True, True)
    path.rmdir()
    kept.rename(path)
    files.close()
    again = opened(tmp_path)
    assert rest_of(again) == stream_of(2)
    again.close()


def test_a_disk_without_room_changes_nothing_of_what_is_there(tmp_path: Path) -> None:
    files = opened(tmp_path)
    files.append(stream_of(3))
    with no_file_above(files.size + 100), pytest.raises(OSError, match="File too large"):
        files.append(stream_of(50, first=4))
    files.append(stream_of(2, first=4))
    assert rest_of(files) == stream_of(5)
    files.close()


def test_the_limit_counts_all_files_and_leaves_what_is_there(tmp_path: Path) -> None:
    files = opened(tmp_path, limit=4000, segment=500)
    kept = 0
    while files.size + len(HEAD) + len(framed(stream_of(1, first=99)[0])) <= 4000:
        kept += 1
        files.append(stream_of(1, first=kept))
    with pytest.raises(OSError, match="spill_limit of 4,000 bytes is reached"):
        files.append(stream_of(2))
    assert files.size == sum(path.stat().st_size for path in segments(tmp_path)) <= 4000
    assert kept > 10
    assert rest_of(files) == stream_of(kept)
    files.append(stream_of(1))
    files.close()


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """Let the system refuse to write files beyond a size, as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class NothingIsLost(RuleBasedStateMachine):
    """Whatever is done, and however the process ends: what is read is what was appended, in order."""

    folders: Any  # set by the test below

    def __init__(self) -> None:
        super().__init__()
        self.folder = self.folders.mktemp("spill")
        self.files = opened(self.folder, segment=700)
        self.next = 1
        self.expected: list[Record] = []
        self.read: list[Record] = []

    def teardown(self) -> None:
        self.restart()
        assert rest_of(self.files) == self.expected
        assert self.files.size == 0
        self.files.close()

    @rule(count=st.integers(1, 6))
    def append(self, count: int) -> None:
        records = stream_of(count, first=self.next)
        self.next += count
        self.files.append(records)
        self.expected += records

    @rule(limit=st.integers(1, 8), is_done=st.booleans())
    def take(self, limit: int, is_done: bool) -> None:
        self.read += self.files.read(limit)
        assert self.read == self.expected[: len(self.read)]
        if is_done:
            self.files.done()
            del self.expected[: len(self.read)]
            self.read = []

    @precondition(lambda self: not self.read)
    @rule(count=st.integers(1, 3))
    def put_first(self, count: int) -> None:
        records = stream_of(count, first=self.next)
        self.next += count
        if not [path for path in self.folder.iterdir() if path != self.files._own and list(path.glob("*.spill"))]:
            self.files.put_first(records)
            self.expected = [*records, *self.expected]
            self.read = records

    @rule()
    def restart(self) -> None:
        self.files.close()
        self.files = opened(self.folder, segment=700)
        self.read = []  # it was read, and not done with


def test_nothing_is_lost(tmp_path_factory: pytest.TempPathFactory) -> None:
    NothingIsLost.folders = tmp_path_factory
    chosen = settings(max_examples=15, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(NothingIsLost, settings=chosen)


# the queue
async def until(holds: Callable[[], bool]) -> None:
    """Wait for what a thread does."""
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 nobody tells
            await asyncio.sleep(0.001)


def test_what_does_not_fit_comes_back_in_order(tmp_path: Path) -> None:
    async def main() -> None:
        buffer = SpillingBuffer("archive", 10, ManualClock(), SpillFiles(tmp_path, GIB, 5000))
        await buffer.open()
        async with asyncio.TaskGroup() as tasks:
            moving = tasks.create_task(buffer.run())
            taken: list[Record] = []
            for first in range(1, 1000, 100):
                for record in stream_of(100, first=first):
                    buffer.put(record)
                taken += await buffer.take(30)
                await buffer.done()
            buffer.close()
            while batch := await buffer.take(30):
                taken += batch
                await buffer.done()
            moving.cancel()
        assert taken == stream_of(1000)
        assert (buffer.dropped, buffer.size, buffer.oldest) == (0, 0, None)
        await buffer.end()

    asyncio.run(main())


def test_what_is_on_disk_is_not_lingered_over(tmp_path: Path) -> None:
    async def main() -> None:
        buffer = SpillingBuffer("archive", 10, ManualClock(), SpillFiles(tmp_path, GIB))
        await buffer.open()
        for record in stream_of(11):
            buffer.put(record)
        async with asyncio.TaskGroup() as tasks:
            moving = tasks.create_task(buffer.run())
            await until(lambda: buffer.size > 0)
            await buffer.fill(1000, 3600.0)  # nobody lets the time pass
            assert await buffer.take(100) == stream_of(6)
            moving.cancel()
        await buffer.end()

    asyncio.run(main())


def test_records_on_disk_are_safe_and_those_in_memory_are_not(tmp_path: Path) -> None:
    async def main() -> None:
        buffer = SpillingBuffer("archive", 10, ManualClock(), SpillFiles(tmp_path, GIB))
        await buffer.open()
        for record in stream_of(11):
            buffer.put(record)
        assert buffer.oldest == stream_of(1)[0]
        async with asyncio.TaskGroup() as tasks:
            moving = tasks.create_task(buffer.run())
            await until(lambda: buffer.size > 0)
            assert await buffer.take(100) == stream_of(6)
            assert buffer.is_from_disk
            assert (buffer.oldest, len(buffer)) == (stream_of(7)[-1], 5)
            moving.cancel()
        await buffer.end()

    asyncio.run(main())


def test_where_the_disk_takes_no_more_the_oldest_in_memory_are_dropped_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        clock = ManualClock()
        files = SpillFiles(tmp_path, GIB)
        buffer = SpillingBuffer("archive", 10, clock, files)
        await buffer.open()
        assert files._own is not None
        # the first file that it would write is a device that is always full
        (files._own / "5000000001.spill").symlink_to("/dev/full")
        async with asyncio.TaskGroup() as tasks:
            moving = tasks.create_task(buffer.run())
            for record in stream_of(40):
                buffer.put(record)
            await until(lambda: buffer.dropped > 0)
            assert (len(buffer), buffer.dropped) == (10, 30)
            assert sum(one.count for one in buffer.drops()) == 30
            for record in stream_of(5, first=41):
                buffer.put(record)
            await clock.advance(1.0)  # and then there is room again
            buffer.close()
            taken: list[Record] = []
            while batch := await buffer.take():
                taken += batch
                await buffer.done()
            assert taken == stream_of(15, first=31)
            moving.cancel()
        await buffer.end()

    asyncio.run(main())
    assert [one.getMessage() for one in caplog.records if one.levelno == logging.ERROR] == [
        "sink 'archive' cannot spill: No space left on device; the oldest in memory are dropped until it can"
    ]


def test_a_folder_that_cannot_be_used_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    async def main() -> None:
        buffer = SpillingBuffer("archive", 10, ManualClock(), SpillFiles(tmp_path / "file", GIB))
        with pytest.raises(ConfigError, match=r"cannot spill into .*/file: .* → make that possible"):
            await buffer.open()

    asyncio.run(main())


def test_spill_without_a_state_directory_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^when_full: spill needs a directory → write state"):
        Delivery(SinkConfig("a", "x", when_full="spill"), Away(), SystemClock(), lambda dropped: recorded([dropped])[0])


# the delivery
class Away:
    """A sink whose server is away."""

    async def open(self) -> None:
        raise ConnectionLostError("refused")

    async def write(self, records: Sequence[Record]) -> None:
        raise AssertionError("it is not open")

    async def close(self) -> None: ...


class Kept:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    async def open(self) -> None: ...

    async def write(self, records: Sequence[Record]) -> None:
        self.records += records

    async def close(self) -> None: ...


def delivery_to(sink: Any, state: Path, queue: int = 10) -> Delivery:
    def announce(dropped: Dropped) -> Record:
        return recorded([dropped])[0]

    settings = SinkConfig("archive", "x", queue=queue, when_full="spill", batch=7)
    return Delivery(settings, sink, SystemClock(), announce, state=state, backoff=BackoffPolicy(0.001, 0.01))


def delivered(sink: Any, state: Path, records: Sequence[Record], is_given_up: bool) -> Delivery:
    async def main() -> Delivery:
        delivery = delivery_to(sink, state)
        await delivery.open()
        task = asyncio.create_task(delivery.run())
        for record in records:
            delivery.put(record)
        await until(lambda: not is_given_up or delivery.retries > 2)
        delivery.finish()
        if is_given_up:
            task.cancel()
        await asyncio.wait([task])
        return delivery

    return asyncio.run(main())


@pytest.mark.parametrize("count", [3, 9, 100])
def test_what_a_sink_never_took_is_delivered_by_the_next_run(tmp_path: Path, count: int) -> None:
    old = delivered(Away(), tmp_path, stream_of(count, "OLD"), is_given_up=True)
    assert (old.dropped, old.unwritten) == (0, 0)
    assert old.spilled > 0
    again = delivered(Away(), tmp_path, stream_of(5, "SECOND"), is_given_up=True)
    assert again.dropped == 0
    sink = Kept()
    new = delivered(sink, tmp_path, stream_of(5, "NEW"), is_given_up=False)
    assert sink.records == [*stream_of(count, "OLD"), *stream_of(5, "SECOND"), *stream_of(5, "NEW")]
    assert (new.dropped, new.spilled, list(tmp_path.iterdir())) == (0, 0, [])


def test_what_is_on_disk_survives_a_kill_at_any_moment(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from tickwire import BackoffPolicy, ConnectionLostError, Delivery, SinkConfig, SystemClock\n"
        "from tickwire.testing import recorded, stream_of\n"
        "class Away:\n"
        "    async def open(self): raise ConnectionLostError('refused')\n"
        "    async def write(self, records): raise AssertionError\n"
        "    async def close(self): pass\n"
        "settings = SinkConfig('archive', 'x', queue=10, when_full='spill', batch=7)\n"
        "async def main():\n"
        "    delivery = Delivery(settings, Away(), SystemClock(), lambda dropped: recorded([dropped])[0],\n"
        "        state=Path(sys.argv[1]), backoff=BackoffPolicy(0.001, 0.01))\n"
        "    await delivery.open()\n"
        "    task = asyncio.create_task(delivery.run())\n"
        "    for first in range(1, 100_001, 50):\n"
        "        for record in stream_of(50, 'OLD', first): delivery.put(record)\n"
        "        await asyncio.sleep(0)\n"
        "        if first > 100: print(delivery.oldest, flush=True)\n"
        "asyncio.run(main())\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    safe = 0
    for line in child.stdout:
        safe = max(safe, int(line) - 1)
        if safe > 300:
            break
    child.kill()
    safe = max([safe, *(int(line) - 1 for line in child.stdout if line.endswith("\n"))])
    child.wait()
    child.stdout.close()
    sink = Kept()
    delivered(sink, tmp_path, stream_of(5, "NEW"), is_given_up=False)
    old, new = sink.records[:-5], sink.records[-5:]
    assert new == stream_of(5, "NEW")
    assert old == stream_of(len(old), "OLD")
    assert len(old) >= safe > 300
