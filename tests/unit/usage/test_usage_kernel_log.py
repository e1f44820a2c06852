"""The kernel's log of its kills, as kernels 5.15 and 6.18 write it."""

from __future__ import annotations

from pathlib import Path

import pytest

from executor.usage.kernel_log import PAGE, kills_in, parse_kills

MINE = "acdfbaa9150bd96519e3ad553239c7bba297dc036aff26ccd408eb6513e9c665"

NEW = f"""\
head invoked oom-killer: gfp_mask=0x500cc2(GFP_HIGHUSER|__GFP_ACCOUNT), order=0, oom_score_adj=0
Tasks state (memory values in pages):
[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name
[  14800]     0 14800     1092      300       64      236         0    53248        0             0 sh
[  14873]     0 14873    25746    25471    25152      319         0   245760        0             0 tail
oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset={MINE},mems_allowed=0,oom_memcg=/docker/{MINE},\
task_memcg=/docker/{MINE},task=tail,pid=14873,uid=0
Memory cgroup out of memory: Killed process 14873 (tail) total-vm:102984kB, anon-rss:100608kB, file-rss:1276kB, \
shmem-rss:0kB, UID:0 pgtables:240kB oom_score_adj:0
"""
OLD = f"""\
[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name
[   2177]  1000  2177   262144   245760  2097152        0             0 node worker, 2
oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=docker-{MINE}.scope,mems_allowed=0,\
oom_memcg=/system.slice/docker-{MINE}.scope,task_memcg=/system.slice/docker-{MINE}.scope,\
task=node worker, 2,pid=2177,uid=1000
"""


def test_victim_and_largest_of_a_new_kernel() -> None:
    (kill,) = parse_kills(NEW.splitlines(), MINE)

    assert (kill.victim.name, kill.victim.memory) == ("tail", 25152 * PAGE)
    assert [one.name for one in kill.largest] == ["tail", "sh"]
    assert kill.total == (25152 + 64) * PAGE


def test_an_older_kernel_tells_all_that_was_resident() -> None:
    (kill,) = parse_kills(OLD.splitlines(), MINE)

    assert (kill.victim.name, kill.victim.memory) == ("node worker, 2", 245760 * PAGE)


def test_kills_of_other_containers_are_nobodys_business_here() -> None:
    assert parse_kills((NEW + OLD).splitlines(), "f" * 64) == []
    assert parse_kills(NEW.splitlines(), "") == parse_kills(NEW.splitlines(), MINE) or kills_in("") == []


def test_a_container_that_only_shared_the_limit_was_not_killed() -> None:
    """The group whose limit was reached may be one above both."""
    other = NEW.replace(f"task_memcg=/docker/{MINE}", "task_memcg=/docker/other")

    assert parse_kills(other.splitlines(), MINE) == []


def test_a_log_that_must_not_be_read_says_nothing(tmp_path: Path) -> None:
    assert kills_in(MINE, str(tmp_path / "kmsg")) == []


@pytest.mark.parametrize("text", ["", "[  pid  ] name", "oom-kill:", "[ x ]", NEW[:300]])
def test_half_a_log_breaks_nothing(text: str) -> None:
    assert parse_kills(text.splitlines(), MINE) == []


def test_records_are_read_without_their_heads(tmp_path: Path) -> None:
    """A record a read is the device's way; a file gives them all at once, of which the first line is one."""
    path = tmp_path / "kmsg"
    path.write_text("6,158159,13599225524,-;some line\n SUBSYSTEM=memory\n")

    assert kills_in(MINE, str(path)) == []
