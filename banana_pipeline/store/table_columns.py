"""Whether the columns of a prompt table can be used, and every objection in words if not.

Lives here: names and types of columns over all parts of a table. Does not live here: what each type means
(``column_types``), files (``tables``), values (``core.rows``).
"""

from collections.abc import Sequence

import pyarrow as pa
from upath import UPath

from banana_pipeline.core.failures import TableError
from banana_pipeline.core.rows import KNOWN_COLUMNS, PROMPT_COLUMNS, misspelt_columns
from banana_pipeline.store.column_types import comparable_type, normal_type, type_problem


def common_schema(name: str, parts: Sequence[UPath], schemas: Sequence[pa.Schema]) -> pa.Schema:
    """The columns of a table as `PromptTable.read` hands them out.

    Args:
        name: the table's name.
        parts, schemas: its Parquet files, and the columns that each footer gives.

    Raises:
        TableError: columns are missing, misspelt, of the wrong type, or differ between parts.
    """
    for part, schema in zip(parts, schemas, strict=True):
        if problems := _column_problems(schema):
            where = f" ({part.name})" if len(parts) > 1 else ""
            raise TableError(f"Table {name!r}{where} cannot be used: {'; '.join(problems)}.")
    common: dict[str, pa.DataType] = {}
    for part, schema in zip(parts, schemas, strict=True):
        for column, stored in zip(schema.names, schema.types, strict=True):
            kind = comparable_type(column, stored)
            common[column] = _common_type(name, column, common.get(column, kind), kind, part)
    return pa.schema([(column, normal_type(column, kind)) for column, kind in common.items()])


def _common_type(name: str, column: str, one: pa.DataType, other: pa.DataType, part: UPath) -> pa.DataType:
    if one.equals(other):
        return one
    schemas = [pa.schema([(column, one)]), pa.schema([(column, other)])]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except pa.ArrowException as error:
        raise TableError(
            f"Table {name!r} cannot be used: column {column!r} is {one} in its first parts, but {other} "
            f"in {part.name}; write all parts with the same type."
        ) from error


def _column_problems(schema: pa.Schema) -> list[str]:
    names = schema.names
    twice = sorted({column for column in names if names.count(column) > 1})
    problems = [f"it has more than one column named {column!r}; rename all but one" for column in twice]
    misspelt = misspelt_columns(names)
    problems += [f"column {column!r} should probably be named {likely!r}" for column, likely in misspelt.items()]
    if not any(column in names for column in PROMPT_COLUMNS) and not set(misspelt.values()) & set(PROMPT_COLUMNS):
        problems.append(f"it has no column 'prompt' (or 'prompt_template'), only {_some(names)}")
    if not twice:
        known = [column for column in names if column in KNOWN_COLUMNS]
        problems += [found for it in known if (found := type_problem(it, schema.field(it).type))]
    return problems


def _some(names: list[str]) -> str:
    shown = ", ".join(repr(column) for column in names[:8]) or "no columns at all"
    return shown if len(names) <= 8 else f"{shown} and {len(names) - 8} more"
