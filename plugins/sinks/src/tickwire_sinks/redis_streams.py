"""Redis Streams: an entry an event with its key and JSON line, and the last event of each kind under a key of its own.

Redis itself knows no duplicates. So after whatever leaves it in doubt (a lost connection, a refused batch, a new start)
events are first compared with the ends of their streams, and only those that are not there are added.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tickwire import ConnectionLostError, Record, encode_record
from tickwire_sinks.border import Border, Meaning, by_class, extra
from tickwire_sinks.messages import Topics
from tickwire_sinks.options import RedisStreamsOptions, place_of

with extra("redis"):
    from redis import exceptions as theirs
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

__all__ = ["MEANINGS", "PREFIXES", "RedisStreamsSink", "meaning_of"]

MEANINGS: Mapping[type[BaseException], Meaning] = {
    theirs.ConnectionError: Meaning.LOST,
    theirs.TimeoutError: Meaning.LOST,
    theirs.InvalidResponse: Meaning.LOST,
    theirs.AuthenticationError: Meaning.SETTINGS,
    theirs.AuthorizationError: Meaning.SETTINGS,
    theirs.AuthenticationWrongNumberOfArgsError: Meaning.SETTINGS,
    theirs.NoPermissionError: Meaning.SETTINGS,
    theirs.ModuleError: Meaning.SETTINGS,
    # the server is full, a replica, or between two masters: that passes
    theirs.OutOfMemoryError: Meaning.LOST,
    theirs.ReadOnlyError: Meaning.LOST,
    theirs.TryAgainError: Meaning.LOST,
    theirs.ClusterDownError: Meaning.LOST,
    # one node of a cluster was named, and it does not own the key
    theirs.AskError: Meaning.SETTINGS,
    theirs.ClusterError: Meaning.SETTINGS,
    theirs.ClusterCrossSlotError: Meaning.SETTINGS,
    theirs.ResponseError: Meaning.RECORD,
    theirs.DataError: Meaning.RECORD,
    # of commands that are not used here
    theirs.ExecAbortError: Meaning.RECORD,
    theirs.NoScriptError: Meaning.RECORD,
    theirs.PubSubError: Meaning.RECORD,
    theirs.WatchError: Meaning.RECORD,
    theirs.LockError: Meaning.RECORD,
}
PREFIXES: Mapping[str, Meaning] = {
    "WRONGTYPE": Meaning.SETTINGS,  # a stream's name is taken by something else
    "NOAUTH": Meaning.SETTINGS,
    "WRONGPASS": Meaning.SETTINGS,
    "NOPERM": Meaning.SETTINGS,
    "MISCONF": Meaning.LOST,  # it cannot write to its disk, and takes nothing until it can
    "NOREPLICAS": Meaning.LOST,
    "BUSY": Meaning.LOST,
    "LOADING": Meaning.LOST,
}
"""What answers mean that the library has no class for, by their first word."""

_by_class = by_class(MEANINGS)


def meaning_of(error: BaseException) -> Meaning:
    """Tell what an error of redis-py means."""
    first = PREFIXES.get(str(error).partition(" ")[0]) if type(error) is theirs.ResponseError else None
    return first or _by_class(error)


_BORDER = Border("Redis", (theirs.RedisError,), meaning_of, "look at url, and at what stands under the stream's name")
_IN_DOUBT = 1_000


class RedisStreamsSink:
    """Adds events to streams, in order; returns once the server has answered for each."""

    def __init__(self, options: RedisStreamsOptions) -> None:
        """Take over the settings; ``open`` connects."""
        self._options = options
        self._place = place_of(options.url)
        self._streams = Topics(options.stream, option="stream")
        self._last = Topics(options.last, option="last") if options.last else None
        self._trim = () if options.maxlen is None else ("MAXLEN", "~", options.maxlen)
        self._redis: Redis | None = None
        self._doubtful = 0
        self._perhaps_sent: Counter[str] = Counter()

    async def open(self) -> None:
        """Connect.

        Raises:
            ConnectionLostError: The server cannot be reached, or is not ready.
            ConfigError: It refuses user, password or database.
        """
        await self.close()
        try:
            with _BORDER.crossed(self._place, opening=True):
                await self._connect(self._options.timeout)
        except BaseException:
            await self.close()
            raise
        self._doubtful = max(self._doubtful, _IN_DOUBT)

    async def write(self, records: Sequence[Record]) -> None:
        """Add a batch.

        Raises:
            ConnectionLostError: The connection was lost, or the server takes nothing now.
            ConfigError: A stream's name is taken, or may not be written.
        """
        redis = self._redis
        if redis is None:
            raise ConnectionLostError(f"Redis at {self._place} is not connected")
        try:
            with _BORDER.crossed(self._place):
                fresh = await self._missing(redis, records) if self._doubtful else records
                await self._add(redis, fresh)
        except BaseException:
            # some of it may stand there now; the delivery sends it again, whole or in parts
            self._doubtful = max(self._doubtful, len(records))
            self._perhaps_sent |= Counter(map(self._streams.of, records))
            raise
        self._doubtful = max(0, self._doubtful - len(records))
        if not self._doubtful:
            self._perhaps_sent.clear()

    async def close(self) -> None:
        """Disconnect; a second call is harmless."""
        redis, self._redis = self._redis, None
        if redis is not None:
            with _BORDER.left(self._place):
                await redis.aclose()

    async def _connect(self, timeout: float) -> None:
        self._redis = Redis.from_url(
            self._options.url.reveal(),
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),  # the delivery tries again, and says so
        )
        async with asyncio.timeout(timeout):
            await self._redis.ping()

    async def _missing(self, redis: Redis, records: Sequence[Record]) -> Sequence[Record]:
        names = [self._streams.of(record) for record in records]
        counts = Counter(names)
        async with redis.pipeline(transaction=False) as pipe:
            for name, count in counts.items():
                # twice as many, in case another process writes there too, and behind all that was under way
                reach = 2 * count + self._perhaps_sent[name]
                pipe.execute_command("XREVRANGE", name, "+", "-", "COUNT", reach)
            answers = _checked(await pipe.execute(raise_on_error=False))
        known = {name: {fields[b"key"] for _, fields in ends} for name, ends in zip(counts, answers, strict=True)}
        return [record for name, record in zip(names, records, strict=True) if record.key.encode() not in known[name]]

    async def _add(self, redis: Redis, records: Sequence[Record]) -> None:
        last: dict[str, bytes] = {}
        async with redis.pipeline(transaction=False) as pipe:
            for record in records:
                line = encode_record(record)
                pipe.execute_command(
                    "XADD", self._streams.of(record), *self._trim, "*", "key", record.key, "event", line
                )
                if self._last is not None:
                    last[self._last.of(record)] = line
            for name, line in last.items():
                pipe.execute_command("SET", name, line)
            _checked(await pipe.execute(raise_on_error=False))


def _checked(answers: list[Any]) -> list[Any]:
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers
