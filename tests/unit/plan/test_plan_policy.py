"""`[[policy]]` of executor.toml: which rule holds, what it refuses, and that it never gives more than config.toml."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from executor.errors import JobError, OperatorError
from executor.job.model import Image, Variable
from executor.job.variables import job_variables
from executor.plan.model import Plan
from executor.plan.plan import make_plan
from executor.settings.model import DockerSettings, PolicySettings, RunnerSettings, ServiceSettings, Settings
from tests.unit.job.builders import job
from tests.unit.plan.builders import ADDED, HOST

GIGA = 1024**3


def plan(
    *policy: PolicySettings, asked: dict[str, Any] | None = None, variables: tuple[Variable, ...] = (), **docker: Any
) -> Plan:
    """The plan of a job of `group/app` that `asked` changes, under `policy` and `[runners.docker]`."""
    wanted = job(*variables, **(asked or {}))
    settings = Settings(
        runner=RunnerSettings(short_token="abcDEF_12", docker=DockerSettings(**docker)),
        policy=policy,
        executor_file="/etc/gitlab-runner/executor.toml",
    )
    return make_plan(wanted, settings, replace(HOST, variables=job_variables(wanted, ADDED)))


def image(name: str) -> dict[str, Any]:
    return {"image": Image(name=name)}


# patterns, protected of the rule, path and protected of the job, whether it holds
_FITS = {
    "no patterns are all projects": ((), None, "any/thing", False, True),
    "one level": (("group/*",), None, "group/app", False, True),
    "not two levels": (("group/*",), None, "group/sub/app", False, False),
    "all levels": (("group/**",), None, "group/sub/app", False, True),
    "another group": (("group/**",), None, "groups/app", False, False),
    "one of several": (("a/b", "group/{app,web}"), None, "group/web", False, True),
    "letters of either case": (("Group/**",), None, "group/App", False, True),
    "protected alone": ((), True, "group/app", True, True),
    "protected alone, and it is not": ((), True, "group/app", False, False),
    "unprotected alone": ((), False, "group/app", False, True),
    "unprotected alone, and it is protected": ((), False, "group/app", True, False),
    "a path that begins like another": (("group/app",), None, "group/app2", False, False),
}


@pytest.mark.parametrize(("projects", "protected", "path", "is_protected", "holds"), _FITS.values(), ids=_FITS.keys())
def test_which_jobs_a_rule_is_for(
    projects: tuple[str, ...], protected: bool | None, path: str, is_protected: bool, holds: bool
) -> None:
    rule = PolicySettings(name="it", projects=projects, protected=protected)
    made = plan(rule, asked={"project_path": path, "protected": is_protected})
    assert made.rule == ('"it"' if holds else "")


def test_the_first_rule_that_fits_holds_alone() -> None:
    rules = (
        PolicySettings(projects=("other/**",), deny=True),
        PolicySettings(projects=("group/**",), images=("debian:*",)),
        PolicySettings(deny=True),
    )
    assert plan(*rules).rule == "number 2"


def test_a_last_rule_for_all_denies_what_no_other_fits() -> None:
    rules = (PolicySettings(projects=("virida/**",)), PolicySettings(name="nobody else", deny=True))
    with pytest.raises(JobError) as refused:
        plan(*rules)
    assert refused.value.what == "Jobs of group/app are not allowed on this runner."
    assert '"nobody else"' in refused.value.cause
    assert "executor.toml" in refused.value.fix


def test_without_rules_nothing_changes() -> None:
    assert plan(privileged=True).build.host_config["Privileged"] is True


def test_variables_of_a_job_choose_no_rule() -> None:
    forged = (
        Variable(key="CI_PROJECT_PATH", value="trusted/app"),
        Variable(key="CI_COMMIT_REF_PROTECTED", value="true"),
    )
    rules = (PolicySettings(projects=("trusted/**",)), PolicySettings(protected=True), PolicySettings(deny=True))
    with pytest.raises(JobError):
        plan(*rules, variables=forged)


# deny_images, image, whether it is denied
_DENIED = {
    "the name itself": ("ruby", "ruby", True),
    "any tag of the name": ("ruby", "ruby:3", True),
    "the complete name": ("ruby", "docker.io/library/ruby:3", True),
    "the registry's other names": ("ruby", "index.docker.io/library/ruby", True),
    "the registry's name in capitals": ("ruby", "DOCKER.IO/library/ruby", True),
    "a digest": ("ruby", "ruby@sha256:" + "a" * 64, True),
    "a pattern of the complete name": ("docker.io/library/ruby", "ruby", True),
    "one tag": ("ruby:2.*", "ruby:2.7", True),
    "one tag, written in full": ("ruby:2.*", "docker.io/library/ruby:2.7", True),
    "one tag, with a digest": ("ruby:2.*", "ruby:2.7@sha256:" + "a" * 64, True),
    "another tag": ("ruby:2.*", "ruby:3.0", False),
    "latest is no tag at all": ("ruby:latest", "ruby", True),
    "a name of two levels": ("kali*/**", "kalilinux/kali-rolling", True),
    "the default port": ("registry.example.com/secret/**", "registry.example.com:443/secret/app", True),
    "another registry": ("ruby", "registry.example.com/ruby", False),
    "another name": ("ruby", "jruby", False),
    "an id, which has no name": ("ruby", "sha256:" + "a" * 64, True),
}


@pytest.mark.parametrize(("pattern", "name", "denied"), _DENIED.values(), ids=_DENIED.keys())
def test_a_denied_image_is_denied_however_it_is_written(pattern: str, name: str, denied: bool) -> None:
    rule = PolicySettings(deny_images=(pattern,))
    if not denied:
        plan(rule, asked=image(name))
        return
    with pytest.raises(JobError, match="is denied for jobs of group/app on this runner"):
        plan(rule, asked=image(name))


# images, image, whether it is allowed
_ALLOWED = {
    "the same": ("debian:12", "debian:12", True),
    "written in full": ("debian:12", "docker.io/library/debian:12", True),
    "latest is no tag at all": ("debian:*", "debian", True),
    "no tag is latest alone": ("debian", "debian:12", False),
    "another": ("debian:*", "ubuntu:24.04", False),
    "the name in another registry": ("debian:*", "evil.example.com/library/debian:12", False),
    "an id": ("debian:*", "sha256:" + "a" * 64, False),
    "all": ("**", "evil.example.com/a/b:c", True),
}


@pytest.mark.parametrize(("pattern", "name", "allowed"), _ALLOWED.values(), ids=_ALLOWED.keys())
def test_only_allowed_images_are_allowed(pattern: str, name: str, allowed: bool) -> None:
    rule = PolicySettings(images=(pattern,))
    if allowed:
        plan(rule, asked=image(name))
        return
    with pytest.raises(JobError, match="is not allowed for jobs of group/app on this runner"):
        plan(rule, asked=image(name))


def test_a_denied_image_is_denied_even_if_it_is_allowed() -> None:
    with pytest.raises(JobError, match="is denied"):
        plan(PolicySettings(images=("**",), deny_images=("debian",)))


def test_config_tomls_own_list_holds_too() -> None:
    with pytest.raises(JobError, match="is not allowed on this runner"):
        plan(PolicySettings(images=("**",)), allowed_images=("ruby:*",))


def test_the_runners_own_default_image_and_services_are_not_judged() -> None:
    rule = PolicySettings(images=("virida/**",), deny_images=("debian",), services=())
    made = plan(rule, asked=image(""), image="debian:12", services=(ServiceSettings(name="redis:7"),))
    assert (made.build.image.name, len(made.services)) == ("debian:12", 1)


def test_a_variable_in_the_name_is_judged_by_its_value() -> None:
    with pytest.raises(JobError, match="'ruby:3' is denied"):
        plan(PolicySettings(deny_images=("ruby",)), asked=image("$X:3"), variables=(Variable(key="X", value="ruby"),))


@pytest.mark.parametrize("rule", [PolicySettings(services=("redis:*",)), PolicySettings(deny_services=("docker",))])
def test_services_have_lists_of_their_own(rule: PolicySettings) -> None:
    with pytest.raises(JobError) as refused:
        plan(rule, asked={"services": (Image(name="docker:dind"),)})
    assert "The service 'docker:dind' is" in refused.value.what
    assert "`services` or `deny_services` of number 1" in refused.value.fix


def test_no_rights_are_left_where_a_rule_takes_privileges() -> None:
    powers: dict[str, Any] = {
        "privileged": True,
        "services_privileged": True,
        "cap_add": ("SYS_ADMIN",),
        "devices": ("/dev/sda",),
        "device_cgroup_rules": ("c 1:1 rwm",),
        "pid_mode": "host",
        "ipcmode": "host",
        "userns_mode": "host",
        "security_opt": ("seccomp=unconfined", "label:disable", "no-new-privileges"),
        "services_devices": {"**": ("/dev/kvm",)},
    }
    made = plan(PolicySettings(privileged=False), asked={"services": (Image(name="redis:7"),)}, **powers)
    for container in (made.helper, made.build, made.services[0].container):
        assert container.host_config.keys() <= {"SecurityOpt", "LogConfig"}, container.role
        assert container.host_config.get("SecurityOpt", ["no-new-privileges"]) == ["no-new-privileges"]


def test_a_rule_gives_no_privileges() -> None:
    assert "Privileged" not in plan(PolicySettings(privileged=True)).build.host_config


# volumes of the rule, targets that are left
_VOLUMES = {
    "by target": (("/cache/**",), {"/cache/npm"}),
    "by source": (("/srv/**",), {"/data"}),
    "a name": (("shared",), {"/shared"}),
    "none": ((), set()),
    "a mode is no name": (("ro",), set()),
}


@pytest.mark.parametrize(("patterns", "left"), _VOLUMES.values(), ids=_VOLUMES.keys())
def test_volumes_that_no_pattern_matches_are_not_mounted(patterns: tuple[str, ...], left: set[str]) -> None:
    volumes = ("/cache/npm", "/srv/data:/data:ro", "shared:/shared", "/var/run/docker.sock:/var/run/docker.sock")
    own = {mount.target for mount in plan().build.mounts}
    made = plan(PolicySettings(volumes=patterns), volumes=volumes, volumes_from=("other:ro",))
    assert {mount.target for mount in made.build.mounts} == own | left
    assert "VolumesFrom" not in made.build.host_config


@pytest.mark.parametrize(("networks", "mode"), [(("host",), "host"), (("ci-*",), None), ((), None)])
def test_a_job_that_may_not_have_the_network_gets_one_of_its_own(networks: tuple[str, ...], mode: str | None) -> None:
    made = plan(PolicySettings(networks=networks), network_mode="host")
    assert made.helper.network_mode == (mode or (made.network and made.network.name))


# memory of config.toml, the rule's most, what there is
_MEMORY = {"none": ("", 2 * GIGA), "more": ("4g", 2 * GIGA), "less": ("1g", GIGA), "the same": ("2g", 2 * GIGA)}


@pytest.mark.parametrize(("memory", "left"), _MEMORY.values(), ids=_MEMORY.keys())
def test_memory_is_at_most_what_the_rule_says(memory: str, left: int) -> None:
    made = plan(
        PolicySettings(max_memory="2g"),
        asked={"services": (Image(name="redis:7"),)},
        memory=memory,
        service_memory=memory,
    )
    assert [c.host_config["Memory"] for c in (made.helper, made.build, made.services[0].container)] == [left] * 3


def test_swap_and_reservation_do_not_contradict_a_smaller_limit() -> None:
    made = plan(PolicySettings(max_memory="2g"), memory="8g", memory_swap="8g", memory_reservation="4g")
    limits = made.build.host_config
    assert (limits["Memory"], limits["MemorySwap"], limits["MemoryReservation"]) == (2 * GIGA,) * 3


@pytest.mark.parametrize(("cpus", "left"), [("", 1.5), ("3", 1.5), ("1", 1)])
def test_cpus_are_at_most_what_the_rule_says(cpus: str, left: float) -> None:
    assert plan(PolicySettings(max_cpus="1.5"), cpus=cpus).build.host_config["NanoCpus"] == left * 10**9


@pytest.mark.parametrize("key", ["projects", "deny_images", "services", "volumes"])
def test_a_pattern_that_could_never_match_is_the_operators_mistake(key: str) -> None:
    """Also in a rule for others: who reads the log is the first to see it."""
    lists: dict[str, Any] = {"projects": ("other/*",), key: ("{a,b",)}
    with pytest.raises(OperatorError, match=f"{key} of policy number 1 in /etc/gitlab-runner/executor.toml"):
        plan(PolicySettings(**lists))
