"""A bucket of an S3 store: small objects read and written whole, large ones in pieces, and nothing waits for ever.

All names are below the runner's own prefix. Methods raise `RemoteFailure` with a reason for people.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import IO, TYPE_CHECKING, Literal

from executor.cache.remote import location
from executor.cache.remote.failures import CODE, RemoteFailure, Unreachable, Untrustworthy, failure_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator

    from obstore.store import S3Store

    from executor.settings.model import RunnerSettings

# Seconds.
CONNECT = 5
STALL = 10
STALL_OF_UPLOADS = 30
RETRY = 5
RETRIES = 3
# A transfer may take its base, and so long as if it had this many bytes a second.
BASE = 20.0
SLOWEST_DOWNLOAD = 2 * 1024 * 1024
SLOWEST_UPLOAD = 512 * 1024
PIECE = 256 * 1024
PART = 8 * 1024 * 1024
PARTS_AT_ONCE = 2
# Up to here an object is uploaded in one request, which the store can refuse if it has the object.
LARGEST_WHOLE = 32 * 1024 * 1024


@dataclass(frozen=True)
class Found:
    """An object of the bucket: its size in bytes, its age in seconds by this host's clock."""

    size: int
    age: float


class Bucket:
    """The bucket that the runner's settings name."""

    def __init__(self, runner: RunnerSettings) -> None:
        self._runner = runner

    async def read(self, name: str, most: int) -> bytes | None:
        """A small object; None if it is not there. `Untrustworthy` if it has more than `most` bytes."""
        import obstore

        with _told():
            async with asyncio.timeout(BASE):
                try:
                    found = await obstore.get_async(self._downloads, name)
                except FileNotFoundError as error:
                    _refuse_without_bucket(error)
                    return None
                if found.meta["size"] > most:
                    raise Untrustworthy(f"The pointer is larger than {most} bytes.")
                return bytes(await found.bytes_async())

    async def pieces(self, name: str, size: int) -> AsyncGenerator[bytes, None]:
        """The pieces of an object of known size; `Untrustworthy` if it is not there or of another size."""
        import obstore

        with _told():
            async with asyncio.timeout(BASE + size / SLOWEST_DOWNLOAD):
                try:
                    found = await obstore.get_async(self._downloads, name)
                except FileNotFoundError as error:
                    _refuse_without_bucket(error)
                    raise Untrustworthy("A layer that it is made of is missing.") from error
                if found.meta["size"] != size:
                    raise Untrustworthy("A layer that it is made of has another size.")
                async for piece in found.stream(min_chunk_size=PIECE):
                    yield piece

    async def find(self, name: str) -> Found | None:
        """What is known of an object without reading it; None if it is not there."""
        import obstore

        with _told():
            async with asyncio.timeout(BASE):
                try:
                    facts = await obstore.head_async(self._downloads, name)
                except FileNotFoundError:
                    return None
        return Found(facts["size"], (datetime.now(UTC) - facts["last_modified"]).total_seconds())

    async def write(self, name: str, content: bytes) -> None:
        """Write a small object; readers see the old one or the new one."""
        import obstore

        with _told():
            async with asyncio.timeout(BASE):
                await obstore.put_async(self._uploads, name, content, mode="overwrite", use_multipart=False)

    async def upload(self, name: str, file: IO[bytes], size: int, *, again: bool, sent: Callable[[int], None]) -> None:
        """Write an object from an open file, read from its beginning; `sent` is told of each number of bytes.

        Unless it is to be written `again`, it is no failure if somebody else has written it meanwhile.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError

        file.seek(0)
        with _told():
            async with asyncio.timeout(BASE + size / SLOWEST_UPLOAD):
                if size > LARGEST_WHOLE:
                    pieces = _read(file, sent)
                    store, parts = self._uploads, PARTS_AT_ONCE
                    await obstore.put_async(store, name, pieces, chunk_size=PART, max_concurrency=parts)
                    return
                try:
                    mode: Literal["overwrite", "create"] = "overwrite" if again else "create"
                    await obstore.put_async(self._uploads, name, file.read(), mode=mode, use_multipart=False)
                except AlreadyExistsError:
                    pass
                sent(size)

    @cached_property
    def _downloads(self) -> S3Store:
        return self._store(STALL)

    @cached_property
    def _uploads(self) -> S3Store:
        # The client counts the silence of the store from the beginning of a request, its body included.
        return self._store(STALL_OF_UPLOADS)

    def _store(self, stall: float) -> S3Store:
        from obstore.store import S3Store

        bucket = self._runner.cache.s3
        try:
            return S3Store(
                prefix=location.prefix(self._runner),
                config=location.config(bucket),
                client_options={
                    "allow_http": bucket.insecure,
                    "connect_timeout": timedelta(seconds=CONNECT),
                    "read_timeout": timedelta(seconds=stall),
                    "timeout": timedelta(days=1),
                },
                retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY)},
                credential_provider=location.credentials(bucket),
            )
        except Exception as error:
            raise Unreachable("[runners.cache.s3] names no bucket that can be used.") from error


async def _read(file: IO[bytes], sent: Callable[[int], None]) -> AsyncIterator[bytes]:
    while piece := file.read(PART):
        yield piece
        sent(len(piece))


def _refuse_without_bucket(error: FileNotFoundError) -> None:
    """A missing object is no failure here, a missing bucket is."""
    code = CODE.search(str(error))
    if code and code[1] == "NoSuchBucket":
        raise failure_of(error) from None


@contextmanager
def _told() -> Iterator[None]:
    from obstore.exceptions import BaseError

    try:
        yield
    except RemoteFailure:
        raise
    except (BaseError, TimeoutError, FileNotFoundError, ValueError) as error:
        raise failure_of(error) from None
