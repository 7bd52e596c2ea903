"""From a valid ODCS document to a :class:`~data_contracts.model.Contract`, refusing what would be ignored in silence.

Belongs here: how each promise is written in ODCS, and the error where one is missing, misspelt or not understood.
Must not be here: files, YAML syntax, SQL statements.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import TypeVar, cast, get_args

from open_data_contract_standard.model import (
    CustomProperty,
    DataQuality,
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
)
from pydantic import JsonValue

from data_contracts.model import Classification, Column, ColumnType, Contract, ContractError, CrossRule, Kind, Limit
from data_contracts.settings import checked_settings

_LOGICAL: Mapping[ColumnType, str] = MappingProxyType(
    {
        "VARCHAR": "string",
        "DOUBLE": "number",
        "BIGINT": "integer",
        "BOOLEAN": "boolean",
        "DATE": "date",
        "TIMESTAMP": "timestamp",
    }
)
_QUERY = re.compile(r"select count\(\*\) from \{table\} where not \((?P<condition>[^;]+)\)")
_PROPERTY_KEYS = {"name", "logicalType", "physicalType", "primaryKey", "primaryKeyPosition", "required", "examples"}
_PROPERTY_KEYS |= {"classification", "description", "logicalTypeOptions", "quality", "customProperties"}
_OPTIONS = {"maxLength", "pattern", "minimum", "maximum"}
_PROTECTED = ("personal", "sensitive")
_HEAD = {"is_required", "event_at", "max_quarantined_share"}
_T = TypeVar("_T")


def parse(document: OpenDataContractStandard, name: str, kind: Kind) -> Contract:
    """The contract that a valid document states.

    Parameters
    ----------
    document : OpenDataContractStandard
        Already validated against the JSON schema.
    name : str
        Name that the file has, hence the table.
    kind : {"landing", "published"}
        What the folder says.

    Raises
    ------
    ContractError
        If something is missing or not understood: one line, place first.
    """
    _expect(document.apiVersion == "v3.1.0", "apiVersion", "must be v3.1.0")
    _expect(document.name == name, "name", f"must be {name}, as the file is called")
    _expect(len(document.schema_ or ()) == 1, "schema", "must hold exactly one table")
    table = _given(document.schema_, "schema")[0]
    _expect(table.name == name, "schema.name", f"must be {name}, as the file is called")
    columns = tuple(_column(prop, kind) for prop in _given(table.properties, "schema.properties"))
    names = [column.name for column in columns]
    _expect(len(set(names)) == len(names), "schema.properties", "a column is there twice")
    custom = _custom(document.customProperties, "customProperties")
    texts = _custom(table.customProperties, "schema.customProperties", {"title_zh", "description_zh"})
    minimum_rows, maximum_rows = _volume(table)
    return Contract(
        name=name,
        kind=kind,
        title_en=_given(table.businessName, "schema.businessName"),
        title_zh=_text(texts, "title_zh", "schema"),
        description_en=_given(table.description, "schema.description"),
        description_zh=_text(texts, "description_zh", "schema"),
        owner=_given(getattr(document.team, "name", None), "team.name"),
        columns=columns,
        key=_key(table, columns),
        rules=_cross_rules(table, names),
        is_required=_flag(custom, "is_required", "customProperties"),
        event_at=_event_at(custom, names),
        freshness_days=_freshness(document, name, names),
        minimum_rows=minimum_rows,
        maximum_rows=maximum_rows,
        max_quarantined_share=_share(custom, kind),
        settings=checked_settings(name, {k: v for k, v in custom.items() if k not in _HEAD}, columns),
        settings_help=_help(document.customProperties or ()),
    )


def _expect(holds: bool, place: str, text: str) -> None:
    if not holds:
        raise ContractError(f"{place}: {text}")


def _given(value: _T | None, place: str) -> _T:
    if value is None or value in ("", []):
        raise ContractError(f"{place}: is missing")
    return value


def _custom(
    properties: Iterable[CustomProperty] | None, place: str, known: set[str] | None = None
) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {}
    for prop in properties or ():
        name = _given(prop.property, place)
        _expect(name not in found, place, f"{name} is written twice")
        _expect(known is None or name in known, place, f"{name} is not known; known: {', '.join(sorted(known or ()))}")
        found[name] = prop.value
    return found


def _text(custom: Mapping[str, JsonValue], name: str, place: str) -> str:
    value = custom.get(name)
    if not isinstance(value, str) or not value.strip():
        raise ContractError(f"{place}: the text {name} is missing among customProperties")
    return value


def _flag(custom: Mapping[str, JsonValue], name: str, place: str, default: bool = False) -> bool:
    value = custom.get(name, default)
    if not isinstance(value, bool):
        raise ContractError(f"{place}: {name} must be true or false")
    return value


def _column(prop: SchemaProperty, kind: Kind) -> Column:
    name = _given(prop.name, "schema.properties.name")
    _expect(re.fullmatch("[a-z][a-z0-9_]*", name) is not None, name, "a column name is lower_case_with_underscores")
    if ignored := sorted(prop.model_fields_set - _PROPERTY_KEYS):
        raise ContractError(f"{name}: {', '.join(ignored)} would be ignored; leave it out")
    _expect(prop.physicalType in _LOGICAL, name, f"physicalType must be one of {', '.join(_LOGICAL)}")
    type_ = cast("ColumnType", prop.physicalType)
    _expect(prop.logicalType == _LOGICAL[type_], name, f"logicalType of {type_} must be {_LOGICAL[type_]}")
    classes = get_args(Classification)
    _expect(prop.classification in classes, name, f"classification must be one of {', '.join(classes)}")
    custom = _custom(prop.customProperties, name, {"description_zh", "default", "is_needed", "years_ahead"})
    is_needed = _flag(custom, "is_needed", name, default=True)
    _expect(is_needed or prop.classification in _PROTECTED, name, "only personal data can be is_needed: false")
    options = prop.logicalTypeOptions or {}
    if ignored := sorted(options.keys() - _OPTIONS):
        raise ContractError(f"{name}: logicalTypeOptions {', '.join(ignored)} would be ignored; write a rule instead")
    return Column(
        name=name,
        type=type_,
        description_en=_given(prop.description, f"{name}.description"),
        description_zh=_text(custom, "description_zh", name),
        classification=cast("Classification", prop.classification),
        is_required=bool(prop.required or prop.primaryKey),
        is_loaded=is_needed,
        default=_default(custom, name),
        allowed=_allowed(prop.quality or (), name),
        minimum=_limit(options.get("minimum"), type_, name),
        maximum=_limit(options.get("maximum"), type_, name),
        max_length=options.get("maxLength"),
        pattern=_pattern(options.get("pattern"), name),
        example=str(prop.examples[0]) if prop.examples else None,
        years_ahead=_years_ahead(custom, name, type_, kind),
    )


def _default(custom: Mapping[str, JsonValue], name: str) -> str | None:
    value = custom.get("default")
    if value is None:
        return None
    _expect(isinstance(value, int | float), name, "default must be a number or a truth value")
    return str(value).lower()


def _allowed(checks: Iterable[DataQuality], name: str) -> tuple[str, ...]:
    values: list[str] = []
    for check in checks:
        is_list = check.metric == "invalidValues" and set(check.arguments or ()) == {"validValues"}
        _expect(is_list and _is_zero(check.mustBe), name, "quality: only metric invalidValues with mustBe 0")
        given = (check.arguments or {})["validValues"] or ()
        _expect(bool(given) and all(isinstance(v, str) for v in given), name, "quality: validValues must be texts")
        values += given
    return tuple(values)


def _is_zero(value: object) -> bool:
    return value == 0 and not isinstance(value, bool)


def _limit(value: object, type_: ColumnType, name: str) -> Limit | None:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    try:
        if type_ == "DATE":
            return date.fromisoformat(str(value))
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise ContractError(f"{name}: {value} is no {type_}") from None
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def _pattern(value: str | None, name: str) -> str | None:
    if value is not None:
        _expect(value.startswith("^") and value.endswith("$"), name, "pattern must be anchored: ^…$")
    return value


def _years_ahead(custom: Mapping[str, JsonValue], name: str, type_: ColumnType, kind: Kind) -> int | None:
    years = custom.get("years_ahead", 0)
    if not isinstance(years, int) or years < 0:
        raise ContractError(f"{name}: years_ahead must be a whole number, 0 or more")
    return years if kind == "landing" and type_ in ("DATE", "TIMESTAMP") else None


def _key(table: SchemaObject, columns: tuple[Column, ...]) -> tuple[str, ...]:
    parts = [(prop.primaryKeyPosition, prop.name) for prop in table.properties or () if prop.primaryKey]
    positions = sorted(position or 0 for position, _ in parts)
    _expect(bool(parts), "schema", "no column is primaryKey")
    _expect(positions == list(range(1, len(parts) + 1)), "schema", "primaryKeyPosition must count 1, 2, …")
    names = {position: str(name) for position, name in parts}
    loaded = {column.name for column in columns if column.is_loaded}
    _expect(loaded.issuperset(names.values()), "schema", "a key column must be loaded")
    return tuple(names[position] for position in positions)


def _cross_rules(table: SchemaObject, names: list[str]) -> tuple[CrossRule, ...]:
    rules = tuple(_cross_rule(check, names) for check in table.quality or () if check.metric != "rowCount")
    _expect(len({rule.name for rule in rules}) == len(rules), "schema.quality", "two rules have one name")
    return rules


def _cross_rule(check: DataQuality, names: list[str]) -> CrossRule:
    place = f"schema.quality {check.name or '(no name)'}"
    match = _QUERY.fullmatch(" ".join((check.query or "").split()))
    is_form = match is not None and _is_zero(check.mustBe)
    _expect(is_form, place, "must be: query: select count(*) from {table} where not (<condition>), mustBe: 0")
    condition = match["condition"] if match else ""
    words = set(re.findall("[a-z][a-z0-9_]*", re.sub("'[^']*'", "", condition)))
    columns = tuple(name for name in names if name in words)
    _expect(bool(columns), place, "names no column of the table")
    texts = _custom(check.customProperties, place, {"description_zh"})
    return CrossRule(
        name=_given(check.name, place),
        condition=condition,
        columns=columns,
        text_en=_given(check.description, f"{place}.description"),
        text_zh=_text(texts, "description_zh", place),
    )


def _volume(table: SchemaObject) -> tuple[int, int | None]:
    for check in table.quality or ():
        if check.metric == "rowCount":
            if check.mustBe is not None:
                return int(check.mustBe), int(check.mustBe)
            return int(_given(check.mustBeGreaterOrEqualTo, "rowCount.mustBeGreaterOrEqualTo")), None
    raise ContractError("schema.quality: rowCount is missing")


def _event_at(custom: Mapping[str, JsonValue], names: list[str]) -> str | None:
    name = custom.get("event_at")
    _expect(name is None or name in names, "event_at", f"{name} is no column of the table")
    return None if name is None else str(name)


def _freshness(document: OpenDataContractStandard, name: str, names: list[str]) -> int | None:
    for sla in document.slaProperties or ():
        _expect(sla.property == "freshness", "slaProperties", f"{sla.property} would be ignored; leave it out")
        _expect(sla.unit == "d" and isinstance(sla.value, int), "slaProperties", "freshness must be whole days, unit d")
        elements = [f"{name}.{column}" for column in names]
        _expect(sla.element is None or sla.element in elements, "slaProperties", f"{sla.element} is no column")
        return cast("int", sla.value)
    return None


def _share(custom: Mapping[str, JsonValue], kind: Kind) -> float:
    share = custom.get("max_quarantined_share", None if kind == "landing" else 0.0)
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise ContractError("max_quarantined_share: must be a number from 0 to 1")
    return float(share)


def _help(properties: Iterable[CustomProperty]) -> Mapping[str, str]:
    settings = (prop for prop in properties if prop.property not in _HEAD)
    return MappingProxyType({str(p.property): _given(p.description, f"{p.property}.description") for p in settings})
