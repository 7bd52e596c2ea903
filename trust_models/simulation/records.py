"""The landing rows of a simulated company beside its purchases: complaints, exits, attributes, what people said.

Belongs here: turning what happened into the columns of the landing sources. Must not be here: why it happened,
and when rows are delivered.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from trust_models.simulation.deliveries import Calendar
from trust_models.simulation.experience import COMPLAINT_CATEGORIES, RESOLUTIONS
from trust_models.simulation.life import FOREVER, Columns
from trust_models.simulation.population import (
    CHANNELS,
    DIMENSIONS,
    PRODUCT,
    REGIONS,
    SEGMENTS,
    SERVICE,
    Population,
)
from trust_models.simulation.purchases import ids, labels

_REASONS = ("poor_quality", "poor_service", "lost_confidence", "new_circumstances", "no_longer_needed", "price")
_INVOLUNTARY_REASONS = ("payment_default", "account_closed", "deceased")
_TEXTS = {
    "product_quality": 'broken after two days; the box said "premium"',
    "service_quality": "nobody could help me, three calls",
    "reputation": "read bad things about you, is it true?",
    "transparency": "the price on the page, and on the invoice, differ",
    "values": "so much plastic packaging",
    "delivery": "包裹还没有到 (parcel not here yet)",
    "billing": "charged twice",
    "other": "please call me back",
}
_FEEDBACK_METHODS = ("review", "call", "interview", "focus_group", "third_party")
_INSTRUMENTS = ("trust", "servqual", "csat", "nps")
_ASKED = {
    "trust": DIMENSIONS,
    "servqual": ("product_quality", "service_quality", "transparency"),
    "csat": ("service_quality",),
    "nps": ("reputation",),
}
_SCALES = {"trust": (1.0, 7.0), "servqual": (1.0, 7.0), "csat": (1.0, 5.0), "nps": (0.0, 10.0)}


def complaint_rows(
    people: Population, complaints: Columns, calendar: Calendar, rng: np.random.Generator
) -> pl.DataFrame:
    """One row per complaint in the columns of the landing source ``complaints``; later facts complete."""
    size, who = len(complaints["day"]), complaints["customer"]
    opened = complaints["day"] + rng.uniform(6, 23, size) / 24
    is_failure = np.isin(complaints["category"], (PRODUCT, COMPLAINT_CATEGORIES.index("delivery")))
    names_order = is_failure | (rng.random(size) < 0.8)
    order = pl.when(pl.Series(names_order)).then(ids("O", complaints["order"] + 1, 8))
    severity = np.clip(1 + rng.binomial(4, np.where(is_failure, 0.5, 0.35)), 1, 5)
    category = labels(COMPLAINT_CATEGORIES, complaints["category"])
    phones = rng.random(size) < 0.4
    return pl.select(
        complaint_id=ids("K", np.arange(size) + 1, 8),
        customer_id=ids("C", who + 1, 7),
        opened_at=calendar.moments(opened),
        category=category,
        severity=pl.Series(severity),
        order_id=order,
        channel=labels(CHANNELS, np.where(phones, CHANNELS.index("phone"), people.channel[who])),
        first_response_at=calendar.moments(opened + complaints["answered_after"]),
        resolved_at=calendar.moments(opened + complaints["resolved_after"]),
        resolution=pl.when(pl.Series(np.isfinite(complaints["resolved_after"]))).then(
            labels(RESOLUTIONS, complaints["resolution"])
        ),
        reopened_at=calendar.moments(opened + complaints["reopened_after"]),
        text=category.replace_strict(_TEXTS, return_dtype=pl.String),
    )


def churn_rows(exits: Columns, calendar: Calendar, rng: np.random.Generator) -> pl.DataFrame:
    """One row per declared exit in the columns of the landing source ``churn``."""
    declared = {name: values[exits["is_declared"].astype(np.bool_)] for name, values in exits.items()}
    size, is_involuntary = len(declared["day"]), declared["kind"] == 2
    reason = 3 * (declared["kind"] == 1) + rng.integers(0, 3, size)
    reactivated = np.where(declared["until"] == FOREVER, np.nan, declared["until"] + rng.uniform(0, 6, size) / 24)
    return pl.select(
        customer_id=ids("C", declared["customer"] + 1, 7),
        churned_at=calendar.moments(declared["day"] + rng.uniform(0, 6, size) / 24),
        kind=labels(("voluntary", "involuntary"), is_involuntary.astype(np.int64)),
        reason=labels(_REASONS + _INVOLUNTARY_REASONS, np.where(is_involuntary, 6 + reason % 3, reason)),
        reactivated_at=calendar.moments(reactivated),
    )


def customer_rows(people: Population, calendar: Calendar, rng: np.random.Generator) -> pl.DataFrame:
    """One row per customer in the columns of the landing source ``customers``."""
    return pl.select(
        customer_id=ids("C", np.arange(len(people)) + 1, 7),
        joined_at=calendar.moments(people.joined_day + rng.uniform(0, 6, len(people)) / 24),
        segment=labels(SEGMENTS, people.segment),
        region=labels(REGIONS, people.region),
        customer_class=labels(("A", "B", "C"), people.customer_class),
        is_channel_partner=pl.Series(people.is_channel_partner),
    )


def survey_rows(answers: Columns, calendar: Calendar, rng: np.random.Generator) -> pl.DataFrame:
    """One row per response and dimension; an answer is the trust of that day, a personal style of answering, and noise.

    ``weight`` is the inverse of how much more likely this customer was to be asked; who answers is not corrected.
    """
    size = len(answers["day"])
    answered = calendar.moments(answers["day"] + rng.uniform(0, 10, size))
    instrument = rng.choice(len(_INSTRUMENTS), size, p=(0.45, 0.2, 0.2, 0.15))
    response_ids = ids("R", np.arange(size) + 1, 7)
    style = rng.normal(0, 0.5, size)
    method = labels(("online", "phone"), (rng.random(size) < 0.2).astype(np.int64))
    parts = []
    for position, name in enumerate(_INSTRUMENTS):
        for dimension in _ASKED[name]:
            rows = np.flatnonzero(instrument == position)
            low, high = _SCALES[name]
            felt = answers["trust"][rows, DIMENSIONS.index(dimension)] + style[rows] + rng.normal(0, 1.0, len(rows))
            parts.append(
                pl.select(
                    response_id=response_ids.gather(rows),
                    dimension=pl.repeat(dimension, len(rows), dtype=pl.String),
                    customer_id=ids("C", answers["customer"][rows] + 1, 7),
                    answered_at=answered.gather(rows),
                    instrument=pl.repeat(name, len(rows), dtype=pl.String),
                    score=pl.Series(_on_scale(felt, low, high)),
                    scale_min=pl.repeat(low, len(rows)),
                    scale_max=pl.repeat(high, len(rows)),
                    method=method.gather(rows),
                    weight=pl.Series(answers["weight"][rows]),
                )
            )
    return pl.concat(parts).sort("response_id", "dimension")


def feedback_rows(
    orders: Columns, arrived: NDArray[np.float64], calendar: Calendar, rng: np.random.Generator
) -> pl.DataFrame:
    """One row per rating given after an order (4% of those delivered), in the columns of source ``feedback``."""
    rows = np.flatnonzero(~np.isnan(arrived) & (rng.random(len(arrived)) < 0.04))
    size = len(rows)
    about = rng.choice(len(DIMENSIONS), size, p=(0.4, 0.35, 0.1, 0.1, 0.05))
    failed = orders["is_late"][rows] * (about == SERVICE) + orders["is_faulty"][rows] * (about == PRODUCT)
    felt = orders["trust"][rows, about] + 0.4 - 1.5 * failed + rng.normal(0, 0.8, size)
    method = rng.choice(len(_FEEDBACK_METHODS), size, p=(0.8, 0.1, 0.03, 0.02, 0.05))
    return pl.select(
        feedback_id=ids("F", np.arange(size) + 1, 7),
        customer_id=ids("C", orders["customer"][rows] + 1, 7),
        given_at=calendar.moments(arrived[rows] + rng.uniform(0.5, 14, size)),
        method=labels(_FEEDBACK_METHODS, method),
        rating=pl.Series(_on_scale(felt, 1, 5)),
        scale_min=pl.repeat(1.0, size),
        scale_max=pl.repeat(5.0, size),
        dimension=pl.when(pl.Series(rng.random(size) < 0.7)).then(labels(DIMENSIONS, about)),
        order_id=ids("O", rows + 1, 8),
    )


def _on_scale(felt: NDArray[np.generic], low: float, high: float) -> NDArray[np.float64]:
    """Whole points of a scale for standard normal feelings: three standard deviations either way span it."""
    return np.clip(np.rint((low + high) / 2 + np.asarray(felt, np.float64) * (high - low) / 6), low, high)
