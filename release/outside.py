"""The built packages as a user meets them: installed from the wheels alone, run in a folder outside the repository.

``python release/outside.py DIST`` makes an environment and a working folder in the system's place for temporary files.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from packages import ROOT, all_packages

_ORIGINS = """
import importlib.metadata as m, json, sys, tickwire
names = sys.argv[1:]
print(json.dumps({n: json.loads(m.distribution(n).read_text("direct_url.json") or "{}") for n in names}))
print(tickwire.__file__)
"""


class Outside:
    """A clean environment and a folder to run in; ``more`` are variables of the environment."""

    def __init__(self, place: Path, **more: str) -> None:
        self.folder = place / "work"
        self.folder.mkdir()
        venv.create(place / "venv", with_pip=True)
        self._scripts = place / "venv" / ("Scripts" if os.name == "nt" else "bin")
        hidden = ("PYTHONPATH", "VIRTUAL_ENV", "PIP_CONSTRAINT")
        self._environ = {
            name: value for name, value in os.environ.items() if name not in hidden and not name.startswith("TICKWIRE_")
        }
        self._environ |= {"PYTHONUTF8": "1", "NO_COLOR": "1", **more}

    def run(self, program: str, *arguments: str | Path, cwd: Path | None = None) -> str:
        """Run a program of the environment, in its folder or another, and give its output; a failure ends all."""
        command = [str(self._scripts / program), *map(str, arguments)]
        shown = ["…" if "\n" in str(argument) else Path(argument).name for argument in arguments]
        print("outside   $", program, *shown, flush=True)
        done = subprocess.run(
            command, cwd=cwd or self.folder, env=self._environ, stdout=subprocess.PIPE, text=True, timeout=600
        )
        if done.returncode:
            raise SystemExit(f"{done.stdout}\noutside: {program} ended with status {done.returncode}")
        return done.stdout


def expect(claim: bool, text: str) -> None:
    """End with a message unless the claim holds."""
    if not claim:
        raise SystemExit(f"outside: {text}")


def main(dist: Path, seconds: str) -> None:
    """Install, discover, diagnose, and run the demo."""
    packages = all_packages()
    names = [package.name for package in packages]
    with tempfile.TemporaryDirectory(prefix="tickwire-outside-") as place:
        expect(ROOT not in Path(place).resolve().parents, "the temporary folder is inside the repository")
        outside = Outside(Path(place))
        wheels = sorted(dist.resolve().glob("*.whl"))
        expect(len(wheels) == len(names), f"{len(names)} packages, but {len(wheels)} wheels in {dist}")
        outside.run("python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wheels)
        outside.run("python", "-m", "pip", "check")

        origins, home = outside.run("python", "-c", _ORIGINS, *names).splitlines()
        for name, origin in json.loads(origins).items():
            expect("archive_info" in origin, f"{name} was not installed from its wheel: {origin}")
        expect(Path(home).is_relative_to(Path(place)), f"tickwire is imported from {home}")

        version = next(package.version for package in packages if package.name == "tickwire")
        expect(version in outside.run("tickwire", "--version"), f"tickwire --version does not say {version}")
        records = json.loads(outside.run("tickwire", "plugins", "--json"))["plugins"]
        states = {(record["name"], record["distribution"]): record["status"] for record in records}
        declared = {
            (plugin, package.name): "loaded"
            for package in packages
            for plugin in package.facts["project"].get("entry-points", {}).get("tickwire.v1", {})
        }
        expect(states == declared, f"discovery found {states}, the packages declare {declared}")
        report = outside.run("tickwire", "doctor", "backpack")
        expect("tickwire-backpack" in report, f"doctor does not name the plugin:\n{report}")

        for example in ("demo.py", "demo.yaml"):
            shutil.copy(ROOT / "examples" / example, outside.folder)
        shown = outside.run("python", "demo.py", "--seconds", seconds)
        expect("VERDICT  every trade and every book equals the truth" in shown, f"the demo's verdict:\n{shown}")
        print(shown)
    print(f"outside   {len(names)} packages work from their wheels: {', '.join(names)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "15")
