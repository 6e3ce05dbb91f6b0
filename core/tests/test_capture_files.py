"""Capture files: blocks, rotation, what a crash leaves, and what could not be written."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire import ConfigError
from tickwire.record.blocks import Torn, make_block, read_blocks
from tickwire.record.entries import FORMAT, Entry, Framed, Lost, RunBegun, Sent, decode_entries, encode_entry
from tickwire.record.reading import captures_in, open_capture
from tickwire.record.writer import CaptureOptions, CaptureWriter, name_of_file

TS = 1_790_000_000_123_456_789
BEGUN = RunBegun(TS, 1, FORMAT, "0.1.0", "01K7ZZZZZZZZZZZZZZZZZZZZZZ", 0, True, {"exchanges": {}})


def sent(number: int, payload: Any = b"{}") -> Sent:
    return Sent(TS + number, "backpack", 7, payload)


def write(folder: Path, entries: list[Entry], **how: Any) -> CaptureWriter:
    writer = CaptureWriter(CaptureOptions(folder, **how), BEGUN)
    for entry in entries:
        writer.keep(entry)
    writer.close()
    return writer


@settings(deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=20))
def test_entries_survive_their_bytes(payloads: list[bytes]) -> None:
    entries: list[Entry] = [
        Framed(number % 51, TS, number, "kestrel", 3, TS - 5, payload) for number, payload in enumerate(payloads)
    ]
    assert list(decode_entries(b"".join(map(encode_entry, entries)))) == entries


def test_what_is_written_is_read_and_any_zstandard_tool_unpacks_it(tmp_path: Path) -> None:
    entries: list[Entry] = [sent(number) for number in range(100)]
    writer = write(tmp_path, entries)
    assert (writer.entries, writer.lost, writer.error) == (100, 0, None)
    capture = open_capture(tmp_path)
    assert (capture.begun, list(capture.entries()), capture.torn) == (BEGUN, entries, [])
    with capture.files[0].open("rb") as file, zstandard.ZstdDecompressor().stream_reader(
        file, read_across_frames=True
    ) as reader:  # fmt: skip
        assert list(decode_entries(reader.read())) == [BEGUN, *entries]
    assert writer.written == capture.files[0].stat().st_size


def test_a_file_that_is_cut_at_any_byte_opens_and_says_where(tmp_path: Path) -> None:
    blocks = [make_block(b"".join(map(encode_entry, entries))) for entries in ([BEGUN], [sent(1), sent(2)], [sent(3)])]
    whole, path = b"".join(blocks), tmp_path / name_of_file(BEGUN)
    ends = [len(b"".join(blocks[:number])) for number in range(4)]
    known = {ends[1]: [], ends[2]: [sent(1), sent(2)], ends[3]: [sent(1), sent(2), sent(3)]}
    for size in range(ends[1], len(whole) + 1):
        path.write_bytes(whole[:size])
        capture = open_capture(tmp_path)
        end = max(one for one in ends if one <= size)
        assert list(capture.entries()) == known[end]
        assert capture.torn == ([] if end == size else [Torn(path, end, size)])
    for size in range(ends[1]):
        path.write_bytes(whole[:size])
        with pytest.raises(ConfigError, match="no capture in"):
            captures_in(tmp_path)


@settings(deadline=None)
@given(st.data())
def test_a_flipped_byte_ends_the_file_there_and_no_wrong_entry_is_read(data: st.DataObject) -> None:
    blocks = [make_block(bytes([number]) * 50) for number in range(3)]
    whole = bytearray(b"".join(blocks))
    place = data.draw(st.integers(len(blocks[0]), len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        path.write_bytes(whole)
        found = list(read_blocks(path, []))
    hurt = 1 if place < len(blocks[0]) + len(blocks[1]) else 2
    assert found == [bytes([number]) * 50 for number in range(hurt)]


def test_the_end_that_was_torn_is_told(tmp_path: Path) -> None:
    write(tmp_path, [sent(1)])
    path = open_capture(tmp_path).files[0]
    path.write_bytes(path.read_bytes()[:-3])
    capture = open_capture(tmp_path)
    assert list(capture.entries()) == []
    [torn] = capture.torn
    assert str(torn) == f"{path.name}: torn at byte {torn.offset}, {torn.size - torn.offset} bytes cut off"


def test_what_follows_a_hole_is_marked(tmp_path: Path) -> None:
    second = msgspec.structs.replace(BEGUN, file=1)
    first = make_block(encode_entry(BEGUN)) + make_block(encode_entry(sent(1)))
    (tmp_path / name_of_file(BEGUN)).write_bytes(first[:-1])
    (tmp_path / name_of_file(second)).write_bytes(make_block(encode_entry(second) + encode_entry(sent(2))))
    lost, after = open_capture(tmp_path).entries()
    assert (type(lost), after) == (Lost, sent(2))


def test_files_are_rotated_by_size_and_by_time(tmp_path: Path) -> None:
    entries: list[Entry] = [sent(number, bytes([number])) for number in range(3)]
    ways: dict[str, dict[str, Any]] = {"size": {"rotate_size": 1}, "time": {"rotate_time": -1.0}}
    for name, how in ways.items():
        write(tmp_path / name, entries, **how)
        capture = open_capture(tmp_path / name)
        assert len(capture.files) > 1
        assert list(capture.entries()) == entries


def test_what_cannot_be_written_down_is_counted_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    writer = write(tmp_path, [sent(1), sent(2, object()), sent(3, object()), sent(4)])
    before, lost, after = open_capture(tmp_path).entries()
    assert (before, after) == (sent(1), sent(4))
    assert isinstance(lost, Lost)
    assert (lost.entries, lost.reason) == (2, "cannot be written down: Encoding objects of type object is unsupported")
    assert (writer.entries, writer.lost) == (2, 2)
    [told] = [record.getMessage() for record in caplog.records]
    assert told.startswith(f"the capture in {tmp_path} is not complete: an entry cannot be written down: ")


def test_what_waits_for_the_disk_is_bounded(tmp_path: Path) -> None:
    writer = write(tmp_path, [sent(number) for number in range(10)], hold_most=-1)
    assert (writer.entries, writer.lost) == (0, 10)
    assert str(writer).endswith(" · 10 entries lost")


_FULL = """
import resource, signal, sys
from pathlib import Path
from tickwire.record.entries import FORMAT, RunBegun, Sent
from tickwire.record.writer import CaptureOptions, CaptureWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
writer = CaptureWriter(CaptureOptions(Path(sys.argv[1])), RunBegun(1, 1, FORMAT, "", "R", 0, True, None))
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
import random
for number in range(100):
    writer.keep(Sent(number, "f", 1, random.Random(number).randbytes(1000)))
