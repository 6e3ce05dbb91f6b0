"""Where a client library ends and tickwire begins: missing libraries, and errors of theirs as errors of ours.

What an error means is decided by a complete table a library (a test walks its whole tree), in three words: ``LOST``,
the server cannot be reached or cannot serve now; ``SETTINGS``, the user edits something; ``RECORD``, none of the two,
so that the delivery looks for the record that is to blame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import StrEnum, auto

from tickwire import ConfigError, ConnectionLostError, PluginLoadError

__all__ = ["Border", "Meaning", "by_class", "extra"]


class Meaning(StrEnum):
    """What the caller does about a library's error."""

    LOST = auto()
    SETTINGS = auto()
    RECORD = auto()


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Import a sink's library in this block.

    Args:
        name: The extra of ``tickwire-sinks`` that brings it.

    Raises:
        PluginLoadError: It is not installed; says how to install it.
    """
    try:
        yield
    except ImportError as error:
        hint = f"pip install 'tickwire-sinks[{name}]'"
        raise PluginLoadError(f"this sink cannot be loaded: {error}", hint=hint) from error


def by_class(table: Mapping[type[BaseException], Meaning]) -> Callable[[BaseException], Meaning]:
    """Make a reader of a table that names classes: the nearest one an error derives from decides."""

    def meaning(error: BaseException) -> Meaning:
        return next((table[kind] for kind in type(error).__mro__ if kind in table), Meaning.RECORD)

    return meaning


class Border:
    """Translates what one library raises."""

    def __init__(
        self, server: str, roots: tuple[type[Exception], ...], meaning: Callable[[BaseException], Meaning], hint: str
    ) -> None:
        """Take over a library's table.

        Args:
            server: What is talked to, for messages.
            roots: The classes that the library's errors derive from; ``OSError``, with ``TimeoutError``, is added.
            meaning: What an error means; an ``OSError`` that the library does not derive from is ``LOST``.
            hint: What the user looks at where the settings are wrong.
        """
        self._server = server
        self._caught: tuple[type[Exception], ...] = (*roots, OSError)
        self._roots = roots
        self._meaning = meaning
        self._hint = hint

    @contextmanager
    def crossed(self, place: str, *, opening: bool = False) -> Iterator[None]:
        """Run a block that calls the library.

        Args:
            place: Host and port, for messages; never the whole URL, which may hold a password.
            opening: There is no record that could be to blame: what would be ``RECORD`` is ``SETTINGS``.

        Raises:
            ConnectionLostError: The server cannot be reached or cannot serve now.
            ConfigError: It refuses what the settings ask for.
        """
        try:
            yield
        except self._caught as error:
            text = f"{self._server} at {place}: {_said(error)}"
            meaning = self._meaning(error) if isinstance(error, self._roots) else Meaning.LOST
            if meaning is Meaning.LOST:
                raise ConnectionLostError(text) from error
            if meaning is Meaning.SETTINGS or opening:
                raise ConfigError(text, hint=self._hint) from error
            raise

    @contextmanager
    def left(self, place: str) -> Iterator[None]:
        """Run a block that disconnects; that the connection was lost already is no error then.

        Args:
            place: Host and port, for messages.
        """
        with suppress(ConnectionLostError), self.crossed(place):
            yield


def _said(error: BaseException) -> str:
    first = str(error).strip().partition("\n")[0]
    return first or ("no answer in time" if isinstance(error, TimeoutError) else type(error).__name__)
