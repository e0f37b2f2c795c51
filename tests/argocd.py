"""Lua as Argo CD runs it: version 5.1, with `base`, `table` and a safe `os`, and no `string`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml
from lupa import lua51

from cluster import Object

FOLDER: Final = Path(__file__).parents[1] / "examples" / "gitops" / "argocd"

_SANDBOX: Final = """
string, io, debug, math, coroutine, python, loadstring, loadfile, dofile, load = nil
os = {time = os.time, date = os.date}
getmetatable("").__index = nil
"""


def customization(what: str, found: Object) -> str:
    """An entry of argocd-cm for an object's kind: `health` or `actions`."""
    config = yaml.safe_load((FOLDER / "argocd-cm.yaml").read_text())
    group = found["apiVersion"].split("/")[0]
    text: str = config["data"][f"resource.customizations.{what}.{group}_{found['kind']}"]
    return text


def run(script: str, found: Object) -> Any:
    """What a script returns for an object."""
    lua = lua51.LuaRuntime(unpack_returned_tuples=True)
    lua.execute(_SANDBOX)
    lua.globals()["obj"] = lua.table_from(found, recursive=True)
    return _python(lua.execute(script), lua51.lua_type)


def _python(value: Any, lua_type: Any) -> Any:
    """An empty table is a list, as in Argo CD."""
    if lua_type(value) != "table":
        return int(value) if isinstance(value, float) and value.is_integer() else value
    pairs = {key: _python(child, lua_type) for key, child in value.items()}
    if all(isinstance(key, int) for key in pairs):
        return [pairs[key] for key in sorted(pairs)]
    return pairs


def health(found: Object) -> tuple[str, str]:
    """Status and message. What is deleted Argo CD shows as Progressing, without asking the script."""
    if "deletionTimestamp" in found["metadata"]:
        return "Progressing", "Pending deletion"
    told = run(customization("health", found), found)
    return told["status"], told["message"]


def actions(found: Object) -> set[str]:
    """The actions that are offered."""
    offered = run(yaml.safe_load(customization("actions", found))["discovery.lua"], found)
    return {name for name, about in offered.items() if not about["disabled"]}


def all_actions(found: Object) -> set[str]:
    """The actions that are defined."""
    return {action["name"] for action in yaml.safe_load(customization("actions", found))["definitions"]}


def act(name: str, found: Object) -> Any:
    """What an action returns: the changed object, or what is to be done."""
    definitions = yaml.safe_load(customization("actions", found))["definitions"]
    (script,) = (action["action.lua"] for action in definitions if action["name"] == name)
    return run(script, found)


def merge_patch(old: Any, new: Any) -> Object:
    """What Argo CD sends for a changed object. An empty table stands for what was there (see `_python`)."""
    patch: Object = {key: None for key in old if key not in new}
    for key, value in new.items():
        if key in old and value == [] and old[key] == {}:
            continue
        if isinstance(value, dict) and isinstance(old.get(key), dict):
            if inner := merge_patch(old[key], value):
                patch[key] = inner
        elif key not in old or old[key] != value:
            patch[key] = value
    return patch
