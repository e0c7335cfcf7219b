"""Whether the columns of a prompt table can be used, and every objection in words if not.

Lives here: names and types of columns over all parts of a table. Does not live here: what each type means
(``column_types``, ``common_types``), files (``tables``), values (``core.rows``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
from upath import UPath

from banana_pipeline.core.columns import KNOWN_COLUMNS, PROMPT_COLUMNS, misspelt_columns
from banana_pipeline.core.failures import TableError
from banana_pipeline.store.column_types import common_known_type, final_type, normal_type, type_problem
from banana_pipeline.store.common_types import keeps_texts
from banana_pipeline.store.plain_types import unknown_zones, why_not_carried


@dataclass(frozen=True, kw_only=True)
class TableColumns:
    """The columns of a table.

    Attributes:
        schema: those that are read, in plain types.
        left_out: own columns that are never read, each with the reason: "it holds raw bytes ...".
        unwritable: columns that no template can use, each with the reason: "holds raw bytes ...".
    """

    schema: pa.Schema
    left_out: Mapping[str, str]
    unwritable: Mapping[str, str]


def table_columns(name: str, parts: Sequence[UPath], schemas: Sequence[pa.Schema]) -> TableColumns:
    """The columns of a table over all its parts.

    Args:
        name: the table's name.
        parts, schemas: its Parquet files that have rows, and the columns that each footer gives.

    Raises:
        TableError: columns are missing, misspelt, of the wrong type, or differ between parts.
    """
    for part, schema in zip(parts, schemas, strict=True):
        if problems := _column_problems(schema):
            where = f" ({part.name})" if len(parts) > 1 else ""
            raise TableError(f"Table {name!r}{where} cannot be used: {'; '.join(problems)}.")
    stored: dict[str, list[tuple[UPath, pa.DataType]]] = {}
    for part, schema in zip(parts, schemas, strict=True):
        for column, kind in zip(schema.names, schema.types, strict=True):
            stored.setdefault(column, []).append((part, kind))
    left_out = {column: why for column, kinds in stored.items() if (why := _why_left_out(column, kinds))}
    unwritable = {column: why.removeprefix("it ") for column, why in left_out.items()}
    fields: list[tuple[str, pa.DataType]] = []
    for column, kinds in stored.items():
        if column not in left_out:
            fields.append((column, final_type(column, _common_type(name, column, kinds, unwritable))))
    return TableColumns(schema=pa.schema(fields), left_out=left_out, unwritable=unwritable)


def _why_left_out(column: str, kinds: Sequence[tuple[UPath, pa.DataType]]) -> str | None:
    if column in KNOWN_COLUMNS:
        return None
    return next((why for _, kind in kinds if (why := why_not_carried(kind))), None)


def _common_type(
    name: str, column: str, kinds: Sequence[tuple[UPath, pa.DataType]], unwritable: dict[str, str]
) -> pa.DataType:
    if zones := [zone for _, kind in kinds for zone in unknown_zones(kind)]:
        unwritable[column] = (
            f"has times in {zones[0]!r}, a time zone that this machine does not know; write them in UTC"
        )
    first_part, first_kind = kinds[0]
    common = normal_type(column, first_kind)
    for part, kind in kinds[1:]:
        normal = normal_type(column, kind)
        found = common_known_type(column, common, normal)
        if found is None:
            raise TableError(
                f"Table {name!r} cannot be used: column {column!r} is {first_kind} in {first_part.name}, but {kind} "
                f"in {part.name}; write all parts with the same type."
            )
        if not keeps_texts(common, normal):
            unwritable[column] = (
                f"is {first_kind} in {first_part.name} and {kind} in {part.name}; write all parts with the same type"
            )
        common = found
        if pa.types.is_null(normal_type(column, first_kind)):
            first_part, first_kind = part, kind
    return common


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
