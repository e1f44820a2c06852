"""The process that measures one job, from `prepare` to `cleanup`: one look a second, and one at each end of a stage.

It is nobody's child and nobody waits for it. It ends when it is told so, or finds that the job has ended, its runner is
gone, or all its containers are. Whatever goes wrong in it, the job goes on.
"""

from __future__ import annotations

import os
import select
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from executor.job.stages import BUILD, LAST
from executor.plan.model import SERVICE
from executor.sandbox.liveness import lives
from executor.sandbox.measuring import FOLDER, cache_outcome, noted_hints, save_data
from executor.sandbox.state import load, write_private
from executor.sandbox.watched import Watched
from executor.usage.recording import Recording
from executor.usage.summary import ABANDONED
from executor.usage.track import Track

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from executor.plan.model import Plan
    from executor.sandbox.attempt import Attempt

FINE_SECONDS = 10.0
FINE_INTERVAL = 0.1
COUNT_SECONDS = 1.0
SAVE_SECONDS = 10.0
LIVENESS_SECONDS = 5.0
LOOK_AGAIN_SECONDS = 2.0
# Containers that are gone for so long are not made again.
GONE_SECONDS = 60.0
# CPU seconds: a look that takes more of them is taken less often.
SLOW_LOOK = 0.02
LONGEST_INTERVAL = 5.0
# How long the disk's use may be looked for: before the job log is told, and before the containers go.
DISK_SECONDS_IN_JOB = 0.15
DISK_SECONDS_AT_END = 1.0
EVENTS_SIZE = 1 << 16


def watch(attempt: Attempt, plan: Plan, began: float) -> list[Watched]:
    """What is measured of a job that `began` then: its containers with the names that people know them by."""
    engine = attempt.engine
    link = f"{attempt.folder}/{FOLDER}/oom"
    services = [(service.container, _known_as(service.aliases)) for service in plan.services]
    named = [(plan.helper, plan.helper.role), (plan.build, plan.build.role), *services]
    return [
        Watched(engine, Track(one.role, name, one.image.name), one.name, began, link if one.role == BUILD else "")
        for one, name in named
    ]


def _known_as(aliases: tuple[str, ...]) -> str:
    """The name that the job's author chose, else the image's: that stands first, with `/` in two ways."""
    of_image = aliases[0].replace("__", "-") if aliases else "service"
    return next((alias for alias in aliases if alias.replace("__", "-") != of_image), of_image)


