"""A connection to the dressed exchange, followed by hand: subscribed, stepped, read, its books kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from tickwire import BookDelta, BookSnapshot, Channel, Instrument, L2Book, Subscription
from tickwire.plugin import BookStart, Fetch, Router
from tickwire.simulation import Abilities, SimBook
from tickwire.simulation.board import encode
from tickwire.testing.prerequisites import same_in
from tickwire.testing.speaking import SpeakingExchange
from tickwire.testing.subject import Strategies, Subject
from tickwire.testing.subscribing import ask, hear
from tickwire.testing.verdicts import SPOKEN, cannot, refuse

__all__ = ["Followed"]

T = TypeVar("T")


class Followed:
    """Everything of one channel, for a few instruments.

    Attributes:
        exchange: The dressed exchange.
        strategies: The plugin's.
        instruments: What was subscribed to.
        natives: The exchange's own names of them, by symbol.
        books: By symbol; of the L2 channel.
    """

    def __init__(self, subject: Subject, channel: Channel, *, seed: int = 0, numbers: type = float) -> None:
        if not subject.info.offers(channel):
            cannot(f"{subject.info.id} has no {channel}")
        self.exchange: SpeakingExchange = subject.speaking(seed=seed)
        self.strategies: Strategies = subject.loaded(self.exchange, numbers=numbers)
        self._subject = subject
        self._router: Router[Any] = self.strategies.router(subject.info.channels[channel].socket)
        self._line = subject.connect(self.exchange, self.strategies, channel)
        traded = self.exchange.market.instruments
        loaded = [(one, same_in(self.strategies.instruments, one)) for one in traded]
        self.instruments: Sequence[Instrument] = [found for _, found in loaded if found is not None]
        self.natives = {found.symbol: one.native for one, found in loaded if found is not None}
        self.subscriptions = [subject.subscription(channel, one) for one in self.instruments]
        self.books: dict[str, L2Book[Any]] = {}
        self._behind: dict[str, int] = {}
        self._early: list[object] = []
        for wanted in self.subscriptions:
            self._early += ask(self._router, self._line, [wanted])

    def items(self, steps: int) -> Iterator[object]:
        """Let the market move, and give what comes, what came on subscribing first."""
        for step in self._steps(steps):
            yield from step

    def _steps(self, steps: int) -> Iterator[list[object]]:
        early, self._early = self._early, []
        yield early
        for _ in range(steps):
            self.exchange.step()
            yield hear(self._router, self._line.take())

    def read(self, message: object, channel: Channel, instrument: Instrument) -> list[object]:
        """Read a message of the dress's own as if it came on the channel's topic of an instrument."""
        envelope = Abilities.of(self.exchange.dress).envelope
        topic = self._line.topics.get((channel, instrument.native), "")
        self._line.put(encode(envelope(topic, message) if envelope else message))
        return hear(self._router, self._line.take())

    def start_books(self) -> None:
        """Bring every book in sync, as the declaration says."""
        book = self._subject.info.book
        assert book is not None
        if book.start is BookStart.SYNCED and not self._subject.over_sockets:
            cannot("the transport keeps the books")
        self.books = {one.symbol: L2Book(one.exchange, one.symbol, book.sequence) for one in self.instruments}
        before = list(self.items(20))
        for wanted in self.subscriptions:
            if book.start is BookStart.REST:
                self.books[str(wanted.symbol)].apply(self.snapshot(wanted))
        for _ in self._applied(before):
            pass

    def hold(self, conversation: Fetch[T]) -> T:
        """Hold a conversation of the plugin's with the exchange."""
        return self._subject.hold(conversation, self.exchange)

    def snapshot(self, wanted: Subscription) -> BookSnapshot[Any]:
        """Fetch a book over REST."""
        try:
            return self.hold(self.strategies.routing.snapshot(wanted))
        except Exception as error:  # whatever it is: the check names it
            refuse(SPOKEN, f"snapshot() raises {type(error).__name__}: {error}", "read the depth answer")

    def changes(self, steps: int) -> Iterator[tuple[L2Book[Any], BookSnapshot[Any] | BookDelta[Any]]]:
        """Let the market move; give each book right after each of its events."""
        for step in self._steps(steps):
            yield from self._applied(step)

    def is_comparable(self, book: L2Book[Any]) -> bool:
        """Tell whether it can be known what the book should be: by its sequence, or at the last event of a step."""
        return book.is_synced and (book.sequence is not None or not self._behind.get(book.symbol))

    def _applied(self, items: Iterable[object]) -> Iterator[tuple[L2Book[Any], BookSnapshot[Any] | BookDelta[Any]]]:
        events = [item for item in items if isinstance(item, BookSnapshot | BookDelta)]
        self._behind = Counter(item.symbol for item in events)
        for item in events:
            book = self.books[item.symbol]
            self._behind[item.symbol] -= 1
            try:
                book.apply(item)
            except Exception as error:  # whatever it is: the check names it
                refuse(SPOKEN, f"{item} does not follow: {error}", "hand on sequences as they are declared")
            yield book, item

    def true_levels(self, book: L2Book[Any], number: Callable[[str], Any] = float) -> tuple[list[Any], list[Any]]:
        """Give what the book should be: bids and asks at its sequence, as deep as it is."""
        native = self.natives[book.symbol]
        sequence = book.sequence
        whole = self.exchange.market.book(native, 100_000) if sequence is None else self.book_at(native, sequence)
        sides = [[(number(price), number(size)) for price, size in side] for side in (whole.bids, whole.asks)]
        return sides[0][: book.depth], sides[1][: book.depth]

    def book_at(self, native: str, sequence: int) -> SimBook:
        """Give the exchange's whole book right after a change."""
        try:
            return self.exchange.truth.book(native, sequence)
        except LookupError as error:
            refuse(SPOKEN, str(error), "hand on the exchange's own sequence")
