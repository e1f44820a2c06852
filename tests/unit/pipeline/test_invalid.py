# ruff: noqa: E501 -- one line a case
"""Configurations that GitLab refuses: one error, with the line and GitLab's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from executor.errors import WRONG_CALL, UsageError, command_exit_code
from executor.pipeline.load import load_pipeline

if TYPE_CHECKING:
    from pathlib import Path

JOB = "job:\n  script: make\n"


def message(folder: Path, text: str) -> str:
    (folder / ".gitlab-ci.yml").write_text(text)
    with pytest.raises(UsageError) as caught:
        load_pipeline(folder, variables={"CI_COMMIT_BRANCH": "main"}, changes=None)
    assert command_exit_code(caught.value) == WRONG_CALL
    return caught.value.one_line().removeprefix(".gitlab-ci.yml:")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1: The file is empty Write at least one job with a `script`."),
        ("# nothing\n", "1: The file is empty Write at least one job with a `script`."),
        ("- a\n- b\n", "1: root config should be a hash"),
        (".hidden: {script: make}\n", "1: jobs config should contain at least one visible job"),
        (
            "a: 1\n---\nb: 2\n",
            "3: The file has more than one YAML document; only a `spec` header may stand before `---`",
        ),
        (
            "job:\n  script: [a\n",
            "3: Invalid YAML: expected ',' or ']', but got '<stream end>' while parsing a flow sequence",
        ),
        ("a: 1\n b: 2\n", "2: Invalid YAML: mapping values are not allowed here"),
        ("job: *missing\n", "1: Invalid YAML: found undefined alias 'missing'"),
        (
            "job:\n\tscript: make\n",
            "2: Invalid YAML: found character '\\t' that cannot start any token while scanning for the next token",
        ),
        ("job: &a\n  script: make\n  x: *a\n", "1: An alias contains itself"),
        ("variables:\n  DAY: 2024-01-31\n", "2: `2024-01-31` is a YAML date Put the value in quotes."),
        ("? [a]\n: b\n", "1: A key has to be a plain word, not a list or a map"),
        ("~: b\n", "1: A key is missing before the colon"),
        ("job:\n  <<: text\n", "2: `<<` takes a map or a list of maps"),
    ],
)
def test_yaml(tmp_path: Path, text: str, expected: str) -> None:
    assert message(tmp_path, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("job:\n  stage: test\n", "1: jobs:job config should implement the script:, run:, or trigger: keyword."),
        ("job:\n  scirpt: make\n", "1: jobs:job config should implement the script:, run:, or trigger: keyword. Did you mean `script`?"),
        ("stage: [a]\n", "1: jobs:stage config should implement the script:, run:, or trigger: keyword. Did you mean `stages`?"),
        (JOB + "  stage: deploi\n", "3: job job: chosen stage `deploi` does not exist; available stages are .pre, build, test, deploy, .post. Did you mean `deploy`?"),
        ("stages: [build]\n" + JOB, "2: job job: chosen stage `test` does not exist; available stages are .pre, build, .post."),
        ("stages: build\n" + JOB, "1: stages config should be an array of strings"),
        ("job:\n  script: 12\n", "2: jobs:job:script config should be a string or a nested array of strings up to 10 levels deep"),
        ("job:\n  script:\n    - a\n    - echo: b\n", "4: jobs:job:script config should be a string or a nested array of strings up to 10 levels deep A command with `: ` in it has to be quoted, or YAML reads it as a map."),
        ("job:\n  script: []\n", "2: jobs:job:script config can't be blank"),
        ("job:\n  script: [[[[[[[[[[[a]]]]]]]]]]]\n", "2: jobs:job:script config is nested more than 10 levels deep"),
        ("default:\n  imge: a\n" + JOB, "2: default config contains unknown keys: imge. Did you mean `image`?"),
        (JOB + "  inherit: {default: sometimes}\n", "3: jobs:job:inherit:default config should be a boolean or an array of strings"),
        (JOB + "  image: {entrypoint: [a]}\n", "3: jobs:job:image config missing required keys: name"),
        (JOB + "  image: 3.12\n", "3: jobs:job:image config should be a string Put the value in quotes."),
        (JOB + "  image: ''\n", "3: jobs:job:image config can't be blank"),
        (JOB + "  image: {name: a, entrypoint: sh}\n", "3: jobs:job:image:entrypoint config should be an array of strings"),
        (JOB + "  image: {name: a, pull_policy: often}\n", "3: jobs:job:image:pull_policy config should be one of: always, if-not-present, never"),
        (JOB + "  services: redis\n", "3: jobs:job:services config should be an array"),
        (JOB + "  variables: [A]\n", "3: jobs:job:variables config should be a hash of key value pairs, value can be a hash"),
        (JOB + "  variables: {A: [b]}\n", "3: jobs:job:variables:A config should be a string or a number"),
        (JOB + "  variables: {A: {value: a, description: b}}\n", "3: jobs:job:variables:A config uses invalid data keys: description."),
        ("variables: {A: {value: a, options: [b, c]}}\n" + JOB, "1: variables:A config value must be present in options"),
        (JOB + "  cache: {policy: pul}\n", "3: jobs:job:cache policy should be one of: pull-push, push, pull"),
        (JOB + "  cache: {key: {files: [a, b, c]}}\n", "3: jobs:job:cache:key:files config has to have 1 to 2 items"),
        (JOB + "  cache: [{}, {}, {}, {}, {}]\n", "3: jobs:job:cache config no more than 4 caches can be created"),
        (JOB + "  artifacts: {paths: dist}\n", "3: jobs:job:artifacts:paths config should be an array of strings"),
        (JOB + "  artifacts: {expire_in: soon}\n", "3: jobs:job:artifacts expire in should be a duration Write for example `1 week` or `never`."),
        (JOB + "  artifacts: {when: never}\n", "3: jobs:job:artifacts when should be one of: on_success, on_failure, always"),
        (JOB + "  allow_failure: yes please\n", "3: jobs:job:allow_failure config should be a boolean value"),
        (JOB + "  allow_failure: {codes: [1]}\n", "3: jobs:job:allow_failure config should be a boolean, or a hash with `exit_codes`"),
        (JOB + "  retry: 3\n", "3: jobs:job:retry config must be between 0 and 2"),
        (JOB + "  timeout: a while\n", "3: jobs:job:timeout config should be a duration Write for example `1h 30m`."),
        (JOB + "  tags: {a: b}\n", "3: jobs:job:tags config should be a string"),
        (JOB + "  when: never\n", "3: jobs:job when should be one of: on_success, on_failure, always, manual, delayed"),
        (JOB + "  when: delayed\n", "3: jobs:job start in should be a duration Add `start_in: 30 minutes`."),
        (JOB + "  environment: {url: a}\n", "3: jobs:job:environment name can't be blank"),
        (JOB + "  environment: {name: a, action: begin}\n", "3: jobs:job:environment action should be one of: start, stop, prepare, verify, access"),
        (JOB + "  parallel: 0\n", "3: jobs:job:parallel config must be between 1 and 200"),
        (JOB + "  parallel: two\n", "3: jobs:job:parallel config should be an integer"),
        (JOB + "  parallel: {matrix: []}\n", "3: jobs:job:parallel should be an integer, or a hash with `matrix` as an array of hashes"),
        (JOB + f"  parallel: {{matrix: [{{A: {list(range(20))}, B: {list(range(11))}}}]}}\n", "3: jobs:job:parallel:matrix config generates too many jobs (maximum is 200)"),
        (f"{'x' * 256}: {{script: make}}\n", f"1: jobs:{'x' * 40}... name is too long (maximum is 255 characters)"),
    ],
)  # fmt: skip
def test_keyword(tmp_path: Path, text: str, expected: str) -> None:
    assert message(tmp_path, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (JOB + "  extends: .none\n", "3: job: unknown keys in `extends` (.none)."),
        (".bsae: {}\n" + JOB + "  extends: .base\n", "4: job: unknown keys in `extends` (.base). Did you mean `.bsae`?"),
        (".a: {extends: .b}\n.b: {extends: .a}\n" + JOB + "  extends: .a\n", "1: .a: circular dependency detected in `extends`"),
        ("".join(f".a{i}: {{extends: .a{i + 1}}}\n" for i in range(12)) + ".a12: {}\n" + JOB, "11: .a10: nesting too deep in `extends`"),
        ("job:\n  script: !reference [.none, script]\n", "2: !reference [.none, script] could not be found."),
        (".a: {script: [a]}\njob:\n  script: !reference [.a, scrip]\n", "3: !reference [.a, scrip] could not be found. Did you mean `script`?"),
        ("job:\n  script: !reference [job, script]\n", "2: !reference [job, script] is part of a circular chain"),
        (".a: {x: !reference [.b, x]}\n.b: {x: !reference [.a, x]}\n" + JOB, "1: !reference [.b, x] is part of a circular chain"),
        ("job:\n  script: !reference [[a], b]\n", "2: `!reference` takes a list of keywords Write !reference [job, keyword]."),
        (JOB + "  rules: {if: $A}\n", "3: jobs:job:rules config should be an array of hashes"),
        (JOB + "  rules:\n    - if: $A == 'a\n", "4: jobs:job:rules:rule if invalid expression syntax: cannot read `'a`"),
        (JOB + "  rules:\n    - when: always\n    - iff: $A\n", "5: jobs:job:rules:rule config contains unknown keys: iff. Did you mean `if`?"),
        (JOB + "  rules: [{when: later}]\n", "3: jobs:job:rules:rule when should be one of: on_success, on_failure, always, never, manual, delayed"),
        (JOB + "  rules: [{changes: {compare_to: main}}]\n", "3: jobs:job:rules:rule:changes config missing required keys: paths"),
        (JOB + "  only: [main]\n  rules: [{when: always}]\n", "3: jobs:job config key may not be used with `rules`: only"),
        (JOB + "  only: main\n", "3: jobs:job:only has to be either an array of conditions or a hash"),
        (JOB + "  except: {branches: [a]}\n", "3: jobs:job:except config contains unknown keys: branches."),
        (JOB + "  only: {variables: [A == 1]}\n", "3: jobs:job:only:variables invalid expression syntax: cannot read `A == 1`"),
        ("workflow: {rules: [{when: manual}]}\n" + JOB, "1: workflow:rules:rule when should be one of: always, never"),
        ("workflow: {rules: [{needs: [a]}]}\n" + JOB, "1: workflow:rules:rule config contains unknown keys: needs."),
        ("include: {local: a.yml, rules: [{variables: {A: b}}]}\n" + JOB, "1: include:rules:rule config contains unknown keys: variables."),
        (JOB + "  rules: [{when: delayed}]\n", "3: jobs:job:rules:rule start in has to stand beside `when: delayed`, and only there"),
        (JOB + "  rules: [{start_in: 1h}]\n", "3: jobs:job:rules:rule start in has to stand beside `when: delayed`, and only there"),
        (JOB + "  rules: [{allow_failure: {exit_codes: 1}}]\n", "3: jobs:job:rules:rule:allow_failure config should be a boolean value"),
        ("include: {loacl: a.yml}\n" + JOB, "1: include config contains unknown keys: loacl. Did you mean `local`?"),
        ("include: {ref: main}\n" + JOB, "1: include config should have one of: local, project, remote, template, component"),
        ("include: a.txt\n" + JOB, "1: Included file `a.txt` does not have YAML extension!"),
    ],
)  # fmt: skip
def test_composition(tmp_path: Path, text: str, expected: str) -> None:
    assert message(tmp_path, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (JOB + "  needs: [biuld]\nbuild: {stage: build, script: make}\n", "3: job job: undefined need: biuld. Did you mean `build`?"),
        (JOB + "  needs: [later]\nlater: {stage: deploy, script: make}\n", "3: job job: need later is not defined in current or prior stages"),
        (JOB + "  needs: [job]\n", "3: The pipeline has circular dependencies: job -> job"),
        (JOB + "  needs: [other]\nother: {script: make, needs: [job]}\n", "4: The pipeline has circular dependencies: job -> other -> job"),
        (JOB + "  needs: [a, a]\na: {script: make}\n", "3: job has the following needs duplicated: a."),
        (JOB + "  needs: {job: a}\n", "3: jobs:job:needs config can only be a hash or an array"),
        (JOB + "  needs: [{artifacts: true}]\n", "3: jobs:job:needs:need job can't be blank"),
        (JOB + "  needs: [{jbo: a}]\n", "3: jobs:job:needs:need config contains unknown keys: jbo. Did you mean `job`?"),
        (JOB + "  needs: [{job: a, parallel: {matrix: [{X: '2'}]}}]\na: {script: make, parallel: {matrix: [{X: '1'}]}}\n", "3: job job: undefined need: a: [2]. Did you mean `a: [1]`?"),
        (JOB + "  needs: [gone]\ngone:\n  script: make\n  rules: [{when: never}]\n", "3: 'job' job needs 'gone' job, but 'gone' does not exist in the pipeline: a rule says `when: never` (.gitlab-ci.yml:6). To need a job that sometimes does not exist, add `optional: true`."),
        (JOB + "  dependencies: [none]\n", "3: job job: undefined dependency: none."),
        (JOB + "  dependencies: [later]\nlater: {stage: deploy, script: make}\n", "3: job job: dependency later is not defined in current or prior stages"),
        (JOB + "  needs: [a]\n  dependencies: [b]\na: {script: make}\nb: {script: make}\n", "4: jobs:job dependencies the b should be part of needs"),
    ],
)  # fmt: skip
def test_needs(tmp_path: Path, text: str, expected: str) -> None:
    assert message(tmp_path, text) == expected


def test_a_mistake_in_a_job_that_does_not_run_is_found(tmp_path: Path) -> None:
    text = JOB + "other:\n  script: make\n  rules: [{when: never}]\n  retry: 9\n"
    assert message(tmp_path, text) == "6: jobs:other:retry config must be between 0 and 2"


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^\.gitlab-ci\.yml:1: The file cannot be read: No such file or directory$"):
        load_pipeline(tmp_path, variables={}, changes=None)


def test_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / ".gitlab-ci.yml").write_bytes(b"job: \xff\xfe\n")
    with pytest.raises(UsageError, match="The file is not UTF-8 text"):
        load_pipeline(tmp_path, variables={}, changes=None)


def test_link_that_leads_out_of_the_repository(tmp_path: Path) -> None:
    (tmp_path / "secret.yml").write_text("a: {script: make}\n")
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "link.yml").symlink_to(tmp_path / "secret.yml")
    assert message(repository, "include: link.yml\n").startswith("1: Local file `link.yml` does not exist!")
