"""Where a bucket is, by the runner's keys; and what a failing store's answer turns into."""

from __future__ import annotations

import pytest

from executor.cache.remote import location
from executor.cache.remote.failures import Unreachable, failure_of
from executor.cache.remote.remote import Remote
from executor.settings.model import RunnerCacheSettings, RunnerSettings, S3CacheSettings, Settings

SECRET = "abcdefghijklmnop"
OWN = S3CacheSettings(
    bucket_name="caches", server_address="cellar.example.com", access_key="AKIAEXAMPLE", secret_key=SECRET
)
ADDRESSES = {
    "own server": ({"server_address": "cellar.example.com:8443"}, "https://cellar.example.com:8443", False),
    "own server by HTTP": ({"server_address": "10.0.0.1:9000", "insecure": True}, "http://10.0.0.1:9000", False),
    "own server with the bucket in its name": (
        {"server_address": "cellar.example.com", "path_style": False},
        "https://caches.cellar.example.com",
        True,
    ),
    "Google": ({"server_address": "storage.googleapis.com"}, "https://caches.storage.googleapis.com", True),
    "AWS": ({"bucket_location": "eu-west-3"}, "https://caches.s3.dualstack.eu-west-3.amazonaws.com", True),
    "AWS by its old name": (
        {"server_address": "s3.amazonaws.com", "bucket_location": "eu-west-3", "dual_stack": False},
        "https://caches.s3.eu-west-3.amazonaws.com",
        True,
    ),
    "AWS with the bucket in the path": (
        {"bucket_location": "eu-west-3", "dual_stack": False, "path_style": True},
        "https://s3.eu-west-3.amazonaws.com",
        False,
    ),
    "AWS in China": (
        {"bucket_location": "cn-north-1", "dual_stack": False},
        "https://caches.s3.cn-north-1.amazonaws.com.cn",
        True,
    ),
    "AWS accelerated": (
        {"accelerate": True, "dual_stack": False, "path_style": True},
        "https://caches.s3-accelerate.amazonaws.com",
        True,
    ),
}


@pytest.mark.parametrize(("keys", "address", "virtual"), ADDRESSES.values(), ids=ADDRESSES)
def test_the_address(keys: dict[str, str | bool], address: str, virtual: bool) -> None:
    bucket = S3CacheSettings(bucket_name="caches", **keys)  # type: ignore[arg-type]

    assert location.endpoint(bucket) == (address, virtual)


def test_a_bucket_with_a_dot_is_a_part_of_the_path() -> None:
    """The server's certificate is for names of one level."""
    bucket = S3CacheSettings(bucket_name="my.caches", bucket_location="eu-west-3", dual_stack=False)

    assert location.endpoint(bucket) == ("https://s3.eu-west-3.amazonaws.com", False)


@pytest.mark.parametrize(
    ("path", "shared", "prefix"),
    [("", True, "v1"), ("", False, "runner/abc/v1"), ("/ci/caches/", True, "ci/caches/v1")],
)
def test_the_prefix_of_all_names(path: str, shared: bool, prefix: str) -> None:
    runner = RunnerSettings(short_token="abc", cache=RunnerCacheSettings(path=path, shared=shared))

    assert location.prefix(runner) == prefix


@pytest.mark.parametrize(
    ("kind", "bucket", "there"),
    [
        ("s3", OWN, True),
        ("s3", S3CacheSettings(bucket_name="caches"), True),
        ("s3", S3CacheSettings(), False),
        ("s3", S3CacheSettings(bucket_name="caches", authentication_type="password"), False),
        ("gcs", S3CacheSettings(bucket_name="caches"), False),
        ("", S3CacheSettings(bucket_name="caches"), False),
    ],
)
def test_whether_there_is_a_bucket(kind: str, bucket: S3CacheSettings, there: bool) -> None:
    settings = Settings(runner=RunnerSettings(cache=RunnerCacheSettings(type=kind, s3=bucket)))

    assert (Remote.from_settings(settings) is not None) is there
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("RequestTimeTooSkewed", "The clocks of this host and of the store differ too much."),
        ("NoSuchBucket", "There is no such bucket."),
        ("SomethingNew", "The store answers 403 SomethingNew."),
    ],
)
def test_an_answer_in_words(code: str, cause: str) -> None:
    """The answer repeats the key; what a person reads does not."""
    answer = f"status code: 403 Forbidden: <Error><Code>{code}</Code><AWSAccessKeyId>AKIAEXAMPLE</AWSAccessKeyId>"

    failure = failure_of(RuntimeError(answer))

    assert isinstance(failure, Unreachable)
    assert failure.cause == cause
    assert "AKIAEXAMPLE" not in failure.one_line()
