"""The user that a container runs as."""

from __future__ import annotations

import re

from executor.errors import JobError, OperatorError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.plan.request import Request

USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@$-]*(?::[A-Za-z0-9_][A-Za-z0-9_.@$-]*)?", re.ASCII)


def build_user(request: Request) -> str:
    """The operator's `user`, else the job's `image:docker:user`; "" is the image's own, which is always allowed."""
    docker = request.docker
    user = docker.user or checked_user(request.expand(request.job.image.user), request.job.image.name)
    allowed = docker.allowed_users
    if not user or not allowed or user in allowed:
        return user
    blamed = OperatorError if docker.user else JobError
    raise blamed(
        f"The user {user!r} is not allowed on this runner.",
        cause=f"Allowed are: {', '.join(allowed)}.",
        fix="Use one of them in `image:docker:user`, or ask for it in `allowed_users` of the runner's config.toml.",
    )


def checked_user(user: str, image: str) -> str:
    """`user`, expanded, where it is a name or number with or without a group."""
    if user and not USER.fullmatch(user):
        raise JobError(f"The user {user!r} of image {image!r} is not of the form user:group.")
    return user
