"""What the churn model looks at: one entry a feature, each a small expression with its meaning.

Belongs here: the features, their drivers, and the words that the documentation is generated from.
Must not be here: joins, reading of the event log, labels, or models.

Every expression speaks of one stage: ``orders``, ``intervals``, ``complaints`` and ``customers`` are aggregated per
customer from prepared rows (``age_days`` = days from the event to the as-of day); ``spans``, ``own_interval`` and
``derived`` combine the columns of the stages before them. The sums over the past fade as 0.5^(age / half-life).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import polars as pl

DRIVERS = (
    "silence",
    "frequency",
    "trend",
    "spending",
    "variety",
    "season",
    "delivery",
    "returns",
    "complaints",
    "tenure",
    "segment",
)
"""Groups of features that a manager understands; reasons are additive over them."""

EVIDENCE_PREFIXES = ("r_", "s_")
"""Evidence columns: what went well and badly in a stream, as decayed counts."""

EVIDENCE_DRIVERS = {
    "order_sound": "returns",
    "promise_kept": "delivery",
    "complaint": "complaints",
    "order_unquestioned": "complaints",
    "came_back": "frequency",
}
"""Start of a stream's name → the driver that its evidence (r_<stream>, s_<stream>) belongs to."""

UNITS = 2.0**32
"""Fading weights are summed in whole units of 2⁻³²: fractions would add up to other last digits in another order."""

RECOVERED = ("resolved", "compensated", "replaced", "refunded")
"""Resolutions of a complaint that count as recovery."""


STAGES = ("orders", "intervals", "complaints", "customers", "spans", "own_interval", "derived")
"""In the order in which they are computed."""


@dataclass(frozen=True)
class FeatureSettings:
    """Windows of the features; the defaults serve every log.

    Parameters
    ----------
    half_lives_days : tuple of int
        Half-lives of the decayed counts and amounts of orders.
    complaint_half_life_days : int
        Half-life of complaint voice and recovery.
    window_days : int
        Length of the recent window, of the one before it for trends, and of the season a year ago.
    prior_intervals : float
        How many intervals the population's interval weighs in a customer's own shrunken interval.
    """

    half_lives_days: tuple[int, ...] = (30, 90, 365)
    complaint_half_life_days: int = 90
    window_days: int = 90
    prior_intervals: float = 1.0


@dataclass(frozen=True)
class Feature:
    """One column of the features frame.

    Parameters
    ----------
    name : str
        Column: source, measure and window.
    driver : str
        One of :data:`DRIVERS`.
    meaning : str
        What it says, in one sentence, with unit and window.
    expression : pl.Expr
        How it is made of the columns of its stage.
    null_means : str
        What null says; empty where the feature is never null.
    stage : str
        One of :data:`STAGES`.
    is_category : bool
        True where the values are names rather than numbers.
    """

    name: str
    driver: str
    meaning: str
    expression: pl.Expr = field(repr=False, compare=False)
    null_means: str = ""
    stage: str = "orders"
    is_category: bool = False


def expressions(features: Sequence[Feature], stage: str) -> list[pl.Expr]:
    """The named expressions of one stage, in catalogue order."""
    return [feature.expression.alias(feature.name) for feature in features if feature.stage == stage]


def catalogue(settings: FeatureSettings, population_interval_days: float | None = None) -> tuple[Feature, ...]:
    """Every feature under these settings, stages in the order in which they are computed.

    ``population_interval_days`` is the interval that own intervals are shrunk to; by default Σ span / Σ repeats over
    the customers of the frame.
    """
    return (
        *_rhythm(),
        *_decays(settings),
        *_baskets(),
        *_calendar(settings),
        *_deliveries(),
        *_returns(),
        *_intervals(),
        *_complaints(settings),
        *_customers(),
        *_spans(),
        *_own_interval(settings, population_interval_days),
        *_derived(settings),
    )


def driver_of(names: Iterable[str], settings: FeatureSettings) -> dict[str, str]:
    """The driver of each of these features and evidence columns; ``other`` where none is known."""
    named = {feature.name: feature.driver for feature in catalogue(settings)}
    for name in names:
        stream = name[2:] if name.startswith(EVIDENCE_PREFIXES) else ""
        matching = [driver for start, driver in EVIDENCE_DRIVERS.items() if stream.startswith(start)]
        named.setdefault(name, matching[0] if matching else "other")
    return {name: named[name] for name in names}


def decayed(half_life_days: float) -> pl.Expr:
    """Weight of an event of age ``age_days``: 0.5^(age / half-life)."""
    return pl.lit(0.5).pow(pl.col("age_days") / half_life_days)


def _rhythm() -> tuple[Feature, ...]:
    age = pl.col("age_days")
    return (
        Feature("orders", "frequency", "Orders by the as-of day, cancelled ones included.", pl.len().cast(pl.Int64)),
        Feature("recency_days", "silence", "Days from the last order to the as-of day.", age.min()),
        Feature("tenure_days", "tenure", "Days from the first order to the as-of day.", age.max()),
    )


