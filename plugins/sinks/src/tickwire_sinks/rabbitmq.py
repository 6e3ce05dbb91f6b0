"""RabbitMQ: a persistent message an event to a durable topic exchange, each confirmed by the broker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from tickwire import ConfigError, ConnectionLostError, Record, encode_record
from tickwire_sinks.border import Border, Meaning, by_class, extra
from tickwire_sinks.messages import Topics
from tickwire_sinks.options import RabbitMqOptions, place_of

with extra("rabbitmq"):
    import aio_pika
    import pamqp.exceptions
    from aio_pika import exceptions as theirs
    from aio_pika.abc import AbstractConnection, AbstractExchange
    from aiormq import exceptions as low
    from yarl import URL

__all__ = ["MEANINGS", "ROOTS", "RabbitMqSink"]

ROOTS = (theirs.AMQPError, theirs.ChannelInvalidStateError, pamqp.exceptions.PAMQPException)
MEANINGS: Mapping[type[BaseException], Meaning] = {
    theirs.AMQPConnectionError: Meaning.LOST,
    theirs.AuthenticationError: Meaning.SETTINGS,
    theirs.ProbableAuthenticationError: Meaning.SETTINGS,
    theirs.IncompatibleProtocolError: Meaning.SETTINGS,
    low.ConnectionNotAllowed: Meaning.SETTINGS,  # no such virtual host
    low.ConnectionNotImplemented: Meaning.SETTINGS,
    theirs.AMQPChannelError: Meaning.LOST,
    low.ChannelAccessRefused: Meaning.SETTINGS,
    low.ChannelLockedResource: Meaning.SETTINGS,
    theirs.ChannelNotFoundEntity: Meaning.LOST,  # the exchange was deleted; opening makes it anew
    theirs.ChannelPreconditionFailed: Meaning.SETTINGS,  # it is there, of another kind
    theirs.ChannelInvalidStateError: Meaning.LOST,
    theirs.DeliveryError: Meaning.LOST,  # the broker takes nothing now, e.g. a queue is full
    theirs.PublishError: Meaning.LOST,  # the queue was deleted; opening makes it anew
    theirs.ProtocolSyntaxError: Meaning.LOST,
    theirs.MethodNotImplemented: Meaning.LOST,
    pamqp.exceptions.PAMQPException: Meaning.LOST,
    # of a consumer: not used here
    theirs.DuplicateConsumerTag: Meaning.RECORD,
    theirs.MessageProcessError: Meaning.RECORD,
    theirs.QueueEmpty: Meaning.RECORD,
}

_GOODBYE = 1.0  # nothing is under way when it closes: a broker that hangs is left
_BORDER = Border("RabbitMQ", ROOTS, by_class(MEANINGS), "look at url, exchange and queue, and at what its user may do")


class RabbitMqSink:
    """Publishes events to a topic exchange, in order; returns once the broker has confirmed each."""

    def __init__(self, options: RabbitMqOptions) -> None:
        """Take over the settings; ``open`` connects."""
        self._options = options
        self._place = place_of(options.url)
        self._keys = Topics(options.routing_key, reserved=".*#", option="routing_key")
        self._connection: AbstractConnection | None = None
        self._exchange: AbstractExchange | None = None

    async def open(self) -> None:
        """Connect, and make exchange and queue where they are missing.

        Raises:
            ConnectionLostError: The broker cannot be reached.
            ConfigError: It refuses user or virtual host, or exchange or queue are there and of another kind.
        """
        await self.close()
        # it logs with whole tracebacks what it raises here too, and what follows from a connection that ended
        logging.getLogger("aiormq").setLevel(logging.CRITICAL)
        try:
            with _BORDER.crossed(self._place, opening=True):
                async with asyncio.timeout(self._options.timeout):
                    await self._connect(self._options)
        except BaseException:
            await self.close()
            raise

    async def write(self, records: Sequence[Record]) -> None:
        """Publish a batch.

        Raises:
            ConnectionLostError: The connection was lost, a confirmation did not come, or the broker takes nothing now.
            ConfigError: The exchange may not be written.
        """
        exchange = self._exchange
        if exchange is None:
            raise ConnectionLostError(f"RabbitMQ at {self._place} is not connected")
        with _BORDER.crossed(self._place):
            # publishing waits for the confirmation; the calls begin in this order, and so do the messages
            answers = await asyncio.gather(
                *(self._publish(exchange, record) for record in records), return_exceptions=True
            )
            for answer in answers:
                if isinstance(answer, BaseException):
                    raise answer

    async def close(self) -> None:
        """Disconnect; a second call is harmless."""
        connection, self._connection, self._exchange = self._connection, None, None
        if connection is not None:
            with _BORDER.left(self._place):
                async with asyncio.timeout(_GOODBYE):
                    await connection.close()

    async def _connect(self, options: RabbitMqOptions) -> None:
        try:
            # made here, so that one that fails half-way is closed: left to itself it would warn when it is collected
            connection = self._connection = aio_pika.Connection(URL(options.url.reveal()))
            await connection.connect(timeout=options.timeout)
        except ROOTS as error:
            if "Connection.OpenOk" not in str(error):
                raise
            raise ConfigError(
                f"RabbitMQ at {self._place} closes the connection to the virtual host at once",
                hint="look at the end of url: the virtual host must exist, and be the user's",
            ) from error
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        exchange = await channel.declare_exchange(options.exchange, aio_pika.ExchangeType.TOPIC, durable=True)
        if options.durable_queue:
            queue = await channel.declare_queue(options.durable_queue, durable=True)
            await queue.bind(exchange, "#")
        self._exchange = exchange

    async def _publish(self, exchange: AbstractExchange, record: Record) -> Any:
        message = aio_pika.Message(
            encode_record(record),
            message_id=record.key,
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        return await exchange.publish(
            message, self._keys.of(record), mandatory=bool(self._options.durable_queue), timeout=self._options.timeout
        )
