"""Reads the contracts: YAML → validated against the standard's JSON schema → :class:`~data_contracts.model.Contract`.

Belongs here: finding the files, refusing what is not valid or not complete, in one line that says where.
Must not be here: what is made of a contract (SQL, documentation, checks).

The pydantic model of the ``open-data-contract-standard`` package accepts misspelt keys below the top level, so that
its JSON schema decides; what the schema leaves open but this project needs is decided in ``parse.py``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import cast

import yaml
from open_data_contract_standard.model import OpenDataContractStandard

from data_contracts.model import Contract, ContractError, Kind
from data_contracts.parse import parse

_ROOT = Path(__file__).parent
_SUFFIX = ".odcs.yaml"
_LONGEST_TEXT = 200
_ORDER: tuple[str, ...] = (
    "purchases",
    "repurchases",
    "complaints",
    "churn",
    "customers",
    "surveys",
    "feedback",
    "fx_rates",
)
_ORDER += ("customer_scores", "customer_scores_history", "customer_reasons", "customer_dimensions")
_ORDER += ("trust_changes",)
_ORDER += ("retention_worklist", "segment_summary", "dimension_summary", "trust_trend", "trust_losses")
_ORDER += ("complaint_summary", "repurchase_summary")
_ORDER += ("churn_monthly", "churn_cohorts", "churn_survival", "churn_precursors")


class _UniqueKeys(yaml.CSafeLoader):
    """YAML without the silent "last one wins" of a key that is written twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for number, key in enumerate(keys):
            if key in keys[:number]:
                raise ContractError(f"line {node.value[number][0].start_mark.line + 1}: {key} is written twice")
        return cast("dict[object, object]", super().construct_mapping(node, deep))


@contextmanager
def _without_grammars() -> Iterator[None]:
    """Let jsonschema be imported without the grammars of formats: they take a second, and no format is asked for."""
    missing = "rfc3987_syntax" not in sys.modules
    if missing:
        sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]  # so that an import says it is not there
    try:
        yield
    finally:
        if missing:
            del sys.modules["rfc3987_syntax"]


with _without_grammars():
    from jsonschema import Draft201909Validator
    from jsonschema.exceptions import best_match


@cache
def _validator() -> Draft201909Validator:
    return Draft201909Validator(json.loads(files("open_data_contract_standard").joinpath("schema.json").read_bytes()))


def _document(text: str) -> OpenDataContractStandard:
    try:
        document = yaml.load(text, _UniqueKeys)  # noqa: S506  # a safe loader that also refuses repeated keys
    except yaml.YAMLError as error:
        raise ContractError(f"no valid YAML: {' '.join(str(error).split())}") from None
    errors = list(_validator().iter_errors(document))
    direct = [
        error for error in errors if error.validator != "unevaluatedProperties"
    ]  # the others may follow from these
    if worst := best_match(direct or errors):
        text = worst.message if len(worst.message) <= _LONGEST_TEXT else f"… {worst.message[-_LONGEST_TEXT:]}"
        raise ContractError(f"{worst.json_path}: {text}")
    return OpenDataContractStandard.model_validate(document)


def read_contract(path: Path) -> Contract:
    """Read one contract.

    Parameters
    ----------
    path : Path
        ``…/landing/<name>.odcs.yaml`` or ``…/published/<name>.odcs.yaml``; the folder is the kind.

    Raises
    ------
    ContractError
        If the file is no valid ODCS v3.1 or lacks something that the pipeline needs: one line, file first.
    """
    name, kind = path.name.removesuffix(_SUFFIX), path.parent.name
    try:
        if kind not in ("landing", "published"):
            raise ContractError("contracts lie in a folder landing or published")
        return parse(_document(path.read_text(encoding="utf-8")), name, cast("Kind", kind))
    except (ContractError, OSError, UnicodeDecodeError) as error:
        text = " ".join(str(error).split())
        raise ContractError(f"{kind}/{path.name}: {text}") from None


@cache
def _paths() -> dict[str, Path]:
    found = {path.name.removesuffix(_SUFFIX): path for path in sorted(_ROOT.glob(f"*/*{_SUFFIX}"))}
    return {name: found[name] for name in (*_ORDER, *sorted(found.keys() - set(_ORDER))) if name in found}


@cache
def contract(name: str) -> Contract:
    """The contract of a table, read once.

    Raises
    ------
    KeyError
        If there is no contract of that name; the text says which there are.
    ContractError
        If it cannot be used.
    """
    if name not in _paths():
        raise KeyError(f"no contract {name}; there are {', '.join(_paths())}")
    return read_contract(_paths()[name])


def landing_contracts() -> tuple[Contract, ...]:
    """The contracts of all landing sources, purchases first."""
    return _of("landing")


def published_contracts() -> tuple[Contract, ...]:
    """The contracts of all published tables, customer_scores first."""
    return _of("published")


def _of(kind: Kind) -> tuple[Contract, ...]:
    return tuple(contract(name) for name, path in _paths().items() if path.parent.name == kind)
