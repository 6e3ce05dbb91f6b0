"""One connection to an MQTT broker: paho's network thread on one side, the event loop on the other.

Of what is under way only the count of acknowledgements crosses over, so that the loop is woken once for all of it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote, urlsplit

from tickwire_sinks.border import extra
from tickwire_sinks.options import MqttOptions

with extra("mqtt"):
    from paho.mqtt.client import MQTT_ERR_SUCCESS, Client, MQTTv5, MQTTv311
    from paho.mqtt.enums import CallbackAPIVersion
    from paho.mqtt.reasoncodes import ReasonCode

__all__ = ["MqttSession", "Refusal"]


class Refusal(Exception):
    """The broker answered with a reason code that means no.

    Attributes:
        code: As MQTT 5 counts them; the codes of MQTT 3.1.1 are translated.
    """

    def __init__(self, reason: ReasonCode) -> None:
        super().__init__(str(reason))
        self.code = int(reason.value)


class MqttSession:
    """Connects once, publishes batches with QoS 1, and ends.

    Attributes:
        allowed: How many messages the broker takes before it has acknowledged the first; known once connected.
    """

    def __init__(self, options: MqttOptions, in_flight: int) -> None:
        """Take over the settings; must be called where the event loop runs.

        Args:
            options: The settings.
            in_flight: How many messages may be under way at once; cannot be changed later.
        """
        self._loop = asyncio.get_running_loop()
        self._timeout = options.timeout
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._connected: asyncio.Future[ReasonCode] = self._loop.create_future()
        self._lock = threading.Lock()
        self.allowed = in_flight
        self._published = self._acknowledged = 0
        self._refusal: ReasonCode | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._client = _client(options, in_flight)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        parts = urlsplit(options.url.reveal())
        self._address = parts.hostname or "localhost", parts.port or (8883 if parts.scheme == "mqtts" else 1883)

    async def connect(self) -> None:
        """Connect.

        Raises:
            OSError: The broker cannot be reached, or does not answer.
            Refusal: It does not let this user in.
        """
        async with asyncio.timeout(self._timeout):
            await asyncio.to_thread(self._client.connect, *self._address)
            self._client.loop_start()
            await asyncio.wait((self._connected, self._ended), return_when=asyncio.FIRST_COMPLETED)
        if not self._connected.done():
            raise ConnectionResetError("the broker ended the connection")
        if self._connected.result().is_failure:
            raise Refusal(self._connected.result())

    async def publish(self, messages: Iterable[tuple[str, bytes]], retain: bool) -> None:
        """Publish messages, topic and payload, in order, and wait until all are acknowledged.

        Raises:
            OSError: The connection ended, or an acknowledgement did not come in time.
            Refusal: One was refused; the others may have been taken.
            ValueError: A topic or a payload is impossible; those before it may have been taken.
        """
        for topic, payload in messages:
            if self._client.publish(topic, payload, 1, retain).rc != MQTT_ERR_SUCCESS:
                raise ConnectionResetError("the connection has ended")
            self._published += 1
        await self._answered()

    async def close(self) -> None:
        """End the connection and the thread; a second call is harmless."""
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    async def _answered(self) -> None:
        answered: asyncio.Future[None] = self._loop.create_future()
        with self._lock:
            if self._acknowledged >= self._published:
                answered.set_result(None)
            else:
                self._waiting = answered
        async with asyncio.timeout(self._timeout):
            await asyncio.wait((answered, self._ended), return_when=asyncio.FIRST_COMPLETED)
        if not answered.done():
            raise ConnectionResetError("the connection has ended")
        refusal, self._refusal = self._refusal, None
        if refusal is not None:
            raise Refusal(refusal)

    # these run in the network thread
    def _on_connect(self, client: Client, data: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        self.allowed = int(getattr(properties, "ReceiveMaximum", self.allowed))
        self._loop.call_soon_threadsafe(_settle, self._connected, reason)

    def _on_disconnect(self, client: Client, data: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        self._loop.call_soon_threadsafe(_settle, self._ended, None)

    def _on_publish(self, client: Client, data: Any, mid: int, reason: ReasonCode, properties: Any) -> None:
        with self._lock:
            if reason.is_failure:
                self._refusal = reason
            self._acknowledged += 1
            if self._waiting is not None and self._acknowledged >= self._published:
                self._loop.call_soon_threadsafe(_settle, self._waiting, None)
                self._waiting = None


def _client(options: MqttOptions, in_flight: int) -> Client:
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=options.client_id or "",
        protocol=MQTTv5 if options.protocol == "mqtt5" else MQTTv311,
        reconnect_on_failure=False,  # the delivery tries again, and says so
    )
    client.on_socket_open = _at_once
    client.connect_timeout = options.timeout
    client.max_inflight_messages_set(in_flight)
    parts = urlsplit(options.url.reveal())
    if parts.username is not None:
        client.username_pw_set(unquote(parts.username), None if parts.password is None else unquote(parts.password))
    if parts.scheme == "mqtts":
        client.tls_set_context(ssl.create_default_context())
    return client


# Small packets and their acknowledgements would wait for each other, 40 ms a round.
def _at_once(client: Client, data: Any, sock: Any) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _settle(future: asyncio.Future[Any], value: object) -> None:
    if not future.done():
        future.set_result(value)
