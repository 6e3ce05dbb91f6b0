"""R: asking for streams in the exchange's own words, and understanding what it answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from tickwire import EVENTS_OF, Channel, Instrument, Subscription
from tickwire.plugin import Alive, Confirmed, Refused, Router, Send, Unknown
from tickwire.simulation import Abilities
from tickwire.testing.checks import check
from tickwire.testing.hardening import route_safely
from tickwire.testing.kit import Conformance, per_channel
from tickwire.testing.own_way import OwnLine
from tickwire.testing.prerequisites import same_in
from tickwire.testing.speaking import Caller, SpeakingExchange
from tickwire.testing.subject import Strategies, Subject
from tickwire.testing.verdicts import SPOKEN, cannot, if_claimed, refuse, verify

__all__ = ["SubscribingChecks", "ask", "hear", "say"]

_NO_DRESS = "there is no simulator"


class SubscribingChecks(Conformance):
    """The checks R12 to R16."""

    @check(
        "R12",
        proves="a batch as large as declared is asked for and left, and every frame names what it asks for",
        skip_when="the exchange has no such channel",
    )
    @per_channel()
    def test_r12_batches(self, subject: Subject, channel: Channel) -> None:
        with if_claimed(subject.info, channel):
            strategies = subject.reading(with_credentials=bool(subject.credentials))
            endpoint = subject.info.channels[channel].socket
            batch = subject.info.sockets[endpoint].batch
            wanted = [subject.subscription(channel, one) for one in list(strategies.instruments)[:batch]]
            verify(wanted, "frames/rest/", "no instrument is known to subscribe to", "give a simulator, or an answer")
            router = strategies.router(endpoint)
            sent = list(router.subscribe(wanted))
            named = [one for send in sent for one in send.subscriptions]
            what = f"asking for {len(wanted)} streams of {channel} names {len(named)}"
            verify(set(named) == set(wanted), "routing.py", what, "name them in Send(payload, subscriptions)")
            verify(len(named) == len(set(named)), "routing.py", f"{channel}: a stream is asked for twice", "ask once")
            verify(all(send.payload for send in sent), "routing.py", f"{channel}: an empty frame", "send what asks")
            left = list(router.unsubscribe(wanted))
            verify(left and all(send.payload for send in left), "routing.py", f"{channel} is never left", "send it")

    @check(
        "R13",
        proves="what is asked for is confirmed where the exchange acknowledges, and data follows",
        skip_when=f"the exchange has no such channel, {_NO_DRESS}, or it gives no quotes",
    )
    @per_channel(Channel.TRADES, Channel.L2_BOOK, Channel.L1_BOOK)
    def test_r13_answers_confirm(self, subject: Subject, channel: Channel) -> None:
        with if_claimed(subject.info, channel):
            exchange = subject.speaking()
            if channel is Channel.L1_BOOK and Abilities.of(exchange.dress).quote is None:
                cannot("the dress gives no quotes")
            strategies = subject.loaded(exchange)
            router = strategies.router(subject.info.channels[channel].socket)
            line = subject.connect(exchange, strategies, channel)
            wanted = _wanted(subject, exchange, strategies, channel)
            answers = ask(router, line, wanted)
            _verify_quiet(answers, channel)
            confirmed = {one for control in answers if isinstance(control, Confirmed) for one in control.subscriptions}
            if subject.info.channels[channel].acknowledged:
                what = f"{channel}: {len(wanted)} were asked for, {len(confirmed)} are confirmed"
                verify(confirmed == set(wanted), SPOKEN, what, "give Confirmed, or declare acknowledged=False")
            else:
                what = f"{channel} is declared as never acknowledged, and {confirmed} is"
                verify(not confirmed, "info.py", what, "declare acknowledged=True")
            exchange.step(200)
            heard = hear(router, line.take())
            kinds = EVENTS_OF[channel]
            verify(any(isinstance(item, kinds) for item in heard), SPOKEN, f"no {channel} comes", "ask for it")
            list(say(router.unsubscribe(wanted), router, line))
            exchange.step(100)
            rest = [item for item in hear(router, line.take()) if isinstance(item, kinds)]
            verify(not rest, SPOKEN, f"{channel} still comes after it was left", "unsubscribe from it")

    @check(
        "R14",
        proves="a refused subscription is Refused or met with silence as declared, and leaves the others alone",
        skip_when=f"{_NO_DRESS}, or trades are not offered",
    )
    def test_r14_refusals(self, subject: Subject) -> None:
        with if_claimed(subject.info, Channel.TRADES):
            exchange = subject.speaking()
            strategies = subject.loaded(exchange)
            good = _wanted(subject, exchange, strategies, Channel.TRADES)[0]
            bad = Subscription(Channel.TRADES, _delisted(good.instrument))
            router = strategies.router(subject.info.channels[Channel.TRADES].socket)
            line = subject.connect(exchange, strategies, Channel.TRADES)
            batch = subject.info.sockets[subject.info.channels[Channel.TRADES].socket].batch
            groups = [[good, bad]] if batch > 1 else [[good], [bad]]
            answers = [item for group in groups for item in ask(router, line, group)]
            refused = {one for item in answers if isinstance(item, Refused) for one in item.subscriptions}
            confirmed = {one for item in answers if isinstance(item, Confirmed) for one in item.subscriptions}
            verify(refused <= {bad}, SPOKEN, f"{refused} is refused with it", "refuse what was refused only")
            verify(bad not in confirmed, SPOKEN, "a refused stream is confirmed", "read the refusal")
            if subject.info.channels[Channel.TRADES].acknowledged:
                verify(refused == {bad}, SPOKEN, "a refusal is not Refused", "give Refused((it,), reason)")
                verify(confirmed == {good}, SPOKEN, "the good one is not confirmed", "confirm the others")
            exchange.step(200)
            verify(hear(router, line.take()), SPOKEN, "the good stream is silent", "leave the others alone")

    @check(
        "R15",
        proves="a heartbeat is sent where one is declared, and its answer is Alive",
        skip_when="no socket has a heartbeat",
    )
    def test_r15_heartbeats(self, subject: Subject) -> None:
        beating = [name for name, endpoint in subject.info.sockets.items() if endpoint.heartbeat is not None]
        if not beating:
            cannot("no socket has a heartbeat")
        for name in beating:
            strategies = subject.strategies(with_credentials=bool(subject.credentials))
            router = strategies.router(name)
            sent = list(router.heartbeat(1_780_000_000_000_000_000))
            verify(sent, "routing.py", f"socket {name!r} declares a heartbeat, and none is sent", "write heartbeat()")
            if subject.has_dress:
                answers = list(say(sent, router, subject.speaking().connect()))
                wrong = [item for item in answers if not isinstance(item, Alive)]
                verify(answers and not wrong, SPOKEN, f"a heartbeat is answered with {answers}", "give Alive()")

    @check(
        "R16",
        proves="an answer meant for one connection confirms nothing on another",
        skip_when=f"{_NO_DRESS}, or the exchange acknowledges nothing",
    )
    def test_r16_answers_belong_to_their_connection(self, subject: Subject) -> None:
        channels = [one for one in subject.offered() if one in EVENTS_OF and subject.info.channels[one].acknowledged]
        if not channels:
            cannot("the exchange acknowledges nothing")
        exchange = subject.speaking()
        strategies = subject.loaded(exchange)
        router, line = strategies.router(subject.info.channels[channels[0]].socket), exchange.connect()
        for send in router.subscribe(_wanted(subject, exchange, strategies, channels[0])):
            frames = line.say(send.payload)
            other = strategies.router(subject.info.channels[channels[0]].socket)
            stolen = [item for item in hear(other, frames) if isinstance(item, Confirmed)]
            verify(not stolen, "routing.py", "another connection's answer confirms", "keep requests in the router")


def ask(router: Router[Any], line: Caller | OwnLine, wanted: Sequence[Subscription]) -> list[object]:
    """Subscribe over a line, and read everything that comes of it at once."""
    return list(say(router.subscribe(wanted), router, line))


def hear(router: Router[Any], frames: Iterable[Any]) -> list[object]:
    """Read frames of the dressed exchange."""
    return [item for frame in frames for item in route_safely(router, frame, f"the dress's frame {frame!r:.80}")]


def say(sends: Iterable[Send[Any]], router: Router[Any], line: Caller | OwnLine) -> Iterable[object]:
    """Send frames over a line, and what their answers make us send; give everything that is understood of it."""
    todo = list(sends)
    while todo:
        send = todo.pop(0)
        for item in hear(router, line.say(send.payload)):
            if isinstance(item, Send):
                todo.append(item)
            yield item


def _wanted(
    subject: Subject, exchange: SpeakingExchange, strategies: Strategies, channel: Channel
) -> list[Subscription]:
    batch = subject.info.sockets[subject.info.channels[channel].socket].batch
    found = [same_in(strategies.instruments, one) for one in exchange.market.instruments]
    return [subject.subscription(channel, one) for one in found if one is not None][:batch]


def _delisted(instrument: Instrument | None) -> Instrument:
    assert instrument is not None
    return attrs.evolve(instrument, native=f"{instrument.native}X", symbol=f"X{instrument.symbol}")


def _verify_quiet(answers: Sequence[object], channel: Channel) -> None:
    wrong = [item for item in answers if isinstance(item, Unknown | Refused)]
    if wrong:
        refuse(SPOKEN, f"asking for {channel} is answered with {wrong}", "read the exchange's answers")
