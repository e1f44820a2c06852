"""What the end of a failed stage's output speaks of: fixed words, nothing of the output itself is kept."""

from __future__ import annotations

from executor.usage.verdicts import DISK_FULL, JAVA_HEAP, NODE_HEAP

PHRASES = {
    b"JavaScript heap out of memory": NODE_HEAP,
    b"java.lang.OutOfMemoryError": JAVA_HEAP,
    b"No space left on device": DISK_FULL,
    b"ENOSPC:": DISK_FULL,
}


def note_hints(job_folder: str, output: bytes) -> None:
    """Note what `output`, the last of a stage that failed, speaks of; where it is not measured nobody asks."""
    found = [hint for phrase, hint in PHRASES.items() if phrase in output]
    try:
        with open(f"{job_folder}/usage/hints", "w") as file:
            file.write(" ".join(found))
    except OSError:
        return
