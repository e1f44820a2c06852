"""`cache:`, one or a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executor.pipeline.keywords import remark_unknown
from executor.pipeline.model import CacheSpec
from executor.pipeline.problems import invalid
from executor.pipeline.yaml_nodes import ListNode, MapNode, as_bool, as_map, as_string, as_strings, as_text, one_of

if TYPE_CHECKING:
    from executor.pipeline.problems import Remarks
    from executor.pipeline.yaml_nodes import Node

POLICIES = ("pull-push", "push", "pull")
WHEN = ("on_success", "on_failure", "always")
MAX_CACHES = 4
MAX_KEY_FILES = 2
MAX_FALLBACK_KEYS = 5
_KEYS = ("key", "paths", "untracked", "policy", "when", "fallback_keys")
_INERT = {"unprotect": "local jobs do not separate protected branches"}


def read_caches(node: Node, label: str, remarks: Remarks) -> tuple[CacheSpec, ...]:
    """The caches of a job; an empty map or list switches the cache off."""
    items = node.items if isinstance(node, ListNode) else (node,)
    if len(items) > MAX_CACHES:
        raise invalid(node.at, f"{label} config no more than {MAX_CACHES} caches can be created")
    maps = [as_map(item, label) for item in items]
    return tuple(_read(item, label, remarks) for item in maps if item.fields)


def _read(node: MapNode, label: str, remarks: Remarks) -> CacheSpec:
    remark_unknown(node, "cache", _KEYS, _INERT, remarks)
    key, files, prefix = _key(node.get("key"), f"{label}:key", remarks)
    paths, untracked, when = node.get("paths"), node.get("untracked"), node.get("when")
    return CacheSpec(
        key=key,
        key_files=files,
        key_prefix=prefix,
        fallback_keys=_fallback_keys(node, label),
        paths=() if paths is None else as_strings(paths, f"{label}:paths"),
        untracked=untracked is not None and as_bool(untracked, f"{label}:untracked"),
        policy=_policy(node.get("policy"), label),
        when="on_success" if when is None else one_of(when, f"{label} when", WHEN),
    )


def _key(node: Node | None, label: str, remarks: Remarks) -> tuple[str, tuple[str, ...], str]:
    """Key, files and prefix. `files_commits` names files too, whose commits instead of contents make the key."""
    if node is None:
        return "default", (), ""
    if not isinstance(node, MapNode):
        return as_text(node, label), (), ""
    remark_unknown(node, "key", ("files", "files_commits", "prefix"), {}, remarks)
    files, prefix = node.get("files") or node.get("files_commits"), node.get("prefix")
    if files is None:
        raise invalid(node.at, f"{label} config missing required keys: files")
    names = as_strings(files, f"{label}:files")
    if not 1 <= len(names) <= MAX_KEY_FILES:
        raise invalid(files.at, f"{label}:files config has to have 1 to {MAX_KEY_FILES} items")
    return "default", names, "" if prefix is None else as_text(prefix, f"{label}:prefix")


def _fallback_keys(node: MapNode, label: str) -> tuple[str, ...]:
    value = node.get("fallback_keys")
    keys = () if value is None else as_strings(value, f"{label}:fallback_keys")
    if len(keys) > MAX_FALLBACK_KEYS:
        raise invalid(
            node.position("fallback_keys"), f"{label}:fallback_keys has to have at most {MAX_FALLBACK_KEYS} items"
        )
    return keys


def _policy(node: Node | None, label: str) -> str:
    """The policy; a variable is left for later, when the job's variables are known."""
    if node is None:
        return "pull-push"
    word = as_string(node, f"{label}:policy")
    return word if "$" in word else one_of(node, f"{label} policy", POLICIES)
