"""Settings of the sinks that post to a database's web server, one class each."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Literal
from urllib.parse import urlsplit

import attrs

from tickwire import ConfigError, Duration, Secret

__all__ = ["ClickHouseOptions", "InfluxOptions", "QuestOptions", "basic"]

_TIMEOUT = Duration(10.0)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)
_UNSUITABLE = frozenset(', \n"\\=')


@attrs.frozen
class InfluxOptions:
    """Settings of InfluxDB; ``bucket`` for version 2 and later, ``database`` for version 1.

    Attributes:
        url: The server's, e.g. ``http://localhost:8086``.
        bucket: Where points go.
        org: The organisation that owns the bucket; version 3 has none.
        token: May write to the bucket.
        database: Where points go in version 1; made where it is missing, if we may.
        retention_policy: In version 1; the database's own by default.
        user: In version 1.
        password: In version 1.
        measurement: Before each measurement's name, e.g. ``tickwire_``.
        timeout: How long an answer may take.
    """

    url: str
    bucket: str | None = None
    org: str | None = None
    token: Secret | None = None
    database: str | None = None
    retention_policy: str | None = None
    user: str | None = None
    password: Secret | None = None
    measurement: str = ""
    timeout: Duration = _TIMEOUT

    def __attrs_post_init__(self) -> None:
        _check_url(self.url, "http://localhost:8086")
        if (self.bucket is None) == (self.database is None):
            raise ConfigError(
                "neither bucket nor database is set" if self.bucket is None else "bucket and database are both set",
                hint="write bucket: for InfluxDB 2 and later, or database: for version 1",
            )
        if _UNSUITABLE & set(self.measurement):
            raise ConfigError(f"measurement is {self.measurement!r}", hint="write letters, digits, _ and - only")


@attrs.frozen
class QuestOptions:
    """Settings of QuestDB.

    Attributes:
        url: Of its web server, e.g. ``http://localhost:9000``.
        table: Before each table's name.
        partition: How much time a partition of a made table holds.
        token: For ``Authorization: Bearer``.
        user: For HTTP's basic authentication.
        password: The user's.
        timeout: How long an answer may take.
    """

    url: str
    table: str = "tickwire_"
    partition: Literal["HOUR", "DAY", "WEEK", "MONTH", "YEAR"] = "DAY"
    token: Secret | None = None
    user: str | None = None
    password: Secret | None = None
    timeout: Duration = _TIMEOUT

    def __attrs_post_init__(self) -> None:
        _check_url(self.url, "http://localhost:9000")
        _check_name("table", self.table)


@attrs.frozen
class ClickHouseOptions:
    """Settings of ClickHouse.

    Attributes:
        url: Of its web server, e.g. ``http://localhost:8123``.
        database: Where the tables are made; itself made where it is missing.
        user: Who writes.
        password: The user's.
        numbers: What prices and sizes become: ``float`` (``Float64``), or ``decimal`` (``Decimal(38, 18)``, for feeds
            with ``numbers: decimal``).
        timeout: How long an answer may take.
    """

    url: str
    database: str = "tickwire"
    user: str = "default"
    password: Secret | None = None
    numbers: Literal["float", "decimal"] = "float"
    timeout: Duration = _TIMEOUT

    def __attrs_post_init__(self) -> None:
        _check_url(self.url, "http://localhost:8123")
        _check_name("database", self.database)


def basic(user: str, password: Secret | None) -> str:
    """Give the text of an ``Authorization`` header for HTTP's basic authentication."""
    known = "" if password is None else password.reveal()
    return f"Basic {b64encode(f'{user}:{known}'.encode()).decode()}"


def _check_url(url: str, example: str) -> None:
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        is_secret = "@" in parts.netloc
    except ValueError:
        is_good = is_secret = False
    # the text itself is not shown: it may hold a password
    if is_secret:
        raise ConfigError("url holds a user or a password", hint="write user: and password: beside it")
    if not is_good:
        raise ConfigError("url is not the URL of a web server", hint=f"write url: {example}")


def _check_name(option: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{option} is {name!r}", hint="begin with a letter; then letters, digits and _, 64 at most")
