"""ZeroMQ: a message of two parts an event, its topic and its JSON line.

ZeroMQ has no acknowledgements. ``push`` returns once ZeroMQ has taken a batch for somebody who is connected; what it
holds for a receiver that dies is lost with it, ``high_water`` messages at most. ``pub`` does not know who listens:
without subscribers, and for one that is too slow, messages are gone.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tickwire import ConfigError, ConnectionLostError, Record, encode_record
from tickwire_sinks.border import extra
from tickwire_sinks.messages import Topics
from tickwire_sinks.stream_options import ZeroMqOptions

with extra("zeromq"):
    import zmq
    import zmq.asyncio

__all__ = ["SETTINGS", "ZeroMqSink"]

SETTINGS = frozenset({
    errno.EACCES, errno.EADDRNOTAVAIL, errno.EINVAL, errno.ENODEV, errno.ENOENT, errno.ENOTSUP, errno.EPROTONOSUPPORT,
    errno.ENAMETOOLONG, errno.EPERM, zmq.ENOCOMPATPROTO,
})  # fmt: skip
"""Numbers of errors that the user mends; of every other one, an address that is still in use among them, time does."""


class ZeroMqSink:
    """Sends messages over one socket."""

    def __init__(self, options: ZeroMqOptions) -> None:
        """Take over the settings; ``open`` makes the socket.

        Raises:
            ConfigError: The topic is no template.
        """
        self._options = options
        self._topics = Topics(options.topic, option="topic")
        self._place = options.bind or options.connect or ""
        self._context: zmq.asyncio.Context | None = None
        self._socket: zmq.asyncio.Socket | None = None

    async def open(self) -> None:
        """Listen or connect; with ``push``, wait for somebody who pulls.

        Raises:
            ConfigError: The address cannot be used.
            ConnectionLostError: It is in use, or nobody pulls now.
        """
        await self.close()
        with self._crossed():
            self._context = zmq.asyncio.Context()
            socket = self._socket = self._context.socket(zmq.PUB if self._options.pattern == "pub" else zmq.PUSH)
            socket.set_hwm(self._options.high_water)
            socket.setsockopt(zmq.IMMEDIATE, 1)  # queue for those who are connected, not for those who may come
            if self._options.bind is not None:
                socket.bind(self._options.bind)
            else:
                socket.connect(self._place)
            await self._has_receiver(socket)

    async def write(self, records: Sequence[Record]) -> None:
        """Hand a batch to ZeroMQ.

        Raises:
            ConnectionLostError: Nobody took all of it in time; a part of it may have been sent.
        """
        socket = self._socket
        if socket is None:
            raise ConnectionLostError(f"ZeroMQ at {self._place} is not open")
        messages = [[self._topics.of(record).encode(), encode_record(record)] for record in records]
        with self._crossed():
            async with asyncio.timeout(self._options.timeout):
                for message in messages:
                    await socket.send_multipart(message)

    async def close(self) -> None:
        """Send off what waits, for as long as ``timeout``, and close; a second call is harmless."""
        socket, self._socket = self._socket, None
        context, self._context = self._context, None
        if socket is not None:
            socket.close(linger=int(self._options.timeout * 1_000))
        if context is not None:
            await asyncio.to_thread(context.term)

    async def _has_receiver(self, socket: zmq.asyncio.Socket) -> None:
        if self._options.pattern == "push":
            poller = zmq.asyncio.Poller()
            poller.register(socket, zmq.POLLOUT)
            if not await poller.poll(int(self._options.timeout * 1_000)):
                raise ConnectionLostError(f"nobody pulls at {self._place}")

    @contextmanager
    def _crossed(self) -> Iterator[None]:
        try:
            yield
        except zmq.ZMQError as error:
            text = f"ZeroMQ at {self._place}: {error.strerror}"
            if error.errno in SETTINGS:
                raise ConfigError(text, hint="check bind: or connect:, and who may use that address") from error
            raise ConnectionLostError(text) from error
        except TimeoutError as error:
            raise ConnectionLostError(f"nobody pulls at {self._place}, or not fast enough") from error
