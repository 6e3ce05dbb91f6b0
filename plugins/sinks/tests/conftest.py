"""What the tests of the sinks share: a record of every kind of event, names and servers of a test's own."""

from __future__ import annotations

import asyncio
import itertools
import queue
import random
import secrets
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, get_args

import msgspec
import paho.mqtt.client as mqtt
import pytest
from msgspec import inspect
from paho.mqtt.enums import CallbackAPIVersion

from tickwire import Record, Side, StoredEvent, Trade
from tickwire.testing import every_event as kit_events
from tickwire.testing import recorded

T = TypeVar("T")
Run = Callable[[Coroutine[Any, Any, T]], T]

RUN_ID = "01KB0V5Y3ZJ6T0Q4M8N2R7W9XC"
NOW = 1_795_715_943_133_456_789


@pytest.fixture(scope="session")
def every_event() -> list[Record]:
    """A record of every kind of event."""
    return recorded(kit_events(), RUN_ID)


@pytest.fixture(scope="session")
def trades() -> Callable[..., list[Record]]:
    """Make trades: ``trades(100)``, ``trades(100, 200)``; every fourth is of another instrument."""

    def make(start: int, stop: int | None = None) -> list[Record]:
        numbers = range(start) if stop is None else range(start, stop)
        return [
            Record(
                Trade(
                    "acme",
                    "ETH-USD" if n % 4 == 3 else "BTC-USD",
                    NOW + n,
                    NOW + n,
                    100.0 + n / 8,
                    1.5,
                    Side.BUY,
                    str(n),
                    n,
                ),
                RUN_ID,
                n + 1,
                f"acme/{'ETH' if n % 4 == 3 else 'BTC'}-USD/{n}",
            )
            for n in numbers
        ]

    return make


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"tw_test_{secrets.token_hex(6)}"


class Server:
    """A server of the test's own on a free port, in a folder of its own: it is killed and started again."""

    def __init__(self, command: Sequence[str], ready: bytes) -> None:
        self._command = command
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, and wait until it says that it is ready."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert self._process.stdout
        said = list(itertools.takewhile(lambda line: self._ready not in line, self._process.stdout))
        assert self._process.poll() is None, b"".join(said).decode()
        # what it says later is read too, or it would stand still with a full pipe
        self._reader = threading.Thread(target=self._process.stdout.read, daemon=True)
        self._reader.start()

    def kill(self) -> None:
        """End it as a power cut would."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGKILL)
            process.wait()
            self._reader.join()
            assert process.stdout
            process.stdout.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Start servers: ``serve("redis-server", "--port", "1234", ready=b"Ready to accept")``; they end with the test."""
    servers: list[Server] = []

    def start(program: str, *arguments: str, ready: bytes) -> Server:
        path = shutil.which(program, path=None) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
        if path is None:
            pytest.skip(f"{program} is not installed")
        servers.append(Server([path, *arguments], ready))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def port() -> int:
    """A port that nobody listens on, below those that outgoing connections get: it stays free between two starts."""
    for number in random.sample(range(20_000, 32_000), 50):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", number))
            except OSError:
                continue
            return number
    pytest.fail("there is no free port")


@pytest.fixture(scope="session")
def needs() -> Callable[[str, int, str], None]:
    """Skip where a server does not run here: ``needs("Redis", 6379, "redis-server")``."""

    def check(server: str, number: int, how: str) -> None:
        try:
            socket.create_connection(("127.0.0.1", number), 5).close()
        except OSError:
            pytest.skip(f"{server} does not run on 127.0.0.1:{number}; start it with: {how}")

    return check


class Listener:
    """Subscribes to everything under a root of an MQTT broker, and takes what comes."""

    def __init__(self, root: str, port: int = 1883) -> None:
        self._messages: queue.Queue[tuple[str, bytes]] = queue.Queue()
        subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe(f"{root}/#", qos=1)
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.on_message = lambda _, __, message: self._messages.put((message.topic, bytes(message.payload)))
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert subscribed.wait(30)

    def take(self, count: int) -> list[tuple[str, bytes]]:
        """Wait for so many messages: topic and payload."""
        return [self._messages.get(timeout=30) for _ in range(count)]

    def forget(self, topic: str) -> None:
        """Have the broker forget what it retains."""
        self._client.publish(topic, b"", qos=1, retain=True).wait_for_publish(30)

    def close(self) -> None:
        """End it."""
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def listen() -> Iterator[Callable[..., Listener]]:
    """Listen to an MQTT broker: ``listen("root")``, ``listen("root", port)``."""
    listeners: list[Listener] = []

    def start(root: str, number: int = 1883) -> Listener:
        listeners.append(Listener(root, number))
        return listeners[-1]

    yield start
    for listener in listeners:
        listener.close()


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Run a coroutine; nothing may be left of it."""

    def running(main: Coroutine[Any, Any, Any]) -> Any:
        async def whole() -> Any:
            result = await main
            for _ in range(10):  # those that were cancelled end now
                await asyncio.sleep(0)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, f"tasks are left: {left}"
            return result

        return asyncio.run(whole())

    return running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a server of the test's own keeps its data."""
    path = tmp_path / "server"
    path.mkdir()
    return path


RecordOf: TypeAlias = Callable[[str, Mapping[str, Any]], Record]

_JSON = ("bids", "asks", "conditions", "instrument", "before")


def _nulls(kind: inspect.StructType) -> dict[str, None]:
    return {
        field.name: None
        for field in kind.fields
        if field.required and isinstance(field.type, inspect.UnionType) and field.type.includes_none
    }


_KINDS = [inspect.type_info(kind) for kind in get_args(StoredEvent)]
_NULLS = {str(kind.tag): _nulls(kind) for kind in _KINDS if isinstance(kind, inspect.StructType)}


@pytest.fixture
def record_of() -> RecordOf:
    """Give what makes a record of a row: the kind's tag, and columns by name; JSON columns are texts or lists."""

    from tickwire import decode_record

    def made(tag: str, row: Mapping[str, Any]) -> Record:
        fields = {name: value for name, value in row.items() if value is not None}
        for name in _JSON:
            if isinstance(fields.get(name), str):
                fields[name] = msgspec.Raw(fields[name].encode())
        return decode_record(msgspec.json.encode({"type": tag, "schema": 1} | _NULLS[tag] | fields))

    return made
