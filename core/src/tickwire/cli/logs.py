"""What ``log:`` in a config asks for: level, text or JSON, standard error or a file."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler

import msgspec

from tickwire.model.errors import ConfigError
from tickwire.run.mistakes import join_path
from tickwire.run.settings import LogConfig

__all__ = ["JsonLines", "log_handler", "use_handler"]


class JsonLines(logging.Formatter):
    """One JSON object a line: ``ts``, ``level``, ``logger``, ``message``, and ``error`` with a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        said: dict[str, object] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            said["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(said).decode()


def log_handler(log: LogConfig | None, source: str = "") -> logging.Handler | None:
    """Open what the config says; ``None`` without ``log:``.

    Raises:
        ConfigError: The file cannot be opened.
    """
    if log is None:
        return None
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    layout = "%(levelname)s %(message)s"
    if log.file is not None:
        layout = f"%(asctime)s %(name)s: {layout}"
        try:
            # watched: a rotated file is opened anew
            handler = WatchedFileHandler(log.file, encoding="utf-8")
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigError(
                f"cannot open {str(log.file)!r}: {reason}",
                hint="name a file that can be written",
                path=join_path(source, "log.file"),
            ) from error
    handler.setFormatter(JsonLines() if log.format == "json" else logging.Formatter(layout))
    handler.setLevel(log.level.upper())
    return handler


def use_handler(handler: logging.Handler | None) -> None:
    """Send what is logged there; with ``None`` it goes where it went."""
    if handler is None:
        return
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(handler.level)
