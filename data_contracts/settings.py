"""The settings of contracts: which there are, their types and their limits.

Belongs here: the shape of what a company may change. Must not be here: the values (they are in the YAML), or their use.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from data_contracts.model import Column, ContractError

Dimension = Literal["product_quality", "service_quality", "reputation", "transparency", "values"]
Score = Annotated[float, Field(ge=0, le=100)]
Risk = Annotated[float, Field(ge=0, le=1)]


class Settings(BaseModel):
    """No settings: what a contract has that is not named below."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class PurchaseSettings(Settings):
    """When an order has matured, what counts as its failure, and the windows of both scores."""

    order_maturity_days: PositiveInt
    fault_reasons: list[str]
    unexplained_returns: Literal["ordinary", "failure"]
    due_intervals: PositiveFloat
    half_life_days: PositiveFloat
    chooses_half_life: bool
    activity_window_days: PositiveInt
    horizon_days: PositiveInt


class ComplaintSettings(Settings):
    """How quickly a complaint must be answered and resolved, and which dimension it speaks of."""

    response_hours: PositiveFloat
    resolution_days: PositiveFloat
    dimension_of_category: dict[str, Dimension | None]
    rejected_resolutions: list[str]


class ChurnSettings(Settings):
    """Which definition of a lost customer holds."""

    label: Literal["auto", "declared", "silent"]


class DriftLimits(Settings):
    """From where a night that has moved since training is worth a notice or a warning."""

    psi_notice: PositiveFloat
    psi_warning: PositiveFloat
    realised_points: PositiveFloat
    evidence_points: PositiveFloat

    @model_validator(mode="after")
    def _notice_comes_first(self) -> Self:
        if self.psi_notice > self.psi_warning:
            raise ValueError("psi_notice must not exceed psi_warning")
        return self


class ScoreSettings(Settings):
    """Lower limits of the bands, and what counts as drift."""

    trust_bands: dict[str, Score]
    churn_bands: dict[str, Risk]
    drift_limits: DriftLimits


class ChangeSettings(Settings):
    """From where on a change of trust is more than noise."""

    least_change: Annotated[float, Field(gt=0, le=100)]
    noise_quantile: Annotated[float, Field(ge=0, le=1)]


class SegmentSettings(Settings):
    """How small a group may be and still be shown."""

    minimum_customers: PositiveInt


class WorklistSettings(Settings):
    """Who is on the worklist, in which order they are contacted, and who is left alone for comparison."""

    minimum_risk_ratio: Annotated[float, Field(ge=0)]
    minimum_expected_loss: Annotated[float, Field(ge=0)]
    prior_days: PositiveFloat
    priority_shares: dict[str, Risk]
    holdout_share: Annotated[float, Field(ge=0, lt=1)]


class PrecursorSettings(Settings):
    """From which fall on trust counts as falling."""

    falling_trust_points: Annotated[float, Field(gt=0, le=100)]


_SETTINGS: Mapping[str, type[Settings]] = MappingProxyType(
    {
        "purchases": PurchaseSettings,
        "complaints": ComplaintSettings,
        "churn": ChurnSettings,
        "customer_scores": ScoreSettings,
        "trust_changes": ChangeSettings,
        "segment_summary": SegmentSettings,
        "retention_worklist": WorklistSettings,
        "churn_precursors": PrecursorSettings,
    }
)

_KEYED_BY: Mapping[str, str] = MappingProxyType(
    {
        "dimension_of_category": "category",
        "trust_bands": "trust_band",
        "churn_bands": "churn_band",
        "priority_shares": "contact_priority",
    }
)
"""Settings that say something of every allowed value of a column."""


def checked_settings(
    name: str, values: Mapping[str, JsonValue], columns: tuple[Column, ...]
) -> Mapping[str, JsonValue]:
    """The settings of a contract, complete and of the right types.

    Parameters
    ----------
    name : str
        Name of the contract.
    values : mapping
        Settings as written.
    columns : tuple of Column
        Columns of the contract; settings keyed by a column's values must name each of its allowed values.

    Raises
    ------
    ContractError
        If a setting is missing, unknown, of the wrong type or out of its limits.
    """
    try:
        settings = _SETTINGS.get(name, Settings).model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ContractError(f"setting {place}: {first['msg'][:1].lower()}{first['msg'][1:]}") from None
    dumped = settings.model_dump()
    allowed = {column.name: set(column.allowed) for column in columns}
    for setting, column in _KEYED_BY.items():
        if setting in dumped and set(dumped[setting]) != allowed.get(column):
            raise ContractError(f"setting {setting}: must name each allowed value of {column}, and no other")
    return MappingProxyType(dict(values))
