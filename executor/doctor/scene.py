"""The host as checks see it: its files, its settings, its Engine, its GitLab."""

from __future__ import annotations

import os
import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from executor.doctor.facts import Facts, fact
from executor.doctor.model import Skip
from executor.doctor.web import Request, Response, Unreachable
from executor.engine.endpoint import Endpoint, find_endpoint
from executor.errors import ExecutorError, OperatorError
from executor.settings import folders
from executor.settings.document import Document, read_document
from executor.settings.load import load_executor_settings, load_settings
from executor.settings.model import Settings
from executor.settings.token import expand_environment, shorten_token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executor.doctor.account import Account, Unit
    from executor.doctor.processes import Process
    from executor.doctor.world import Ran, World

PHASES = ("config", "prepare", "run", "cleanup")
PLACEHOLDER_HOSTS = ("example.com", "example.org", "example.net")


class Scene:
    """One host and one config.toml. Facts raise `Skip` where what they need is broken: another check tells of that."""

    def __init__(self, world: World, config: str, runner: str | None = None, *, process: Process | None = None) -> None:
        self.world = world
        self.config = config
        self.runner = runner
        self.process = process
        self.facts = Facts()

    @property
    def account(self) -> Account:
        """Who runs jobs."""
        return self.world.account

    @fact
    def document(self) -> Document:
        """config.toml, parsed. OperatorError where that fails."""
        return read_document(self.config)

    @fact
    def table(self) -> dict[str, Any]:
        """The content of config.toml."""
        try:
            return self.document.table
        except OperatorError:
            raise Skip("config.toml cannot be read") from None

    @fact
    def sections(self) -> list[dict[str, Any]]:
        """The `[[runners]]` that this driver works for: the named one, else all custom ones."""
        tables = self.table.get("runners")
        custom = [
            table
            for table in (tables if isinstance(tables, list) else [])
            if isinstance(table, dict)
            and table.get("executor") == "custom"
            and self.runner in (None, table.get("name"))
        ]
        if not custom:
            raise Skip("config.toml has no [[runners]] with the custom executor")
        return custom

    @fact
    def section(self) -> dict[str, Any]:
        """The first of them: the one that is looked at closely."""
        return self.sections[0]

    @fact
    def hooks(self) -> dict[str, Any]:
        """Its `[runners.custom]`."""
        custom = self.section.get("custom")
        return custom if isinstance(custom, dict) else {}

    @fact
    def settings(self) -> Settings:
        """The settings as far as they can be read, else defaults: a broken file must not hide the rest of the host."""
        settings = self._readable_settings()
        storage = replace(settings.storage, state_dir=settings.storage.state_dir or self._default_state_dir())
        return replace(settings, storage=storage)

    @fact
    def loaded(self) -> Settings:
        """The settings as a job gets them. OperatorError where it would not."""
        named = self.runner or self._runner_of_hooks()
        return load_settings(config=self.config, runner=named, short_token=self._short_token())

    @fact
    def state_dir(self) -> str:
        """The driver's folder."""
        return folders.state_dir(self.settings)

    @fact
    def builds_dir(self) -> str:
        """The folder of working copies."""
        return folders.builds_dir(self.settings)

    @fact
    def cache_dir(self) -> str:
        """The folder of the runner's own archives."""
        return folders.cache_dir(self.settings)

    @fact
    def cache_store(self) -> str:
        """The folder of caches that are mounted."""
        return folders.cache_store(self.settings)

    @fact
    def temporary_dir(self) -> str:
        """Where the runner makes a folder for each attempt."""
        return self.account.environment.get("TMPDIR") or "/tmp"  # noqa: S108 (Go's own default)

    @fact
    def runner_binary(self) -> str:
        """The gitlab-runner that helper containers get; "" where there is none."""
        running = self.process.executable if self.process else ""
        path = self.settings.helper.gitlab_runner or self.world.which("gitlab-runner") or running
        return path if os.path.isfile(path) else ""

    @fact
    def runner_told(self) -> Ran:
        """What it says of its version."""
        if not self.runner_binary:
            raise Skip("there is no gitlab-runner")
        return self.world.run((self.runner_binary, "--version"))

    @property
    def runner_version(self) -> str:
        """The version of gitlab-runner, such as `18.6.0`; "" where it does not tell."""
        try:
            told = self.runner_told
        except Skip:
            return ""
        found = re.search(r"^Version:\s*v?(\d+\.\d+\S*)", told.output, re.MULTILINE)
        return found[1] if found and told.code == 0 else ""

    @fact
    def unit(self) -> Unit | None:
        """The systemd unit of gitlab-runner."""
        return self.world.unit()

    @fact
    def concurrent(self) -> int:
        """Jobs at a time of these runners."""
        top = self.table.get("concurrent", 1)
        limits = [section.get("limit") or 0 for section in self.sections]
        bounds = [top if isinstance(top, int) else 1, *([sum(limits)] if all(limits) else [])]
        return max(1, min(bounds))

    @fact
    def token(self) -> str:
        """The runner's token: for GitLab alone, never shown."""
        token = self.section.get("token")
        return expand_environment(token, self.account.environment) if isinstance(token, str) else ""

    @fact
    def url(self) -> str:
        """GitLab's address, with scheme and host, without a slash at its end. Skip where there is no usable one."""
        url = self.written_url
        if not is_address(url) or is_placeholder(url):
            raise Skip("config.toml names no GitLab")
        return url

    @fact
    def written_url(self) -> str:
        """`url` as config.toml has it, expanded."""
        url = self.section.get("url")
        return expand_environment(url, self.account.environment).rstrip("/") if isinstance(url, str) else ""

    @fact
    def gitlab_host(self) -> str:
        """The host of GitLab's address."""
        return urlsplit(self.url).hostname or ""

    @fact
    def gitlab(self) -> Response:
        """GitLab's answer to the question whether it knows this runner. `Unreachable` where there is none."""
        self.gitlab_addresses  # noqa: B018 (a name that nobody knows is told as such, and not waited for twice)
        if not has_token(self.token):
            return self.fetch(Request(url=f"{self.url}/api/v4/version"))
        body = {"token": self.token, **({"system_id": self.system_id} if self.system_id else {})}
        return self.fetch(
            Request(url=f"{self.url}/api/v4/runners/verify", method="POST", body=urlencode(body).encode())
        )

    @fact
    def gitlab_addresses(self) -> list[str]:
        """The addresses of GitLab; none are asked for where a proxy finds them. `Unreachable` where nobody knows it."""
        return [] if self.proxies(self.url) else self.world.resolve(self.gitlab_host)

    @fact
    def system_id(self) -> str:
        """What tells this host from others of the same token: the runner has written it when it first ran."""
        return self.world.read(os.path.join(os.path.dirname(self.config), ".runner_system_id")).strip()

    @fact
    def endpoint(self) -> Endpoint:
        """Where the service looks for the Engine."""
        return find_endpoint(self.settings.docker, self.account.environment)

    @fact
    def timed_version(self) -> tuple[dict[str, Any], float]:
        """The Engine's /version, and after how many seconds it came. ExecutorError where it does not answer."""
        began = time.monotonic()
        answer = self.world.ask(self.endpoint, "GET", "/version")
        return (answer if isinstance(answer, dict) else {}), time.monotonic() - began

    @property
    def version(self) -> dict[str, Any]:
        """The Engine's /version. ExecutorError where it does not answer."""
        return self.timed_version[0]

    @fact
    def info(self) -> dict[str, Any]:
        """The Engine's /info."""
        return self.ask_table("/info")

    @fact
    def docker_root(self) -> str:
        """The Engine's data, where it is on this host."""
        root = str(self.info.get("DockerRootDir") or "")
        if not self.endpoint.local or not os.path.isdir(root):
            raise Skip("the Engine's data is not on this host")
        return root

    def answering_version(self) -> dict[str, Any]:
        """/version; Skip where the Engine does not answer."""
        try:
            return self.version
        except ExecutorError:
            raise Skip("the Docker Engine does not answer") from None

    def ask(self, path: str, method: str = "GET", body: Any = None) -> Any:
        """A call of the Engine; Skip where it does not answer in time. EngineError where it refuses."""
        from executor.engine.client import EngineError

        self.answering_version()
        try:
            return self.world.ask(self.endpoint, method, path, body)
        except EngineError:
            raise
        except ExecutorError:
            raise Skip("the Docker Engine does not answer") from None

    def ask_table(self, path: str) -> dict[str, Any]:
        """GET of what is to be an object; Skip where it is none."""
        answer = self.ask(path)
        if not isinstance(answer, dict):
            raise Skip("the Docker Engine does not say")
        return answer

    def ask_tables(self, path: str) -> list[dict[str, Any]]:
        """GET of what is to be a list of objects; what is none is left out."""
        answer = self.ask(path)
        return [entry for entry in answer if isinstance(entry, dict)] if isinstance(answer, list) else []

    def fetch(self, request: Request) -> Response:
        """An HTTP request as the service would make it: with its proxies, and the authority that config.toml names."""
        ca_file = self.section.get("tls-ca-file")
        trusted = ca_file if isinstance(ca_file, str) and os.path.isfile(ca_file) else ""
        return self.world.fetch(replace(request, proxies=self.proxies(request.url), ca_file=trusted))

    def gitlab_answer(self) -> Response:
        """GitLab's answer; Skip where there is none."""
        try:
            return self.gitlab
        except Unreachable:
            raise Skip("GitLab does not answer") from None

    def proxies(self, url: str) -> Mapping[str, str]:
        """The proxies of the service for this address, by scheme; none where NO_PROXY says so."""
        found = proxies_in(self.account.environment)
        host = urlsplit(url).hostname or ""
        if goes_without_proxy(host, found.get("no", "")):
            return {}
        return {scheme: proxy for scheme, proxy in found.items() if scheme == urlsplit(url).scheme}

    def _readable_settings(self) -> Settings:
        try:
            return self.loaded
        except OperatorError:
            pass
        try:
            return load_executor_settings(self.config if os.path.isfile(self.config) else None)
        except OperatorError:
            return Settings()

    def _runner_of_hooks(self) -> str | None:
        """The `--runner` of the section's own arguments: with several custom runners each names itself."""
        try:
            words = option_words(self.hooks.get("prepare_args"))
        except Skip:
            return None
        return words.get("--runner")

    def _short_token(self) -> str | None:
        """What tells the driver at a job which of several runners has taken it."""
        try:
            return shorten_token(self.token) or None
        except Skip:
            return None

    def _default_state_dir(self) -> str:
        if self.account.uid == 0:
            return "/var/lib/virida-executor"
        base = self.account.environment.get("XDG_STATE_HOME", "")
        return os.path.join(base if base.startswith("/") else f"{self.account.home}/.local/state", "virida-executor")


