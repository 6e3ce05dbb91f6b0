"""F: whatever the exchange does, nothing is lost or made up in silence, and all is well soon after it stops."""

from __future__ import annotations

import pytest

from tickwire import Channel
from tickwire.plugin import Ids, SequenceRule
from tickwire.simulation import Fault, FaultKind, Site
from tickwire.testing.checks import check
from tickwire.testing.hostile import Trial, run_trial
from tickwire.testing.kit import Conformance
from tickwire.testing.subject import Subject
from tickwire.testing.verdicts import cannot, verify

__all__ = ["FaultChecks", "faults_of"]

_SKEW = 5.0
_LOSES = (FaultKind.DROP, FaultKind.TRUNCATED, FaultKind.CORRUPT_NUMBER, FaultKind.REORDER, FaultKind.SEQUENCE_GAP)
_UNTOLD = (*_LOSES, FaultKind.STALL, FaultKind.SUBSCRIPTION_IGNORED)
_ON_BOOKS = (FaultKind.SEQUENCE_GAP, FaultKind.STALE_SNAPSHOT)


class FaultChecks(Conformance):
    """The checks whose ids begin with F."""

    @check(
        "F1",
        proves="each fault alone: every trade once or in an announced hole, every book right, and it recovers",
        skip_when="there is no simulator, or nothing the exchange offers can meet that fault",
    )
    @pytest.mark.parametrize("kind", list(FaultKind), ids=str)
    def test_f1_each_fault_alone(self, subject: Subject, kind: FaultKind) -> None:
        channels = channels_for(subject, kind)

        async def holds(run: Trial) -> None:
            run.oracle.believes_watermarks = kind not in _UNTOLD
            if kind is FaultKind.CLOCK_SKEW:
                run.oracle.skew = _SKEW
            await run.must_recover(30)
            await run.live(2)
            injected = [run.faults.inject(fault) for fault in faults_of(kind, run)]
            await _provoke(kind, run)
            await run.live(6)
            touched = sum(one.touched for one in injected)
            is_met = touched or kind.site is Site.CLOCK
            verify(
                is_met, "simulator.py", f"nothing ever met {kind}", "let the dress join topics by channel and native"
            )
            if kind is not FaultKind.HALF_OPEN:  # such a connection never works again: the feed must leave it
                run.faults.clear()
            await run.must_recover()
            await run.live(2)
            await run.judge()

        run_trial(subject, holds, channels=channels)


def faults_of(kind: FaultKind, run: Trial) -> list[Fault]:
    """Give the faults that show a kind: of frames one for each channel, of one instrument only."""
    native = next(iter(run.natives.values()))
    if kind.site is Site.FRAME:
        channels = dict.fromkeys(one.channel for one in run.natives)
        return [Fault(kind, channel=channel, native=native, seconds=2.0) for channel in channels]
    if kind.site in (Site.BOOK, Site.SUBSCRIPTION):
        return [Fault(kind, native=native)]
    if kind.site is Site.REQUEST:
        return [Fault(kind, count=2, seconds=3.0, retry_after=2.0)]
    return [Fault(kind, seconds=_SKEW, lasts=None if kind is FaultKind.HALF_OPEN else 4.0)]


def channels_for(subject: Subject, kind: FaultKind) -> list[Channel]:
    """Give the channels on which a fault can be met and noticed, or skip."""
    info = subject.info
    found = [channel for channel in (Channel.TRADES, Channel.L2_BOOK) if info.offers(channel)]
    if kind in _ON_BOOKS or (kind.site is Site.REQUEST and not _has_history(subject)):
        found = [channel for channel in found if channel is Channel.L2_BOOK]
    if kind in _LOSES:
        found = [channel for channel in found if _shows_losses(subject, channel)]
    if kind is FaultKind.STALE_HISTORY and not _has_history(subject):
        cannot("trades have no history")
    if kind is FaultKind.STALE_SNAPSHOT and not subject.starts_over_rest:
        cannot("books do not start over REST")
    if kind.site is Site.REQUEST and not (subject.starts_over_rest or _has_history(subject)):
        cannot("nothing is asked for over REST while it runs")
    if not found:
        cannot(f"nothing it offers shows that something is missing: {kind}")
    return found


def _has_history(subject: Subject) -> bool:
    trades = subject.info.channels.get(Channel.TRADES)
    return trades is not None and trades.history is not None


def _shows_losses(subject: Subject, channel: Channel) -> bool:
    if channel is Channel.TRADES:
        return subject.info.channels[channel].ids is Ids.CONSECUTIVE
    book = subject.info.book
    return book is not None and (
        book.checksum is not None or book.sequence not in (SequenceRule.NONE, SequenceRule.INCREASING)
    )


# Makes the feed do what the fault waits for: dial, ask again, fetch.
async def _provoke(kind: FaultKind, run: Trial) -> None:
    if kind.site in (Site.DIAL, Site.SUBSCRIPTION, Site.REQUEST):
        await run.live(0.3)
        run.faults.inject(Fault(FaultKind.CLOSE_ABRUPT))
