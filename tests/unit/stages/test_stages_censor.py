"""What bash says of a script's killed shell holds every variable; all else on standard error passes byte for byte."""

from __future__ import annotations

import pytest

from executor.stages.censor import INSTEAD, Censor

PIPE = (
    b"bash: line 7:     9 Done                    :\n"
    b"        10 Killed                  | eval 'export TOKEN=s3cret\nX=1\n'\n"
)
SUBSHELL = (
    b"/bin/bash: line 5:    12 Segmentation fault      ( trap 'exit 1' TERM; eval 'export TOKEN=s3cret' ) < /dev/null\n"
)

HARMLESS = [
    b"",
    b"plain\n",
    b"no newline at the end",
    b"  12 Killed something else\n",
    b"eval 'of the user' is fine\n",
    b"make: *** [all] Killed\n",
    b" 10 eval 'not a fate'\n",
    bytes(range(256)) * 300,
]


@pytest.mark.parametrize("obituary", [PIPE, SUBSHELL], ids=["pipe of 18.6", "subshell of 19.4"])
def test_the_script_of_a_killed_shell_is_not_shown(obituary: bytes) -> None:
    censor = Censor()
    shown = censor.clean(b"before\n" + obituary) + censor.clean(b"more of the script\n")
    assert b"s3cret" not in shown
    assert shown.startswith(b"before\n")
    assert shown.endswith(INSTEAD)


@pytest.mark.parametrize("size", [1, 7, 64])
@pytest.mark.parametrize("obituary", [PIPE, SUBSHELL], ids=["pipe", "subshell"])
def test_nothing_leaks_whatever_the_pieces(obituary: bytes, size: int) -> None:
    censor = Censor()
    pieces = [obituary[at : at + size] for at in range(0, len(obituary), size)]
    shown = b"".join(censor.clean(piece) for piece in pieces)
    assert b"s3cret" not in shown


@pytest.mark.parametrize("text", HARMLESS)
def test_everything_else_passes_unchanged(text: bytes) -> None:
    censor = Censor()
    half = len(text) // 2
    assert censor.clean(text[:half]) + censor.clean(text[half:]) == text
