"""Services: reached by their names, told what they may know, explained when they do not come up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.jobs import Job, variable

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.runner import GitLabRunner

pytestmark = pytest.mark.runner

# A request over bash's own sockets: the job's image has no client.
_GET = "exec 3<>/dev/tcp/{host}/8080; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; head -n1 <&3"


def _service(name: str, **options: Any) -> dict[str, Any]:
    return {"name": name, **options}


def test_two_services_answer_to_their_aliases(runner: GitLabRunner, image: Callable[[str], str]) -> None:
    name = image("virida-executor/test-service")
    record = runner.run(
        Job(
            script=[_GET.format(host=host) for host in ("web", "www", "second")],
            after_script=[_GET.format(host="web")],
            services=[_service(name, alias="web,www"), _service(name, alias="second")],
        )
    )
    assert record.outcome == ("success", None, None), record.trace
    assert record.section("step_script").count("200 OK") == 3
    assert "200 OK" in record.section("after_script")


def test_a_service_answers_to_its_image_name(runner: GitLabRunner, image: Callable[[str], str]) -> None:
    name = image("virida-executor/test-service")
    hosts = ("virida-executor-test-service", "virida-executor__test-service")
    record = runner.run(Job(script=[_GET.format(host=host) for host in hosts], services=[name]))
    assert record.outcome == ("success", None, None), record.trace
    assert record.section("step_script").count("200 OK") == 2


def test_the_job_waits_for_a_slow_service(runner: GitLabRunner, image: Callable[[str], str]) -> None:
    slow = _service(image("virida-executor/test-service"), alias="slow", variables=[variable("START_DELAY", "2")])
    record = runner.run(Job(script=[_GET.format(host="slow")], services=[slow]))
    assert record.outcome == ("success", None, None), record.trace


def test_a_service_that_ends_is_a_warning_with_its_log(runner: GitLabRunner, image: Callable[[str], str]) -> None:
    broken = _service(image("virida-executor/test-service"), alias="broken", variables=[variable("EXIT_CODE", "7")])
    record = runner.run(Job(script=["echo the job goes on"], services=[broken]))
    assert record.outcome == ("success", None, None), record.trace
    assert "WARNING" in record.section("prepare_executor")
    assert "broken" in record.section("prepare_executor") or "test-service" in record.section("prepare_executor")
    assert "\nthe job goes on\n" in record.section("step_script")


def test_two_jobs_at_once_have_services_of_their_own(runner: GitLabRunner, image: Callable[[str], str]) -> None:
    name = image("virida-executor/test-service")
    jobs = [Job(script=[_GET.format(host="web"), "sleep 1"], services=[_service(name, alias="web")]) for _ in "ab"]
    for record in [runner.submit(job) for job in jobs]:
        assert record.wait().outcome == ("success", None, None), record.trace
