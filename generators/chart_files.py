"""What is generated in the charts, by `make charts`: the schemas of values and the tables of the READMEs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from generators import markdown, schemas
from generators.schemas import Schema
from generators.values import Value, documented

ROOT: Final = Path(__file__).parents[1]
OPERATOR: Final = ROOT / "helm" / "neon-tenant-operator"
TIERS: Final = ROOT / "helm" / "neon-tenant-tiers"


def files() -> dict[Path, str]:
    """Path -> content of what is generated, as it must be."""
    values = documented((OPERATOR / "values.yaml").read_text())
    tiers = documented((TIERS / "values.yaml").read_text())
    written = json.loads((OPERATOR / "values.schema.json").read_text())
    operator = schemas.of_the_operator(written, values)
    return {
        OPERATOR / "values.schema.json": _as_json(operator),
        OPERATOR / "README.md": _page(
            OPERATOR, {"values": _values(values, operator), "settings": _settings(schemas.settings())}
        ),
        TIERS / "values.schema.json": _as_json(schemas.of_the_tiers(tiers)),
        TIERS / "README.md": _page(TIERS, {"fields": _fields(schemas.tier())}),
    }


def _as_json(schema: Schema) -> str:
    return json.dumps(schema, indent=2) + "\n"


def _page(chart: Path, tables: dict[str, str]) -> str:
    """The README with its tables renewed, each between its two marks."""
    text = (chart / "README.md").read_text()
    for name, table in tables.items():
        begin, end = f"<!-- {name}: written by make charts -->\n", f"<!-- end of {name} -->"
        text = markdown.renewed(text, f"\n{table}\n", begin, end)
    return text


def _values(values: list[Value], schema: Schema) -> str:
    rows = [
        (f"`{v.name}`", kind(schemas.at(schema, v.path)), f"`{json.dumps(v.default)}`", v.description)
        for v in values
    ]
    return markdown.table(("value", "type", "default", "meaning"), rows)


def _settings(schema: Schema) -> str:
    rows = [
        (
            f"`settings.{name}`",
            kind(each),
            f"`{json.dumps(each['default'])}`" if "default" in each else "",
            each["description"],
        )
        for name, each in schema["properties"].items()
        if not each.get("deprecated")
    ]
    return markdown.table(("setting", "type", "default", "meaning"), rows)


def _fields(schema: Schema, above: str = "") -> str:
    return markdown.table(("field", "type", "meaning"), list(_rows(schema, above)))


def _rows(schema: Schema, above: str) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name, child in schema["properties"].items():
        needed = ", required" if name in schema.get("required", []) else ""
        found.append((f"`{above}{name}`", kind(child) + needed, child.get("description", "")))
        if "properties" in child:
            found += _rows(child, f"{above}{name}.")
    return found


def kind(schema: Schema) -> str:
    """What a value may be, in a few words."""
    types: Any = schema["type"]
    text = types if isinstance(types, str) else " or ".join(types)
    if "items" in schema:
        text = f"list of {kind(schema['items'])}"
    low, high = schema.get("minimum"), schema.get("maximum")
    if "exclusiveMinimum" in schema:
        return f"{text} above {schema['exclusiveMinimum']} to {high}"
    if low is not None and high is not None:
        return f"{text} from {low} to {high}"
    return text


def main() -> None:
    """Writes the generated files of both charts."""
    for path, content in files().items():
        path.write_text(content)


if __name__ == "__main__":
    main()
