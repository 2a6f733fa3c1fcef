"""The OpenAPI document, made from the table of routes and the models that serve them."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from ocpi_hub import __version__
from ocpi_hub.admin.faults import HTTP_STATUS, Code, FaultBody
from ocpi_hub.admin.keys import KEY_CACHE_S
from ocpi_hub.admin.routes.base import API, AnyRoute, NoBody

Schema = dict[str, Any]

_REF = "#/components/schemas/{model}"
_SECURITY = "key"

DESCRIPTION = f"""\
What operators of the hub see and do. Send a key as `Authorization: Bearer ...`; `ocpi-hub admin key
create` makes the first one. Every operation names the scope it needs: `read`, `operate` (includes
`read`) or `admin` (includes both). A revoked key stops working within {KEY_CACHE_S:g} seconds.

Lists answer `{{"items", "next"}}`. Send `next` as a parameter to go on; it is null at the end.
"""


def openapi_document(routes: Sequence[AnyRoute]) -> Schema:
    """The description of these routes, OpenAPI 3.1."""
    schemas = _Schemas(routes)
    paths: dict[str, dict[str, Schema]] = {}
    for route in routes:
        operations = paths.setdefault(route.template, {})
        operations[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "OCPI hub: admin API",
            "version": __version__,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{_SECURITY: []}],
        "paths": paths,
        "components": {
            "securitySchemes": {_SECURITY: {"type": "http", "scheme": "bearer"}},
            "schemas": schemas.components,
            "responses": {code.value: _refusal(code, schemas) for code in Code},
        },
    }


def openapi_text(routes: Sequence[AnyRoute]) -> bytes:
    """The same as JSON."""
    return json.dumps(openapi_document(routes), ensure_ascii=False, indent=1).encode()


class _Schemas:
    """Schemas of all models, by name."""

    def __init__(self, routes: Sequence[AnyRoute]) -> None:
        taken: set[type[BaseModel]] = {NoBody}
        shown: set[type[BaseModel]] = {FaultBody}
        for route in routes:
            taken |= {route.given, route.body}
            shown.add(route.result)
        self._refs, self._every = _described(frozenset(taken), frozenset(shown))
        parameters = {self._name(route.given) for route in routes} | {self._name(NoBody)}
        self.components = {
            name: schema for name, schema in self._every.items() if name not in parameters
        }

    def ref(self, model: type) -> Schema:
        return dict(self._refs[model])

    def properties(self, model: type) -> tuple[Mapping[str, Schema], frozenset[str]]:
        """Of a model of parameters: schemas by name, and which are required."""
        schema = self._every[self._name(model)]
        return schema.get("properties", {}), frozenset(schema.get("required", ()))

    def _name(self, model: type) -> str:
        return str(self._refs[model]["$ref"]).rpartition("/")[2]


@functools.lru_cache(maxsize=1)
def _described(
    taken: frozenset[type[BaseModel]], shown: frozenset[type[BaseModel]]
) -> tuple[Mapping[type, Schema], Mapping[str, Schema]]:
    """References by model, and schemas by name. They are kept: to make them takes longer than all
    else that a hub does at its start, and several may run in one process."""
    by_model, definitions = models_json_schema(
        [(model, "validation") for model in sorted(taken, key=_by_name)]
        + [(model, "serialization") for model in sorted(shown, key=_by_name)],
        ref_template=_REF,
    )
    return {model: ref for (model, _), ref in by_model.items()}, definitions["$defs"]


def _by_name(model: type) -> str:
    return f"{model.__module__}.{model.__qualname__}"


def _operation(route: AnyRoute, schemas: _Schemas) -> Schema:
    responses: Schema = {
        str(route.http_status): {
            "description": "Done.",
            "content": _json(schemas.ref(route.result)),
        }
    }
    for code in _refusals(route):
        responses[str(HTTP_STATUS[code])] = {"$ref": f"#/components/responses/{code}"}
    operation: Schema = {
        "operationId": operation_id(route),
        "summary": route.summary,
        "description": f"Needs scope `{route.scope}`.",
        "tags": [route.segments[2]],
        "parameters": list(_parameters(route, schemas)),
        "responses": responses,
    }
    if route.body is not NoBody:
        required = bool(schemas.properties(route.body)[1])
        operation["requestBody"] = {
            "required": required,
            "content": _json(schemas.ref(route.body)),
        }
    return operation


def operation_id(route: AnyRoute) -> str:
    """For instance `post_platforms_platform_suspend`."""
    own = route.template.removeprefix(f"{API}/").replace("{", "").replace("}", "")
    return f"{route.method.lower()}_{own.replace('/', '_')}"


def _refusals(route: AnyRoute) -> Sequence[Code]:
    # What is asked for may not be possible as things are, even where nothing is changed.
    codes = [Code.INVALID_REQUEST, Code.UNAUTHENTICATED, Code.FORBIDDEN, Code.CONFLICT]
    if route.path_names:
        codes.append(Code.NOT_FOUND)
    if route.method != "GET":
        codes.append(Code.TOO_LARGE)
    if route.template.endswith(("/rotate", "/connections")):
        codes.append(Code.REFUSED_BY_PARTNER)
    return (*codes, Code.TOO_MANY_REQUESTS, Code.INTERNAL, Code.UNAVAILABLE)


def _parameters(route: AnyRoute, schemas: _Schemas) -> Sequence[Schema]:
    properties, required = schemas.properties(route.given)
    return [
        _parameter(name, dict(schema), required=name in required, path=name in route.path_names)
        for name, schema in properties.items()
    ]


def _parameter(name: str, schema: Schema, *, required: bool, path: bool) -> Schema:
    """A parameter that is absent has no value: null is nothing that could be sent."""
    values = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(values) == 1:
        rest = {key: value for key, value in schema.items() if key != "anyOf"}
        schema = rest | values[0]
    if schema.get("default", ...) is None:
        del schema["default"]
    schema.pop("title", None)
    parameter: Schema = {"name": name, "in": "path" if path else "query"}
    if path or required:
        parameter["required"] = True
    if description := schema.pop("description", None):
        parameter["description"] = description
    return parameter | {"schema": schema}


def _refusal(code: Code, schemas: _Schemas) -> Schema:
    return {
        "description": f"`{code}`",
        "content": _json(schemas.ref(FaultBody)),
    }


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}