def _decays(settings: FeatureSettings) -> tuple[Feature, ...]:
    amount = pl.col("amount")
    return tuple(
        feature
        for days in settings.half_lives_days
        for feature in (
            Feature(
                f"orders_decayed_{days}d",
                "frequency",
                f"Orders, each fading with a half-life of {days} days.",
                pl.col(f"decay_{days}d").sum(),
            ),
            Feature(
                f"amount_decayed_{days}d",
                "spending",
                f"Amount ordered, each order fading with a half-life of {days} days.",
                pl.when(amount.count() > 0).then((amount * pl.col(f"decay_{days}d")).sum()),
                "no order has a known amount",
            ),
        )
    )


def _baskets() -> tuple[Feature, ...]:
    amount, unknown = pl.col("amount"), "no order has a known amount"
    return (
        Feature("order_amount_mean", "spending", "Mean amount of an order.", amount.mean(), unknown),
        Feature(
            "order_amount_last",
            "spending",
            "Amount of the last order with a known amount.",
            amount.drop_nulls().last(),
            unknown,
        ),
        Feature("lines_mean", "variety", "Mean number of lines of an order.", pl.col("lines").mean(), "none known"),
        Feature(
            "products_mean",
            "variety",
            "Mean number of different products in an order.",
            pl.col("products").mean(),
            "none known",
        ),
        Feature("categories", "variety", "Different main categories.", pl.col("category").drop_nulls().n_unique()),
        Feature("channels", "variety", "Different channels used.", pl.col("channel").drop_nulls().n_unique()),
    )


def _calendar(settings: FeatureSettings) -> tuple[Feature, ...]:
    """When orders came, and by which channel the last one."""
    age, window = pl.col("age_days"), settings.window_days
    year_ago = (age < 365) & (age >= 365 - window)
    return (
        Feature(f"orders_last_{window}d", "trend", f"Orders in the last {window} days.", (age < window).sum()),
        Feature(
            f"orders_previous_{window}d",
            "trend",
            f"Orders in the {window} days before the last {window}.",
            ((age >= window) & (age < 2 * window)).sum(),
        ),
        Feature(
            "orders_same_season",
            "season",
            f"Orders a year before the {window} days to come.",
            pl.when(age.max() >= 365).then(year_ago.sum()),
            "not yet a customer a year before",
        ),
        Feature(
            "channel_last",
            "segment",
            "Channel of the last order.",
            pl.col("channel").last(),
            "not given",
            is_category=True,
        ),
    )


def _deliveries() -> tuple[Feature, ...]:
    late, due = pl.col("is_late"), "no promised date has passed"
    return (
        Feature("promises_due", "delivery", "Orders with a promised date now past.", late.count()),
        Feature("orders_late", "delivery", "Of these, not delivered by the promised date.", late.sum()),
        Feature("late_share", "delivery", "Share of the promises due that were not kept.", late.mean(), due),
        Feature("late_share_decayed_90d", "delivery", "The same, recent ones weighing more (half-life 90 days).",
                pl.when(late.count() > 0).then(
                    (late * pl.col("decay_recent")).sum() / (late.is_not_null() * pl.col("decay_recent")).sum()), due),
        Feature("days_late_mean", "delivery", "Mean days late over the promises due, early ones as 0.",
                pl.col("days_late").mean(), due),
        Feature("is_last_late", "delivery", "Whether the last promise due was broken.", late.drop_nulls().last(), due),
    )  # fmt: skip


def _returns() -> tuple[Feature, ...]:
    returned, fault = pl.col("returned_at").is_not_null(), pl.col("fault_at").is_not_null()
    return (
        Feature("orders_returned", "returns", "Orders returned or cancelled in part or whole by the as-of day.",
                returned.sum()),
        Feature("returned_share_mean", "returns", "Mean share of an order returned or cancelled.",
                pl.col("returned_share").fill_null(0.0).mean()),
        Feature("orders_cancelled", "returns", "Orders cancelled as a whole.",
                pl.col("cancelled_at").is_not_null().sum()),
        Feature("orders_faulty", "returns", "Orders returned or cancelled for a fault.", fault.sum()),
        Feature("faults_decayed_90d", "returns", "Orders with a fault, fading with a half-life of 90 days.",
                (fault * pl.col("decay_recent")).sum()),
        Feature("is_last_returned", "returns", "Whether the last order was returned or cancelled.", returned.last()),
    )  # fmt: skip


def _intervals() -> tuple[Feature, ...]:
    gap, once = pl.col("interval_days"), "bought on one day only"
    return (
        Feature("purchase_days", "frequency", "Different days with an order.", pl.len().cast(pl.Int64), "",
                "intervals"),
        Feature("interval_longest_days", "silence", "Longest time between two purchase days.", gap.max(), once,
                "intervals"),
        Feature("interval_deviation_days", "silence", "Standard deviation of the time between purchase days.",
                gap.std(), "fewer than three purchase days", "intervals"),
        Feature("interval_last_days", "trend", "Time between the last two purchase days.", gap.last(), once,
                "intervals"),
    )  # fmt: skip


