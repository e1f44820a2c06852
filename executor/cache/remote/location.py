"""From `[runners.cache]` to the client's words: which bucket, at which address, and what all names begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executor.settings.buckets import ACCESS_KEY, authentication, encryption, is_amazon

if TYPE_CHECKING:
    from obstore.store import S3Config, S3Credential, S3CredentialProvider

    from executor.settings.model import RunnerSettings, S3CacheSettings

# Addresses that know a bucket as a part of the host's name.
VIRTUAL = (".amazonaws.com", ".amazonaws.com.cn", "storage.googleapis.com", ".aliyuncs.com")
DEFAULT_REGION = "us-east-1"


def prefix(runner: RunnerSettings) -> str:
    """What all names in the bucket begin with, as for the runner's own archives."""
    own = [] if runner.cache.shared else ["runner", runner.short_token]
    return "/".join(part for part in (*runner.cache.path.split("/"), *own, "v1") if part)


def config(bucket: S3CacheSettings) -> S3Config:
    """The client's configuration, but for credentials; what the environment says of these keys is overruled."""
    address, virtual = endpoint(bucket)
    found: S3Config = {
        "bucket": bucket.bucket_name,
        "endpoint": address,
        "region": bucket.bucket_location or DEFAULT_REGION,
        "virtual_hosted_style_request": virtual,
        "skip_signature": False,
    }
    if kind := encryption(bucket):
        found["server_side_encryption"] = kind
    if kind.startswith("aws:kms") and bucket.server_side_encryption_key_id:
        found["sse_kms_key_id"] = bucket.server_side_encryption_key_id
    return found


def credentials(bucket: S3CacheSettings) -> S3CredentialProvider | None:
    """The keys of the settings; None where the client looks for those of the host."""
    if authentication(bucket) != ACCESS_KEY:
        return None

    def given() -> S3Credential:
        return {
            "access_key_id": bucket.access_key,
            "secret_access_key": bucket.secret_key,
            "token": bucket.session_token or None,
            "expires_at": None,
        }

    return given


def endpoint(bucket: S3CacheSettings) -> tuple[str, bool]:
    """The address, and whether the bucket is a part of the host's name in it."""
    scheme = "http" if bucket.insecure else "https"
    host = _amazon(bucket) if is_amazon(bucket) else bucket.server_address
    virtual = _is_virtual(host, bucket) if bucket.path_style is None else not bucket.path_style
    if bucket.accelerate and is_amazon(bucket):
        virtual = True
    return f"{scheme}://{f'{bucket.bucket_name}.' if virtual else ''}{host}", virtual


def _amazon(bucket: S3CacheSettings) -> str:
    region = bucket.bucket_location or DEFAULT_REGION
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    dual = ".dualstack" if bucket.dual_stack is not False else ""
    return f"s3-accelerate{dual}.{domain}" if bucket.accelerate else f"s3{dual}.{region}.{domain}"


def _is_virtual(host: str, bucket: S3CacheSettings) -> bool:
    """A bucket with a dot in its name would be one level too deep for the server's certificate."""
    if "." in bucket.bucket_name and not bucket.insecure:
        return False
    return host.partition(":")[0].endswith(VIRTUAL)
