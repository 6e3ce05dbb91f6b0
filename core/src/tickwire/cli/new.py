"""``tickwire new``: a plugin for a new exchange, complete and working, for an exchange that does not exist yet."""

from __future__ import annotations

import re
from enum import StrEnum, auto
from pathlib import Path
from typing import Annotated, TypeVar

import typer

__all__ = ["Auth", "Book", "corrected", "new", "scaffold"]

_ID = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", re.ASCII)
_LONGEST = 30
# ids whose classes or entry point would be called like something of tickwire's own
_TAKEN = frozenset(
    {
        "tickwire",
        "defaults",
        "builtin_sinks",
        "recorder",
        "replayer",
        "native",
        "hmac",
        "ed25519",
        "native_message",
        "streams",
    }
)
_TEMPLATE = Path(__file__).parents[1] / "_template"

_C = TypeVar("_C", bound=StrEnum)


class Auth(StrEnum):
    """How private requests are signed."""

    HMAC = auto()
    ED25519 = auto()
    NONE = auto()


class Book(StrEnum):
    """Where a book comes from: a snapshot on the socket first, one over REST, or every frame is a whole book."""

    SOCKET = auto()
    REST = auto()
    SNAPSHOTS = auto()


def new(
    exchange: Annotated[str, typer.Argument(metavar="EXCHANGE", help="Its id, e.g. acme.", show_default=False)],
    no_input: Annotated[bool, typer.Option("--no-input", help="Ask nothing: take what is not given as it is.")] = False,
    output_dir: Annotated[Path, typer.Option(metavar="DIR", help="Where the project's folder goes.")] = Path(),
    auth: Annotated[
        Auth | None, typer.Option(help="How private requests are signed: hmac by default.", show_default=False)
    ] = None,
    book: Annotated[
        Book | None,
        typer.Option(
            help="Where a book comes from: a snapshot on the socket, one over REST, or every frame a whole one.",
            show_default=False,
        ),
    ] = None,
    checksum: Annotated[
        bool | None, typer.Option("--checksum/--no-checksum", help="Its books carry a checksum.", show_default=False)
    ] = None,
) -> None:
    """Begin a plugin for an exchange. It works at once, for a made-up exchange; replace it file by file.

    Example: tickwire new acme --book rest --auth none
    """
    import sys

    _refuse_bad(exchange)
    asks = not no_input and sys.stdin.isatty()
    auth = auth or _choose("how are private requests signed?", Auth.HMAC, asks)
    book = book or _choose("where does a book come from?", Book.SOCKET, asks)
    if checksum is None:
        checksum = asks and typer.confirm("do its books carry a checksum?", default=False)
    folder = scaffold(exchange, output_dir, auth, book, checksum)
    count = sum(path.is_file() for path in folder.rglob("*"))
    print(f"wrote {folder} ({count} files)\nnext:  cd {folder} && python -m pip install -e '.[test]' && pytest")
    print("then:  README.md there says what to replace, and in which order")


def scaffold(exchange: str, output_dir: Path, auth: Auth, book: Book, checksum: bool) -> Path:
    """Write the project and give its folder.

    Raises:
        ConfigError: cookiecutter is not installed, or the folder exists or cannot be written.
    """
    from tickwire.model.errors import ConfigError

    try:
        from cookiecutter.exceptions import OutputDirExistsException
        from cookiecutter.generate import generate_context, generate_files
        from cookiecutter.prompt import prompt_for_config
    except ModuleNotFoundError as error:
        raise ConfigError("tickwire new needs cookiecutter", hint="pip install 'tickwire[new]'") from error
    # cookiecutter's own main() reads and writes in the user's home
    chosen = {"exchange": exchange, "auth": str(auth), "book": str(book), "checksum": "yes" if checksum else "no"}
    context = generate_context(str(_TEMPLATE / "cookiecutter.json"), extra_context=chosen)
    context["cookiecutter"] = prompt_for_config(context, no_input=True)
    try:
        return Path(generate_files(str(_TEMPLATE), context, str(output_dir)))
    except OutputDirExistsException as error:
        folder = output_dir / context["cookiecutter"]["__project"]
        raise ConfigError(f"{str(folder)!r} exists", hint="choose another --output-dir, or move it away") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"cannot write to {str(output_dir)!r}: {reason}", hint="choose another folder") from error


def corrected(name: str) -> str:
    """Give the nearest id to a name; empty: there is none."""
    words = re.findall(r"[a-z0-9]+", name.lower())
    joined = "_".join(words)[:_LONGEST].rstrip("_")
    if joined[:1].isdigit():
        joined = f"x{joined}"[:_LONGEST]
    return f"{joined}_exchange" if joined in _TAKEN else joined


def _refuse_bad(exchange: str) -> None:
    if _ID.fullmatch(exchange) and len(exchange) <= _LONGEST and exchange not in _TAKEN:
        return
    if exchange in _TAKEN:
        why = "is a name of tickwire's own"
    elif len(exchange) > _LONGEST:
        why = f"is longer than {_LONGEST} characters"
    else:
        why = "is no exchange's id: write lower-case letters, digits and single underscores"
    better = corrected(exchange)
    raise typer.BadParameter(f"{exchange!r} {why}" + (f" → did you mean {better}?" if better else ""))


def _choose(question: str, default: _C, asks: bool) -> _C:
    if not asks:
        return default
    kind = type(default)
    return kind(typer.prompt(question, default=default, type=kind))
