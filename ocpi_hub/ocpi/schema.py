"""JSON Schemas of the OCPI objects, generated from the models.

`python -m ocpi_hub.ocpi.schema` writes them, `--check` says whether they are current. A schema asks
for what the specification asks: what it accepts passes the models without a finding. Rules between
fields (roles that differ, what a credit CDR needs), the days of a month and the decimals of a
charging rate are the models' alone.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from inspect import getdoc
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pydantic.json_schema import JsonSchemaValue

from ocpi_hub.domain.party import OcpiVersion
from ocpi_hub.ocpi.base import OcpiModel
from ocpi_hub.ocpi.registry import bare_strings, body_models, versions

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
DIRECTORY: Final = Path("schemas")


def schema_of(model: type[OcpiModel], version: OcpiVersion) -> JsonSchemaValue:
    """The JSON Schema of an object."""
    generated = model.model_json_schema()
    return {
        "$schema": DIALECT,
        **generated,
        "title": f"OCPI {version} {model.__name__}",
    }


def schema_of_string(enum: type[StrEnum], version: OcpiVersion) -> JsonSchemaValue:
    """The JSON Schema of an answer that is one value of an enum."""
    return {
        "$schema": DIALECT,
        "title": f"OCPI {version} {enum.__name__}",
        "description": getdoc(enum),
        "type": "string",
        "enum": [member.value for member in enum],
    }


@functools.cache
def schema_files() -> Mapping[Path, str]:
    """The content of every schema by its path below the schema directory."""
    files: dict[Path, str] = {}
    for version in versions():
        schemas = {name: schema_of(each, version) for name, each in body_models(version).items()}
        for name, enum in bare_strings(version).items():
            schemas[name] = schema_of_string(enum, version)
        for name, schema in schemas.items():
            text = json.dumps(schema, indent=2, sort_keys=True)
            files[Path(version) / f"{name}.json"] = f"{text}\n"
    return MappingProxyType(files)


def outdated(directory: Path) -> list[Path]:
    """The schema files that are missing, differ from the models, or have no model."""
    expected = {directory / path: text for path, text in schema_files().items()}
    stale = [
        path
        for path, text in expected.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    return sorted(stale + [path for path in directory.rglob("*.json") if path not in expected])


def write(directory: Path) -> None:
    """Write all schemas; remove those without a model."""
    for path, text in schema_files().items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text, encoding="utf-8")
    for leftover in outdated(directory):
        leftover.unlink()


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the schemas; 1 when a check finds an outdated file."""
    parser = argparse.ArgumentParser(description="JSON Schemas of the OCPI objects")
    parser.add_argument("--check", action="store_true", help="report outdated files, write nothing")
    parser.add_argument("--directory", type=Path, default=DIRECTORY)
    options = parser.parse_args(arguments)
    if not options.check:
        write(options.directory)
        return 0
    stale = outdated(options.directory)
    for path in stale:
        sys.stderr.write(f"{path} is not current: run python -m ocpi_hub.ocpi.schema\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
