"""The sink kit on the sinks that write files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tickwire import Record, load
from tickwire.testing import SinkConformance

pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'tickwire[parquet]'")


class TestParquet(SinkConformance):
    sink = "parquet"
    is_idempotent = True  # as read back

    def make_options(self, tmp_path: Path) -> Mapping[str, object]:
        self.folder = tmp_path / "data"
        return {"path": str(self.folder)}

    async def read_back(self) -> Sequence[Record]:
        return list(load(self.folder).records()) if any(self.folder.rglob("*.*")) else []


class TestJsonLines(TestParquet):
    sink = "jsonl"

    def make_options(self, tmp_path: Path) -> Mapping[str, object]:
        self.folder = tmp_path / "data"
        return {"path": f"{self.folder}/x.jsonl", "compress": "zstd", "rotate": "15m"}
