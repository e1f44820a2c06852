"""config.toml.example and what `executor register` writes are one text."""

from __future__ import annotations

from pathlib import Path

from executor.setup.template import Registration, example, new_file, section_of

EXAMPLE = Path(__file__).parents[3] / "config.toml.example"
AGAIN = "open('config.toml.example', 'w').write(example())"


def test_the_example_is_what_is_registered() -> None:
    message = f'.venv/bin/python -c "from executor.setup.template import example; {AGAIN}"'
    assert EXAMPLE.read_text(encoding="utf-8") == example(), message


def test_a_section_differs_from_it_in_its_values_alone() -> None:
    registration = Registration(name="n", url="u", token="t", executor="/e", config="/c")
    written = (new_file() + section_of(registration)).splitlines()
    shown = EXAMPLE.read_text(encoding="utf-8").splitlines()[-len(written) :]

    different = [line.split("=")[0].strip() for line, other in zip(written, shown, strict=True) if line != other]
    phases = [f"{phase}_{key}" for phase in ("config", "prepare", "run", "cleanup") for key in ("exec", "args")]
    assert different == ["name", "url", "token", *phases]


def test_a_registration_does_not_show_its_token() -> None:
    assert "secret" not in repr(Registration(name="n", url="u", token="secret", executor="/e", config="/c"))
