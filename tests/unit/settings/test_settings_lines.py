"""Finding the line of a key, in all the ways a TOML file can write it."""

from __future__ import annotations

import tomllib

import pytest

from executor.settings.lines import find_line

TEXT = '''\
# [runners.docker]
concurrent = 1

[[runners]]
name = "memory = 1" # memory = 2
script = """
[runners.docker]
memory = "3"
"""
literal = \'\'\'
[[runners]] \'quoted\'\'\'\'
[runners.docker]
volumes = [
  "/cache", # ]
  "[x]",
]
memory = "2g"
ulimit = { nofile = "1024" }
sysctls."net.core" = "1"

  [[ runners ]]
  name = 'second \\'
  docker.memory = "4g"
  [ runners . "docker" . tmpfs ]
  "/a\\"b" = ""
  [[runners.docker.services]]
  name = "one"
  [[runners.docker.services]]
  name = "two"
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("concurrent",), 2),
        (("runners",), 4),
        (("runners", 0), 4),
        (("runners", 0, "name"), 5),
        (("runners", 0, "script"), 6),
        (("runners", 0, "literal"), 10),
        (("runners", 0, "docker"), 12),
        (("runners", 0, "docker", "volumes"), 13),
        (("runners", 0, "docker", "memory"), 17),
        (("runners", 0, "docker", "ulimit", "nofile"), 18),
        (("runners", 0, "docker", "sysctls", "net.core"), 19),
        (("runners", 1, "name"), 22),
        (("runners", 1, "docker", "memory"), 23),
        (("runners", 1, "docker", "tmpfs"), 24),
        (("runners", 1, "docker", "services", 0, "name"), 27),
        (("runners", 1, "docker", "services", 1, "name"), 29),
        (("runners", 1, "docker", "image"), 21),
        (("nothing",), 0),
        ((), 0),
    ],
)
def test_line(path: tuple[str | int, ...], line: int) -> None:
    tomllib.loads(TEXT)
    assert find_line(TEXT, path) == line
    assert find_line(TEXT.replace("\n", "\r\n"), path) == line
