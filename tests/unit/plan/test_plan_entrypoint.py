"""How the stage loop gets started behind an entrypoint. What `sh` does with the words is tried on a real shell."""

from __future__ import annotations

import subprocess

import pytest

from executor.plan.entrypoint import command

LOOP = 'echo "loop $0"'
BEHIND = ("sh", "-c", LOOP)


@pytest.mark.parametrize(
    ("entrypoint", "of_image", "override", "words"),
    [
        (None, (), None, BEHIND),
        (None, ("docker-entrypoint.sh",), None, BEHIND),
        (None, ("tini", "--"), None, BEHIND),
        (None, ("/bin/sh", "-c"), None, (LOOP,)),
        (None, ("/bin/bash",), None, ("-c", LOOP)),
        ((), (), ("",), BEHIND),
        ((), ("docker-entrypoint.sh",), ("",), BEHIND),
        ((), ("/bin/sh", "-c"), ("",), BEHIND),
        (("/bin/sh", "-c"), (), ("/bin/sh", "-c"), (LOOP,)),
        (("/bin/bash", "-l", "-c"), ("other",), ("/bin/bash", "-l", "-c"), (LOOP,)),
        (("bash", "-lc"), (), ("bash", "-lc"), (LOOP,)),
        (("bash", "--login"), (), ("bash", "--login"), ("-c", LOOP)),
        (("/usr/bin/env", "bash"), (), ("/usr/bin/env", "bash"), ("-c", LOOP)),
        (("/bin/sh", "-c", 'exec "$@"', "--"), (), ("/bin/sh", "-c", 'exec "$@"', "--"), BEHIND),
        (("sh", "-c", 'exec "$@"', "sh"), (), ("sh", "-c", 'exec "$@"', "sh"), BEHIND),
        (("wrapper", "-c"), (), ("wrapper", "-c"), BEHIND),
        (("-c",), (), ("-c",), BEHIND),
    ],
)
def test_command(
    entrypoint: tuple[str, ...] | None,
    of_image: tuple[str, ...],
    override: tuple[str, ...] | None,
    words: tuple[str, ...],
) -> None:
    assert command(entrypoint, of_image, LOOP) == (override, words)


@pytest.mark.parametrize(
    "entrypoint",
    [
        ("/bin/sh", "-c"),
        ("/bin/sh",),
        ("/bin/bash", "-l", "-c"),
        ("/bin/bash", "-lc"),
        ("/usr/bin/env", "bash"),
        ("/bin/sh", "-c", 'exec "$@"', "--"),
        ("/bin/sh", "-c", 'exec "$@"', "sh"),
        ("/usr/bin/env", "GREETING=hello"),
        (),
    ],
)
def test_the_loop_runs_behind_it(entrypoint: tuple[str, ...]) -> None:
    _, words = command(entrypoint, (), LOOP)

    done = subprocess.run([*entrypoint, *words], capture_output=True, text=True, check=True)

    assert done.stdout.startswith("loop ")
