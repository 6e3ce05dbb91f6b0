"""InfluxDB: one measurement a kind of event, over the write API of version 2 (also 1.8 and 3) or of version 1.

InfluxDB knows a point by its measurement, tags and time: a second one with the same three *replaces* the first. Two
trades of one instrument often share their nanosecond, and a tag that tells them apart would make a series of each. So
``time`` is exact to the millisecond, and its last six digits are the record's own number, from its key: the same record
is the same point whenever it is written, another record is another point. The exact time is the field ``ts_event``.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from hashlib import blake2b

from tickwire import ConfigError, ExchangeUnavailableError, Record, RefusedError, RequestRejectedError
from tickwire_sinks.database_options import InfluxOptions, basic
from tickwire_sinks.line_protocol import line
from tickwire_sinks.posting import Poster

__all__ = ["InfluxSink", "point_time"]

_SLOTS = 1_000_000
_PLACE = re.compile(r"\b(?:org|orgID|organization|bucket|database|db)\b", re.IGNORECASE)


class InfluxSink:
    """Writes points; a repeated record overwrites itself."""

    def __init__(self, options: InfluxOptions) -> None:
        """Take over the settings; nothing is asked before ``open``."""
        self._options = options
        self._poster = Poster(options.url, timeout=options.timeout, headers=_headers(options))
        self._path, self._params = _place(options)

    async def open(self) -> None:
        """See that points may be written; in version 1 make the database.

        Raises:
            ConfigError: The token, user, bucket or database is wrong.
            RetryableError: The server cannot be reached now.
        """
        if self._options.database is not None:
            await self._make_database(self._options.database)
        try:
            await self._poster.ask(self._path, self._params, b"")
        except RequestRejectedError as error:
            # version 2 answers 400 to a write without points too, once it has looked at everything else
            if error.status != 400 or _PLACE.search(error.message):
                raise ConfigError(error.message, hint="check bucket and org") from error
        except ExchangeUnavailableError as error:
            if "retention policy not found" not in error.message:  # version 1 calls it an error of its own
                raise
            raise ConfigError(error.message, hint="correct retention_policy, or leave it out") from error

    async def write(self, records: Sequence[Record]) -> None:
        """Write a batch; it is with the server when this returns.

        Raises:
            RefusedError: A record that the server or the protocol cannot take.
            RetryableError: The server cannot be reached, or not write now.
        """
        lines = [line(self._measurement(record), record, point_time(record)) for record in records]
        await self._poster.post(self._path, self._params, "\n".join(lines).encode())

    async def close(self) -> None:
        """Release the connections; a second call is harmless."""
        await self._poster.close()

    def _measurement(self, record: Record) -> str:
        return f"{self._options.measurement}{record.event.__struct_config__.tag}"

    async def _make_database(self, name: str) -> None:
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        try:
            await self._poster.ask("/query", {"q": f'CREATE DATABASE "{quoted}"'})
        except (ConfigError, RefusedError):
            return  # only an administrator may; whether it is there, the first write tells


def point_time(record: Record) -> int:
    """Give the time of a record's point, ns since 1970 UTC: see the module.

    The number is the trade id where it is one, the ordinal where the key is of the run, else a digest of the key: then
    two records of one instrument and millisecond share a point with a chance of one in a million.
    """
    event = record.event
    moment = event.ts_recv if event.ts_event is None else event.ts_event
    return moment - moment % _SLOTS + _number(record) % _SLOTS


def _number(record: Record) -> int:
    run, _, last = record.key.rpartition("/")
    if run == record.run_id:
        return record.ordinal + zlib.crc32(run.encode())  # two runs of one moment count from different numbers
    if last == getattr(record.event, "trade_id", None) and last.isascii() and last.isdecimal():
        return int(last[-6:])
    return int.from_bytes(blake2b(record.key.encode(), digest_size=8).digest(), "big")


def _headers(options: InfluxOptions) -> dict[str, str]:
    if options.token is not None:
        return {"Authorization": f"Token {options.token.reveal()}"}
    if options.user is not None:
        return {"Authorization": basic(options.user, options.password)}
    return {}


def _place(options: InfluxOptions) -> tuple[str, dict[str, str]]:
    if options.bucket is not None:
        place = {"bucket": options.bucket, "org": options.org, "precision": "ns"}
        return "/api/v2/write", {name: text for name, text in place.items() if text is not None}
    named = {"db": options.database, "rp": options.retention_policy, "precision": "ns"}
    return "/write", {name: text for name, text in named.items() if text is not None}