def _complaints(settings: FeatureSettings) -> tuple[Feature, ...]:
    severity, days = pl.col("severity").fill_null(3), settings.complaint_half_life_days
    weight = severity * decayed(days)
    recovered = pl.col("resolution").is_in(RECOVERED) & ~pl.col("is_open")
    made = {
        "complaints": ("Complaints by the as-of day.", pl.len().cast(pl.Int64)),
        "complaints_open": ("Complaints not resolved, or opened again.", pl.col("is_open").sum()),
        f"complaint_voice_{days}d": (f"Σ severity, fading with a half-life of {days} days.", _summed(weight)),
        f"complaint_recovery_{days}d": ("The part of the voice that was made good.", _summed(weight * recovered)),
        f"complaint_unresolved_{days}d": ("The part of the voice still open.", _summed(weight * pl.col("is_open"))),
        "complaints_answered_late": ("Complaints without a response in 48 hours.", pl.col("is_unanswered").sum()),
    }
    return tuple(Feature(name, "complaints", text, made_of, "", "complaints") for name, (text, made_of) in made.items())


def _summed(weight: pl.Expr) -> pl.Expr:
    """The sum of weights, the same in whatever order and on however many threads it is made."""
    return (weight * UNITS).round().cast(pl.Int64).sum() / UNITS


def _customers() -> tuple[Feature, ...]:
    return (
        Feature("segment", "segment", "Segment.", pl.col("segment"), "not given", "customers", True),
        Feature("customer_class", "segment", "Class (A, B, C).", pl.col("customer_class"), "not given", "customers",
                True),
        Feature("is_channel_partner", "segment", "Whether the customer is a channel partner.",
                pl.col("is_channel_partner"), "not given", "customers"),
        Feature("membership_days", "tenure", "Days from joining to the as-of day.", pl.col("joined_days"),
                "joining day not known", "customers"),
    )  # fmt: skip


def _spans() -> tuple[Feature, ...]:
    return (
        Feature("repeat_purchase_days", "frequency", "Purchase days after the first (x of a buy-till-you-die model).",
                pl.col("purchase_days") - 1, "", "spans"),
        Feature("active_span_days", "tenure", "Days from first to last purchase (its tx; tenure_days is its T).",
                pl.col("tenure_days") - pl.col("recency_days"), "", "spans"),
    )  # fmt: skip


def _own_interval(settings: FeatureSettings, population_interval_days: float | None) -> tuple[Feature, ...]:
    span, repeats = pl.col("active_span_days"), pl.col("repeat_purchase_days")
    of_these = pl.when(repeats.sum() > 0).then(span.sum() / repeats.sum())
    population = of_these if population_interval_days is None else pl.lit(population_interval_days)
    own = (span + settings.prior_intervals * population) / (repeats + settings.prior_intervals)
    meaning = "Own mean time between purchase days, shrunken to the population's as of the day."
    return (Feature("interval_own_days", "frequency", meaning, own, "nobody has bought twice", "own_interval"),)


def _derived(settings: FeatureSettings) -> tuple[Feature, ...]:
    window, recency = settings.window_days, pl.col("recency_days")
    voice = pl.col(f"complaint_voice_{settings.complaint_half_life_days}d")
    last, previous = pl.col(f"orders_last_{window}d"), pl.col(f"orders_previous_{window}d")
    interval = pl.col("interval_own_days")
    return (
        Feature("recency_over_interval", "silence", "Silence measured in own intervals.", recency / interval,
                "nobody has bought twice", "derived"),
        Feature("recency_over_longest", "silence", "Silence measured in the longest time without a purchase so far.",
                recency / pl.col("interval_longest_days"), "bought on one day only", "derived"),
        Feature("recency_excess", "silence", "Silence beyond the own interval, in deviations of it.",
                (recency - interval) / (pl.col("interval_deviation_days") + 1.0), "fewer than three purchase days",
                "derived"),
        Feature("purchase_rate", "frequency", "Purchase days per 30 days of tenure, shrunken to the population's.",
                30.0 / (interval + recency / (pl.col("repeat_purchase_days") + settings.prior_intervals)),
                "nobody has bought twice", "derived"),
        Feature(f"orders_trend_{window}d", "trend", f"Log ratio of the orders in the last {window} days to before.",
                ((last + 0.5) / (previous + 0.5)).log(), "", "derived"),
        Feature("order_amount_trend", "trend", "Log ratio of the last order's amount to the mean.",
                (pl.col("order_amount_last").clip(0) + 1.0).log() - (pl.col("order_amount_mean").clip(0) + 1.0).log(),
                "no order has a known amount", "derived"),
        Feature("voice_of_regulars", "complaints", "Complaint voice × prior purchase days (log).",
                voice * pl.col("purchase_days").log1p(), "", "derived"),
    )  # fmt: skip
