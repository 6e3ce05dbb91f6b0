"""The plugin under test: found as users get it, assembled as core does it, with all that its checks need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import attrs

from tickwire import (
    Channel,
    Clock,
    Feed,
    Instrument,
    Instruments,
    InstrumentStatus,
    ManualClock,
    Registry,
    Subscription,
    TickwireError,
)
from tickwire.plugin import (
    BookStart,
    ConnectionInfo,
    ExchangeInfo,
    Fetch,
    Located,
    Request,
    Response,
    Router,
    Routing,
    Signer,
    SymbolSource,
    Transport,
)
from tickwire.simulation import Dress
from tickwire.testing.conversation import hold
from tickwire.testing.frames import Answers, FramesFile, answers_in, frames_in, read_frames
from tickwire.testing.own_way import AnsweringServer, Front, OwnLine, serving
from tickwire.testing.prerequisites import verify_dress, verify_loaded
from tickwire.testing.speaking import START, Caller, SpeakingExchange, make_dress
from tickwire.testing.verdicts import cannot, refuse, verify

__all__ = ["Strategies", "Subject"]

_TRADED = 3
T = TypeVar("T")


@attrs.frozen
class Strategies:
    """What a plugin supplied for one feed; ``instruments`` is the live view that its routing holds."""

    symbols: SymbolSource
    signer: Signer | None = attrs.field(repr=False)
    transport: Transport[Any]
    routing: Routing[Any]
    instruments: Instruments

    def router(self, endpoint: str = "public") -> Router[Any]:
        """Make the router of a new connection."""
        return self.routing.router(ConnectionInfo("kit", endpoint, Located("wss://kit.invalid")))


@attrs.frozen
class Subject:
    """One plugin and what its author told the kit.

    Attributes:
        exchange: The exchange's id.
        registry: All plugins.
        frames: Folder of recorded frames.
        simulator: Makes the dress; ``None``: nobody speaks.
        credentials: A key pair for tests.
        options: The plugin's, where it needs some.
        signed: A request that the signer can sign.
        extra: Instruments that recorded frames name and neither ``frames/rest/`` nor the dress lists.
        examples: How many examples hypothesis makes of each rule.
        over_sockets: Its transport is its own, and reaches the exchange on loopback.
        clocks: Names of ``time.time`` in modules of its library.
    """

    exchange: str
    registry: Registry
    frames: Path
    simulator: Callable[..., Dress] | None = None
    credentials: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    options: Mapping[str, object] = attrs.field(factory=dict)
    signed: Request = attrs.field(factory=lambda: Request("GET", "/", signed=True))
    extra: Sequence[Instrument] = ()
    examples: int = 100
    over_sockets: bool = False
    clocks: Sequence[str] = ()
    _fronts: dict[int, Front] = attrs.field(factory=dict, init=False, repr=False, eq=False)
    _served: list[object] = attrs.field(factory=list, init=False, repr=False, eq=False)

    @property
    def info(self) -> ExchangeInfo:
        """What the plugin declares."""
        return self.registry.select(self.exchange).claim.info

    @property
    def plugin(self) -> str:
        """The plugin's name."""
        return self.registry.select(self.exchange).claim.plugin

    def strategies(
        self,
        *,
        clock: Clock | None = None,
        with_credentials: bool = False,
        numbers: type = float,
        front: Front | None = None,
    ) -> Strategies:
        """Assemble the plugin as a feed does; no instruments are loaded.

        Args:
            clock: Everything's time.
            with_credentials: Those of the test.
            numbers: ``float`` or ``Decimal``.
            front: Where its own transport is led to.
        """
        feed: Feed[Any] = Feed(
            self.exchange,
            (),
            (),
            registry=self.registry,
            plugin=self.plugin,
            options=self.options or None,
            credentials=self.credentials if with_credentials else None,
            clock=clock or ManualClock(START),
            numbers=numbers,
            **({} if front is None else front.network),
        )
        wiring = feed.wiring
        return Strategies(wiring.symbols, wiring.signer, wiring.transport, wiring.routing, wiring.instruments)

    def dress_maker(self) -> Callable[..., Dress]:
        """Give what makes the dress, or skip."""
        if self.simulator is not None:
            return self.simulator
        if self.info.simulator is None:
            cannot("no simulator is given: nobody speaks the exchange's language")
        module, _, name = self.info.simulator.partition(":")
        made: Callable[..., Dress] = getattr(import_module(module), name)
        return made

    @property
    def has_dress(self) -> bool:
        """Whether anybody speaks the exchange's language."""
        return self.simulator is not None or self.info.simulator is not None

    def speaking(self, *, traded: int = _TRADED, seed: int = 0) -> SpeakingExchange:
        """Open the dressed exchange with that many instruments, or skip; zero: with all it has."""
        verify_dress(make_dress(self.dress_maker(), ManualClock(START)))
        return SpeakingExchange(self.dress_maker(), self.traded(traded) if traded else (), seed=seed)

    def traded(self, count: int = _TRADED) -> list[str]:
        """Give our symbols of a few instruments of the dress, of as many kinds as there are."""
        every = SpeakingExchange(self.dress_maker()).listed
        open_ones = [one for one in every if one.status is not InstrumentStatus.CLOSED]
        first = {one.type: one for one in reversed(open_ones)}
        return [one.symbol for one in dict.fromkeys([*first.values(), *open_ones])][:count]

    def loaded(self, exchange: SpeakingExchange, **how: Any) -> Strategies:
        """Assemble the plugin, its instruments loaded from a dressed exchange."""
        strategies = self.strategies(clock=exchange.clock, **how)
        try:
            strategies.instruments.replace(self.hold(strategies.symbols.load(), exchange))
        except Exception as error:  # whatever it is: no check that needs instruments can tell of anything else
            refuse("symbols.py", f"loading raises {type(error).__name__}: {error}", "see the checks S1…")
        verify_loaded(exchange.market.instruments, strategies.instruments)
        return strategies

    # speaking with the exchange
    def hold(self, conversation: Fetch[T], answer: SpeakingExchange | Callable[[Request], Response]) -> T:
        """Hold a conversation of the plugin's, over its own transport where it has one.

        Args:
            conversation: Of the plugin.
            answer: The dressed exchange, or a function that answers one request.

        Raises:
            TickwireError: As ``tickwire.testing.conversation.hold``.
        """
        if not self.over_sockets:
            return hold(conversation, answer.fetch if isinstance(answer, SpeakingExchange) else answer)
        front = self._front(answer)
        return hold(conversation, front.asking(self.strategies(front=front).transport))

    def connect(self, exchange: SpeakingExchange, strategies: Strategies, channel: Channel) -> Caller | OwnLine:
        """Open a line to the dressed exchange: a connection of the plugin's own where it has a transport."""
        if not self.over_sockets:
            return exchange.connect()
        front, socket = self._front(exchange), self.info.channels[channel].socket
        located = hold(strategies.routing.locate(socket, front.server.ws_url), exchange.fetch)
        return OwnLine(front, self.strategies(front=front, clock=exchange.clock).transport, located)

    def _front(self, what: SpeakingExchange | Callable[[Request], Response]) -> Front:
        found = self._fronts.get(id(what))
        if found is None:
            if isinstance(what, SpeakingExchange):
                found = serving(what, self.clocks)
            else:
                found = Front(AnsweringServer(what), self.clocks)
            self._fronts[id(what)] = found
            self._served.append(what)  # an id is given again once nobody has the object
        return found

    def close(self) -> None:
        """Close what was served."""
        for front in self._fronts.values():
            front.close()
        self._fronts.clear()

    # recorded things
    def files(self) -> list[FramesFile]:
        """Read all frames files, or skip: a library may read the exchange's frames before the plugin sees anything."""
        if self.over_sockets:
            cannot("a library of the plugin's reads the exchange's frames: its router is given objects")
        try:
            return [read_frames(path) for path in frames_in(self.frames)]
        except ValueError as error:
            refuse("frames/", str(error), "write the header line: where the frames come from, and when")

    def answers(self) -> Answers:
        """Read the recorded answers."""
        try:
            return answers_in(self.frames)
        except ValueError as error:
            refuse("frames/rest/", str(error), "write request, source, date, kind and body")

    def known(self) -> list[Instrument]:
        """Give every instrument that a frame may name: recorded, the dress's, and the author's extra ones."""
        found: dict[str, Instrument] = {}
        for one in [*self.extra, *self._recorded(), *self._dressed()]:
            found.setdefault(one.native_key or one.native, one)
        return list({one.symbol: one for one in reversed(found.values())}.values())

    def _recorded(self) -> Iterable[Instrument]:
        answers = self.answers()
        return self.hold(self.strategies().symbols.load(), answers) if len(answers) else ()

    def _dressed(self) -> Iterable[Instrument]:
        if not self.has_dress:
            return ()
        exchange = SpeakingExchange(self.dress_maker())
        return self.hold(self.strategies(clock=exchange.clock).symbols.load(), exchange)

    def reading(self, **how: Any) -> Strategies:
        """Assemble the plugin with all instruments that a frame may name."""
        try:
            known = self.known()
        except TickwireError as error:
            refuse("symbols.py", f"the instruments that frames name cannot be loaded: {error}", "see the checks S1…")
        verify(known or not self._has_list, "symbols.py", "no instrument comes of the exchange's list", "see S1")
        strategies = self.strategies(**how)
        strategies.instruments.replace(known)
        return strategies

    @property
    def _has_list(self) -> bool:
        return self.has_dress or len(self.answers()) > 0

    # what to ask for
    def offered(self) -> list[Channel]:
        """Give the claimed channels."""
        return [channel for channel in self.info.channels if self.info.offers(channel)]

    def subscription(self, channel: Channel, instrument: Instrument) -> Subscription:
        """Ask for a channel of an instrument, with the first interval where it needs one."""
        declared = self.info.channels[channel]
        interval = declared.intervals[0] if channel is Channel.CANDLES and declared.intervals else None
        return Subscription(channel, instrument, interval=interval)

    def socket_of(self, file: FramesFile) -> str:
        """Name the socket that a file's frames come from: its channel's, or where they belong to none, any."""
        declared = self.info.channels.get(file.channel) if file.channel is not None else None
        return next(iter(self.info.sockets), "public") if declared is None else declared.socket

    @property
    def starts_over_rest(self) -> bool:
        """Whether books begin with ``Routing.snapshot``."""
        return self.info.book is not None and self.info.book.start is BookStart.REST
