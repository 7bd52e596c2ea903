"""The order lines of a simulated company, with everything that ever happens to them.

Belongs here: products, prices, baskets, deliveries and returns per line, and the feed of repeat purchases. Must
not be here: why people order, and when rows are delivered to the landing zone.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from trust_models.simulation.company_kinds import CompanyKind
from trust_models.simulation.deliveries import Calendar
from trust_models.simulation.life import Columns
from trust_models.simulation.population import CATEGORIES, CHANNELS, Flags, Floats, Ints, Population

REPORTING_CURRENCY, FOREIGN_CURRENCY = "EUR", "CHF"
ORDINARY_REASONS = ("changed_mind", "wrong_size", "gift_not_wanted")
FAULT_REASONS = ("defective", "damaged", "not_as_described")
_PRODUCTS_PER_CATEGORY = 40
_PROMISE_HOUR = 21 / 24
_TRUST_ON_BASKET = 0.08

Moments = NDArray[np.float64]


def labels(values: tuple[str, ...], positions: Ints) -> pl.Series:
    """The names at these positions (null where the position lies outside)."""
    return pl.Series(values, dtype=pl.String).gather(
        pl.Series(np.where((positions >= 0) & (positions < len(values)), positions, -1))
        .replace(-1, None)
        .cast(pl.UInt32)
    )


def ids(prefix: str, numbers: NDArray[np.generic], digits: int) -> pl.Series:
    """Readable identifiers: the prefix and the number with leading zeros."""
    digits_of = pl.Series(numbers).cast(pl.String).str.zfill(digits)
    return (pl.Series([prefix]) + digits_of).rename("")


def order_hours(orders: Columns, rng: np.random.Generator) -> Moments:
    """When each order was placed, in days after the start: between 7 and 23 o'clock."""
    return np.asarray(orders["day"] + rng.uniform(7, 23, len(orders["day"])) / 24, np.float64)


def delivery_moments(orders: Columns, rng: np.random.Generator) -> Moments:
    """When each order arrived, in days after the start (8 to 20 o'clock; ``nan`` where cancelled before)."""
    arrived = orders["day"] + orders["delivered_after"] + rng.uniform(8, 20, len(orders["day"])) / 24
    return np.where(orders["is_cancelled"], np.nan, arrived)