def option_words(arguments: Any) -> dict[str, str]:
    """`--config` and `--runner` of a hook's arguments."""
    words = [word for word in arguments if isinstance(word, str)] if isinstance(arguments, list) else []
    found: dict[str, str] = {}
    for index, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in ("--config", "--runner"):
            found[name] = value if equals else (words[index + 1] if index + 1 < len(words) else "")
    return found


def proxies_in(environment: Mapping[str, str]) -> dict[str, str]:
    """The proxies of an environment by scheme, and under `no` what goes without: in either case, as in Go."""
    names = {"http": "HTTP_PROXY", "https": "HTTPS_PROXY", "no": "NO_PROXY"}
    found = {key: environment.get(name) or environment.get(name.lower()) or "" for key, name in names.items()}
    return {key: value for key, value in found.items() if value}


def goes_without_proxy(host: str, exceptions: str) -> bool:
    """Whether NO_PROXY names the host: itself, a domain above it, or `*`; addresses stand for themselves."""
    names = [name.strip().lower().removeprefix("*").lstrip(".") for name in exceptions.split(",") if name.strip()]
    if "*" in [name.strip() for name in exceptions.split(",")] or host in ("localhost", "127.0.0.1", "::1"):
        return True
    return any(host == name.partition(":")[0] or host.endswith(f".{name}") for name in names if name)


def is_address(url: str) -> bool:
    """Whether this is an address of a web server."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def is_placeholder(url: str) -> bool:
    """Whether nobody has put the real address in yet."""
    host = urlsplit(url).hostname or ""
    return any(host == name or host.endswith(f".{name}") for name in PLACEHOLDER_HOSTS)


def has_token(token: str) -> bool:
    """Whether somebody has put a token in."""
    lowered = token.lower()
    return bool(token) and not any(word in lowered for word in ("replace", "your_token", "your-token", "token_here"))
