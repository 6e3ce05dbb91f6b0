"""``SinkConformance``: every check of a sink, against its real target and through the real delivery."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from tickwire import ConfigError, Record, RetryableError
from tickwire.plugin import Sink
from tickwire.testing.checks import check
from tickwire.testing.sink_kit import SinkKit, Watched, delivering, keys_of
from tickwire.testing.sink_records import every_event, recorded, stream_of
from tickwire.testing.verdicts import cannot, refuse, verify

__all__ = ["SinkConformance"]

_SHORT = 2.0
_PASSING = (RetryableError, OSError, TimeoutError)


class SinkConformance(SinkKit):
    """All checks of a sink. Subclass it as ``class TestAcme``; what to write in it: ``SinkKit``."""

    @check("K1", proves="it opens and closes, also twice, and a closed one opens again", file="sink.py")
    def test_k1_opens_and_closes(self) -> None:
        async def body() -> None:
            sink = self.make_sink()
            await sink.close()
            await sink.open()
            await sink.close()
            await sink.close()
            await sink.open()
            await sink.write(stream_of(3))
            await sink.close()
            self._all_there(await self.read_back(), stream_of(3))

        self.check(body)

    @check("K2", proves="every kind of event reads back equal, full and bare", file="sink.py")
    def test_k2_reads_back_equal(self) -> None:
        async def body() -> None:
            written = recorded(every_event())
            await self._write(written)
            found = await self.read_back()
            self._all_there(found, written)
            by_key = {one.key: one for one in found if isinstance(one, Record)}
            wrong = [(one, by_key[one.key]) for one in written if one.key in by_key and by_key[one.key] != one]
            verify(not wrong, "sink.py", f"written and read back differ: {wrong[:3]}", "store every field as it is")

        self.check(body)

    @check("K3", proves="each instrument's records stay in order", skip_when="`is_ordered = False`", file="sink.py")
    def test_k3_keeps_order(self) -> None:
        if not self.is_ordered:
            cannot(f"{self.sink} has no order")

        async def body() -> None:
            written = stream_of(300)
            await self._write(written[:100], written[100:101], written[101:])
            found = await self.read_back()
            self._all_there(found, written)
            self._in_order(found, written)

        self.check(body)

    @check("K4", proves="what is there already, data and schema, stays when it opens again", file="sink.py")
    def test_k4_keeps_what_is_there(self) -> None:
        async def body() -> None:
            await self._write(stream_of(10))
            await self._write(stream_of(10, first=11))
            self._all_there(await self.read_back(), stream_of(20))

        self.check(body)

    @check("K5", proves="a batch written again is there once", skip_when="`is_idempotent = False`", file="sink.py")
    def test_k5_does_not_duplicate(self) -> None:
        if not self.is_idempotent:
            cannot(f"{self.sink} is not idempotent")

        async def body() -> None:
            written = stream_of(30)
            await self._write(written, written[10:])
            await self._write(written)
            found = Counter(keys_of(await self.read_back()))
            twice = [key for key, count in found.items() if count > 1]
            verify(not twice, "sink.py", f"{len(twice)} records are there twice, e.g. {twice[:3]}", "use record.key")
            self._all_there(list(found), written)

        self.check(body)

    @check(
        "K6", proves="a target that is away is told by a retryable error", skip_when="there is no `cut`", file="sink.py"
    )
    def test_k6_tells_that_the_target_is_away(self) -> None:
        self.need("cut", "restore")

        async def body() -> None:
            sink = self.make_sink()
            await self.cut()
            await _fails(sink.open(), "open()")
            await sink.close()
            await self.restore()
            await sink.open()
            await sink.write(stream_of(3))
            await sink.close()
            self._all_there(await self.read_back(), stream_of(3))

        self.check(body)

    @check(
        "K7",
        proves="with block nothing is lost when the target goes and comes",
        skip_when="there is no `cut`",
        file="sink.py",
    )
    def test_k7_block_loses_nothing(self) -> None:
        self._survives("block", queue=50)

    @check(
        "K8",
        proves="with spill nothing is lost when the target goes and comes",
        skip_when="there is no `cut`",
        file="sink.py",
    )
    def test_k8_spill_loses_nothing(self) -> None:
        self._survives("spill", queue=20)

    @check(
        "K9", proves="with drop_oldest what is lost is counted exactly", skip_when="there is no `cut`", file="sink.py"
    )
    def test_k9_counts_what_is_dropped(self) -> None:
        self.need("cut", "restore")

        async def body() -> None:
            sink, put = Watched(self.make_sink()), stream_of(200)
            async with delivering(sink, self._tmp_path, when_full="drop_oldest", queue=20, batch=10) as (to, told):
                await _put(to.put, put[:10], sink.wrote)
                await self.cut()
                await _put(to.put, put[10:150])
                await sink.has_failed()
                await self.restore()
                await _put(to.put, put[150:])
            arrived = {*keys_of(await self.read_back())} & {*keys_of(put)}
            verify(
                len(put) - len(arrived) == to.dropped == sum(one.count for one in told),
                "sink.py",
                f"{len(put)} put, {len(arrived)} arrived, {to.dropped} counted, {sum(x.count for x in told)} announced",
                "return from write() once everything is safe, never before",
            )

        self.check(body)

    @check("K10", proves="a slow target gets everything", skip_when="there is no `slow`", file="sink.py")
    def test_k10_waits_for_a_slow_target(self) -> None:
        self.need("slow", "restore")

        async def body() -> None:
            sink, put = Watched(self.make_sink()), stream_of(200)
            async with delivering(sink, self._tmp_path) as (to, _):
                self.slow()
                await _put(to.put, put)
            await self.restore()
            self._arrived(await self.read_back(), put)

        self.check(body)

    @check("K11", proves="a target that hangs is given up in time", skip_when="there is no `stall`", file="sink.py")
    def test_k11_gives_up_a_target_that_hangs(self) -> None:
        self.need("stall", "restore")
        self.timeout = _SHORT

        async def body() -> None:
            sink = self.make_sink()
            await _opened(sink)
            self.stall()
            await _fails(sink.write(stream_of(3)), "write()")
            await sink.close()
            await self.restore()
            async with delivering(Watched(sink), self._tmp_path) as (to, _):
                await _put(to.put, stream_of(3))
            self._arrived(await self.read_back(), stream_of(3))

        self.check(body)

    @check("K12", proves="a record that is refused does not stop the rest", file="sink.py")
    def test_k12_poison_stops_nothing_else(self) -> None:
        async def body() -> None:
            put = stream_of(60)
            poison = self.poison(put[33])
            put[33] = poison or put[33]
            sink = Watched(self.make_sink(), "" if poison else put[33].key)
            async with delivering(sink, self._tmp_path, queue=100) as (to, told):
                await _put(to.put, put)
            self._arrived(await self.read_back(), [*put[:33], *put[34:]])
            verify(
                (to.dropped, [(one.policy, one.count) for one in told]) == (1, [("refused", 1)]),
                "sink.py",
                f"one poison record: {to.dropped} dropped, announced {told}",
                "raise what is neither retryable nor an OSError for it, and write nothing else twice",
            )

        self.check(body)

    @check("K13", proves="a setting that does not exist is refused", file="sink.py")
    def test_k13_names_a_setting_that_is_unknown(self) -> None:
        async def body() -> None:
            self.make_sink()
            self._options = {**self._options, "no_such_setting": 1}
            try:
                self.make_sink()
            except ConfigError:
                return
            refuse("sink.py", "it takes a setting 'no_such_setting'", "declare options as an attrs class")

        self.check(body)

    # what several checks do
    async def _write(self, *batches: Sequence[Record]) -> None:
        sink = self.make_sink()
        await sink.open()
        try:
            for batch in batches:
                await sink.write(batch)
        finally:
            await sink.close()

    def _survives(self, policy: str, queue: int) -> None:
        self.need("cut", "restore")

        async def body() -> None:
            sink, put = Watched(self.make_sink()), stream_of(300)
            async with delivering(sink, self._tmp_path, when_full=policy, queue=queue) as (to, told):
                await _put(to.put, put[:100], sink.wrote)
                await self.cut()
                await _put(to.put, put[100:200])
                await sink.has_failed()
                await self.restore()
                await _put(to.put, put[200:])
            self._arrived(await self.read_back(), put)
            verify((to.dropped, told) == (0, []), "sink.py", f"{to.dropped} dropped, announced {told}", "lose nothing")

        self.check(body)

    def _all_there(self, found: Sequence[Record | str], written: Sequence[Record]) -> None:
        missing = [key for key in keys_of(written) if key not in {*keys_of(found)}]
        verify(
            not missing,
            "sink.py",
            f"{len(missing)} of {len(written)} records are missing, e.g. {missing[:3]}",
            "return from write() once everything is safe, and flush in close()",
        )

    # at least once, and once where it is idempotent
    def _arrived(self, found: Sequence[Record | str], put: Sequence[Record]) -> None:
        self._all_there(found, put)
        if self.is_idempotent:
            twice = [key for key, count in Counter(keys_of(found)).items() if count > 1]
            verify(not twice, "sink.py", f"{len(twice)} records are there twice", "use record.key")
        if self.is_ordered:
            self._in_order(found, put)

    def _in_order(self, found: Sequence[Record | str], put: Sequence[Record]) -> None:
        symbols = {record.key: record.event.symbol for record in put}
        first = list(dict.fromkeys(key for key in keys_of(found) if key in symbols))
        for symbol in set(symbols.values()):
            expected = [key for key in symbols if symbols[key] == symbol]
            seen = [key for key in first if symbols[key] == symbol]
            verify(seen == expected, "sink.py", f"{symbol} is out of order: {seen[:20]} …", "write a batch in order")


async def _put(put: Callable[[Record], None], records: Sequence[Record], until: asyncio.Event | None = None) -> None:
    for record in records:
        put(record)
    if until is not None:
        await until.wait()


# A short time limit may be too short on a busy machine: then it is tried again, as the delivery would.
async def _opened(sink: Sink) -> None:
    while True:
        try:
            await sink.open()
        except _PASSING:
            await sink.close()
        else:
            return


async def _fails(doing: Awaitable[None], what: str) -> None:
    try:
        await doing
    except _PASSING:
        return
    except Exception as error:  # whatever a library raises
        refuse("sink.py", f"{what} raised {error!r}", "translate what the network does into a RetryableError")
    refuse("sink.py", f"{what} ended well, with nobody there", "wait for the server's answer")
