"""JOB_RESPONSE_FILE: the only source of facts about a job that its author cannot forge."""

from __future__ import annotations

import json

from executor.errors import SystemFailure
from executor.job.fields import Fields, Malformed
from executor.job.model import Cache, Credentials, Image, Job, Variable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def load_job(path: str, environment: Mapping[str, str]) -> Job:
    """Read the job that the runner wrote to `path`.

    `environment` is the job's own (see `custom_environment`); it only fills gaps that matter for labels and reports.
    Every field has a default, for runners differ in what they send. Raises `SystemFailure` where the file is missing,
    cut short, not JSON or of another shape; the message never holds content, for the job's token is in the file.
    """
    try:
        return parse_job(_read(path), environment)
    except Malformed as error:
        raise SystemFailure(
            f"The runner's job file {path} is malformed: {error}.",
            cause="The runner speaks another version of the protocol than this driver.",
            fix="Compare `gitlab-runner --version` with the versions that the documentation names.",
        ) from None


def _read(path: str) -> Any:
    try:
        with open(path, "rb") as file:
            return json.loads(file.read())
    except FileNotFoundError:
        cause = "The runner removed it (the job is over), or the variable JOB_RESPONSE_FILE was overwritten."
        raise SystemFailure(f"The runner's job file {path or '(no name)'} does not exist.", cause=cause) from None
    except OSError as error:
        raise SystemFailure(f"The runner's job file {path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        cause = "The disk of the runner's TMPDIR is full, or another program wrote to the file."
        raise SystemFailure(f"The runner's job file {path} is not valid JSON.", cause=cause, fix="df -h /tmp") from None


def parse_job(content: Any, environment: Mapping[str, str]) -> Job:
    """The job in the decoded `content` of such a file. Raises `Malformed`, which names the field that is wrong."""
    response = Fields(content)
    info, git = response.child("job_info"), response.child("git_info")
    variables = _variables(response)
    return Job(
        id=response.required_number("id"),
        name=info.text("name"),
        stage=info.text("stage"),
        project_id=info.required_number("project_id"),
        project_path=info.text("project_full_path") or _first(variables, "CI_PROJECT_PATH"),
        ref=git.text("ref"),
        sha=git.text("sha"),
        before_sha=git.text("before_sha"),
        protected=_is_protected(git, variables),
        timeout=response.child("runner_info").number("timeout"),
        repo_url=git.text("repo_url"),
        allow_git_fetch=response.flag("allow_git_fetch"),
        image=_image(response.child("image")),
        services=tuple(_image(service) for service in response.children("services")),
        variables=variables,
        credentials=_credentials(response),
        caches=tuple(_cache(entry) for entry in response.children("cache")),
        pipeline_id=_pipeline_id(info, variables),
        url=_first(variables, "CI_JOB_URL") or environment.get("CI_JOB_URL", ""),
        user=_first(variables, "GITLAB_USER_LOGIN"),
        secret_names=response.child("secrets").names(),
        trace_sections=response.child("features").flag("trace_sections"),
    )


def _is_protected(git: Fields, variables: tuple[Variable, ...]) -> bool:
    """The runner's own rule: older GitLab versions send no `protected`, but the variable comes before the job's own."""
    known = git.optional_flag("protected")
    return _first(variables, "CI_COMMIT_REF_PROTECTED") == "true" if known is None else known


def _pipeline_id(info: Fields, variables: tuple[Variable, ...]) -> int | None:
    sent = info.number("pipeline_id")
    text = _first(variables, "CI_PIPELINE_ID")
    return sent or (int(text) if text.isascii() and text.isdigit() else None)


def _first(variables: tuple[Variable, ...], key: str) -> str:
    """The first entry: GitLab lists its own variables before those that a job's author can add."""
    return next((variable.value for variable in variables if variable.key == key), "")


def _variables(owner: Fields) -> tuple[Variable, ...]:
    return tuple(
        Variable(
            key=entry.text("key"),
            value=entry.text("value"),
            public=entry.flag("public"),
            file=entry.flag("file"),
            masked=entry.flag("masked"),
            raw=entry.flag("raw"),
        )
        for entry in owner.children("variables")
    )


def _image(image: Fields) -> Image:
    options = image.child("executor_opts").child("docker")
    return Image(
        name=image.text("name"),
        alias=image.text("alias"),
        entrypoint=image.optional_texts("entrypoint"),
        command=image.optional_texts("command"),
        pull_policy=image.optional_texts("pull_policy") or (),
        platform=options.text("platform"),
        user=options.text("user"),
        variables=_variables(image),
    )


def _credentials(response: Fields) -> tuple[Credentials, ...]:
    return tuple(
        Credentials(url=entry.text("url"), username=entry.text("username"), password=entry.text("password"))
        for entry in response.children("credentials")
        if entry.text("type") == "registry"
    )


def _cache(entry: Fields) -> Cache:
    return Cache(
        key=entry.text("key"),
        fallback_keys=entry.optional_texts("fallback_keys") or (),
        paths=entry.optional_texts("paths") or (),
        untracked=entry.flag("untracked"),
        policy=entry.text("policy"),
        when=entry.text("when"),
    )
