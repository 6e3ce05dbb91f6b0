"""``tickwire check``: captured frames through a plugin under development, frame by frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from tickwire.cli.captures import Frames
    from tickwire.cli.examining import Outcome
    from tickwire.plugin.registry import Registry
    from tickwire.plugin.selection import Selection

__all__ = ["check"]

_SHOWN = 3


def check(
    frames: Annotated[
        list[Path],
        typer.Argument(
            metavar="FRAMES…", exists=True, help="Files of frames, or a folder of them.", show_default=False
        ),
    ],
    exchange: Annotated[
        str | None,
        typer.Option(help="Whose frames; by default what the project around them serves.", show_default=False),
    ] = None,
    plugin: Annotated[str | None, typer.Option(help="Pin this plugin.", show_default=False)] = None,
    write: Annotated[bool, typer.Option("--write", help="Leave .events.jsonl beside the frames, for review.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show what a plugin makes of captured frames. Events, unknown kinds and fields, units that look wrong.

    Reads files that begin with a header line, and the raw captures of cryptofeed. The status is 1 if a frame cannot be
    read.

    Example: tickwire check tests/frames --write
    """
    from tickwire.cli.captures import paths_of, read_any
    from tickwire.cli.examining import Reader
    from tickwire.cli.layout import print_json
    from tickwire.plugin.registry import Registry
    from tickwire.testing.frames import events_lines

    registry = Registry.discover()
    selection = registry.select(exchange or _exchange_of(frames[0], registry), plugin)
    documents = []
    has_failed = False
    for path in (one for given in frames for one in paths_of(given)):
        file, reader = read_any(path), Reader(registry, selection)
        count = reader.load(file)
        outcomes = reader.read(file)
        failed = any(one.error for one in outcomes)
        has_failed = has_failed or failed
        written = write and not failed
        if written:
            file.events_path.write_bytes(events_lines(one.items for one in outcomes))
        if json:
            documents.append(_data(file, outcomes, reader.notes, count))
            continue
        print("\n".join(_head(file, selection, count, reader.notes)))
        print("\n".join(line for one in outcomes for line in _lines(one)))
        print("\n".join(_summary(outcomes, count)))
        if write:
            print(f"wrote     {file.events_path}" if written else "wrote     nothing: a frame cannot be read")
        print()
    if json:
        print_json({"exchange": selection.claim.info.id, "plugin": selection.claim.plugin, "files": documents})
    if has_failed:
        raise typer.Exit(1)


def _exchange_of(path: Path, registry: Registry) -> str:
    """Give what the project around a file serves, else the one exchange there is.

    Raises:
        ConfigError: That is not one exchange.
    """
    import tomllib

    from tickwire.model.errors import ConfigError

    for folder in path.resolve().parents if path.is_file() else (path.resolve(), *path.resolve().parents):
        project = folder / "pyproject.toml"
        if not project.is_file():
            continue
        facts = tomllib.loads(project.read_text(encoding="utf-8")).get("project", {})
        plugins = facts.get("entry-points", {}).get("tickwire.v1", {})
        own = sorted(claim.info.id for claim in registry.claims if claim.plugin in plugins)
        if len(own) == 1:
            return own[0]
        if plugins and not own:
            raise ConfigError(
                f"the plugin of {str(project)!r} is not installed, or cannot be used: see tickwire plugins",
                hint=f"python -m pip install -e {folder}",
            )
    served = sorted({claim.info.id for claim in registry.claims})
    if len(served) == 1:
        return served[0]
    raise ConfigError(f"whose frames are in {str(path)!r}?", hint="--exchange NAME")


def _head(file: Frames, selection: Selection, instruments: int, notes: Iterable[str]) -> Iterator[str]:
    claim, header = selection.claim, file.header
    yield f"{file.path}: {len(file.frames)} frames, {header.kind} {header.date}, {header.source}"
    yield f"plugin    {claim.plugin} ({claim.distribution} {claim.version}), {instruments} instruments"
    yield from (f"note      {note}" for note in notes)


def _lines(outcome: Outcome) -> Iterator[str]:
    from tickwire.plugin.protocols import Control

    number = f"{outcome.number:>6}  "
    if outcome.error:
        yield f"{number}ERROR     {outcome.error}"
    elif not outcome.items:
        yield f"{number}nothing"
    for item in outcome.items:
        name = "control" if isinstance(item, Control) else "event"
        yield f"{number}{name:<10}{_words(item)}"
    if outcome.new_fields:
        yield f"{number}{'new':<10}nothing reads {', '.join(outcome.new_fields)}"
    yield from (f"{number}{'doubt':<10}{doubt}" for doubt in outcome.doubts)


def _words(item: Any) -> str:
    """Say what an event or control holds, without what all of them have or nobody set."""
    parts = [type(item).__name__]
    for name in item.__struct_fields__:
        value = getattr(item, name)
        if name in ("exchange", "ts_recv") or value in (None, (), ""):
            continue
        if name in ("bids", "asks"):
            levels = ", ".join(f"{price} × {size}" for price, size in value[:_SHOWN])
            more = f", … {len(value)}" if len(value) > _SHOWN else ""
            parts.append(f"{name}=[{levels}{more}]")
        elif name == "symbol":
            parts.append(str(value))
        else:
            parts.append(f"{name}={value}")
    return " ".join(parts)


def _summary(outcomes: Sequence[Outcome], instruments: int) -> Iterator[str]:
    kinds = Counter(type(item).__name__ for one in outcomes for item in one.items)
    yield "made      " + (", ".join(f"{count} {name}" for name, count in kinds.most_common()) or "nothing")
    for name, found in (
        ("unknown", _counted((one.number, kind) for one in outcomes for kind in one.unknown)),
        ("new", _counted((one.number, field) for one in outcomes for field in one.new_fields)),
        ("unread", _counted((one.number, field) for one in outcomes for field in one.unread)),
    ):
        if found:
            yield f"{name:<10}{', '.join(found)}"
    doubted = [one.number for one in outcomes if one.doubts]
    if doubted:
        yield f"doubts    in {len(doubted)} frames, first in {doubted[0]}: are the units right?"
    failed = [one.number for one in outcomes if one.error]
    if failed:
        yield f"errors    {len(failed)} of {len(outcomes)} frames cannot be read, first {failed[0]}"
        if not instruments:
            yield "          no instrument is known: record the exchange's list, frames/rest/*.json"


def _counted(found: Iterable[tuple[int, str]]) -> list[str]:
    first: dict[str, int] = {}
    counts: Counter[str] = Counter()
    for number, name in found:
        first.setdefault(name, number)
        counts[name] += 1
    return [f"{name} ({count} ×, first in {first[name]})" for name, count in counts.most_common()]


def _data(file: Frames, outcomes: Sequence[Outcome], notes: Sequence[str], instruments: int) -> object:
    from msgspec import Raw

    from tickwire.testing.frames import events_lines

    return {
        "path": str(file.path),
        "source": file.header.source,
        "date": file.header.date,
        "kind": file.header.kind,
        "instruments": instruments,
        "notes": notes,
        "frames": [
            {
                "number": one.number,
                "made": Raw(events_lines([one.items]).strip()),
                "error": one.error or None,
                "new_fields": one.new_fields,
                "unread": one.unread,
                "doubts": one.doubts,
            }
            for one in outcomes
        ],
    }
