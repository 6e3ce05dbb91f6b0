"""L: a feed's life with the plugin: it subscribes, leaves, comes back, backs off, and ends without a trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tickwire import (
    AuthRejectedError,
    Channel,
    CredentialsError,
    GapCause,
    MarketEvent,
    Reconnected,
    Subscribed,
    Unsubscribed,
    UnsubscribeReason,
)
from tickwire.simulation import Fault, FaultKind
from tickwire.testing.auth import verify_login, with_wrong_secret
from tickwire.testing.checks import check
from tickwire.testing.declaration import require_credentials
from tickwire.testing.hostile import Trial, run_trial
from tickwire.testing.kit import Conformance
from tickwire.testing.subject import Subject
from tickwire.testing.verdicts import SPOKEN, cannot, refuse, verify

__all__ = ["LifeChecks"]

_SKIP = "there is no simulator, or neither trades nor l2_book are offered"
_ROUTING = "routing.py"


class LifeChecks(Conformance):
    """The checks whose ids begin with L."""

    @check("L1", proves="an undisturbed run delivers everything, announces no hole, and says Subscribed once each",
           skip_when=_SKIP)  # fmt: skip
    def test_l1_an_undisturbed_run(self, subject: Subject) -> None:
        async def holds(run: Trial) -> None:
            await run.must_recover(30)
            await run.live(20)
            await run.judge()
            covered = [(event.symbol, event.channel) for event in run.given(Subscribed)]
            wanted = [(one.symbol, one.channel) for one in run.feed.status()]
            verify(sorted(covered) == sorted(wanted), SPOKEN, f"Subscribed came for {covered}", "confirm each once")
            trouble = [type(event).__name__ for event in run.events if type(event).__name__ in _TROUBLE]
            verify(not trouble, SPOKEN, f"undisturbed, it announces {trouble}", "see B and V")

        run_trial(subject, holds)

    @check("L2", proves="what is unsubscribed from ends with Unsubscribed, and nothing of it comes any more",
           skip_when=_SKIP)  # fmt: skip
    def test_l2_unsubscribing(self, subject: Subject) -> None:
        async def holds(run: Trial) -> None:
            await run.must_recover(30)
            gone = run.symbols[0]
            await run.feed.unsubscribe([gone], [one.channel for one in run.feed.status()])
            await run.live(1)
            before = len(run.events)
            ended = [event for event in run.given(Unsubscribed) if event.symbol == gone]
            verify(ended and {event.reason for event in ended} == {UnsubscribeReason.USER}, SPOKEN, "no end", "leave")
            await run.live(5)
            late = [event for event in run.events[before:] if isinstance(event, MarketEvent) and event.symbol == gone]
            verify(not late, SPOKEN, f"{len(late)} events of {gone} after that", "send what unsubscribes")
            frames = run.feed.metrics.counter("stray_events_total", exchange=subject.exchange).value
            verify(frames < 5, SPOKEN, f"the exchange still sends {frames} events of it", "send what unsubscribes")
            await run.feed.subscribe([gone], [one.channel for one in run.feed.status()])
            await run.must_recover(30)
            await run.judge()

        run_trial(subject, holds)

    @check("L3", proves="after a reconnect everything is subscribed to again, once", skip_when=_SKIP)
    def test_l3_reconnecting(self, subject: Subject) -> None:
        async def holds(run: Trial) -> None:
            await run.must_recover(30)
            wanted = len(run.feed.status())
            run.faults.inject(Fault(FaultKind.CLOSE_ABRUPT))
            await run.live(1)
            await run.must_recover()
            back = sum(event.subscriptions for event in run.given(Reconnected))
            verify(back == wanted, SPOKEN, f"{back} of {wanted} were subscribed to again", "subscribe() is pure")
            gaps = [event for event in run.events if getattr(event, "cause", None) is GapCause.DISCONNECTED]
            verify({event.symbol for event in gaps} == set(run.symbols), SPOKEN, f"holes: {gaps}", "see the log")
            await run.judge()

        run_trial(subject, holds)

    @check("L4", proves="an exchange that accepts and closes cleanly is dialled fewer than 10 times in 30 s",
           skip_when=_SKIP)  # fmt: skip
    def test_l4_clean_closes_back_off(self, subject: Subject) -> None:
        run_trial(subject, _backs_off(FaultKind.CLOSE_ON_OPEN))

    @check("L5", proves="an exchange that closes right after subscribing is dialled fewer than 10 times in 30 s",
           skip_when=_SKIP)  # fmt: skip
    def test_l5_closes_after_subscribing_back_off(self, subject: Subject) -> None:
        run_trial(subject, _backs_off(FaultKind.CLOSE_AFTER_SUBSCRIBE))

    @check("L6", proves="after stop nothing dials, asks or runs any more, and a second stop is harmless",
           skip_when=_SKIP)  # fmt: skip
    def test_l6_stopping(self, subject: Subject) -> None:
        async def holds(run: Trial) -> None:
            await run.must_recover(30)
            await run.feed.stop()
            await run.feed.stop()
            dials, requests, events = len(run.exchange.dials), len(run.exchange.requests), len(run.events)
            await run.live(120, tick=2.0)
            after = len(run.exchange.dials), len(run.exchange.requests), len(run.events)
            verify(after == (dials, requests, events), _ROUTING, f"after stop: {after}", "do no I/O of your own")
            verify(not run.exchange.connections, _ROUTING, "a connection stays open", "do no I/O of your own")
            await run.judge()

        run_trial(subject, holds)

    @check("L7", proves="a subscription that the exchange does not serve leaves the others alone", skip_when=_SKIP)
    def test_l7_a_refusal_leaves_the_others_alone(self, subject: Subject) -> None:
        async def holds(run: Trial) -> None:
            dead, alive = run.symbols[0], run.symbols[1:]
            await run.live(10)
            for channel in (Channel.TRADES, Channel.L2_BOOK):
                if subject.info.offers(channel):
                    symbols = {event.symbol for event in run.given(Subscribed) if event.channel is channel}
                    verify(set(alive) <= symbols, SPOKEN, f"{channel}: only {symbols} flow", "refuse only what was")
                    ended = {(one.symbol, one.reason) for one in run.given(Unsubscribed) if one.channel is channel}
                    if subject.info.channels[channel].acknowledged:
                        what = f"{channel}: of {dead}, which is refused, comes {ended}"
                        verify(ended == {(dead, UnsubscribeReason.REFUSED)}, SPOKEN, what, "give Refused((it,), why)")
            await run.judge()

        run_trial(subject, holds, traded=3, closed=1)

    @check(
        "L8",
        proves="private channels are covered once the login is taken, and a refused one ends the feed as AuthRejected",
        skip_when="no credentials are declared, no offered channel needs a login, or there is no simulator",
        file="auth.py",
    )
    def test_l8_logins(self, subject: Subject) -> None:
        require_credentials(subject)
        info = subject.info
        private = [channel for channel in subject.offered() if info.sockets[info.channels[channel].socket].login]
        if not private:
            cannot("no offered channel needs a login")

        for socket in {info.channels[channel].socket for channel in private}:
            verify_login(subject, socket)

        async def is_covered(run: Trial) -> None:
            await run.until(lambda: len(run.given(Subscribed)) == len(run.feed.status()) > 0, 30)
            covered = {event.channel for event in run.given(Subscribed)}
            what = f"after the login {sorted(covered)} of {private} are covered"
            verify(covered == set(private), SPOKEN, what, "give LoggedIn(), then Confirmed")
            await run.live(5)

        async def waits(run: Trial) -> None:
            await run.live(5)

        run_trial(subject, is_covered, channels=private, credentials=subject.credentials)
        wrong = with_wrong_secret(subject)
        try:
            run_trial(wrong, waits, channels=private, credentials=wrong.credentials)
        except (AuthRejectedError, CredentialsError):
            return
        refuse(SPOKEN, "a feed with another secret runs on", "give LoginRefused(reason)")


_TROUBLE = ("Gap", "Resynced", "Stale", "Reconnected", "Dropped", "Inexact", "Unknown")


def _backs_off(kind: FaultKind) -> Callable[[Trial], Any]:
    async def holds(run: Trial) -> None:
        run.faults.inject(Fault(kind, count=None))
        before = len(run.exchange.dials)
        run.faults.inject(Fault(FaultKind.CLOSE_CLEAN))
        await run.live(30)
        dials = len(run.exchange.dials) - before
        verify(
            1 < dials < 10 * run.sockets,  # each backs off alone
            _ROUTING,
            f"{dials} dials in 30 s",
            "let core connect: a plugin dials nothing",
        )
        run.faults.clear()
        await run.must_recover()
        await run.judge()

    return holds
