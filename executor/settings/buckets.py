"""`[runners.cache.s3]` for the driver: what it means, in the runner's own terms, and what to warn about.

Nothing here is an error: a job whose caches stay on this host still runs.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from executor.settings.document import Document
    from executor.settings.lines import KeyPath
    from executor.settings.model import S3CacheSettings

ACCESS_KEY, IAM = "access-key", "iam"
# What the runner takes for ServerSideEncryption, and what S3 calls it.
ENCRYPTIONS = {
    "S3": "AES256",
    "AES256": "AES256",
    "KMS": "aws:kms",
    "AWS:KMS": "aws:kms",
    "DSSE-KMS": "aws:kms:dsse",
    "AWS:KMS:DSSE": "aws:kms:dsse",
}
AMAZON = "s3.amazonaws.com"


def authentication(bucket: S3CacheSettings) -> str:
    """ACCESS_KEY or IAM by the runner's rule; "" for a word that it does not know."""
    if bucket.authentication_type:
        kind = bucket.authentication_type.lower()
        return kind if kind in (ACCESS_KEY, IAM) else ""
    return ACCESS_KEY if bucket.server_address and bucket.access_key and bucket.secret_key else IAM


def encryption(bucket: S3CacheSettings) -> str:
    """S3's word for the encryption on the server; "" for none."""
    return ENCRYPTIONS.get(bucket.server_side_encryption.upper(), "")


def is_amazon(bucket: S3CacheSettings) -> bool:
    """Whether AWS's own addresses are meant."""
    return bucket.server_address in ("", AMAZON, f"{AMAZON}:443")


def is_usable(bucket: S3CacheSettings) -> bool:
    """Whether there is enough to find the bucket and to sign for it."""
    return not any(key for key, _, stops in _complaints(bucket) if stops)


def warn_of_bucket(bucket: S3CacheSettings, path: KeyPath, document: Document) -> None:
    """A warning for each key that is missing, wrong, or does nothing."""
    for key, complaint, stops in _complaints(bucket):
        document.warn((*path, key), f"{complaint}{' Caches stay on this host.' if stops else ''}")


def _complaints(bucket: S3CacheSettings) -> list[tuple[str, str, bool]]:
    """Keys, what to say of them, and whether the bucket cannot be used for it."""
    found = []
    if not bucket.bucket_name:
        found.append(("BucketName", "BucketName is missing.", True))
    if "/" in bucket.server_address:
        found.append(("ServerAddress", 'ServerAddress must be "host" or "host:port", without https://.', True))
    if not authentication(bucket):
        found.append(("AuthenticationType", f"AuthenticationType must be {ACCESS_KEY} or {IAM}.", True))
    if authentication(bucket) == ACCESS_KEY and not (bucket.access_key and bucket.secret_key):
        found.append(("AuthenticationType", f"{ACCESS_KEY} needs both AccessKey and SecretKey.", True))
    return [*found, *_remarks(bucket)]


def _remarks(bucket: S3CacheSettings) -> list[tuple[str, str, bool]]:
    found = []
    if bucket.server_side_encryption and not encryption(bucket):
        known = "S3, KMS or DSSE-KMS"
        found.append(("ServerSideEncryption", f"ServerSideEncryption must be {known}: nothing is encrypted.", False))
    if bucket.server_side_encryption_key_id and not encryption(bucket).startswith("aws:kms"):
        text = "ServerSideEncryptionKeyID has no effect without ServerSideEncryption KMS or DSSE-KMS."
        found.append(("ServerSideEncryptionKeyID", text, False))
    if is_amazon(bucket) and not bucket.bucket_location:
        found.append(("BucketLocation", "BucketLocation is missing: the driver takes the region us-east-1.", False))
    if not is_amazon(bucket):
        chosen = {"Accelerate": bucket.accelerate, "DualStack": bucket.dual_stack}
        found += [(key, f"{key} has no effect with a ServerAddress.", False) for key, value in chosen.items() if value]
    return found
