"""Errors of the libraries: every class of theirs has a meaning of its own, and no other than the table says."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any

import aio_pika.exceptions
import aiormq.exceptions
import asyncpg
import nats.errors
import pytest
import redis.exceptions

from tickwire import ConfigError, ConnectionLostError, PluginLoadError
from tickwire_sinks import nats_jetstream, postgres_errors, rabbitmq, redis_streams
from tickwire_sinks.border import Border, Meaning, by_class, extra


def tree(*roots: type[BaseException]) -> list[type[BaseException]]:
    """All classes of a library below its roots, the roots included."""

    def below(kind: type[BaseException]) -> Iterator[type[BaseException]]:
        yield kind
        for one in kind.__subclasses__():
            yield from below(one)

    packages = {root.__module__.partition(".")[0] for root in roots} | {"aiormq", "aio_pika"} & set(sys.modules)
    return sorted(
        {one for root in roots for one in below(root) if one.__module__.partition(".")[0] in packages},
        key=lambda one: f"{one.__module__}.{one.__qualname__}",
    )


def unmapped(kinds: Iterable[type[BaseException]], table: Mapping[type[BaseException], Meaning]) -> list[str]:
    return [kind.__qualname__ for kind in kinds if not any(above in table for above in kind.__mro__)]


# of a library, what is only the head of its tree: it says nothing itself
HEADS = {
    redis.exceptions.RedisError, nats.errors.Error, aio_pika.exceptions.AMQPError, asyncpg.PostgresError,
}  # fmt: skip


@pytest.mark.parametrize(
    ("roots", "table"),
    [
        ((redis.exceptions.RedisError,), redis_streams.MEANINGS),
        ((nats.errors.Error,), nats_jetstream.MEANINGS),
        ((aio_pika.exceptions.AMQPError, aiormq.exceptions.ChannelInvalidStateError), rabbitmq.MEANINGS),
        ((asyncpg.InterfaceError, asyncpg.InternalClientError), postgres_errors.CLASSES),
    ],
    ids=["redis", "nats", "rabbitmq", "postgres"],
)
def test_every_class_of_a_library_has_its_meaning(roots: Any, table: Mapping[type[BaseException], Meaning]) -> None:
    kinds = tree(*roots)
    assert len(kinds) >= 2
    assert HEADS & set(table) == set()
    assert unmapped(set(kinds) - HEADS, table) == []


def test_every_code_of_postgresql_has_its_meaning() -> None:
    kinds = [kind for kind in tree(asyncpg.PostgresError) if kind not in postgres_errors.CLASSES]
    codes = {str(code) for kind in kinds if (code := getattr(kind, "sqlstate", None))}
    assert len(codes) > 200
    assert (
        sorted(code for code in codes if code not in postgres_errors.CODES and code[:2] not in postgres_errors.CODES)
        == []
    )


def raised(meaning_of: Callable[[BaseException], Meaning], error: Exception, **how: bool) -> Exception:
    border = Border("Acme", (type(error),), meaning_of, "look at url")
    with pytest.raises(Exception) as caught, border.crossed("host:1", **how):
        raise error
    return caught.value


@pytest.mark.parametrize(
    ("meaning_of", "error", "meaning"),
    [
        (redis_streams.meaning_of, redis.exceptions.ResponseError("WRONGTYPE Operation"), Meaning.SETTINGS),
        (redis_streams.meaning_of, redis.exceptions.ResponseError("MISCONF Errors writing to the AOF"), Meaning.LOST),
        (redis_streams.meaning_of, redis.exceptions.ResponseError("ERR whatever"), Meaning.RECORD),
        (redis_streams.meaning_of, redis.exceptions.OutOfMemoryError("command not allowed"), Meaning.LOST),
        (redis_streams.meaning_of, redis.exceptions.BusyLoadingError("loading"), Meaning.LOST),
        (redis_streams.meaning_of, redis.exceptions.AuthenticationError("invalid password"), Meaning.SETTINGS),
        (nats_jetstream.meaning_of, nats.errors.Error("nats: 'Authorization Violation'"), Meaning.SETTINGS),
        (nats_jetstream.meaning_of, nats.errors.Error("nats: maximum connections exceeded"), Meaning.LOST),
        (nats_jetstream.meaning_of, nats.js.errors.APIError(code=400, err_code=10077), Meaning.LOST),
        (nats_jetstream.meaning_of, nats.js.errors.APIError(code=400, err_code=10054), Meaning.RECORD),
        (nats_jetstream.meaning_of, nats.errors.MaxPayloadError(), Meaning.RECORD),
        (by_class(rabbitmq.MEANINGS), aiormq.exceptions.ChannelPreconditionFailed("x"), Meaning.SETTINGS),
        (by_class(rabbitmq.MEANINGS), aiormq.exceptions.ConnectionClosed(320, "x"), Meaning.LOST),
        (postgres_errors.meaning_of, asyncpg.InvalidPasswordError("x"), Meaning.SETTINGS),
        (postgres_errors.meaning_of, asyncpg.UndefinedTableError("x"), Meaning.LOST),
        (postgres_errors.meaning_of, asyncpg.InsufficientPrivilegeError("x"), Meaning.SETTINGS),
        (postgres_errors.meaning_of, asyncpg.DiskFullError("x"), Meaning.LOST),
        (postgres_errors.meaning_of, asyncpg.NotNullViolationError("x"), Meaning.RECORD),
        (postgres_errors.meaning_of, asyncpg.exceptions.InvalidCachedStatementError("x"), Meaning.LOST),
        (postgres_errors.meaning_of, asyncpg.InterfaceError("connection is closed"), Meaning.LOST),
    ],
)  # fmt: skip
def test_an_error_is_raised_as_what_it_means(
    meaning_of: Callable[[BaseException], Meaning], error: Exception, meaning: Meaning
) -> None:
    kinds = {Meaning.LOST: ConnectionLostError, Meaning.SETTINGS: ConfigError, Meaning.RECORD: type(error)}
    assert type(raised(meaning_of, error)) is kinds[meaning]
    # there is no record to blame while it opens
    assert (
        type(raised(meaning_of, error, opening=True))
        is kinds[Meaning.SETTINGS if meaning is Meaning.RECORD else meaning]
    )


@pytest.mark.parametrize("error", [ConnectionRefusedError(111, "refused"), TimeoutError()])
def test_the_systems_errors_mean_lost(error: OSError) -> None:
    border = Border("Acme", (KeyError,), by_class({}), "look at url")
    with pytest.raises(ConnectionLostError, match=r"Acme at host:1: .+"), border.crossed("host:1"):
        raise error
    with border.left("host:1"):
        raise error


@pytest.mark.parametrize(
    ("module", "library", "name"),
    [
        ("redis_streams", "redis", "redis"), ("postgres", "asyncpg", "postgres"), ("nats_jetstream", "nats", "nats"),
        ("rabbitmq", "aio_pika", "rabbitmq"), ("mqtt", "paho", "mqtt"),
    ],
)  # fmt: skip
def test_a_missing_library_is_said_as_what_to_install(
    module: str, library: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(wanted: str, *rest: Any, **more: Any) -> Any:
        if wanted.partition(".")[0] == library:
            raise ModuleNotFoundError(f"No module named {library!r}", name=library)
        return real(wanted, *rest, **more)

    for one in [key for key in sys.modules if key.startswith("tickwire_sinks.")]:
        monkeypatch.delitem(sys.modules, one)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(PluginLoadError, match=rf"No module named '{library}' → pip install 'tickwire-sinks\[{name}\]'"):
        import_module(f"tickwire_sinks.{module}")


def test_what_is_there_is_imported() -> None:
    with extra("redis"):
        import redis as found
    assert found is redis
