"""Sockets: TCP with acknowledgements through the sink kit; TCP, Unix sockets and UDP without."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from tickwire import ConfigError, ConnectionLostError, Duration, Record, RefusedError, decode_record, encode_record
from tickwire.testing import ProxiedSinkConformance, every_event, recorded, stream_of
from tickwire_sinks.sockets import MAX_DATAGRAM, SocketSink
from tickwire_sinks.stream_options import SocketOptions


class Receiver:
    """Reads lines, and answers a byte for each that it has."""

    def __init__(self, *, acknowledges: bool = True) -> None:
        self.records: list[Record] = []
        self.arrived = asyncio.Condition()
        self._acknowledges = acknowledges

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (line := await reader.readline()).endswith(b"\n"):
                await self._take(line)
                if self._acknowledges:
                    writer.write(b".")
        except OSError:
            return  # reset by whoever sent
        finally:
            writer.close()

    async def _take(self, line: bytes) -> None:
        async with self.arrived:
            self.records.append(decode_record(line))
            self.arrived.notify_all()

    async def has(self, count: int) -> list[Record]:
        async with self.arrived:
            await self.arrived.wait_for(lambda: len(self.records) >= count)
        return self.records


class TestTcpAcknowledged(ProxiedSinkConformance):
    sink = "socket"

    async def prepare(self) -> None:
        self.receiver = Receiver()
        self.server = await asyncio.start_server(self.receiver.accept, "127.0.0.1", 0, limit=2**20)
        await self.stand_before(self.server.sockets[0].getsockname()[1])

    def make_options(self, tmp_path: Path) -> Mapping[str, object]:
        return {"url": f"tcp://127.0.0.1:{self.proxy.port}", "acknowledged": True, "timeout": self.timeout}

    async def read_back(self) -> Sequence[Record]:
        return self.receiver.records

    async def clean(self) -> None:
        await super().clean()
        self.server.close()
        await self.server.wait_closed()


@asynccontextmanager
async def served(tmp_path: Path, kind: str, receiver: Receiver) -> AsyncIterator[str]:
    if kind == "unix":
        path = tmp_path / "a socket"
        server = await asyncio.start_unix_server(receiver.accept, path, limit=2**20)
        url = f"unix://{tmp_path}/a%20socket"
    else:
        server = await asyncio.start_server(receiver.accept, "127.0.0.1", 0, limit=2**20)
        url = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield url


@pytest.mark.parametrize("acknowledged", [False, True])
@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_lines_arrive_whole_and_in_order(tmp_path: Path, kind: str, acknowledged: bool) -> None:
    async def body() -> None:
        receiver, records = Receiver(acknowledges=acknowledged), recorded(every_event() * 20)
        async with served(tmp_path, kind, receiver) as url:
            sink = SocketSink(SocketOptions(url, acknowledged=acknowledged))
            await sink.open()
            await sink.write(records[:500])
            await sink.write(records[500:])
            assert await receiver.has(len(records)) == records
            await sink.close()
            await sink.close()

    asyncio.run(body())


@pytest.mark.parametrize("acknowledged", [False, True])
def test_a_receiver_that_goes_away_is_noticed(tmp_path: Path, acknowledged: bool) -> None:
    async def body() -> None:
        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.close()

        receiver = Receiver()
        receiver.accept = hang_up  # type: ignore[method-assign]
        async with served(tmp_path, "tcp", receiver) as url:
            sink = SocketSink(SocketOptions(url, acknowledged=acknowledged))
            await sink.open()
            with pytest.raises(ConnectionLostError, match="tcp://"):
                await written_for_ever(sink)
            await sink.close()

    asyncio.run(body())


@pytest.mark.parametrize("answer", [b"ok\n", b"."])
def test_a_receiver_that_says_more_or_less_than_a_byte_a_line_is_not_believed(tmp_path: Path, answer: bytes) -> None:
    async def body() -> None:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            await reader.readline()
            writer.write(answer)
            writer.close()

        receiver = Receiver()
        receiver.accept = talk  # type: ignore[method-assign]
        async with served(tmp_path, "unix", receiver) as url:
            sink = SocketSink(SocketOptions(url, acknowledged=True))
            await sink.open()
            with pytest.raises(ConnectionLostError, match=f"{len(answer)} acknowledgements of 2 lines"):
                await sink.write(stream_of(2))
            await sink.close()

    asyncio.run(body())


async def written_for_ever(sink: SocketSink) -> None:
    while True:
        await sink.write(stream_of(3))
        await asyncio.sleep(0)


def test_a_receiver_that_does_not_read_is_given_up_in_time(tmp_path: Path) -> None:
    async def body() -> None:
        never = asyncio.Event()

        async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await never.wait()
            writer.transport.abort()

        receiver = Receiver()
        receiver.accept = ignore  # type: ignore[method-assign]
        async with served(tmp_path, "unix", receiver) as url:
            sink = SocketSink(SocketOptions(url, timeout=Duration(2.0)))
            await sink.open()
            with pytest.raises(ConnectionLostError, match="not in time"):
                await written_for_ever(sink)
            await sink.close()  # does not wait for who does not read
            never.set()

    asyncio.run(body())


@pytest.mark.parametrize("url", ["tcp://127.0.0.1:{}", "unix://{}"])
def test_nobody_there_can_be_tried_again(tmp_path: Path, url: str) -> None:
    async def body() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound, and never listening
            place = taken.getsockname()[1] if url.startswith("tcp") else tmp_path / "none"
            sink = SocketSink(SocketOptions(url.format(place)))
            with pytest.raises(ConnectionLostError):
                await sink.open()
            await sink.close()
            with pytest.raises(ConnectionLostError, match="not connected"):
                await sink.write(stream_of(1))

    asyncio.run(body())


def test_a_datagram_is_an_event() -> None:
    async def body() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20)
            receiver.bind(("127.0.0.1", 0))
            receiver.setblocking(False)
            sink = SocketSink(SocketOptions(f"udp://127.0.0.1:{receiver.getsockname()[1]}"))
            records = recorded(every_event())
            await sink.open()
            await sink.write(records)
            loop = asyncio.get_running_loop()
            assert [decode_record(await loop.sock_recv(receiver, 65_536)) for _ in records] == records
            await sink.close()
            await sink.close()

    asyncio.run(body())


def test_an_event_too_large_for_a_datagram_is_refused_and_nothing_is_sent() -> None:
    async def body() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            receiver.bind(("127.0.0.1", 0))
            receiver.setblocking(False)
            small, large = stream_of(2)
            event = msgspec.structs.replace(large.event, conditions=("x" * MAX_DATAGRAM,))
            sink = SocketSink(SocketOptions(f"udp://127.0.0.1:{receiver.getsockname()[1]}"))
            await sink.open()
            with pytest.raises(RefusedError, match=str(MAX_DATAGRAM)):
                await sink.write([small, msgspec.structs.replace(large, event=event)])
            with pytest.raises(BlockingIOError):
                receiver.recv(1)
            await sink.close()

    asyncio.run(body())


def test_the_largest_datagram_goes_through() -> None:
    async def body() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20)
            receiver.bind(("127.0.0.1", 0))
            receiver.setblocking(False)
            (record,) = stream_of(1)
            room = MAX_DATAGRAM - len(encode_record(padded(record, 0)))
            sink = SocketSink(SocketOptions(f"udp://127.0.0.1:{receiver.getsockname()[1]}"))
            await sink.open()
            await sink.write([padded(record, room)])
            line = await asyncio.get_running_loop().sock_recv(receiver, 70_000)
            assert len(line) == MAX_DATAGRAM
            await sink.close()

    asyncio.run(body())


def padded(record: Record, count: int) -> Record:
    return msgspec.structs.replace(record, event=msgspec.structs.replace(record.event, conditions=("x" * count,)))


def test_a_port_without_a_listener_is_noticed_at_the_next_datagram() -> None:
    async def body() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            taken.connect(("127.0.0.1", 9))  # from now on it takes datagrams of that port only: ours find nobody
            sink = SocketSink(SocketOptions(f"udp://127.0.0.1:{taken.getsockname()[1]}"))
            await sink.open()
            with pytest.raises(ConnectionLostError, match="refused"):
                await written_for_ever(sink)
            await sink.close()

    asyncio.run(body())


@pytest.mark.parametrize(
    "url", ["", "tcp://", "tcp://host", "tcp://host:x", "http://host:1", "unix://", "udp://host", "tcp://host:99999"]
)
def test_a_url_that_names_no_socket_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        SocketOptions(url)


def test_udp_cannot_be_acknowledged() -> None:
    with pytest.raises(ConfigError, match="UDP"):
        SocketOptions("udp://127.0.0.1:1", acknowledged=True)
