"""NATS JetStream: a message an event, its key as message id, so that the server takes a second copy for the first."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from tickwire import ConfigError, ConnectionLostError, Record, encode_record
from tickwire_sinks.border import Border, Meaning, by_class, extra
from tickwire_sinks.messages import Topics
from tickwire_sinks.options import NatsJetStreamOptions, place_of

with extra("nats"):
    from nats import errors as theirs
    from nats.aio.client import Client
    from nats.aio.errors import NatsError
    from nats.js import api
    from nats.js import errors as js_errors
    from nats.js.client import JetStreamContext

__all__ = ["CODES", "MEANINGS", "NatsJetStreamSink", "meaning_of"]

MEANINGS: dict[type[BaseException], Meaning] = {
    theirs.TimeoutError: Meaning.LOST,
    theirs.NoRespondersError: Meaning.LOST,
    theirs.StaleConnectionError: Meaning.LOST,
    theirs.OutboundBufferLimitError: Meaning.LOST,
    theirs.ConnectionClosedError: Meaning.LOST,
    theirs.ConnectionDrainingError: Meaning.LOST,
    theirs.ConnectionReconnectingError: Meaning.LOST,
    theirs.NoServersError: Meaning.LOST,
    theirs.JsonParseError: Meaning.LOST,
    theirs.ProtocolError: Meaning.LOST,
    theirs.SecureConnRequiredError: Meaning.SETTINGS,
    theirs.SecureConnWantedError: Meaning.SETTINGS,
    theirs.SecureConnFailedError: Meaning.SETTINGS,
    theirs.AuthorizationError: Meaning.SETTINGS,
    theirs.InvalidUserCredentialsError: Meaning.SETTINGS,
    theirs.BadSubjectError: Meaning.RECORD,
    theirs.MaxPayloadError: Meaning.RECORD,
    js_errors.ServiceUnavailableError: Meaning.LOST,
    js_errors.ServerError: Meaning.LOST,
    js_errors.NotFoundError: Meaning.LOST,  # the stream was deleted; opening makes it anew
    js_errors.NoStreamResponseError: Meaning.LOST,
    js_errors.TooManyStalledMsgsError: Meaning.LOST,
    js_errors.BadRequestError: Meaning.RECORD,
    js_errors.APIError: Meaning.RECORD,
    # of a subscriber, or of an object store: not used here
    js_errors.Error: Meaning.RECORD,
    theirs.BadSubscriptionError: Meaning.RECORD,
    theirs.SlowConsumerError: Meaning.RECORD,
    theirs.BadTimeoutError: Meaning.RECORD,
    theirs.InvalidCallbackTypeError: Meaning.RECORD,
    theirs.NotJSMessageError: Meaning.RECORD,
    theirs.MsgAlreadyAckdError: Meaning.RECORD,
    NatsError: Meaning.RECORD,  # deprecated, raised nowhere
}
# the library has these since 2.10 or later
MEANINGS |= {getattr(theirs, name, theirs.BadSubjectError): Meaning.RECORD for name in ("BadHeaderError",)}
MEANINGS |= {getattr(theirs, name, theirs.NoServersError): Meaning.LOST for name in ("ServerNotInPoolError",)}

CODES: Mapping[int, Meaning] = {
    10039: Meaning.SETTINGS,  # JetStream is not enabled for the account
    10076: Meaning.SETTINGS,  # nor for the server
    10047: Meaning.LOST,  # the disk is full
    10077: Meaning.LOST,  # the stream is, and refuses what is new
    10122: Meaning.LOST,
}
"""What JetStream's own error codes mean, where the class of the error does not tell."""

_REFUSALS = ("authorization", "authentication", "permissions violation", "user authentication")
_LOOK = 0.2
_by_class = by_class(MEANINGS)


def meaning_of(error: BaseException) -> Meaning:
    """Tell what an error of nats-py means."""
    if type(error) is theirs.Error:  # what the server said, as text
        text = str(error).lower()
        return Meaning.SETTINGS if any(word in text for word in _REFUSALS) else Meaning.LOST
    code = error.err_code if isinstance(error, js_errors.APIError) else None
    return CODES.get(code or 0) or _by_class(error)


_BORDER = Border("NATS", (theirs.Error,), meaning_of, "look at url, stream and subject, and at what its user may do")