writer.close()
writer.keep(Sent(101, "f", 1, b""))
print(writer.error.errno, writer.entries + writer.lost, writer.lost > 0)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on file sizes")
def test_a_full_disk_ends_the_capture_and_nothing_else(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _FULL, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["27", "201", "True"]  # EFBIG; each entry is counted as kept, and then as lost
    assert "ends here: File too large; the feeds go on" in done.stderr
    assert list(open_capture(tmp_path).entries()) == []


def test_other_files_and_later_formats_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / name_of_file(BEGUN)
    path.write_bytes(b"not a capture at all, but long enough")
    with pytest.raises(ConfigError, match=r"is no capture → name a folder that tickwire record wrote"):
        captures_in(tmp_path)
    path.write_bytes(make_block(encode_entry(msgspec.structs.replace(BEGUN, format=FORMAT + 1))))
    with pytest.raises(ConfigError, match=rf"is of format {FORMAT + 1}; this tickwire reads up to {FORMAT}"):
        captures_in(tmp_path)
    path.write_bytes(make_block(b"\x00\x00\x00\x01\xc1"))
    with pytest.raises(ConfigError, match="holds what is no entry of a capture"):
        captures_in(tmp_path)
    with pytest.raises(ConfigError, match="no capture in"):
        captures_in(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="cannot write a capture to"):
        CaptureWriter(CaptureOptions(path), BEGUN)
