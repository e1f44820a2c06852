"""Keys of gitlab-runner's config.toml that the driver does not read, or reads without effect.

They keep a warning about an unknown key for keys that are unknown to the runner too.
"""

from __future__ import annotations

TOP_LEVEL = frozenset(
    [
        "concurrent",
        "check_interval",
        "log_level",
        "log_format",
        "user",
        "listen_address",
        "metrics_server",
        "session_server",
        "runners",
        "labels",
        "sentry_dsn",
        "connection_max_age",
        "shutdown_timeout",
        "machine",
        "experimental",
    ]
)

CUSTOM = frozenset(
    [
        "config_exec",
        "config_args",
        "config_exec_timeout",
        "prepare_exec",
        "prepare_args",
        "prepare_exec_timeout",
        "run_exec",
        "run_args",
        "cleanup_exec",
        "cleanup_args",
        "cleanup_exec_timeout",
        "graceful_kill_timeout",
        "force_kill_timeout",
    ]
)

READ_ELSEWHERE = {
    "RunnerSettings": frozenset(
        [
            "id",
            "token",
            "token_obtained_at",
            "token_expires_at",
            "tls-ca-file",
            "tls-cert-file",
            "tls-key-file",
            "limit",
            "output_limit",
            "request_concurrency",
            "strict_check_interval",
            "unhealthy_requests_limit",
            "unhealthy_interval",
            "job_status_final_update_retry_limit",
            "experimental",
            "labels",
            "clone_url",
            "proxy_exec",
            "pre_get_sources_script",
            "post_get_sources_script",
            "pre_clone_script",
            "post_clone_script",
            "pre_build_script",
            "post_build_script",
            "prepare_timeout",
            "get_sources_timeout",
            "safe_directory_checkout",
            "clean_git_config",
            "custom_build_dir",
            "referees",
            "artifact",
            "monitoring",
            "use_slot_cgroups",
            "slot_cgroup_template",
            "instance",
            "ssh",
            "parallels",
            "virtualbox",
            "machine",
            "kubernetes",
            "custom",
            "autoscaler",
            "step_runner_image",
        ]
    ),
    "RunnerCacheSettings": frozenset(["gcs", "azure"]),
}

_OWN_CREDENTIALS = "for the caches that it keeps itself, the driver uses the keys here or the host's, and no role"

NO_EFFECT = {
    "DockerSettings": {
        "isolation": "it is for Windows containers",
        "helper_image_autoset_arch_and_os": "it is a key of the Kubernetes executor",
        "service_slot_cgroup_template": "only autoscaling executors give jobs a slot",
    },
    "S3CacheSettings": {
        "rolearn": _OWN_CREDENTIALS,
        "uploadrolearn": _OWN_CREDENTIALS,
        "assumerolemaxconcurrency": _OWN_CREDENTIALS,
        "disableassumerolecredentialscaching": _OWN_CREDENTIALS,
    },
    "ServiceSettings": {"suspend_data_path": "the custom executor cannot suspend a job"},
}

_SECRET_WORDS = (
    "token",
    "accesskey",
    "password",
    "secret",
    "environment",
    "auth",
    "credential",
    "dsn",
    "url",
    "script",
)


def is_secret(key: str) -> bool:
    """Whether a value under this key may hold a secret, so that no message shows it."""
    return any(word in key.lower() for word in _SECRET_WORDS)


def type_of(key: str) -> str:
    """The type, as the model writes it, of a key that the driver reads in some section; else ""."""
    from dataclasses import fields

    from executor.settings import model

    sections = (value for name, value in vars(model).items() if name.endswith("Settings") and name != "Settings")
    return next((str(field.type) for section in sections for field in fields(section) if field.name == key), "")
