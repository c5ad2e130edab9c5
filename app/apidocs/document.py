"""The OpenAPI document: FastAPI's own, with what only a running server knows and what every answer has in common."""

from collections.abc import Collection, Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from typing_extensions import override

from app.core.config import AuthMode
from app.core.errors import PROBLEM_SCHEMA
from app.orchestration.catalog import Catalog
from app.providers.base import Provider

NAMED_IN_CATALOG = ("interview_type", "type", "technique", "techniques", "model")
"""Fields of requests whose values are names of the catalog."""


class GreenroomApi(FastAPI):
    """FastAPI with our document. Needs `state.catalog`, `state.provider` and `state.settings`."""

    @override
    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is None:
            document = get_openapi(
                title=self.title, version=self.version, description=self.description, routes=self.routes
            )
            document["components"]["schemas"]["Problem"] = PROBLEM_SCHEMA
            _list_names(document, self.state.catalog, self.state.provider)
            if self.state.settings.auth_mode is AuthMode.LOCAL:
                _leave_out_sign_in(document)
            self.openapi_schema = document
        return self.openapi_schema


def _leave_out_sign_in(document: dict[str, Any]) -> None:
    """Where nobody signs in, no route asks for it, and the page has no button for it."""
    del document["components"]["securitySchemes"]
    for path in document["paths"].values():
        for operation in path.values():
            operation.pop("security", None)


def _list_names(document: dict[str, Any], catalog: Catalog, provider: Provider) -> None:
    """Say which names the request fields take, so that a client need not ask the catalog first."""
    techniques = sorted({name for spec in catalog.specialists.values() for name in spec.techniques})
    types = sorted(catalog.specialists)
    names = dict(zip(NAMED_IN_CATALOG, (types, types, techniques, techniques, sorted(provider.models)), strict=True))
    for field, schema in _request_fields(document):
        if field in names:
            _allow(schema, names[field])


def _request_fields(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, schema in document["components"]["schemas"].items():
        if name.endswith("Request"):
            yield from schema["properties"].items()
    for path in document["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", ()):
                yield parameter["name"], parameter["schema"]


def _allow(schema: dict[str, Any], names: Collection[str]) -> None:
    """Put the names where the schema says `string`, however deep."""
    if schema.get("type") == "string":
        schema["enum"] = list(names)
        schema.pop("maxLength", None)
    for inner in (schema.get("items"), *schema.get("anyOf", ())):
        if inner:
            _allow(inner, names)
