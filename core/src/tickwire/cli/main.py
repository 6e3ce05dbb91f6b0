"""The entry point: registers the commands, and is the one place where an error becomes a message and an exit code.

Exit codes: 0 clean stop, 1 it failed, 2 usage, 3 config, 4 plugin, 5 refused by the exchange.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer

from tickwire.cli.check import check
from tickwire.cli.coverage import coverage
from tickwire.cli.doctor import doctor
from tickwire.cli.init import init
from tickwire.cli.new import new
from tickwire.cli.plan import plan
from tickwire.cli.plugins import plugins
from tickwire.cli.record import record
from tickwire.cli.reload import reload
from tickwire.cli.replay import replay
from tickwire.cli.run import run
from tickwire.cli.schema import schema
from tickwire.cli.simulate import simulate
from tickwire.cli.stream import stream
from tickwire.cli.symbols import symbols
from tickwire.model.errors import ConfigError, PluginError, RefusedError, TickwireError

__all__ = ["app", "exit_code", "main"]

app = typer.Typer(
    name="tickwire",
    help="Crypto market data that can be trusted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for _command in (
    stream,
    run,
    record,
    replay,
    reload,
    init,
    plan,
    schema,
    symbols,
    plugins,
    doctor,
    simulate,
    new,
    check,
    coverage,
):
    app.command()(_command)

_CODES: dict[type[TickwireError], int] = {ConfigError: 3, PluginError: 4, RefusedError: 5}


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        print(f"tickwire {version('tickwire')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; never returns."""
    is_traced = os.environ.get("TICKWIRE_TRACE", "") not in ("", "0")
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO if is_traced else logging.WARNING, format="%(levelname)s %(message)s"
    )
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # the outermost edge: whatever it is, people get a sentence, not a traceback
        if is_traced:
            raise
        text = str(error) if isinstance(error, TickwireError) else f"{type(error).__name__}: {error}"
        hint = "" if isinstance(error, TickwireError) else " → TICKWIRE_TRACE=1 shows where"
        print(f"error: {text}{hint}", file=sys.stderr)
        sys.exit(exit_code(error))


def exit_code(error: BaseException) -> int:
    """Give the exit code that belongs to an error."""
    return next((code for kind, code in _CODES.items() if isinstance(error, kind)), 1)


if __name__ == "__main__":
    main()