def purchase_lines(
    kind: CompanyKind,
    people: Population,
    orders: Columns,
    ordered: Moments,
    arrived: Moments,
    calendar: Calendar,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """One row per order line in the columns of the landing source ``purchases``; later facts complete."""
    lines = 1 + rng.poisson((kind.lines_per_order - 1) * np.exp(0.1 * orders["general_trust"]))
    order = np.repeat(np.arange(len(lines)), lines)
    line_no = np.arange(len(order)) - np.repeat(lines.cumsum() - lines, lines) + 1
    who = orders["customer"][order]
    category, product, quantity, amount = _baskets(people, orders["general_trust"][order], who, rng)
    returned, reason = _returns(kind, orders, lines, order, line_no, arrived, rng)
    promised = orders["day"] + orders["promised_after"] + _PROMISE_HOUR
    cancelled = np.where(orders["is_cancelled"], ordered + rng.uniform(0.02, 0.6, len(lines)), np.nan)
    return pl.DataFrame(
        {
            "order_id": ids("O", order + 1, 8),
            "line_no": line_no,
            "customer_id": ids("C", who + 1, 7),
            "ordered_at": calendar.moments(ordered[order]),
            "amount": amount,
            "currency": labels((REPORTING_CURRENCY, FOREIGN_CURRENCY), people.pays_foreign[who].astype(np.int64)),
            "quantity": quantity,
            "product_id": ids("P", category * 1000 + product + 1000, 5),
            "category": labels(CATEGORIES, category),
            "channel": labels(CHANNELS, _channels(people, orders["customer"], rng)[order]),
            "promised_at": calendar.moments(promised[order] if kind.has_promises else np.full(len(order), np.nan)),
            "delivered_at": calendar.moments(arrived[order]),
            "returned_at": calendar.moments(returned),
            "return_reason": labels(ORDINARY_REASONS + FAULT_REASONS, reason),
            "cancelled_at": calendar.moments(cancelled[order]),
        }
    )


def _baskets(
    people: Population, trust: Floats, who: Ints, rng: np.random.Generator
) -> tuple[Ints, Ints, Ints, NDArray[np.float64]]:
    """Category, product, quantity and amount of each line; six of ten from the customer's own category."""
    size = len(who)
    category = np.where(rng.random(size) < 0.6, people.category[who], rng.integers(0, len(CATEGORIES), size))
    product = np.minimum(rng.geometric(0.08, size) - 1, _PRODUCTS_PER_CATEGORY - 1)
    price = rng.lognormal(np.log(18), 0.6, (len(CATEGORIES), _PRODUCTS_PER_CATEGORY))[category, product]
    quantity = rng.geometric(0.7, size) * np.where(people.is_channel_partner[who], 5, 1)
    spends = np.exp(people.basket[who] + _TRUST_ON_BASKET * trust + rng.normal(0, 0.15, size))
    return category, product, quantity, np.maximum(np.round(price * quantity * spends, 2), 0.01)


def _returns(
    kind: CompanyKind,
    orders: Columns,
    lines: Ints,
    order: Ints,
    line_no: Ints,
    arrived: Moments,
    rng: np.random.Generator,
) -> tuple[Moments, Ints]:
    """When each line came back (days after the start, ``nan``: never) and the position of the reason (or -1).

    One line of a faulty order is the faulty one; eight in ten of those are sent back.
    """
    size = len(order)
    faulty_line = 1 + (rng.random(len(lines)) * lines).astype(np.int64)
    is_fault = orders["is_faulty"][order] & (line_no == faulty_line[order]) & (rng.random(size) < 0.8)
    is_ordinary = ~is_fault & (rng.random(size) < kind.ordinary_return_share)
    comes_back: Flags = (is_fault | is_ordinary) & ~orders["is_cancelled"][order].astype(np.bool_)
    days = np.where(is_fault, rng.uniform(0.5, 14, size), rng.uniform(2, 26, size))
    ordinary = rng.choice(len(ORDINARY_REASONS), size, p=(0.6, 0.3, 0.1))
    fault = len(ORDINARY_REASONS) + rng.choice(len(FAULT_REASONS), size, p=(0.5, 0.3, 0.2))
    reason = np.where(is_fault, fault, ordinary)
    return np.where(comes_back, arrived[order] + days, np.nan), np.where(comes_back, reason, -1)


def _channels(people: Population, who: NDArray[np.generic], rng: np.random.Generator) -> Ints:
    """The channel of each order: eight of ten times the customer's own."""
    return np.where(rng.random(len(who)) < 0.8, people.channel[who], rng.integers(0, len(CHANNELS), len(who)))


def repurchases(lines: pl.DataFrame) -> pl.DataFrame:
    """One row per order that is not the customer's first, in the columns of the landing source ``repurchases``."""
    first_lines = lines.filter(pl.col("line_no") == 1).select("order_id", "customer_id", "ordered_at", "product_id")
    previous = pl.col("order_id").shift(1).over("customer_id", order_by="ordered_at")
    return (
        first_lines.with_columns(previous_order_id=previous)
        .filter(pl.col("previous_order_id").is_not_null())
        .select(
            "order_id", "customer_id", "previous_order_id", pl.col("ordered_at").alias("repurchased_at"), "product_id"
        )
    )


def exchange_rates(calendar: Calendar, rng: np.random.Generator) -> pl.DataFrame:
    """One rate a day of the second currency: what one unit of it is worth in the reporting currency."""
    walk = 0.95 * np.exp(rng.normal(0, 0.003, calendar.days).cumsum())
    return pl.DataFrame(
        {
            "rate_date": calendar.moments(np.arange(calendar.days)).cast(pl.Date),
            "currency": [FOREIGN_CURRENCY] * calendar.days,
            "rate": np.round(walk, 4),
        }
    )
