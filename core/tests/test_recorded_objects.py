"""What a capture keeps besides bytes: objects of transports that decode by themselves, and errors."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import attrs
import msgspec
import pytest

from tickwire import (
    ConfigError,
    ConnectionLostError,
    ExchangeUnavailableError,
    Instrument,
    RateLimitedError,
    RequestRejectedError,
    SequenceGapError,
    TickwireError,
)
from tickwire.model import errors
from tickwire.record.entries import Sent, decode_entries, encode_entry
from tickwire.record.failures import failure_of, raised
from tickwire.record.objects import as_plain, as_was
from tickwire.record.redaction import Redactor


class Seen(msgspec.Struct, frozen=True):
    native: str
    levels: tuple[tuple[Any, Any], ...]
    instrument: Instrument | None = None


@attrs.frozen(cache_hash=True)
class Row:
    name: str
    price: Decimal


@attrs.frozen
class Private:
    _price: Decimal


class Strange:
    pass


def instrument() -> Instrument:
    return Instrument(
        "acme", "SOL-USDC", "SOL_USDC", "SOL", "USDC", tick_size=Decimal("0.01"), lot_size=Decimal("0.10")
    )


def there_and_back(value: object) -> object:
    [entry] = decode_entries(encode_entry(Sent(1, "f", 1, as_plain(value))))
    assert isinstance(entry, Sent)
    return as_was(entry.payload)


@pytest.mark.parametrize(
    "value",
    [
        b"bytes", "text", 1, 2.5, None, [1, "a", None], {"a": {"b": [1.0]}},
        Seen("SOL/USDC", ((1.5, 2.0), ("3", "4"))), [Row("a", Decimal("1.10"))],
        {"of": Seen("x", (), instrument())}, [instrument()],
    ],
    ids=repr,
)  # fmt: skip
def test_payloads_are_what_they_were(value: object) -> None:
    again = there_and_back(value)
    assert again == value
    assert not isinstance(value, list) or [type(item) for item in value] == [type(item) for item in again]  # type: ignore[attr-defined]


def test_attrs_classes_are_made_by_their_constructor() -> None:
    again = there_and_back([instrument(), Row("a", Decimal(1))])
    assert isinstance(again, list)
    assert {hash(item) for item in again} == {hash(instrument()), hash(Row("a", Decimal(1)))}


def test_what_is_no_data_cannot_be_written_down() -> None:
    for value in (Strange(), [Strange()], Seen("x", ((Strange(), 1),)), Private(Decimal(1))):
        with pytest.raises(TypeError):
            encode_entry(Sent(1, "f", 1, as_plain(value)))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nobody_has_this:Seen", "'nobody_has_this' is no plugin that is installed"),
        ("subprocess:Popen", "it is no data class"),
        ("tickwire.model.instruments:Gone", "has no attribute 'Gone'"),
        ("tickwire.model.channels:ChannelRequest", "Object missing required field `channel`"),
    ],
)
def test_a_capture_cannot_name_just_any_class(name: str, why: str) -> None:
    with pytest.raises(ConfigError, match=r"the capture holds a .* which cannot be made here") as caught:
        as_was({"$type": name, "$value": {}})
    assert why in str(caught.value)


ERRORS: list[TickwireError] = [
    ConnectionLostError("reset"),
    RateLimitedError("slow down", retry_after=2.5, is_ban=True),
    ExchangeUnavailableError("maintenance", status=503, retry_after=None),
    RequestRejectedError("no", status=400, hint="do not"),
    SequenceGapError("gap", expected=3, found=5),
    ConfigError("wrong", hint="right", path="exchanges.a"),
]


def all_errors(kind: type[TickwireError] = TickwireError) -> Iterator[type[TickwireError]]:
    yield kind
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from all_errors(below)


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_errors_are_what_they_were(error: TickwireError) -> None:
    failure = failure_of(error, Redactor())
    assert failure is not None
    again = raised(failure)
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_every_error_can_be_raised_again_and_others_are_lost_connections() -> None:
    for kind in all_errors():
        error = kind.__new__(kind)
        vars(error).update(message="it happened", hint=None, path="")
        failure = failure_of(error, Redactor())
        assert failure is not None
        assert type(raised(failure)) is kind
    failure = failure_of(OSError(5, "secret-key broke"), Redactor(("secret-key",)))
    assert failure is not None
    again = raised(failure)
    assert (type(again), str(again)) == (ConnectionLostError, "OSError: [Errno 5] *** broke")
    assert failure_of(None, Redactor()) is None
