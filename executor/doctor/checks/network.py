"""The way to GitLab, through name servers and proxies."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from executor.doctor.model import Skip, Verdict, check, error, note, passed, warning
from executor.doctor.scene import proxies_in
from executor.doctor.web import Unreachable

if TYPE_CHECKING:
    from executor.doctor.scene import Scene

LOOPBACK = ("localhost", "127.0.0.1", "::1")
NO_JOBS = "gitlab-runner gets no jobs, and none can send its log."
REDIRECTIONS = (301, 302, 303, 307, 308)
RESOLV_CONF = "/etc/resolv.conf"


@check("network.dns.servers", "The host's name servers answer")
def dns_servers(scene: Scene) -> Verdict:
    """At least one of /etc/resolv.conf."""
    servers = _name_servers(scene)
    if not servers:
        found = f"{RESOLV_CONF} names no name server."
    elif answering := _answering(scene, servers):
        return passed(", ".join(servers)) if answering[0] == servers[0] else _slow_dns(servers[0], answering[0])
    else:
        found = f"No name server answers ({', '.join(servers)})."
    return error(
        found,
        expected="a name server that answers",
        why="GitLab, registries and caches are not found, by this host or by jobs.",
        fix=("resolvectl status   # or cat /etc/resolv.conf", "systemctl restart systemd-resolved"),
    )


@check("network.dns.gitlab", "GitLab's name is known here")
def dns_gitlab(scene: Scene) -> Verdict:
    """As the runner asks for it."""
    if scene.proxies(scene.url):
        raise Skip("a proxy looks the name up")
    try:
        return passed(", ".join(scene.gitlab_addresses))
    except Unreachable as trouble:
        if not _answering(scene, _name_servers(scene)):
            raise Skip("no name server answers") from None
        return error(
            f"GitLab is not found: {trouble.text}.",
            expected="an address for the host of `url`",
            why=NO_JOBS,
            fix=(f"getent hosts {scene.gitlab_host}", f"correct url in {scene.config}, or the name server's entry"),
        )


@check("network.gitlab.reachable", "GitLab answers")
def gitlab_reachable(scene: Scene) -> Verdict:
    """Over TCP, through the proxy where there is one."""
    try:
        scene.gitlab  # noqa: B018 (for its failure)
    except Unreachable as trouble:
        if trouble.kind in ("tls", "dns") and not scene.proxies(scene.url):
            raise Skip("another check tells") from None
        if scene.proxies(scene.url) and _dead_proxy(scene):
            raise Skip("the proxy does not answer") from None
        return error(
            f"{_shown(scene.url)} cannot be reached: {trouble.text}.",
            expected="an answer within 2 s",
            why=NO_JOBS,
            fix=(f"curl -v {_shown(scene.url)}/", "see the firewall, the proxy of the service, and GitLab itself"),
        )
    return passed(_shown(scene.url))


@check("network.gitlab.tls", "GitLab's certificate is trusted")
def gitlab_tls(scene: Scene) -> Verdict:
    """By the host, or by `tls-ca-file`."""
    if not scene.url.startswith("https:"):
        raise Skip("url is not https")
    try:
        scene.gitlab  # noqa: B018 (for its failure)
    except Unreachable as trouble:
        if trouble.kind != "tls":
            raise Skip("GitLab does not answer") from None
        return error(
            f"TLS to {_shown(scene.url)} fails: {trouble.text}.",
            expected="a valid certificate of an authority that this host trusts",
            why=NO_JOBS,
            fix=(
                f"openssl s_client -connect {scene.gitlab_host}:{urlsplit(scene.url).port or 443} </dev/null",
                f"renew it, or set tls-ca-file in {scene.config}",
            ),
        )
    return passed()


@check("network.gitlab.api", "What answers at `url` is GitLab")
def gitlab_api(scene: Scene) -> Verdict:
    """Its runners' API."""
    answer = scene.gitlab_answer()
    if answer.status in REDIRECTIONS:
        raise Skip("it leads to another address")
    if answer.status == 404 or (answer.status < 300 and not _is_json(answer.body)):
        return error(
            f"{_shown(scene.url)} is no GitLab: {answer.status} for its runners' API.",
            expected="GitLab's own address, with its path where it has one",
            why=NO_JOBS,
            fix=f"editor {scene.config}   # url as GitLab shows it under Settings > CI/CD > Runners",
        )
    if answer.status >= 500:
        return error(
            f"GitLab answers {answer.status}.",
            expected="an answer below 500",
            why=NO_JOBS,
            fix="see GitLab's own state; `gitlab-ctl status` where it is yours",
        )
    if answer.status == 429:
        return warning(
            "GitLab answers 429: too many requests from here.",
            expected="fewer requests",
            why="Jobs are taken late, and parts of their logs arrive late.",
            fix=f"editor {scene.config}   # raise check_interval",
        )
    return passed()


