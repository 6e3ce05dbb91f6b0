"""Lists of instruments on disk."""

from __future__ import annotations

import logging
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tickwire.model.instruments import Instrument, SizeUnit
from tickwire.model.symbols import InstrumentType, OptionType
from tickwire.run.instrument_cache import CachedList, InstrumentCache

SOL = Instrument("toy", "SOL-USD", "SOL_USD", "SOL", "USD", tick_size=Decimal("0.01"))
OPTION = Instrument(
    "toy", "BTC-USD-20261226-100000-C", "BTC-26DEC26-100000-C", "BTC", "USD", InstrumentType.OPTION, "BTC",
    date(2026, 12, 26), Decimal(100_000), OptionType.CALL, None, Decimal("0.1"), SizeUnit.CONTRACTS, Decimal(10), True,
    native_key="option:x",
)  # fmt: skip
DAY = 86_400_000_000_000


@pytest.fixture
def cache(tmp_path: Path) -> InstrumentCache:
    """Give an empty cache."""
    return InstrumentCache(tmp_path / "state")


def test_what_was_written_is_read(cache: InstrumentCache) -> None:
    file = cache.path("toy", "toy")
    cache.write(file, "toy", 5, [SOL, OPTION])
    assert cache.read(file) == CachedList(1, "toy", 5, (SOL, OPTION))
    assert [path.name for path in file.parent.iterdir()] == ["toy-toy.json"]


def test_what_is_listed_no_longer_is_remembered_for_a_year(cache: InstrumentCache) -> None:
    file = cache.path("toy", "toy")
    cache.write(file, "toy", 1 * DAY, [SOL, OPTION])
    cache.write(file, "toy", 2 * DAY, [SOL])
    cache.write(file, "toy", 3 * DAY, [SOL])
    found = cache.read(file)
    assert found is not None
    assert ([one.symbol for one in found.instruments], found.known()) == (
        ["SOL-USD"], {OPTION.symbol: OPTION, "SOL-USD": SOL},
    )  # fmt: skip
    cache.write(file, "toy", 400 * DAY, [SOL])
    found = cache.read(file)
    assert found is not None
    assert found.known() == {"SOL-USD": SOL}


def test_what_is_listed_again_is_not_former(cache: InstrumentCache) -> None:
    file = cache.path("toy", "toy")
    for number, listed in enumerate(([SOL, OPTION], [SOL], [SOL, OPTION])):
        cache.write(file, "toy", number, listed)
    assert cache.read(file) == CachedList(1, "toy", 2, (SOL, OPTION))


def test_a_file_that_is_not_there_is_a_miss(cache: InstrumentCache) -> None:
    assert cache.read(cache.path("toy", "toy")) is None


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "cannot be used and is left aside"),
        (b'{"version": 1', "cannot be used and is left aside"),
        (b"\xff\xfe", "cannot be used and is left aside"),
        (
            b'{"version": 2, "exchange": "toy", "ts_read": 1, "instruments": []}',
            "has version 2, not 1, and is left",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_a_miss_with_a_warning_and_is_replaced(
    cache: InstrumentCache, content: bytes, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = cache.path("toy", "toy")
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    assert cache.read(file) is None
    assert says in caplog.text
    cache.write(file, "toy", 5, [SOL])
    assert cache.read(file) == CachedList(1, "toy", 5, (SOL,))


def test_an_instrument_that_is_none_is_a_miss_with_a_warning(
    cache: InstrumentCache, caplog: pytest.LogCaptureFixture
) -> None:
    file = cache.path("toy", "toy")
    cache.write(file, "toy", 5, [SOL])
    file.write_bytes(file.read_bytes().replace(b'"0.01"', b'"-1"'))
    assert cache.read(file) is None
    assert "left aside" in caplog.text


def test_a_directory_that_cannot_be_written_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "state").write_text("")
    cache = InstrumentCache(tmp_path / "state")
    with caplog.at_level(logging.WARNING):
        cache.write(cache.path("toy", "toy"), "toy", 5, [SOL])
    assert "cannot be written: " in caplog.text


def test_other_hosts_and_other_plugins_have_files_of_their_own(cache: InstrumentCache) -> None:
    files = {
        cache.path("toy", "toy"), cache.path("toy", "ccxt"), cache.path("toy", "toy", ["http://127.0.0.1:1"]),
        cache.path("toy", "toy", ["http://127.0.0.1:2"]), cache.path("../toy", "toy"),
    }  # fmt: skip
    assert len(files) == 5
    assert len({file.parent for file in files}) == 1
