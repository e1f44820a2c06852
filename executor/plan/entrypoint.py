"""The command of the build container: the stage loop, behind whatever entrypoint the image or the job has.

An entrypoint wraps every stage, as users of the docker executor know it, so it must be given a command that it runs.
"""

from __future__ import annotations

SHELLS = frozenset({"sh", "ash", "bash", "dash", "ksh", "zsh"})


def command(
    entrypoint: tuple[str, ...] | None, image_entrypoint: tuple[str, ...], loop: str
) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """The Engine's `Entrypoint` (None leaves the image's) and `Cmd` that start `loop`, a shell program.

    `entrypoint` is the plan's: None keeps the image's, () clears it. The loop stands behind it as `sh -c LOOP`; a bare
    shell gets the options it lacks, and one that ends in `-c` the program alone.
    """
    override = (entrypoint or ("",)) if entrypoint is not None else None
    effective = image_entrypoint if entrypoint is None else entrypoint
    if not _is_shell(effective):
        return override, ("sh", "-c", loop)
    return override, ((loop,) if _takes_program(effective[-1]) else ("-c", loop))


def _is_shell(words: tuple[str, ...]) -> bool:
    """A shell and nothing but options behind it: it would take `sh` for the name of a script.

    What follows a program (`sh -c 'exec "$@"' sh`) is that program's name.
    """
    options = len(words)
    while options and words[options - 1].startswith("-") and words[options - 1] != "--":
        options -= 1
    if any(_takes_program(word) for word in words[: max(0, options - 1)]):
        return False
    return bool(options) and words[options - 1].rpartition("/")[2] in SHELLS


def _takes_program(option: str) -> bool:
    """`-c`, alone or with other letters (`-lc`)."""
    return option.startswith("-") and not option.startswith("--") and option.endswith("c")
