"""config.toml and executor.toml: what gitlab-runner and the driver are told."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

from executor.doctor.model import Repair, Skip, Verdict, check, error, note, passed, warning
from executor.doctor.scene import has_token, is_address, is_placeholder
from executor.errors import OperatorError
from executor.settings.load import load_executor_settings

if TYPE_CHECKING:
    from executor.doctor.scene import Scene

EXAMPLE = "compare with config.toml.example"
NO_JOBS = "gitlab-runner does not start with it, or goes on with what it had before: no job runs."
PRIVATE = 0o600
DEFAULT_DIRS = {"builds_dir": "/builds", "cache_dir": "/cache"}
LONGEST_INTERVAL_SECONDS = 60
LEAST_OUTPUT_KIB = 256
SHELLS = ("", "bash", "sh")
EXECUTOR_KEYS = "docs/configuration.md#executortoml"


@check("runner.config.present", "config.toml is there and readable for the account that runs jobs")
def present(scene: Scene) -> Verdict:
    """Without it the driver would work with defaults."""
    path = scene.config
    if not os.path.lexists(path):
        return error(
            f"There is no {path}.",
            expected="gitlab-runner's config.toml",
            why="gitlab-runner takes no jobs, and the driver has no settings.",
            fix=(f"executor register --config {path} --url https://GITLAB", "or: executor doctor --config FILE"),
        )
    if not os.path.isfile(path):
        what = "a link that leads nowhere" if os.path.islink(path) and not os.path.exists(path) else "no file"
        return error(f"{path} is {what}.", expected="a file", why=NO_JOBS, fix=f"ls -l {path}, then put the file there")
    if not scene.world.may(path, os.R_OK):
        return error(
            f"{scene.account.name} may not read {path} ({_mode(path)}).",
            expected=f"readable for {scene.account.name}",
            why="The driver reads its limits and allow-lists there: every job fails in config.",
            fix=f"chown {scene.account.name} {path}   # and let it enter the folders above",
        )
    return passed(path)


@check("runner.config.syntax", "config.toml is TOML")
def syntax(scene: Scene) -> Verdict:
    """The message names the line."""
    if not os.path.isfile(scene.config):
        raise Skip("there is no config.toml")
    try:
        scene.document  # noqa: B018 (for its failure)
    except OperatorError as failure:
        if "cannot be read" in failure.what:
            raise Skip("config.toml cannot be read") from None
        return error(_sentence(failure), expected="TOML", why=NO_JOBS, fix=failure.fix or EXAMPLE)
    return passed()


@check("runner.config.mode", "Only its owner may read config.toml, and change what is beside it")
def mode(scene: Scene) -> Verdict:
    """It holds the runner's token; executor.toml says what jobs may do."""
    beside = os.path.join(os.path.dirname(scene.config), "executor.toml")
    for path, open_bits, right in ((scene.config, 0o027, PRIVATE), (beside, 0o002, 0o644)):
        if os.path.isfile(path) and (found := _loose(scene, path, open_bits, right)):
            return found
    return passed()


def _loose(scene: Scene, path: str, open_bits: int, right: int) -> Verdict | None:
    status = os.stat(path)
    foreign = status.st_uid not in (0, scene.account.uid)
    if not foreign and not status.st_mode & open_bits:
        return None
    fix = f"chmod {right:o} {path}"
    return warning(
        f"{path} is {_mode(path)}, owner uid {status.st_uid}.",
        expected=f"{right:04o}, owned by {' or '.join(dict.fromkeys(('root', scene.account.name)))}",
        why="It holds the runner's token: who reads it takes this runner's jobs and their secrets."
        if right == PRIVATE
        else "Who may change it decides what jobs may do on this host.",
        fix=f"chown {scene.account.name} {path} && {fix}" if foreign else fix,
        repair=None if foreign else Repair(what=fix, do=lambda: os.chmod(path, right)),
    )


