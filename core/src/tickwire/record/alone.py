"""The recorder where it was put by hand: by a config's ``extensions:``, or by a ``Feed``'s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from tickwire.model.errors import ConfigError
from tickwire.plugin.protocols import Network, Signer, Transport
from tickwire.record.config_document import RECORDER
from tickwire.record.recorder import RecordingTransport
from tickwire.record.recording import FeedRecording, Recording
from tickwire.record.redaction import Redactor
from tickwire.record.writer import CaptureOptions
from tickwire.run.durations import Duration
from tickwire.run.mistakes import join_path
from tickwire.run.settings import Config
from tickwire.run.structuring import structure_options

__all__ = ["RecorderOptions", "recorded", "recording_of"]

_HOUR = Duration(3600.0)
_PLACE = f"extensions.{RECORDER}"


@attrs.frozen
class RecorderOptions:
    """Settings of the extension.

    Attributes:
        path: The folder.
        rotate_size: Bytes after which a new file is begun.
        rotate_time: Time after which a new file is begun.
    """

    path: str
    rotate_size: int = CaptureOptions(Path()).rotate_size
    rotate_time: Duration = _HOUR

    def __attrs_post_init__(self) -> None:
        if not self.path or "\0" in self.path:
            raise ConfigError("path is no path", hint="name a folder")

    @property
    def how(self) -> CaptureOptions:
        """Where, and how."""
        return CaptureOptions(Path(self.path).expanduser(), self.rotate_size, self.rotate_time)


def recorded(
    inner: Transport[Any],
    exchange: str,
    options: object,
    network: Network,
    signer: Signer | None,
    secrets: Sequence[str],
) -> RecordingTransport:
    """Stand in front of a transport: as part of a recorded run, or with files of its own.

    Raises:
        ConfigError: The options are wrong, or the folder cannot be written to.
    """
    if isinstance(options, FeedRecording):
        return options.recording.transport(inner, options.feed, exchange, network, options.secrets)
    how = structure_options(RecorderOptions, _mapping(options), _PLACE).how
    recording = Recording(how, is_exact=False)
    redactor = Redactor(tuple(secrets), signer is not None)
    feed = network.path.rpartition(".")[2] or exchange
    return recording.transport(inner, feed, exchange, network, redactor, recording.close)


def recording_of(config: Config) -> Recording | None:
    """Begin to record a configuration whose entries name the recorder themselves; ``None``: none does.

    Raises:
        ConfigError: They name several folders, or one that cannot be written to.
    """
    named = [entry for entry in config.exchanges if RECORDER in entry.extensions]
    if not named:
        return None
    places = [
        structure_options(
            RecorderOptions, _mapping(one.extensions[RECORDER]), join_path(config.source, f"{one.path}.{_PLACE}")
        )
        for one in named
    ]
    if len(set(places)) > 1 or len(named) < len(config.exchanges):
        return None  # each for itself
    return Recording(places[0].how, config)


def _mapping(options: object) -> Mapping[str, object]:
    return options if isinstance(options, Mapping) else {}
