"""Whole tables: without repeated rows, in order, and with one row a level."""

from __future__ import annotations

from typing import Any, Literal

from tickwire.store.arrow import arrow, compute

__all__ = ["flattened", "in_order", "without_repeats"]

_PLACE = "place"
_LISTS = ("bid_price", "bid_size", "ask_price", "ask_size")


def without_repeats(table: Any) -> Any:
    """Leave out rows whose key stood in an earlier run, or earlier in theirs; the order of rows is that of runs."""
    table = table.sort_by(_runs(table))
    keys = arrow().table({"key": table["key"], _PLACE: _counted(table.num_rows)})
    first = keys.group_by("key").aggregate([(_PLACE, "min")])[f"{_PLACE}_min"]
    return table if len(first) == table.num_rows else table.take(first.combine_chunks().sort())


def in_order(table: Any, order: Literal["ordinal", "event"]) -> Any:
    """Leave rows in the order of runs, or sort them by the exchange's time."""
    if order == "ordinal":
        return table
    time = compute().coalesce(table["ts_event"], table["ts_recv"])
    known = [("sequence", "ascending")] if "sequence" in table.schema.names else []
    return (
        table.append_column(_PLACE, time).sort_by([(_PLACE, "ascending"), *known, *_runs(table)]).drop_columns([_PLACE])
    )


def flattened(table: Any) -> Any:
    """Give one row a level: ``side``, ``level`` (from 0, as sent), ``price``, ``size`` behind the other columns."""
    sides = [_side(table, name) for name in ("bid", "ask")]
    whole = arrow().concat_tables(sides)
    by = [("run_id", "ascending"), ("ordinal", "ascending"), ("side", "descending"), ("level", "ascending")]
    return whole.sort_by(by)


def _side(table: Any, side: str) -> Any:
    pc, pa = compute(), arrow()
    table = table.combine_chunks()
    lists = [_one(table[f"{side}_{what}"]) for what in ("price", "size")]
    rows = pc.list_parent_indices(lists[0])
    ends = pc.cumulative_sum(pc.fill_null(pc.list_value_length(lists[0]), 0).cast(pa.int64()))
    before = pc.subtract(ends, pc.fill_null(pc.list_value_length(lists[0]), 0).cast(pa.int64()))
    level = pc.subtract(_counted(len(rows)), before.take(rows))
    kept = table.drop_columns([name for name in _LISTS if name in table.schema.names]).take(rows)
    kept = kept.append_column("side", pa.repeat(pa.scalar(side, pa.string()), len(rows)))
    kept = kept.append_column("level", level)
    for name, values in zip(("price", "size"), lists, strict=True):
        kept = kept.append_column(name, pc.list_flatten(values))
    return kept


def _one(column: Any) -> Any:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _runs(table: Any) -> list[tuple[str, str]]:
    # texts take much longer to sort than numbers, and mostly there is one run
    is_one = compute().count_distinct(table["run_id"]).as_py() <= 1
    return [("ordinal", "ascending")] if is_one else [("run_id", "ascending"), ("ordinal", "ascending")]


def _counted(count: int) -> Any:
    pa = arrow()
    return pa.array(range(count), pa.int64())
