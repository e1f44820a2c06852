"""Shell commands that collect files of the project into a tar archive, for caches and artifacts alike."""

from __future__ import annotations

from executor.pipeline.local.globs import path_pattern
from executor.pipeline.local.shell import RED, YELLOW, quote, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from executor.pipeline.local.globs import PathPattern
    from executor.pipeline.local.model import Paths

# One name a line, each beginning with `./`: tar would take a leading dash for an option.
LIST = '"$list"'


def listing(paths: Paths, patterns: Sequence[str], *, exclude: Sequence[str] = (), untracked: bool = False) -> str:
    """Commands that write the names of all matching files to `$list`, saying what each pattern found."""
    list_file = quote(f"{paths.temporary_dir}/file_list")
    commands = [f"list={list_file}", f": > {LIST}"]
    commands += [_matching(paths, pattern) for pattern in patterns]
    if untracked:
        commands.append(_untracked(paths))
    commands += [_without(paths, pattern) for pattern in exclude]
    return "\n".join(commands)


def archive(target: str) -> str:
    """Pack what `$list` names into `target` (a shell word): all of it or nothing, readable for the user outside."""
    return "\n".join(
        [
            f"sort -u {LIST} > {LIST}.sorted",
            f"tar -cf {target}.part --no-recursion -T {LIST}.sorted",
            f"chmod a+r {target}.part",
            f"mv -f {target}.part {target}",
        ]
    )


def _matching(paths: Paths, pattern: str) -> str:
    found = path_pattern(pattern, paths.project_dir)
    if found is None:
        return say(f"WARNING: processPath: {pattern} is outside of the project folder and is left out", YELLOW)
    missing = (
        f"WARNING: {pattern}: no matching files. Ensure that the artifact path is relative to the working directory"
    )
    return "\n".join(
        [
            f"count=$({_find(found)} | tee -a {LIST} | wc -l)",
            'if [ "$count" -gt 0 ]; then',
            f"  printf '%s: found %s matching artifact files and directories\\n' {quote(pattern)} \"$((count))\"",
            "else",
            f"  {say(f'{missing} ({paths.project_dir})', YELLOW)}",
            "fi",
        ]
    )


def _find(pattern: PathPattern) -> str:
    base = quote(pattern.base)
    if pattern.base == ".":
        return f"{{ find . -mindepth 1 | grep -E {quote(_below_root(pattern))} || true; }}"
    present = f"if [ -e {base} ] || [ -L {base} ]; then find {base}; fi"
    return f"{{ {present} | grep -E {quote(pattern.expression)} || true; }}"


def _below_root(pattern: PathPattern) -> str:
    """A wildcard at the root never means the repository's own `.git`."""
    return "^\\./" if pattern.exact == "^\\.$" else pattern.expression


def _untracked(paths: Paths) -> str:
    count = (
        f"count=$(git -c safe.directory={quote(paths.project_dir)} ls-files -o | sed 's|^|./|' | tee -a {LIST} | wc -l)"
    )
    return f"{count}\nprintf 'untracked: found %s files\\n' \"$((count))\""


def _without(paths: Paths, pattern: str) -> str:
    found = path_pattern(pattern, paths.project_dir)
    if found is None:
        return say(f"WARNING: exclude pattern {pattern} is outside of the project folder", YELLOW)
    return "\n".join(
        [
            f"before=$(wc -l < {LIST})",
            f"{{ grep -vE {quote(found.exact)} {LIST} || true; }} > {LIST}.kept",
            f"mv -f {LIST}.kept {LIST}",
            f"after=$(wc -l < {LIST})",
            f"printf '%s: excluded %s files\\n' {quote(pattern)} \"$((before - after))\"",
        ]
    )


def no_files(message: str) -> str:
    """What the log says when no pattern found anything."""
    return say(message, RED)