class Sampler:
    """Measures until the job is over. `events` is the FIFO's descriptor, `interval` seconds between two looks.

    `section` makes the text for the job log out of the data, None where it is not wanted.
    """

    def __init__(
        self,
        job_folder: str,
        facts: Mapping[str, Any],
        watched: list[Watched],
        events: int,
        interval: float,
        section: Callable[[dict[str, Any]], str] | None,
    ) -> None:
        self._folder = job_folder
        self._watched = watched
        self._recording = Recording(facts, [one.track for one in watched])
        self._events = events
        self._interval = interval
        self._section = section
        self._zero = time.monotonic() - (time.time() - float(facts["began"]))
        self._fine_until = time.monotonic() + FINE_SECONDS
        self._over = False
        self._rest = b""
        self._disk: threading.Thread | None = None
        self._due = dict.fromkeys(("count", "save", "liveness", "look again"), 0.0)
        self._alive = time.monotonic()

    def run(self) -> None:
        """Measure until the job is over, and keep what was measured."""
        self._claim = load(self._folder)["claim"]
        self._meet_all()
        self._rehearse()
        poll = select.poll()
        poll.register(self._events, select.POLLIN)
        following = time.monotonic()
        while not self._over:
            if poll.poll(max(0.0, following - time.monotonic()) * 1000):
                self._hear()
            began, used = time.monotonic(), time.process_time()
            if began >= following:
                self._look(began)
                following = self._next_look(began, time.process_time() - used)
        self._save()

    def _meet_all(self) -> None:
        """Find all containers, asked for at once."""
        answers = [(one, one.ask()) for one in self._watched]
        for one, answer in answers:
            one.meet_answer(answer, self._offset())
        self._recording.facts["cgroup"] = max(one.version for one in self._watched) or 1
        self._recording.missing = sorted({text for one in self._watched for text in one.missing})

    def _rehearse(self) -> None:
        """Make the job log's text once for nothing: what that loads takes longer than a short job may wait for it."""
        if self._section:
            self._read_all()
            with suppress(Exception):
                self._section(self._recording.as_dict(self._offset()))

    def _offset(self) -> float:
        return time.monotonic() - self._zero

    def _next_look(self, began: float, used: float) -> float:
        """When to look again: often in the job's first seconds, and less often where a look `used` much of a CPU."""
        now = time.monotonic()
        if used > SLOW_LOOK:
            self._interval = min(max(LONGEST_INTERVAL, self._interval), self._interval * 2)
            self._fine_until = 0.0
        fine = now < self._fine_until
        return max(now, began + (min(FINE_INTERVAL, self._interval) if fine else self._interval))

    def _look(self, now: float) -> None:
        offset = self._offset()
        if self._is_due("count", now, COUNT_SECONDS):
            self._read_all()
        else:
            for one in self._watched:
                one.sample(offset)
        if self._is_due("look again", now, LOOK_AGAIN_SECONDS):
            self._look_for_lost(now)
        if self._is_due("save", now, SAVE_SECONDS):
            self._save()
        if os.path.exists(f"{self._folder}/ended") or not self._is_wanted(now):
            # How the job ended is said before its end is marked.
            with suppress(BlockingIOError):
                self._hear()
            if not self._over:
                self._finish(ABANDONED)

    def _is_due(self, what: str, now: float, seconds: float) -> bool:
        if now < self._due[what]:
            return False
        self._due[what] = now + seconds
        return True

    def _is_wanted(self, now: float) -> bool:
        """Whether there is a job still: its folder, its runner, and something in it that lives."""
        if not os.path.isdir(self._folder) or now - self._alive > GONE_SECONDS:
            return False
        return not self._is_due("liveness", now, LIVENESS_SECONDS) or lives(self._claim)

    def _look_for_lost(self, now: float) -> None:
        """The job's own containers may be made again; a service that has ended stays so."""
        for one in self._watched:
            if not one.lives and (one.track.role != SERVICE or one.track.exit_code is None):
                one.look_for(self._offset())
        if any(one.lives for one in self._watched):
            self._alive = now

    def _hear(self) -> None:
        """Take what the driver's calls have to say."""
        *lines, self._rest = (self._rest + os.read(self._events, EVENTS_SIZE)).split(b"\n")
        for line in lines:
            word, _, rest = line.decode(errors="replace").partition(" ")
            heard = self._words().get(word)
            if heard:
                heard(rest)

    def _words(self) -> dict[str, Callable[[str], None]]:
        return {
            "begin": self._begin_stage,
            "end": self._end_stage,
            "stopped": lambda _: self._recording.stop_stage(),
            "save": lambda _: self._answer_with_data(),
            "section": lambda _: self._answer_with_section(),
            "finish": self._finish,
        }

    def _begin_stage(self, words: str) -> None:
        moment, _, name = words.partition(" ")
        self._read_all()
        self._recording.begin_stage(name, self._offset_of(moment))
        if name == LAST:
            self._measure_disk()

    def _end_stage(self, words: str) -> None:
        moment, _, code = words.partition(" ")
        self._read_all()
        self._look_for_lost(time.monotonic())
        self._recording.end_stage(int(code) if code.isdigit() else None, self._offset_of(moment))
        self._save()

    def _offset_of(self, nanoseconds: str) -> float:
        return int(nanoseconds) * 1e-9 - self._zero if nanoseconds.isdigit() else self._offset()

    def _read_all(self) -> None:
        for one in self._watched:
            one.read(self._offset())

    def _answer_with_data(self) -> None:
        self._read_all()
        self._save()
        self._answer()

    def _answer_with_section(self) -> None:
        """The job log's text is made here, where nobody waits for the modules that it takes."""
        self._read_all()
        if self._disk:
            self._disk.join(DISK_SECONDS_IN_JOB)
        data = self._save()
        if self._section:
            # Whatever is wrong with it: what was measured is worth more than what is told of it.
            with suppress(Exception):
                write_private(f"{self._folder}/{FOLDER}/section", self._section(data))
        self._answer()

    def _answer(self) -> None:
        try:
            descriptor = os.open(f"{self._folder}/{FOLDER}/answer", os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return
        os.write(descriptor, b".")
        os.close(descriptor)

    def _finish(self, status: str) -> None:
        """The job is over: the last look at all, before the containers go."""
        self._read_all()
        self._recording.end_stage(None, self._offset())
        self._recording.status = status
        if os.path.isdir(self._folder):
            self._measure_disk()
            if self._disk:
                self._disk.join(DISK_SECONDS_AT_END)
        self._over = True

    def _measure_disk(self) -> None:
        """Once, beside everything else: the Engine looks at each file for it."""
        if self._disk is None:
            self._disk = threading.Thread(target=self._measure_disks, daemon=True)
            self._disk.start()

    def _measure_disks(self) -> None:
        for one in self._watched:
            one.measure_disk()

    def _save(self) -> dict[str, Any]:
        self._recording.facts.update(cache=cache_outcome(self._folder), hints=noted_hints(self._folder))
        data = self._recording.as_dict(self._offset())
        save_data(self._folder, data)
        return data
