"""ZeroMQ through real sockets: PUSH through the sink kit, PUB to subscribers."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import zmq
import zmq.asyncio
from zmq.utils.monitor import parse_monitor_message

from tickwire import ConfigError, ConnectionLostError, Duration, Record, Side, Trade, decode_record
from tickwire.testing import SinkConformance, recorded, stream_of
from tickwire_sinks.stream_options import ZeroMqOptions
from tickwire_sinks.zeromq import SETTINGS, ZeroMqSink


class TestZeroMqPush(SinkConformance):
    """Nobody acknowledges, so a puller that dies takes with it what waits for it: there is no ``cut`` here.

    And a puller reads its connections in turn, so that order ends with a connection: it has a test of its own.
    """

    sink = "zeromq"
    is_ordered = False

    async def prepare(self) -> None:
        self.context = zmq.asyncio.Context()
        self.puller = self.context.socket(zmq.PULL)
        self.puller.set_hwm(100_000)
        self.port = self.puller.bind_to_random_port("tcp://127.0.0.1")
        self.monitor = self.puller.get_monitor_socket(zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED)
        self.open_connections = 0
        self.found: list[Record] = []

    def make_options(self, tmp_path: Path) -> Mapping[str, object]:
        return {"pattern": "push", "connect": f"tcp://127.0.0.1:{self.port}"}

    async def read_back(self) -> Sequence[Record]:
        # the sink is closed: once its connections have ended too, everything that it sent is here
        while self.open_connections or await self.monitor.poll(0):
            event = parse_monitor_message(await self.monitor.recv_multipart())["event"]
            self.open_connections += 1 if event == zmq.EVENT_ACCEPTED else -1
        while await self.puller.poll(0):
            _, line = await self.puller.recv_multipart()
            self.found.append(decode_record(line))
        return self.found

    async def clean(self) -> None:
        self.puller.disable_monitor()
        self.monitor.close()
        self.puller.close()
        self.context.term()


def options(pattern: str, **settings: object) -> ZeroMqOptions:
    return ZeroMqOptions(**{"pattern": pattern, "timeout": Duration(5.0), **settings})  # type: ignore[arg-type]


@asynccontextmanager
async def subscriber(address: str, prefix: str) -> AsyncIterator[zmq.asyncio.Socket]:
    context = zmq.asyncio.Context()
    socket = context.socket(zmq.SUB)
    socket.subscribe(prefix)
    socket.connect(address)
    yield socket
    socket.close()
    context.term()


def test_a_subscriber_gets_what_its_topic_begins_with(tmp_path: Path) -> None:
    async def body() -> None:
        address = f"ipc://{tmp_path}/pub"
        sink, records = ZeroMqSink(options("pub", bind=address)), stream_of(30)
        await sink.open()
        async with subscriber(address, "kit.trades.SOL-USDC") as socket:
            await has_subscribed(sink, socket)
            await sink.write(records)
            wanted = [one for one in records if one.event.symbol == "SOL-USDC" and isinstance(one.event, Trade)]
            found = [await socket.recv_multipart() for _ in wanted]
        await sink.close()
        assert found == [[b"kit.trades.SOL-USDC", line] for _, line in found]
        assert [decode_record(line) for _, line in found] == wanted

    asyncio.run(body())


async def has_subscribed(sink: ZeroMqSink, socket: zmq.asyncio.Socket) -> None:
    """Publish until the subscriber hears it, and let it read what was published."""
    again, last = recorded([Trade("kit", "SOL-USDC", None, time, 1.0, 1.0, Side.BUY) for time in (1, 2)])
    while not await socket.poll(10):
        await sink.write([again])
    await sink.write([last])
    while decode_record((await socket.recv_multipart())[1]) != last:
        pass


def test_nobody_who_pulls_can_be_tried_again(tmp_path: Path) -> None:
    async def body() -> None:
        for settings in ({"connect": f"ipc://{tmp_path}/none"}, {"bind": f"ipc://{tmp_path}/bound"}):
            sink = ZeroMqSink(options("push", timeout=Duration(0.1), **settings))
            with pytest.raises(ConnectionLostError, match="nobody pulls"):
                await sink.open()
            await sink.close()
            with pytest.raises(ConnectionLostError, match="not open"):
                await sink.write(stream_of(1))

    asyncio.run(body())


async def written_for_ever(sink: ZeroMqSink) -> None:
    while True:
        await sink.write(stream_of(1_000))


def test_one_connection_keeps_the_order(tmp_path: Path) -> None:
    async def body() -> None:
        context = zmq.asyncio.Context()
        puller = context.socket(zmq.PULL)
        puller.connect(f"ipc://{tmp_path}/push")
        sink, records = ZeroMqSink(options("push", bind=f"ipc://{tmp_path}/push")), stream_of(500)
        await sink.open()
        await sink.write(records[:300])
        await sink.write(records[300:])
        assert [decode_record((await puller.recv_multipart())[1]) for _ in records] == records
        await sink.close()
        puller.close()
        context.term()

    asyncio.run(body())


def test_a_puller_that_is_too_slow_is_given_up_in_time(tmp_path: Path) -> None:
    async def body() -> None:
        context = zmq.asyncio.Context()
        puller = context.socket(zmq.PULL)
        puller.setsockopt(zmq.RCVHWM, 1)
        puller.setsockopt(zmq.RCVBUF, 4_096)
        port = puller.bind_to_random_port("tcp://127.0.0.1")
        address = f"tcp://127.0.0.1:{port}"
        sink = ZeroMqSink(options("push", connect=address, high_water=1, timeout=Duration(3.0)))
        await sink.open()
        with pytest.raises(ConnectionLostError, match="not fast enough"):
            await written_for_ever(sink)
        puller.close()  # else closing the sink waits for it
        context.term()
        await sink.close()

    asyncio.run(body())


def test_an_address_in_use_can_be_tried_again(tmp_path: Path) -> None:
    async def body() -> None:
        context = zmq.asyncio.Context()
        other = context.socket(zmq.PUB)
        port = other.bind_to_random_port("tcp://127.0.0.1")
        sink = ZeroMqSink(options("pub", bind=f"tcp://127.0.0.1:{port}"))
        with pytest.raises(ConnectionLostError, match="in use"):
            await sink.open()
        other.close()
        context.term()
        await sink.open()
        await sink.close()

    asyncio.run(body())


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1", "nope://x", "tcp://no.such.interface:1", "ipc:///none/such/dir"]
)
def test_an_address_that_cannot_be_is_the_users_mistake(address: str) -> None:
    async def body() -> None:
        sink = ZeroMqSink(options("pub", bind=address))
        with pytest.raises(ConfigError, match="ZeroMQ at"):
            await sink.open()
        await sink.close()

    asyncio.run(body())


@pytest.mark.parametrize("settings", [{}, {"bind": "a", "connect": "b"}, {"bind": "a", "high_water": 0}])
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        options("pub", **settings)


def test_every_error_has_one_meaning() -> None:
    numbers = {number for error in all_errors() if (number := error.errno) is not None}
    assert {errno.EADDRINUSE, errno.EAGAIN, errno.EINTR, zmq.ETERM, errno.ENOTSOCK} & SETTINGS == set()
    assert numbers <= {zmq.ETERM, errno.EAGAIN, errno.EINTR}  # the classes that carry a number of their own pass


def all_errors() -> list[zmq.ZMQError]:
    below = [zmq.ZMQError]
    for kind in below:
        below += kind.__subclasses__()
    return [kind() for kind in below if kind is not zmq.ZMQError and kind.__module__.startswith("zmq")]
