"""What is generated in the charts is up to date, and says what the models say."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from generators import chart_files, schemas, values
from neon_tenants.settings import Settings

REQUIRED = {"cluster_id": "test", "api_key_file": "/key"}


def test_the_generated_files_of_the_charts_are_up_to_date() -> None:
    stale = [str(path) for path, content in chart_files.files().items() if path.read_text() != content]
    assert stale == [], "run `make charts`"


def test_a_value_without_a_comment_is_found() -> None:
    text = "# Said.\na: 1\nb:\n  # Said.\n  c: 1\n  d: 2\n"
    with pytest.raises(values.UndocumentedError, match=r"b\.d has no comment"):
        values.documented(text)


@pytest.mark.parametrize("chart", [chart_files.OPERATOR, chart_files.TIERS], ids=lambda chart: chart.name)
def test_the_schema_knows_each_value_and_no_other(chart: Any) -> None:
    written = yaml.safe_load((chart / "values.yaml").read_text())
    schema = json.loads((chart / "values.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.Draft7Validator(schema).validate(written)
    # Helm adds `global` to the values of a chart that is part of another one.
    assert schema["properties"].keys() - {"global"} == written.keys()
    assert schema["additionalProperties"] is False
    for name, part in schema["properties"].items():
        if name not in {"global", "settings"} and "properties" in part and written[name]:
            assert part["properties"].keys() == written[name].keys(), name
            assert part["additionalProperties"] is False


def test_each_setting_is_a_value_or_set_by_the_chart() -> None:
    properties = schemas.settings()["properties"]
    assert set(properties) == {to_camel(name) for name in Settings.model_fields}
    refused = {name for name, each in properties.items() if each.get("deprecated")}
    assert refused == {to_camel(name) for name in schemas.SET_BY_THE_CHART}


TRIED: list[Any] = [
    -1,
    0,
    1,
    9,
    10,
    250,
    257,
    999_999_999,
    0.5,
    True,
    "x",
    "https://neon.example",
    "INFO",
    [],
]
VALUES = [name for name in Settings.model_fields if name not in schemas.SET_BY_THE_CHART]


@pytest.mark.parametrize("name", VALUES)
def test_the_schema_refuses_what_the_operator_would_refuse(name: str) -> None:
    """The operator reads text; a wrong address, and times that do not fit each other, it refuses itself."""
    schema = schemas.settings()["properties"][to_camel(name)]
    for given in TRIED:
        text = given if isinstance(given, str) else json.dumps(given)
        try:
            Settings.model_validate({**REQUIRED, "intent_lifetime": "3600", name: text})
        except ValidationError as error:
            (problem,) = error.errors()
            accepted = problem["type"] == "value_error"
        else:
            accepted = True
        by_schema = jsonschema.Draft7Validator(schema).is_valid(given)
        assert accepted or not by_schema, given
        if accepted and isinstance(given, str) and schema["type"] == "string":
            assert by_schema, given
