"""What can go wrong with a bucket, in words for people: a miss, never a failed job, and never a secret in a message."""

from __future__ import annotations

import re

from executor.cache.store.failures import CacheFailure

WHAT = "The bucket of caches cannot be used."
# Errors of S3 that a person can do something about: the cause, and what to do.
CODES = {
    "NoSuchBucket": ("There is no such bucket.", "Make it, or correct BucketName in [runners.cache.s3]."),
    "RequestTimeTooSkewed": ("The clocks of this host and of the store differ too much.", "Set this host's clock."),
    "SignatureDoesNotMatch": ("The store refuses the secret key.", "Correct SecretKey in [runners.cache.s3]."),
    "InvalidAccessKeyId": ("The store does not know the access key.", "Correct AccessKey in [runners.cache.s3]."),
    "ExpiredToken": ("The credentials have expired.", "Renew them."),
    "AccessDenied": ("The store denies access.", "Let the key read and write the bucket."),
    "SlowDown": ("The store is overloaded.", ""),
    "QuotaExceeded": ("The bucket is full.", "Give it a rule that deletes old objects."),
}
CODE = re.compile(r"<Code>([A-Za-z0-9]{1,50})</Code>")
STATUS = re.compile(r"status code: ([1-5]\d\d)")


class RemoteFailure(CacheFailure):
    """The bucket, or what lies in it, cannot be used now."""


class Unreachable(RemoteFailure):
    """The whole bucket cannot be used: it is of no use to ask it for anything else."""


class Untrustworthy(RemoteFailure):
    """What lies in the bucket is not what a driver has written."""

    def __init__(self, cause: str) -> None:
        super().__init__("A cache in the bucket is damaged.", cause=cause)


def failure_of(error: Exception) -> RemoteFailure:
    """The failure that an error of the client stands for.

    The error's own text is never shown: the store's answers may repeat keys and signatures.
    """
    text = str(error)
    code, status = CODE.search(text), STATUS.search(text)
    if code and code[1] in CODES:
        cause, fix = CODES[code[1]]
        return Unreachable(WHAT, cause=cause, fix=fix)
    if isinstance(error, TimeoutError) or "TimedOut" in text or "Timeout" in text:
        return Unreachable(WHAT, cause="The store does not answer in time.")
    if status or code:
        words = " ".join(match[1] for match in (status, code) if match)
        return Unreachable(WHAT, cause=f"The store answers {words}.")
    if "kind: Connect" in text or "ConnectError" in text:
        return Unreachable(WHAT, cause="The store cannot be reached.", fix="Look at ServerAddress and the network.")
    if isinstance(error, OSError):
        return RemoteFailure(WHAT, cause=f"The system says: {error.strerror}.")
    return Unreachable(WHAT, cause=f"The transfer broke off ({type(error).__name__}).")
