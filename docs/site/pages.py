"""The site's pages: the repository's Markdown, and three made from the code. ``python docs/site/pages.py FOLDER``.

Links in the Markdown work where the repository is read; here they are turned so that they work on the site too.
"""

from __future__ import annotations

import posixpath
import re
import shutil
import sys
from pathlib import Path

from ccxt_exchanges import ccxt_page
from commands import commands_page
from configuration import configuration_page

__all__ = ["pages", "write"]

ROOT = Path(__file__).parents[2]
_ELSEWHERE = {
    "README.md": "index.md",
    "bench/README.md": "figures.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
_FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[([^\]]*)\]\((?!https?:)([^)#\s]+)(#[^)]*)?\)")


def pages() -> dict[str, str]:
    """Give the text of every page, by its path on the site."""
    places = {path.relative_to(ROOT).as_posix(): path.relative_to(ROOT / "docs").as_posix() for path in _documents()}
    places |= _ELSEWHERE
    found = {place: with_links((ROOT / source).read_text("utf-8"), source, places) for source, place in places.items()}
    made = {"configuration-keys.md": configuration_page(), "cli-options.md": commands_page()}
    return {**found, **made, "ccxt-exchanges.md": ccxt_page()}


def with_links(text: str, source: str, places: dict[str, str]) -> str:
    """Turn the links of one document to the site's pages; what is no page is named by its path in the repository.

    Args:
        text: Markdown. Code blocks stay as they are.
        source: Its path in the repository.
        places: The pages' paths on the site, by those in the repository.
    """

    def turned(link: re.Match[str]) -> str:
        words, target, heading = link[1], link[2], link[3] or ""
        file = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if file in places:
            return f"[{words}]({posixpath.relpath(places[file], posixpath.dirname(places[source]) or '.')}{heading})"
        path = posixpath.join(file, "") if target.endswith("/") else file
        return words if words.strip("`") == path else f"{words} (`{path}`)"

    pieces = _FENCE.split(text)
    return "".join(piece if piece.startswith("```") else _LINK.sub(turned, piece) for piece in pieces)


def write(folder: Path) -> None:
    """Write the site's sources anew: ``mkdocs.yml``, and ``pages/`` beside it, without pages of an earlier time."""
    shutil.rmtree(folder / "pages", ignore_errors=True)
    for place, text in pages().items():
        page = folder / "pages" / place
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text, "utf-8")
    shutil.copy(ROOT / "docs" / "site" / "mkdocs.yml", folder)
    shutil.copy(ROOT / "docs" / "site" / "tables.css", folder / "pages")


def _documents() -> list[Path]:
    return sorted((ROOT / "docs").rglob("*.md"))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
