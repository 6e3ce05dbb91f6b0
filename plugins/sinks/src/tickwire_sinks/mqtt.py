"""MQTT: a message an event with QoS 1; where ``retain`` is on, the broker keeps the last one of every topic.

A broker passes messages on and keeps none for whoever has not subscribed; that nobody has is no error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tickwire import ConnectionLostError, Record, encode_record
from tickwire_sinks.border import Border, Meaning
from tickwire_sinks.messages import Topics
from tickwire_sinks.mqtt_session import MqttSession, Refusal
from tickwire_sinks.options import MqttOptions, place_of

__all__ = ["CODES", "MqttSink", "meaning_of"]

CODES: Mapping[int, Meaning] = {
    0x80: Meaning.RECORD,  # unspecified
    0x81: Meaning.RECORD,  # malformed packet
    0x82: Meaning.RECORD,  # protocol error
    0x83: Meaning.RECORD,  # of the broker's own
    0x84: Meaning.SETTINGS,  # protocol version
    0x85: Meaning.SETTINGS,  # client id
    0x86: Meaning.SETTINGS,  # user or password
    0x87: Meaning.SETTINGS,  # not authorised
    0x88: Meaning.LOST,  # not available
    0x89: Meaning.LOST,  # busy
    0x8A: Meaning.SETTINGS,  # banned
    0x8C: Meaning.SETTINGS,  # way of logging in
    0x90: Meaning.RECORD,  # topic
    0x91: Meaning.LOST,  # packet id in use
    0x95: Meaning.RECORD,  # too large
    0x97: Meaning.LOST,  # quota
    0x99: Meaning.RECORD,  # payload format
    0x9A: Meaning.SETTINGS,  # retain
    0x9B: Meaning.SETTINGS,  # QoS
    0x9C: Meaning.SETTINGS,  # use another server
    0x9D: Meaning.SETTINGS,  # the server has moved
    0x9F: Meaning.LOST,  # too many connections a second
}
"""What the broker's reason codes mean, of a connection and of a message."""


_IN_FLIGHT = 1_000
_CHUNK = 10_000  # a message id has 16 bits


def meaning_of(error: BaseException) -> Meaning:
    """Tell what an answer of the broker means."""
    return CODES.get(error.code, Meaning.RECORD) if isinstance(error, Refusal) else Meaning.LOST


_BORDER = Border(
    "MQTT broker", (Refusal,), meaning_of, "look at url, client_id, topic and protocol, and at what its user may do"
)


class MqttSink:
    """Publishes events to topics, in order; returns once the broker has acknowledged each."""

    def __init__(self, options: MqttOptions) -> None:
        """Take over the settings; ``open`` connects."""
        self._options = options
        self._place = place_of(options.url)
        self._topics = Topics(options.topic, reserved="+#/\0", forbidden="+#\0", option="topic")
        self._session: MqttSession | None = None
        self._in_flight = _IN_FLIGHT

    async def open(self) -> None:
        """Connect.

        Raises:
            ConnectionLostError: The broker cannot be reached.
            ConfigError: It refuses user, password, client id or protocol.
        """
        await self.close()
        try:
            with _BORDER.crossed(self._place, opening=True):
                session = await self._connected()
                if session.allowed < self._in_flight:  # the broker says so when it is too late
                    self._in_flight = session.allowed
                    await session.close()
                    await self._connected()
        except BaseException:
            await self.close()
            raise

    async def write(self, records: Sequence[Record]) -> None:
        """Publish a batch.

        Raises:
            ConnectionLostError: The connection was lost, or an acknowledgement did not come.
            ConfigError: A topic may not be published; told by MQTT 5 only.
        """
        session = self._session
        if session is None:
            raise ConnectionLostError(f"MQTT broker at {self._place} is not connected")
        messages = [(self._topics.of(record), encode_record(record)) for record in records]
        with _BORDER.crossed(self._place):
            for start in range(0, len(messages), _CHUNK):
                await session.publish(messages[start : start + _CHUNK], self._options.retain)

    async def _connected(self) -> MqttSession:
        self._session = MqttSession(self._options, self._in_flight)
        await self._session.connect()
        return self._session

    async def close(self) -> None:
        """Disconnect; a second call is harmless."""
        session, self._session = self._session, None
        if session is not None:
            with _BORDER.left(self._place):
                await session.close()
