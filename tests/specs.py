"""Specs made by dice from a CRD's own schema: right, and wrong in one or two places.

What places there are, and their bounds, comes from the schema, so a field that is added tomorrow is tried
tomorrow. The words that a text may be are in the tables below: what makes a text right stands in CEL rules,
from which nobody can make texts.
"""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

Json = dict[str, Any]
Path_ = tuple[str, ...]

CRDS: Final = Path(__file__).parents[1] / "crds"

_DURATIONS: Final = ("1s", "59s", "5m", "1h30m", "100h", "168h", "720h", "721h", "2562047h", "2562048h")
_SIZES: Final = ("1", "1Ki", "512Mi", "1536Mi", "20Gi", "5G", "1e9", "4095Pi", "3Ei", "4Ei", "1.5Gi", "512m")
_FITTING: Final[dict[str, tuple[Any, ...]]] = {
    "computeTime": (*_DURATIONS, "Unlimited"),
    "activeTime": (*_DURATIONS, "Unlimited"),
    "suspendAfter": (*_DURATIONS, "Never"),
    "historyRetention": ("0s", *_DURATIONS),
    "storagePerBranch": (*_SIZES, "Unlimited"),
    "writtenData": (*_SIZES, "Unlimited"),
    "dataTransfer": (*_SIZES, "Unlimited"),
    "minCU": (0.25, 0.5, 1, 4),
    "maxCU": (0.25, 2, 3, 8, 16, 56),
    "region": ("aws-us-east-2", "aws-eu-central-1", "aws-mars-1"),
    "regions": (["aws-us-east-2"], ["aws-eu-central-1", "aws-us-east-2"], ["aws-mars-1"]),
    "postgresVersion": (14, 17, 18),
    "postgresVersions": ([17], [18, 17], [14, 15, 16, 17, 18]),
    "database": ("app", "_", "x" * 57, "select"),
    "name": ("login", "x" * 253, "a.b"),
    "labels": ({"team": "a"}, {"team": "x" * 63}, {"team": ""}),
    "annotations": ({"example.com/a": "ünïcode 🦄\n"}, {"a": "x" * 1024}, {}),
    "extra": (
        {"DATABASE_URL": "{pooled_uri}"},
        {"a.b-c_": "ünï 🦄 \x7f"},
        {"X": "{uri}{password}"},
        {"X": ""},
    ),
    "matchLabels": ({"kubernetes.io/metadata.name": "elsewhere"}, {"plan": ""}),
}
"""What a field of this name may well be, and what is just beyond it."""

TEXTS: Final = (
    *(
        "",
        " ",
        "a",
        "app",
        "../x",
        "x/status",
        "..",
        "%2e%2e%2f",
        "{uri}",
        "{uri.__class__}",
        "}{",
        "${HOME}",
    ),
    *("ünïcode", "🦄", "\u202eevil", "\x00", "\n", "a\nb", "'; DROP TABLE x; --", "null", "true", "NaN", "٣"),
    *("0", "-1", "1e99", "99999999999999999999", "99999999999999h", "-1h", "1d"),
    *("x" * 63, "x" * 253, "x" * 254, "x" * 5000, "ü" * 63),
)
NUMBERS: Final = (
    *(-(2**63), -(2**31), -1, 0, 1, 0.5, 0.3, 1e-9, 99, 100, 101),
    *(2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 1e308),
)
OTHERS: Final[tuple[Any, ...]] = (None, True, False, "1", 1, [], {}, [None], {"a": None}, {"": ""}, [[]])
"""Of a type that may not be the right one."""


@dataclass(frozen=True)
class Place:
    """Where something may stand in a spec."""

    path: Path_
    schema: Json


def of_crd(plural: str) -> Json:
    """The schema of the spec of a kind."""
    crd = yaml.safe_load((CRDS / f"{plural}.neontenants.io.yaml").read_text())
    spec: Json = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return spec


def places(schema: Json, path: Path_ = ()) -> list[Place]:
    """All places of a spec with this schema, the spec itself among them."""
    found = [Place(path, schema)]
    for name, inner in schema.get("properties", {}).items():
        found += places(inner, (*path, name))
    return found


def changed(spec: Json, schema: Json, dice: random.Random) -> tuple[Json, str]:
    """The spec with one or two places changed, and words that say which."""
    all_places = places(schema)
    known = [place for place in all_places if place.path and place.path[-1] in _FITTING]
    result: Any = copy.deepcopy(spec)
    said = []
    for _ in range(1 if dice.random() < 0.7 else 2):
        place = dice.choice(known if dice.random() < 0.4 else all_places)
        match dice.choices(("value", "fitting", "gone", "unknown"), (4, 5, 1, 1))[0]:
            case "gone" if place.path:
                said.append(f"without {'.'.join(place.path)}")
                result = _without(result, place.path)
            case "unknown":
                key = dice.choice(("teir", "ünknown", "__proto__", "x" * 300, "$ref"))
                said.append(f"with an unknown field in {'.'.join(place.path) or 'spec'}")
                result = _with(result, (*place.path, key), dice.choice(OTHERS + TEXTS))
            case way:
                value = _value(place, dice, fitting=way == "fitting")
                said.append(f"{'.'.join(place.path) or 'spec'}={str(value)[:80]!r}")
                result = _with(result, place.path, value)
    return result, ", ".join(said)


def _value(place: Place, dice: random.Random, *, fitting: bool) -> Any:
    name = place.path[-1] if place.path else ""
    schema = place.schema
    pool: list[Any] = list(schema.get("enum", ()))
    if fitting:
        pool += _FITTING.get(name, ())
        if "minimum" in schema:
            pool += [schema["minimum"], schema["maximum"], (schema["minimum"] + schema["maximum"]) // 2]
    if not pool or not fitting:
        pool += _near(schema, dice)
    return copy.deepcopy(dice.choice(pool))


def _near(schema: Json, dice: random.Random) -> list[Any]:
    """What is not far from right: of the type, within and beyond its bounds; and some of other types."""
    other = [dice.choice(OTHERS)]
    match schema.get("type"):
        case "string":
            return [*other, dice.choice(TEXTS), dice.choice(TEXTS), "x" * (schema.get("maxLength", 99) + 1)]
        case "integer" | "number":
            beyond = [schema[b] + d for b, d in (("minimum", -1), ("maximum", 1)) if b in schema]
            return [*other, dice.choice(NUMBERS), dice.choice(NUMBERS), *beyond]
        case "boolean":
            return [True, False, *other]
        case "array":
            item = dice.choice(TEXTS + NUMBERS)
            return [*other, [item], [item, item], [item] * (schema.get("maxItems", 99) + 1)]
        case _:
            text = dice.choice(TEXTS)
            many = {f"k{n}": text for n in range(schema.get("maxProperties", 99) + 1)}
            return [*other, {text: dice.choice(TEXTS)}, {f"neontenants.io/{text}": text}, many, {}]


def _with(spec: Any, path: Path_, value: Any) -> Any:
    if not path:
        return value
    inside = dict(spec) if isinstance(spec, dict) else {}
    return {**inside, path[0]: _with(inside.get(path[0]), path[1:], value)}


def _without(spec: Any, path: Path_) -> Any:
    if not isinstance(spec, dict) or path[0] not in spec:
        return spec
    if len(path) == 1:
        return {key: value for key, value in spec.items() if key != path[0]}
    return {**spec, path[0]: _without(spec[path[0]], path[1:])}
