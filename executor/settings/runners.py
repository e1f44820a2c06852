"""Which `[[runners]]` of config.toml is meant, and what it says."""

from __future__ import annotations

from executor.errors import OperatorError
from executor.settings import checks
from executor.settings.model import RunnerSettings
from executor.settings.schema import read_table
from executor.settings.token import expand_environment, shorten_token

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from executor.settings.document import Document
    from executor.settings.lines import KeyPath


def read_runner(document: Document, name: str | None, short_token: str | None) -> RunnerSettings:
    """The chosen runner's settings, or defaults with a warning where the file has no `[[runners]]` at all."""
    tables = _runner_tables(document)
    if not tables and not name:
        document.warn((), "there is no [[runners]] in it: the defaults apply.")
        return RunnerSettings()
    index = _choose(document, tables, name, short_token)
    return _read(tables[index], ("runners", index), document)


def _runner_tables(document: Document) -> list[dict[str, Any]]:
    tables = document.table.get("runners", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise document.error(("runners",), "runners must be a list of sections: [[runners]].")
    return tables


def _choose(document: Document, tables: list[dict[str, Any]], name: str | None, short_token: str | None) -> int:
    """The index of the runner that is meant; OperatorError where more than one may be."""
    indexes = [index for index, table in enumerate(tables) if not name or table.get("name") == name]
    if name and not indexes:
        raise _no_such_runner(document, tables, name)
    custom = [index for index in indexes if tables[index].get("executor") == "custom"]
    candidates = custom or indexes
    if len(candidates) > 1 and short_token:
        candidates = [index for index in candidates if _short_token(tables[index]) == short_token]
    if len(candidates) != 1:
        raise _ambiguous(document, [tables[index] for index in custom or indexes], name)
    if not custom:
        kind = tables[candidates[0]].get("executor") or ""
        document.warn(("runners", candidates[0], "executor"), f'the executor of this runner is "{kind}", not "custom".')
    return candidates[0]


def _short_token(table: dict[str, Any]) -> str:
    token = table.get("token")
    return shorten_token(expand_environment(token)) if isinstance(token, str) else ""


def _read(table: dict[str, Any], path: KeyPath, document: Document) -> RunnerSettings:
    values = read_table(RunnerSettings, table, path, document, derived=("short_token",))
    values = {key: value for key, value in values.items() if value != ""}
    checks.check_values(checks.RUNNER, values, path, document)
    if "docker" in values:
        checks.check_docker(vars(values["docker"]), (*path, "docker"), document)
    if "cache" in values and values["cache"].type == "s3":
        from executor.settings.buckets import warn_of_bucket

        warn_of_bucket(values["cache"].s3, (*path, "cache", "s3"), document)
    _warn_of_unknown_hooks(table, path, document)
    values["url"] = expand_environment(values.get("url", ""))
    return RunnerSettings(short_token=_short_token(table), **values)


def _warn_of_unknown_hooks(table: dict[str, Any], path: KeyPath, document: Document) -> None:
    """A misspelt phase in `[runners.custom]` is a phase that is never called."""
    from executor.settings.known import CUSTOM

    custom = table.get("custom")
    for key in custom if isinstance(custom, dict) else ():
        if key.lower() not in CUSTOM:
            from executor.settings.explain import unknown_key

            document.warn((*path, "custom", key), unknown_key(key, "runners.custom", CUSTOM))


def _no_such_runner(document: Document, tables: list[dict[str, Any]], name: str) -> OperatorError:
    from executor.settings.explain import did_you_mean

    names = _names(tables)
    return OperatorError(
        f'{document.path} has no [[runners]] with name = "{name}".{did_you_mean(name, names)}',
        fix=f"It has {', '.join(names)}: correct --runner." if names else "Correct --config or --runner.",
    )


def _ambiguous(document: Document, tables: list[dict[str, Any]], name: str | None) -> OperatorError:
    if name:
        return OperatorError(
            f'{document.path} has {len(tables)} [[runners]] with name = "{name}".', fix="Give each its own name."
        )
    return OperatorError(
        f"{document.path} has {len(tables)} [[runners]] that may be meant: {', '.join(_names(tables))}.",
        fix="Add --runner NAME, in config_args, prepare_args, run_args and cleanup_args of each [runners.custom].",
    )


def _names(tables: list[dict[str, Any]]) -> list[str]:
    return [str(table.get("name") or "(no name)") for table in tables]