@check("network.gitlab.redirect", "`url` is GitLab's own address")
def gitlab_redirect(scene: Scene) -> Verdict:
    """A redirection turns POST into GET, and costs each request another."""
    answer = scene.gitlab_answer()
    if answer.status not in REDIRECTIONS:
        return passed()
    came = urlsplit(answer.headers.get("location", ""))
    there = f"{came.scheme}://{came.hostname}" if came.hostname else "another address"
    return error(
        f"{_shown(scene.url)} leads to {there} ({answer.status}).",
        expected=f'url = "{there}"',
        why="gitlab-runner loses what it posts on the way: it gets no jobs.",
        fix=f'editor {scene.config}   # url = "{there}"',
    )


@check("network.gitlab.token", "GitLab knows this runner's token")
def gitlab_token(scene: Scene) -> Verdict:
    """As `gitlab-runner verify` asks."""
    from executor.doctor.scene import has_token

    if not has_token(scene.token):
        raise Skip("config.toml has no token")
    answer = scene.gitlab_answer()
    if answer.status not in (401, 403):
        if answer.status in (200, 201):
            return passed()
        raise Skip("GitLab does not say")
    return error(
        f"GitLab refuses the runner's token ({answer.status}): it was revoked, has expired, or the runner was deleted.",
        expected="a runner that GitLab knows",
        why="gitlab-runner gets no jobs: they stay pending.",
        fix=("create a runner: Settings > CI/CD > Runners", f"editor {scene.config}   # token = the new one"),
    )


@check("network.gitlab.loopback", "Jobs can reach GitLab under the same name")
def gitlab_loopback(scene: Scene) -> Verdict:
    """In a container, localhost is the container."""
    addresses = [scene.gitlab_host]
    with contextlib.suppress(Unreachable):
        addresses += scene.gitlab_addresses
    if not any(one in LOOPBACK or one.startswith("127.") for one in addresses) or scene.section.get("clone_url"):
        return passed()
    return note(
        f"GitLab is at {scene.gitlab_host}, which in a container is the container itself.",
        why="Jobs cannot clone, nor send artifacts.",
        fix=f"editor {scene.config}   # url (and clone_url) with the host's own name or address",
    )


@check("network.proxy", "The proxies of the service answer")
def proxy(scene: Scene) -> Verdict:
    """HTTP_PROXY, HTTPS_PROXY of the service."""
    named = {key: value for key, value in proxies_in(scene.account.environment).items() if key != "no"}
    if not named:
        raise Skip("the service uses no proxy")
    dead = _dead_proxy(scene)
    if not dead:
        return passed()
    return error(
        f"{dead}; nothing answers there.",
        expected="a proxy that answers",
        why="gitlab-runner and the driver reach neither GitLab nor registries.",
        fix="systemctl edit gitlab-runner   # [Service] Environment=HTTPS_PROXY=..., or take it out",
    )


def _name_servers(scene: Scene) -> list[str]:
    rows = [line.split() for line in scene.world.read(RESOLV_CONF).splitlines()]
    return [row[1] for row in rows if len(row) > 1 and row[0] == "nameserver"]


def _answering(scene: Scene, servers: list[str]) -> list[str]:
    """Those of the first two that say anything: the resolver asks no more of them in time."""

    def ask() -> list[str]:
        return [server for server in servers[:2] if scene.world.name_server_answers(server.partition("%")[0])]

    found: list[str] = scene.facts.once("name servers", ask)
    return found


def _slow_dns(silent: str, answering: str) -> Verdict:
    return warning(
        f"The first name server, {silent}, does not answer; {answering} does.",
        expected="a first name server that answers",
        why="Every look-up of this host and of jobs waits 5 s for it.",
        fix=f"editor {RESOLV_CONF}   # take {silent} out (or out of systemd-resolved's settings)",
    )


def _dead_proxy(scene: Scene) -> str:
    """The first proxy of the service that does not answer, in words; "" where all do."""

    def ask() -> str:
        for scheme, address in proxies_in(scene.account.environment).items():
            parts = urlsplit(address if "://" in address else f"http://{address}")
            host, port = parts.hostname or "", parts.port or 80
            if scheme != "no" and (not host or not scene.world.port_answers(host, port)):
                return f"{scheme.upper()}_PROXY of the service is {host or 'no address'}:{port}"
        return ""

    dead: str = scene.facts.once("dead proxy", ask)
    return dead


def _shown(url: str) -> str:
    """The address without a password that may be in it."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"


def _is_json(body: bytes) -> bool:
    return not body or body.lstrip()[:1] in (b"{", b"[")