@check("runner.config.folder", "gitlab-runner can note beside config.toml which host this is")
def folder(scene: Scene) -> Verdict:
    """`.runner_system_id`: without it GitLab sees a new host after each start."""
    place = os.path.dirname(scene.config)
    noted = os.path.join(place, ".runner_system_id")
    if not os.path.isdir(place):
        raise Skip("there is no such folder")
    if os.path.exists(noted) or scene.world.may(place, os.W_OK | os.X_OK):
        return passed(place)
    return note(
        f"{scene.account.name} may not write in {place}, and there is no .runner_system_id.",
        why="GitLab takes this host for a new one after each start of the service, and lists it ever more often.",
        fix=f"install -o {scene.account.name} -m 600 /dev/null {noted}   # and restart gitlab-runner",
    )


@check("runner.config.executor", "config.toml has a [[runners]] with the custom executor")
def executor(scene: Scene) -> Verdict:
    """One whose jobs come to this driver."""
    tables = scene.table.get("runners")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        found = f"{scene.config} has no [[runners]]."
    elif any(table.get("executor") == "custom" for table in tables):
        if scene.runner and scene.runner not in (table.get("name") for table in tables):
            found = f"{scene.config} has no [[runners]] with name = {scene.runner!r}."
        else:
            return passed()
    else:
        kinds = ", ".join(sorted({str(table.get("executor", "none")) for table in tables}))
        found = f'No [[runners]] of {scene.config} has executor = "custom" (found: {kinds}).'
    return error(
        found,
        expected='[[runners]] with executor = "custom" and [runners.custom]',
        why="gitlab-runner does not call this driver.",
        fix=f"executor register --config {scene.config} --url https://GITLAB",
    )


@check("runner.config.values", "The values of config.toml can work")
def values(scene: Scene) -> Verdict:
    """Everything that the driver refuses at a job's begin."""
    scene.sections  # noqa: B018 (whether there are any is another check's to tell)
    try:
        loaded = scene.loaded
    except OperatorError as failure:
        if "executor.toml" in failure.what:
            raise Skip("executor.toml is broken") from None
        return error(
            _sentence(failure),
            expected="values that the driver and Docker accept",
            why="Every job fails at its begin.",
            fix=failure.fix or f"correct that line of {scene.config}",
        )
    told = [text for text in loaded.warnings if "executor.toml" not in text.split(":")[0]]
    if not told:
        return passed()
    return warning(
        " ".join(told),
        expected="keys that gitlab-runner and the driver know",
        why="What is misspelt is not in force: a limit or an allow-list may be missing.",
        fix=f"correct {scene.config}",
    )


@check("runner.executor_toml", "executor.toml can be read, and its values can work")
def executor_toml(scene: Scene) -> Verdict:
    """The driver's own file beside config.toml."""
    path = os.path.join(os.path.dirname(scene.config), "executor.toml")
    if not os.path.lexists(path) or not os.path.isfile(scene.config):
        raise Skip("there is no executor.toml beside a config.toml")
    if os.path.exists(path) and not scene.world.may(path, os.R_OK):
        return error(
            f"{scene.account.name} may not read {path} ({_mode(path)}).",
            expected=f"readable for {scene.account.name}",
            why="Every job fails in config.",
            fix=f"chown {scene.account.name} {path}",
        )
    try:
        settings = load_executor_settings(scene.config)
    except OperatorError as failure:
        return error(
            _sentence(failure),
            expected=f"the keys of {EXECUTOR_KEYS}",
            why="Every job fails at its begin.",
            fix=failure.fix or f"correct that line of {path}",
        )
    if not settings.warnings:
        return passed(path)
    return warning(
        " ".join(settings.warnings),
        expected=f"the keys of {EXECUTOR_KEYS}",
        why="What is misspelt is not in force: the default holds in its place.",
        fix=f"correct {path}",
    )


