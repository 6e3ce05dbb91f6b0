"""What the sink kit finds: each way to do it wrong fails the check that is about it, and the right way passes all."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
import msgspec
import pytest

from tickwire import ConnectionLostError, Record, Registry, Trade, hookimpl
from tickwire.plugin import SinkInfo
from tickwire.testing import SinkConformance
from tickwire.testing.verdicts import Nonconformity

STORE: list[Record] = []
AWAY: set[str] = set()


@attrs.frozen
class MemoryOptions:
    wrong: str


class MemorySink:
    """Keeps records in ``STORE`` by their keys; does one thing wrong."""

    def __init__(self, options: MemoryOptions) -> None:
        self._wrong = options.wrong
        self._later: list[Record] = []
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        if "away" in AWAY and self._wrong != "opens nothing":
            raise ValueError("odd") if self._wrong == "untranslated" else ConnectionLostError("away")
        if self._wrong == "forgets":
            STORE.clear()
        if self._wrong == "leaks":
            self._task = asyncio.create_task(asyncio.sleep(3600))

    async def write(self, records: Sequence[Record]) -> None:
        if self._wrong == "hasty":
            self._later += records  # it will be sent some time
            if "away" in AWAY:
                self._later.clear()
                raise ConnectionLostError("away")
            return
        if "away" in AWAY:
            raise ConnectionLostError("away")
        if self._wrong == "refuses all":
            raise ValueError("no")
        if self._wrong == "shuffles":
            records = list(reversed(records))
        if self._wrong == "rounds":
            records = [_rounded(one) for one in records]
        known = {one.key for one in STORE}
        STORE.extend(one for one in records if self._wrong == "repeats" or one.key not in known)

    async def close(self) -> None:
        STORE.extend(self._later)
        self._later.clear()


def _rounded(record: Record) -> Record:
    if not isinstance(record.event, Trade):
        return record
    event = msgspec.structs.replace(record.event, price=float(round(record.event.price)))
    return Record(event, record.run_id, record.ordinal, record.key)


class MemoryPlugin:
    @hookimpl
    def tickwire_sinks(self) -> list[SinkInfo]:
        return [SinkInfo("memory", MemoryOptions, "tests_memory_sink:MemorySink")]


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tests_memory_sink", sys.modules[__name__])
    STORE.clear()
    AWAY.clear()


class MemoryKit(SinkConformance):
    sink = "memory"
    is_idempotent = True
    wrong = ""

    @classmethod
    def registry(cls) -> Registry:
        return Registry.of(memory=MemoryPlugin())

    def make_options(self, tmp_path: Path) -> Mapping[str, object]:
        return {"wrong": self.wrong}

    async def read_back(self) -> Sequence[Record | str]:
        return list(STORE)

    async def cut(self) -> None:
        AWAY.add("away")

    async def restore(self) -> None:
        AWAY.clear()


class TestMemory(MemoryKit):
    pass


@pytest.mark.parametrize(
    ("wrong", "check", "message"),
    [
        ("leaks", "k1_opens_and_closes", "tasks are left after close"),
        ("rounds", "k2_reads_back_equal", "written and read back differ"),
        ("shuffles", "k3_keeps_order", "is out of order"),
        ("forgets", "k4_keeps_what_is_there", "10 of 20 records are missing"),
        ("repeats", "k5_does_not_duplicate", "records are there twice"),
        ("opens nothing", "k6_tells_that_the_target_is_away", "open() ended well, with nobody there"),
        ("untranslated", "k6_tells_that_the_target_is_away", "open() raised ValueError('odd')"),
        ("hasty", "k7_block_loses_nothing", "records are missing"),
        ("hasty", "k8_spill_loses_nothing", "records are missing"),
        ("hasty", "k9_counts_what_is_dropped", "return from write() once everything is safe"),
        ("refuses all", "k12_poison_stops_nothing_else", "records are missing"),
    ],
)
def test_each_way_to_do_it_wrong_fails_its_check(wrong: str, check: str, message: str, tmp_path: Path) -> None:
    kit = type("Kit", (MemoryKit,), {"wrong": wrong})()
    kit._tmp_path = tmp_path
    with pytest.raises(Nonconformity) as caught:
        getattr(kit, f"test_{check}")()
    assert message in str(caught.value)
    assert caught.value.file == "sink.py"


def test_a_check_that_cannot_hold_is_skipped_with_its_reason_and_fails_once_it_holds(tmp_path: Path) -> None:
    kit = type("Kit", (MemoryKit,), {"wrong": "shuffles", "lacks": {"K3": "the target has no order"}})()
    kit._tmp_path = tmp_path
    with pytest.raises(pytest.skip.Exception, match="the target has no order"):
        kit.test_k3_keeps_order()
    STORE.clear()
    right = type("Kit", (MemoryKit,), {"lacks": {"K3": "the target has no order"}})()
    right._tmp_path = tmp_path
    with pytest.raises(Nonconformity, match="K3 is said to be lacking, and it holds"):
        right.test_k3_keeps_order()
