"""The bucket that the hosts of a runner share, and the runner's store on this one."""

from __future__ import annotations

from executor.cli.cache_stores import store_of
from executor.errors import OperatorError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from executor.cli.cache_stores import RunnerStore
    from executor.settings.model import Settings


def bucket_and_store(parsed: argparse.Namespace) -> tuple[Settings, RunnerStore]:
    """The settings that name a runner's bucket, and its store.

    OperatorError where several runners may be meant, or the settings name no bucket that can be used.
    """
    from executor.cache.remote.remote import Remote
    from executor.settings.load import load_settings

    settings = load_settings(config=parsed.config, runner=parsed.runner)
    if Remote.from_settings(settings) is None:
        runner = settings.runner.name or settings.runner.short_token or "it"
        raise OperatorError(
            f"no bucket is there to share caches of runner {runner} by.",
            cause=f'[runners.cache] is of type "{settings.runner.cache.type}".',
            fix='Set Type = "s3" and [runners.cache.s3] in config.toml.',
        )
    return settings, store_of(settings)
