"""Names of the runner's stages, and the container each one runs in.

Imported on the hot path: no imports here.
"""

from __future__ import annotations

HELPER_STAGES = frozenset(
    {
        "prepare_script",
        "get_sources",
        "clear_worktree",
        "restore_cache",
        "download_artifacts",
        "archive_cache",
        "archive_cache_on_failure",
        "upload_artifacts_on_success",
        "upload_artifacts_on_failure",
        "cleanup_file_variables",
    }
)

CACHE_STAGES = ("restore_cache", "archive_cache", "archive_cache_on_failure")

# What the runner calls at a job's end while there still is a log to write to; not where it cuts the job off.
LAST = "cleanup_file_variables"

HELPER = "helper"
BUILD = "build"


def container_of(stage: str) -> str | None:
    """The role of the container that runs `stage`; None for a name that no runner sends.

    Step names come from the job (`step_` plus any text): never build paths or shell words from a stage name.
    """
    if stage in HELPER_STAGES:
        return HELPER
    if stage in ("build_script", "after_script") or stage.startswith("step_"):
        return BUILD
    return None
