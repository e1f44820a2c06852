"""A layer's tree as one compressed archive, and back: GNU tar knows all that a tree is, zstd is as fast as the disk.

Who can write to the bucket chooses the archive, so unpacking believes nothing: not the sizes, not the names, not what
kind of file a member is. tar refuses names that lead out of the folder, makes links that could lead out of it only when
all else is done, and overwrites nothing.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Self, cast

from executor.cache.remote.failures import RemoteFailure, Untrustworthy

if TYPE_CHECKING:
    from types import TracebackType

    from zstandard import ZstdDecompressionWriter

# Marks of overlays that say something else than "opaque" may lead to other trees, so they are neither packed nor made.
ATTRIBUTES = ("user.*", "system.*", "security.capability", "trusted.overlay.opaque")
COMMON = ("--numeric-owner", "--xattrs", *(f"--xattrs-include={name}" for name in ATTRIBUTES))
# Without what differs between two packings of one tree: times of access, the process's id.
PACK = ("--create", "--format=posix", "--sort=name", "--sparse", "--file=-")
STABLE = "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime"
UNPACK = ("--extract", "--file=-", "--same-owner", "--same-permissions", "--keep-old-files")
# A layer never changes, but the number of its files' links may: tar says 1 then.
PACKED = (0, 1)

LEVEL = 1
THREADS = 2
CHUNK = 1024 * 1024
# What the compression above makes can be read with far less.
LARGEST_WINDOW = 8 * 1024 * 1024
# Seconds that tar may need for what it has read already.
FINISH = 60


@dataclass(frozen=True)
class Blob:
    """An archive: the sha256 of its bytes, their number, and that of the tar stream in it."""

    digest: str
    size: int
    tar_bytes: int


class TooLarge(RemoteFailure):
    """The archive is larger than the operator allows."""


def pack(path: str, file: IO[bytes], most: int) -> Blob:
    """Write the tree at an absolute path into an open file. `TooLarge` beyond `most` bytes; OSError for a full disk."""
    from zstandard import ZstdCompressor

    sink, tar_bytes = _Sink(file, most), 0
    with _Tar(*PACK, STABLE, f"--directory={path}", ".", stdout=subprocess.PIPE) as tar:
        with ZstdCompressor(level=LEVEL, threads=THREADS).stream_writer(
            cast("IO[bytes]", sink), closefd=False
        ) as writer:
            while chunk := tar.output.read(CHUNK):
                tar_bytes += len(chunk)
                writer.write(chunk)
        tar.end(PACKED)
    file.flush()
    return Blob(sink.digest.hexdigest(), sink.size, tar_bytes)


class Unpacking:
    """An archive that is unpacked into an empty, private folder as it arrives. Use it in a `with`: tar ends there."""

    def __init__(self, folder: str, tar_bytes: int) -> None:
        self._tar = _Tar(*UNPACK, f"--directory={folder}", stdin=subprocess.PIPE)
        self._size = tar_bytes
        self._made = 0
        self._writer = self._decompressor()

    def _decompressor(self) -> ZstdDecompressionWriter:
        from zstandard import ZstdDecompressor

        sink = cast("IO[bytes]", self)
        return ZstdDecompressor(max_window_size=LARGEST_WINDOW).stream_writer(sink, write_size=CHUNK)

    def __enter__(self) -> Self:
        self._tar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tar.__exit__(kind, error, trace)

    def feed(self, piece: bytes) -> None:
        """Unpack the next piece of the archive; `Untrustworthy` if it is no archive, or more than was said."""
        from zstandard import ZstdError

        try:
            self._writer.write(piece)
        except ZstdError as error:
            raise Untrustworthy("A layer of it is no archive.") from error

    def write(self, data: bytes) -> int:
        """What the decompressor calls with each part of the tar stream."""
        self._made += len(data)
        if self._made > self._size:
            raise Untrustworthy("A layer of it unpacks to more than was said.")
        self._tar.feed(data)
        return len(data)

    def finish(self) -> None:
        """Wait until all is unpacked; `Untrustworthy` if something was missing or refused."""
        if self._made != self._size:
            raise Untrustworthy("A layer of it unpacks to less than was said.")
        self._tar.end((0,))


class _Sink:
    """Counts, digests and writes."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        self._file = file
        self._most = most
        self.size = 0
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.size += len(data)
        if self.size > self._most:
            raise TooLarge(
                "A cache is not shared with other hosts.",
                cause="It is larger than MaxUploadedArchiveSize in [runners.cache].",
            )
        self.digest.update(data)
        return self._file.write(data)


class _Tar:
    """A tar that ends with its `with`, and whose last words are its failure's cause."""

    def __init__(self, *arguments: str, stdin: int = subprocess.DEVNULL, stdout: int = subprocess.DEVNULL) -> None:
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `__exit__`)
        # Nothing of the driver's environment: TAR_OPTIONS could change what the options mean.
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
        try:
            self._process = subprocess.Popen(
                ["tar", *COMMON, *arguments], stdin=stdin, stdout=stdout, stderr=self._words, env=environment, cwd="/"
            )
        except OSError as error:
            raise RemoteFailure("Caches cannot be packed.", cause="There is no tar.", fix="Install GNU tar.") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._words):
            if stream:
                _close(stream)

    @property
    def output(self) -> IO[bytes]:
        """What it writes."""
        return cast("IO[bytes]", self._process.stdout)

    def feed(self, data: bytes) -> None:
        """Give it more to read; `Untrustworthy` if it has given up."""
        try:
            cast("IO[bytes]", self._process.stdin).write(data)
        except BrokenPipeError:
            self.end((0,))
            raise Untrustworthy("A layer of it goes on after its end.") from None

    def end(self, right: tuple[int, ...]) -> None:
        """Wait for its end; `RemoteFailure` unless its exit code is one of the right ones."""
        if self._process.stdin:
            _close(self._process.stdin)
        try:
            code = self._process.wait(FINISH)
        except subprocess.TimeoutExpired:
            raise RemoteFailure("A layer cannot be unpacked.", cause="The disk is too slow.") from None
        if code not in right:
            raise Untrustworthy(f"tar says: {self._last_words()}.")

    def _last_words(self) -> str:
        self._words.seek(0)
        lines = self._words.read(2000).decode(errors="replace").splitlines() or ["nothing"]
        return "".join(char if char.isprintable() else "?" for char in lines[0])[:200].rstrip(".")


def _close(stream: IO[bytes]) -> None:
    try:
        stream.close()
    except BrokenPipeError:
        return