class NatsJetStreamSink:
    """Publishes events to a stream, in order; returns once the server has acknowledged each."""

    def __init__(self, options: NatsJetStreamOptions) -> None:
        """Take over the settings; ``open`` connects."""
        self._options = options
        self._place = ", ".join(map(place_of, options.servers))
        self._subjects = Topics(options.subject, reserved=".*> \t\r\n", forbidden="*> \t\r\n", option="subject")
        self._client: Client | None = None
        self._stream: JetStreamContext | None = None
        self._waiting: list[asyncio.Future[api.PubAck]] = []

    async def open(self) -> None:
        """Connect, and make the stream where it is missing.

        Raises:
            ConnectionLostError: The server cannot be reached, or has no JetStream yet.
            ConfigError: It refuses user or stream, or the stream does not take the subjects.
        """
        await self.close()
        try:
            with _BORDER.crossed(self._place, opening=True):
                async with asyncio.timeout(self._options.timeout):
                    await self._connect(self._options.timeout)
        except BaseException:
            await self.close()
            raise

    async def write(self, records: Sequence[Record]) -> None:
        """Publish a batch.

        Raises:
            ConnectionLostError: The connection was lost, or an acknowledgement did not come.
            ConfigError: A subject may not be published, or belongs to another stream.
        """
        stream = self._stream
        if stream is None:
            raise ConnectionLostError(f"NATS at {self._place} is not connected")
        try:
            with _BORDER.crossed(self._place):
                async with asyncio.timeout(self._options.timeout):
                    for record in records:
                        self._waiting.append(await self._publish(stream, record))
                    await self._acknowledged()
        finally:
            for one in self._waiting:
                if not one.cancel() and not one.cancelled():
                    one.exception()  # only the first is raised
            self._waiting.clear()

    async def close(self) -> None:
        """Disconnect; a second call is harmless."""
        client, self._client, self._stream = self._client, None, None
        if client is not None:
            with _BORDER.left(self._place):
                await client.close()

    async def _connect(self, timeout: float) -> None:
        self._client = Client()
        await self._client.connect(
            [server.reveal() for server in self._options.servers],
            name="tickwire",
            # the delivery tries again, and says so
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=timeout,  # type: ignore[arg-type]
            error_cb=self._fail,
        )
        self._stream = self._client.jetstream(timeout=timeout)
        await self._prepare(self._stream)

    async def _publish(self, stream: JetStreamContext, record: Record) -> asyncio.Future[api.PubAck]:
        headers = {api.Header.MSG_ID.value: record.key}
        return await stream.publish_async(self._subjects.of(record), encode_record(record), headers=headers)

    async def _acknowledged(self) -> None:
        waiting: set[asyncio.Future[api.PubAck]] = set(self._waiting)
        while waiting:
            # futures are not told of the connection's end, so it is looked for
            done, waiting = await asyncio.wait(waiting, timeout=_LOOK, return_when=asyncio.FIRST_EXCEPTION)
            for one in done:
                one.result()
            if waiting and not (self._client and self._client.is_connected):
                raise theirs.ConnectionClosedError

    async def _prepare(self, stream: JetStreamContext) -> None:
        options, wanted = self._options, self._subjects.pattern(".", "*")
        try:
            config = (await stream.stream_info(options.stream)).config
        except js_errors.NotFoundError:
            await stream.add_stream(
                name=options.stream,
                subjects=[wanted],
                duplicate_window=options.duplicates,
                max_age=options.max_age,
                max_bytes=options.max_bytes,
                storage=api.StorageType(options.storage),
                num_replicas=options.replicas,
            )
            return
        if not any(_covers(subject, wanted) for subject in config.subjects or ()):
            raise ConfigError(
                f"stream {options.stream!r} takes {', '.join(config.subjects or ['nothing'])}, not {wanted}",
                hint=f"add {wanted} to its subjects, or name another stream",
            )

    async def _fail(self, error: Exception) -> None:
        # the server's complaint, e.g. about a subject; no acknowledgement will come
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_exception(error)


def _covers(subject: str, wanted: str) -> bool:
    have, want = subject.split("."), wanted.split(".")
    if have[-1] == ">":
        return len(want) >= len(have) and all(a in ("*", b) for a, b in zip(have[:-1], want, strict=False))
    return len(have) == len(want) and all(a in ("*", b) for a, b in zip(have, want, strict=True))