@check("runner.config.url", "config.toml names GitLab's address")
def url(scene: Scene) -> Verdict:
    """As GitLab showed it when the runner was made."""
    scene.sections  # noqa: B018 (another check tells)
    written = scene.written_url
    if is_address(written) and not is_placeholder(written):
        return passed(written)
    found = "is still that of the example" if is_address(written) else "is missing or no address of a web server"
    return error(
        f"`url` of [[runners]] {found}.",
        expected='url = "https://GITLAB"',
        why="gitlab-runner cannot ask for jobs.",
        fix=f"editor {scene.config}   # url = the address of your GitLab",
    )


@check("runner.config.token", "config.toml holds the runner's token")
def token(scene: Scene) -> Verdict:
    """Its shape only; GitLab says whether it is valid."""
    scene.sections  # noqa: B018 (another check tells)
    if not has_token(scene.token):
        found = "is missing" if not scene.token else "is still that of the example"
    elif scene.token.startswith("GR1348941"):
        found = "is a registration token, not the runner's own"
    elif scene.token != scene.token.strip() or " " in scene.token:
        found = "has blanks in it"
    else:
        return passed()
    return error(
        f"`token` of [[runners]] {found}.",
        expected="the token that GitLab shows once when the runner is created (glrt-...)",
        why="GitLab gives no jobs to a runner that it does not know.",
        fix=f"editor {scene.config}   # token = the runner's; a new one: Settings > CI/CD > Runners",
    )


@check("runner.config.concurrent", "config.toml allows at least one job at a time")
def concurrent(scene: Scene) -> Verdict:
    """gitlab-runner ends at once with less."""
    allowed = scene.table.get("concurrent", 1)
    if isinstance(allowed, int) and not isinstance(allowed, bool) and allowed >= 1:
        return passed(f"concurrent = {allowed}")
    return error(
        f"concurrent = {allowed!r} in {scene.config}.",
        expected="a whole number of 1 or more",
        why="gitlab-runner refuses to start with it.",
        fix=f"editor {scene.config}   # concurrent = 4",
    )


@check("runner.config.interval", "GitLab is asked for jobs often enough")
def interval(scene: Scene) -> Verdict:
    """`check_interval`, in seconds; 0 is the default of 3."""
    seconds = scene.table.get("check_interval", 0)
    if not isinstance(seconds, int) or seconds <= LONGEST_INTERVAL_SECONDS:
        return passed(f"check_interval = {seconds}")
    return warning(
        f"check_interval is {seconds} s.",
        expected=f"{LONGEST_INTERVAL_SECONDS} s or less",
        why="Each job waits so long before it is taken.",
        fix=f"editor {scene.config}   # check_interval = 3",
    )


@check("runner.config.output_limit", "Job logs are not cut off early")
def output_limit(scene: Scene) -> Verdict:
    """`output_limit`, in KiB; 4096 by default."""
    limit = scene.section.get("output_limit", 0)
    if not isinstance(limit, int) or limit <= 0 or limit >= LEAST_OUTPUT_KIB:
        return passed()
    return warning(
        f"output_limit is {limit} KiB.",
        expected=f"{LEAST_OUTPUT_KIB} or more (4096 is the default)",
        why="Logs end before the place where a job fails.",
        fix=f"editor {scene.config}   # leave output_limit out",
    )


@check("runner.config.shell", "Jobs' scripts are written for bash or sh")
def shell(scene: Scene) -> Verdict:
    """The driver runs no others."""
    chosen = scene.section.get("shell", "")
    if chosen in SHELLS:
        return passed(f"shell = {chosen or 'bash'}")
    return error(
        f"shell = {chosen!r} in [[runners]].",
        expected='shell = "bash"',
        why="The runner sends scripts that no container of a job can run.",
        fix=f'editor {scene.config}   # shell = "bash"',
    )


