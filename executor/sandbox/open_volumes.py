"""Volumes that the driver makes belong to root, and jobs need not be: all users of its containers may write there.

The docker executor runs a container for each to see to that; here the helper does it before its first stage.
"""

from __future__ import annotations

from executor.sandbox.environment_file import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from executor.plan.model import Mount


def opening_command(mounts: Iterable[Mount]) -> str:
    """A line of shell that opens them, "" where there are none. One that cannot be opened stays as it is."""
    made = [mount.target for mount in mounts if mount.labels and "ro" not in mount.mode.split(",")]
    targets = [f"'{quoted(target)}'" for target in made]
    return f"chmod 0777 {' '.join(targets)} 2>/dev/null\n" if made else ""
