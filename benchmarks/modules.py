"""A real `node_modules` of a front end: about 28,000 files, 450 MB on the disk; and what a job changes of it."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = {
    "next": "14.2.15",
    "react": "18.3.1",
    "react-dom": "18.3.1",
    "typescript": "5.6.3",
    "webpack": "5.95.0",
    "webpack-cli": "5.1.4",
    "@babel/core": "7.25.8",
    "@babel/preset-env": "7.25.8",
    "eslint": "8.57.1",
    "jest": "29.7.0",
    "@mui/material": "5.16.7",
    "lodash": "4.17.21",
    "three": "0.169.0",
    "date-fns": "3.6.0",
}
FILES, FOLDERS, MEAN_BYTES = 28_000, 3_400, 13_000


def make_modules(folder: Path, given: Path | None) -> str:
    """Make `folder/node_modules`: a copy of `given`, or from the npm registry, or generated; gives which in words."""
    if given:
        subprocess.run(["cp", "-a", given, folder / "node_modules"], check=True)
        return f"a copy of {given}"
    if shutil.which("npm") and _install(folder):
        return f"from the npm registry ({len(PACKAGES)} packages with all that they need)"
    shutil.rmtree(folder / "node_modules", ignore_errors=True)
    _generate(folder / "node_modules")
    return "GENERATED, not real: npm or its registry cannot be reached"


def _install(folder: Path) -> bool:
    (folder / "package.json").write_text(json.dumps({"name": "bench", "private": True, "dependencies": PACKAGES}))
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--legacy-peer-deps"]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0


def _generate(folder: Path) -> None:
    dice = random.Random(1)
    for number in range(FOLDERS):
        (folder / f"package{number % 500}" / f"lib{number}").mkdir(parents=True, exist_ok=True)
    for number in range(FILES):
        parent = folder / f"package{number % FOLDERS % 500}" / f"lib{number % FOLDERS}"
        words = dice.choices(["const", "export", "function", "return", "=>", "{}", "module"], k=40)
        text = " ".join(words) * (1 + int(dice.expovariate(200 / MEAN_BYTES)))
        (parent / f"file{number}.js").write_text(f"{number} {text}")


def files_of(folder: Path) -> list[str]:
    """The paths of all files below a folder, sorted."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if _is_plain(path))


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def change(folder: Path, paths: list[str], number: int) -> None:
    """What a job does between restore and save: each of the files gets new content of about its size."""
    for path in paths:
        file = folder / path
        content = file.read_bytes()
        file.unlink()
        file.write_bytes(f"// {number}\n".encode() + content)