@check("runner.config.dirs", "Jobs have folders for builds and caches")
def dirs(scene: Scene) -> Verdict:
    """The driver tells the runner of them in its `config` phase; without that they must be written down."""
    missing = [key for key in ("builds_dir", "cache_dir") if not scene.section.get(key)]
    if not missing:
        return passed()
    if scene.hooks.get("config_exec"):
        return note(f"{' and '.join(missing)} is not set: jobs get {', '.join(DEFAULT_DIRS[key] for key in missing)}.")
    verb = "is" if len(missing) == 1 else "are"
    return error(
        f"{' and '.join(missing)} of [[runners]] {verb} missing, and so is config_exec.",
        expected='builds_dir = "/builds", cache_dir = "/cache"',
        why="gitlab-runner fails each job before it calls the driver.",
        fix=f'editor {scene.config}   # builds_dir = "/builds", cache_dir = "/cache"',
    )


@check("runner.config.pull_policy", "Every pull policy of the runner is allowed")
def pull_policy(scene: Scene) -> Verdict:
    """`pull_policy` must have a word in common with `allowed_pull_policies`."""
    docker = scene.settings.docker
    policies, allowed = docker.pull_policy or ("always",), docker.allowed_pull_policies
    if not allowed or set(policies) & set(allowed):
        return passed(", ".join(policies))
    return error(
        f"pull_policy is {', '.join(policies)}, but allowed_pull_policies only {', '.join(allowed)}.",
        expected="at least one pull policy that is allowed",
        why="A job that asks for no policy of its own fails in prepare.",
        fix=f'editor {scene.config}   # allowed_pull_policies = ["{policies[0]}", ...]',
    )


@check("runner.config.tls", "The certificates that config.toml names are there")
def tls(scene: Scene) -> Verdict:
    """`tls-ca-file` and its companions."""
    named = {key: scene.section.get(key) for key in ("tls-ca-file", "tls-cert-file", "tls-key-file")}
    bad = {key: path for key, path in named.items() if path and not _readable(scene, path)}
    if not bad:
        return passed()
    key, path = next(iter(bad.items()))
    return error(
        f"{key} = {path} is missing, or {scene.account.name} may not read it.",
        expected="a readable PEM file",
        why="gitlab-runner cannot speak to GitLab over TLS.",
        fix=f"put the certificate at {path}, or correct {key} in {scene.config}",
    )


@check("runner.config.names", "Custom runners of one config.toml can be told apart")
def names(scene: Scene) -> Verdict:
    """Several custom runners need names of their own, and tokens of their own."""
    found = scene.table.get("runners")
    tables = [table for table in found if isinstance(table, dict)] if isinstance(found, list) else []
    tokens = [token for table in tables if has_token(token := str(table.get("token") or ""))]
    named = [str(table.get("name")) for table in tables if table.get("executor") == "custom"]
    if len(set(tokens)) == len(tokens) and len(set(named)) == len(named):
        return passed()
    what = "token" if len(set(tokens)) < len(tokens) else "name"
    return warning(
        f"Two [[runners]] of {scene.config} have the same {what}.",
        expected=f"a {what} of its own for each",
        why="The driver cannot tell whose settings a job is to get; slots and folders collide.",
        fix=f"create one runner in GitLab for each [[runners]], and correct {scene.config}",
    )


@check("runner.config.privileged", "Privileged containers are bounded to some images")
def privileged(scene: Scene) -> Verdict:
    """Only worth knowing: it may be what the operator wants."""
    docker = scene.settings.docker
    if not docker.privileged or docker.allowed_privileged_images or scene.settings.policy:
        return passed()
    return note(
        "privileged = true for every job: each of them may take over this host.",
        why="Who may push to a project may become root here.",
        fix=f'editor {scene.config}   # allowed_privileged_images = ["docker:*-dind"]',
    )


def _readable(scene: Scene, path: Any) -> bool:
    return isinstance(path, str) and os.path.isfile(path) and scene.world.may(path, os.R_OK)


def _sentence(failure: OperatorError) -> str:
    return " ".join(part for part in (failure.what, failure.cause) if part)


def _mode(path: str) -> str:
    return f"{stat.S_IMODE(os.stat(path).st_mode):04o}"
