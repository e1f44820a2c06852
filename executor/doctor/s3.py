"""One question to an object store, signed as S3 wants it (Signature Version 4)."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from typing import TYPE_CHECKING, Any

from executor.doctor.web import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executor.doctor.web import Response

DEFAULT_ADDRESS = "s3.amazonaws.com"
DEFAULT_REGION = "us-east-1"
# An object that no runner makes: who may read the bucket is told that it is not there.
OBJECT = "virida-executor-doctor"
EMPTY = hashlib.sha256(b"").hexdigest()


def host(bucket: Mapping[str, Any]) -> str:
    """Where the store listens. `bucket` is `[runners.cache.s3]`, keys in lower case."""
    return str(bucket.get("serveraddress") or DEFAULT_ADDRESS)


def question(bucket: Mapping[str, Any], now: float) -> Request:
    """GET of an object that is not there, in path style."""
    scheme = "http" if bucket.get("insecure") else "https"
    path = f"/{bucket['bucketname']}/{OBJECT}"
    headers = _signed(bucket, path, now) if bucket.get("accesskey") else {}
    return Request(url=f"{scheme}://{host(bucket)}{path}", headers=headers)


def code_of(response: Response) -> str:
    """The code of S3's error document, "" where there is none."""
    found = re.search(rb"<Code>([A-Za-z]+)</Code>", response.body)
    return found[1].decode() if found else ""


def _signed(bucket: Mapping[str, Any], path: str, now: float) -> dict[str, str]:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    headers = {"host": host(bucket), "x-amz-content-sha256": EMPTY, "x-amz-date": stamp}
    if bucket.get("sessiontoken"):
        headers["x-amz-security-token"] = str(bucket["sessiontoken"])
    region = str(bucket.get("bucketlocation") or DEFAULT_REGION)
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    canonical = f"GET\n{path}\n\n{lines}\n{names}\n{EMPTY}"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{bucket['secretkey']}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}".encode(), "sha256").hex()
    credential = f"{bucket['accesskey']}/{scope}"
    value = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
    return {**headers, "Authorization": value}
