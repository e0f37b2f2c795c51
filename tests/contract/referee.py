"""Holds requests and answers against Neon's published OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote

from openapi_schema_validator import OAS30Validator, oas30_format_checker

from contract import document

BASE_PATH = "/api/v2"
Query = Mapping[str, str | Iterable[str]] | Iterable[tuple[str, str]]
_METHODS = frozenset({"get", "put", "post", "delete", "patch"})


class ContractError(AssertionError):
    """A request or an answer that the document does not allow; the message says where."""


@dataclass(frozen=True)
class Operation:
    """One method on one path of the document."""

    method: str
    template: str
    pattern: re.Pattern[str]
    parameters: tuple[dict[str, Any], ...]
    request_body: dict[str, Any] | None
    responses: dict[str, dict[str, Any]]


class Referee:
    """Judges exchanges. Fields that the document does not name are offences: a typo hides behind them."""

    def __init__(self, specification: dict[str, Any]) -> None:
        self._specification = specification
        self._operations = sorted(self._read(), key=lambda operation: operation.template.count("{"))
        self._validators: dict[tuple[str, str, str], OAS30Validator] = {}

    @property
    def operations(self) -> dict[tuple[str, str], Operation]:
        """All operations by method and path template."""
        return {(operation.method, operation.template): operation for operation in self._operations}

    def find(self, method: str, path: str) -> Operation:
        """The operation that a request is for. Raises ContractError."""
        path = path.removeprefix(BASE_PATH)
        for operation in self._operations:
            if operation.method == method and operation.pattern.fullmatch(path):
                return operation
        raise ContractError(f"{method} {path} is not in the document")

    def check_request(self, method: str, path: str, query: Query = (), body: Any = None) -> Operation:
        """Raises ContractError for a request that the document does not allow. No body is None."""
        operation = self.find(method, path)
        problems = [
            *self._path_problems(operation, path.removeprefix(BASE_PATH)),
            *self._query_problems(operation, query),
            *self._body_problems(operation, body),
        ]
        _raise(f"{method} {path}", problems)
        return operation

    def check_response(self, method: str, path: str, status: int, body: Any = None) -> Operation:
        """Raises ContractError for an answer that the document does not allow. No body is None."""
        operation = self.find(method, path)
        where = f"{method} {operation.template} -> {status}"
        response = operation.responses.get(str(status))
        if response is None and status >= 400:
            response = operation.responses.get("default")
        if response is None:
            raise ContractError(f"{where}: the document has no such status")
        content = response.get("content")
        if content is None:
            _raise(where, [] if body is None else ["the document has no body here"])
            return operation
        schema = content["application/json"]["schema"]
        _raise(where, self._schema_problems(("response", where, ""), schema, body))
        return operation

    def check_exchange(
        self,
        method: str,
        path: str,
        query: Query = (),
        request_body: Any = None,
        status: int = 200,
        response_body: Any = None,
    ) -> Operation:
        """Checks both sides. Raises ContractError."""
        self.check_request(method, path, query, request_body)
        return self.check_response(method, path, status, response_body)

    def _read(self) -> Iterable[Operation]:
        for template, item in self._specification["paths"].items():
            shared = item.get("parameters", [])
            for method, operation in item.items():
                if method not in _METHODS:
                    continue
                parameters = [self._resolve(p) for p in (*shared, *operation.get("parameters", []))]
                body = operation.get("requestBody")
                yield Operation(
                    method=method.upper(),
                    template=template,
                    pattern=re.compile(re.sub(r"\\{[^}]*\\}", "([^/]+)", re.escape(template))),
                    parameters=tuple(parameters),
                    request_body=None if body is None else self._resolve(body),
                    responses={
                        str(status): self._resolve(response)
                        for status, response in operation["responses"].items()
                    },
                )

    def _path_problems(self, operation: Operation, path: str) -> Iterable[str]:
        match = operation.pattern.fullmatch(path)
        assert match is not None
        names = re.findall(r"{([^}]*)}", operation.template)
        by_name = {p["name"]: p for p in operation.parameters if p["in"] == "path"}
        for name, value in zip(names, match.groups(), strict=True):
            key = ("path", operation.template, name)
            for problem in self._schema_problems(key, by_name[name]["schema"], unquote(value)):
                yield f"path parameter {name}: {problem}"

    def _query_problems(self, operation: Operation, query: Query) -> Iterable[str]:
        given: dict[str, list[str]] = {}
        for name, value in query.items() if isinstance(query, Mapping) else query:
            given.setdefault(name, []).extend([value] if isinstance(value, str) else value)
        known = {p["name"]: p for p in operation.parameters if p["in"] == "query"}
        for name in given.keys() - known.keys():
            yield f"query parameter {name} is not in the document"
        for name, parameter in known.items():
            if name not in given:
                if parameter.get("required", False):
                    yield f"query parameter {name} is missing"
                continue
            schema = self._resolve(parameter["schema"])
            key = ("query", f"{operation.method} {operation.template}", name)
            for problem in self._schema_problems(key, schema, _typed(schema, given[name])):
                yield f"query parameter {name}: {problem}"

    def _body_problems(self, operation: Operation, body: Any) -> Iterable[str]:
        if operation.request_body is None:
            if body is not None:
                yield "the document has no body for this request"
            return
        if body is None:
            if operation.request_body.get("required", False):
                yield "the body is missing"
            return
        schema = operation.request_body["content"]["application/json"]["schema"]
        yield from self._schema_problems(
            ("request", f"{operation.method} {operation.template}", ""), schema, body
        )

    def _schema_problems(self, key: tuple[str, str, str], schema: dict[str, Any], value: Any) -> list[str]:
        validator = self._validators.get(key)
        if validator is None:
            validator = OAS30Validator(self._strict(schema), format_checker=oas30_format_checker)
            self._validators[key] = validator
        return [
            f"{'.'.join(map(str, error.absolute_path)) or 'body'}: {error.message}"
            for error in validator.iter_errors(value)
        ]

    def _strict(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The schema without references, and with objects that hold no more than what they name.

        `allOf` of objects becomes one object: each part alone would refuse the others' fields.
        """
        schema = self._resolve(schema)
        if "allOf" in schema:
            parts = [self._strict(part) for part in schema["allOf"]]
            merged = {name: value for name, value in schema.items() if name != "allOf"}
            for part in parts:
                merged = _merge(merged, part)
            schema = merged
        result = dict(schema)
        if "properties" in schema:
            result["properties"] = {
                name: self._strict(property_) for name, property_ in schema["properties"].items()
            }
            result.setdefault("additionalProperties", False)
        if isinstance(schema.get("additionalProperties"), dict):
            result["additionalProperties"] = self._strict(schema["additionalProperties"])
        if "items" in schema:
            result["items"] = self._strict(schema["items"])
        for name in ("oneOf", "anyOf"):
            if name in schema:
                result[name] = [self._strict(part) for part in schema[name]]
        return result

    def _resolve(self, part: dict[str, Any]) -> dict[str, Any]:
        """Follows references; what stands beside one counts for nothing in OpenAPI 3.0."""
        while "$ref" in part:
            _, *names = part["$ref"].split("/")
            part = self._specification
            for name in names:
                part = part[name]
        return part


@cache
def published() -> Referee:
    """The referee for Neon's published document. Raises document.NoDocumentError."""
    return Referee(document.load())


def _merge(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    merged = {**one, **other}
    if "properties" in one and "properties" in other:
        merged["properties"] = {**one["properties"], **other["properties"]}
    if "required" in one or "required" in other:
        merged["required"] = [*one.get("required", []), *other.get("required", [])]
    return merged


def _typed(schema: dict[str, Any], values: list[str]) -> Any:
    """The value that a query string stands for, or the string itself if it stands for none."""
    if schema.get("type") == "array":
        return values
    value = values[-1]
    if schema.get("type") == "integer" and re.fullmatch(r"-?\d+", value):
        return int(value)
    if schema.get("type") == "boolean" and value in ("true", "false"):
        return value == "true"
    return value


def _raise(where: str, problems: Iterable[str]) -> None:
    found = list(problems)
    if found:
        raise ContractError(f"{where}: " + "; ".join(found))
