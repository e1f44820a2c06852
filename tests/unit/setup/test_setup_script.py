"""scripts/install.sh: what it would do, and which keys it trusts. Nothing is installed here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[3]
needs_gpg = pytest.mark.skipif(not shutil.which("gpg"), reason="there is no gpg")


def bash(script: str) -> subprocess.CompletedProcess[str]:
    """A script that may use what scripts/lib/repositories.sh defines."""
    text = f"set -euo pipefail\nsource scripts/lib/system.sh\nsource scripts/lib/repositories.sh\n{script}"
    return subprocess.run(["bash", "-c", text], capture_output=True, text=True, cwd=HOUSE, timeout=60, check=False)


@pytest.fixture
def key(tmp_path: Path) -> tuple[Path, str]:
    """A new public key with a subkey, and its fingerprint."""
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--passphrase", ""]
    subprocess.run([*gpg, "--quick-generate-key", "nobody@example.invalid", "ed25519", "sign"], check=True)
    listed = subprocess.run([*gpg, "--with-colons", "-k"], capture_output=True, text=True, check=True).stdout
    fingerprint = next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr"))
    subprocess.run([*gpg, "--quick-add-key", fingerprint, "cv25519", "encrypt"], check=True)
    public = tmp_path / "key.asc"
    public.write_bytes(subprocess.run([*gpg, "--armor", "--export"], capture_output=True, check=True).stdout)
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)
    return public, fingerprint


@needs_gpg
def test_the_key_that_is_known_is_trusted(key: tuple[Path, str]) -> None:
    public, fingerprint = key
    assert bash(f"require_fingerprint {public} {fingerprint}").returncode == 0


@needs_gpg
def test_no_other_key_is_trusted(key: tuple[Path, str], tmp_path: Path) -> None:
    public, _ = key
    ended = bash(f'require_fingerprint {public} "$docker_fingerprint"')
    assert ended.returncode == 1
    assert "not trusted" in ended.stdout

    (tmp_path / "page.html").write_text("<html>")
    assert bash(f'require_fingerprint {tmp_path}/page.html "$runner_fingerprint"').returncode == 1


def test_a_repository_with_a_wrong_key_is_not_added(tmp_path: Path) -> None:
    """`fetch` is replaced: the network gives something else than the key."""
    script = f"""
      fetch() {{ echo something else; }}
      as_root() {{ echo "as root: $*" >>{tmp_path}/calls; }}
      add_repository docker https://example.invalid "$docker_fingerprint" "https://example.invalid stable main"
    """
    assert bash(script).returncode == 1
    assert not (tmp_path / "calls").exists()


@pytest.mark.parametrize(
    ("release", "supported"),
    [
        ("ubuntu 22.04", True),
        ("ubuntu 24.04", True),
        ("debian 12", True),
        ("debian 11", False),
        ("fedora 41", False),
        (" ", False),
    ],
)
def test_distributions(release: str, supported: bool) -> None:
    name, _, version = release.partition(" ")
    facts = f'distribution_fact() {{ case $1 in ID) echo "{name}" ;; VERSION_ID) echo "{version}" ;; esac; }}'
    assert (bash(f"{facts}\ndistribution_supported").returncode == 0) is supported


def test_where_docker_cannot_be_reached_the_distributions_own_is_taken() -> None:
    """The script's own functions, with the host's answers replaced."""
    functions = (HOUSE / "scripts/install.sh").read_text().partition("\ndry_run=\n")[0].partition("source scripts")[2]
    script = f"""
      source scripts{functions}
      engine_installed() {{ false; }}
      engine_runs() {{ true; }}
      commands_present() {{ false; }}
      reachable() {{ false; }}
      step() {{ echo "step $*"; }}
      provide_engine
      provide_runner
    """
    ended = bash(script)
    assert ended.returncode == 0, ended.stderr
    assert "download.docker.com cannot be reached" in ended.stdout
    assert "step Docker Engine, docker.io install_engine" in ended.stdout
    assert "packages.gitlab.com cannot be reached" in ended.stdout


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="there is no shellcheck")
def test_shellcheck() -> None:
    ended = subprocess.run(
        ["shellcheck", "-x", "scripts/install.sh"], capture_output=True, text=True, cwd=HOUSE, check=False
    )
    assert ended.stdout == ""
