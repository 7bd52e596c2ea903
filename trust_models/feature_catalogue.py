"""What the churn model looks at: one entry a feature, each a small expression with its meaning.

Belongs here: the features, their drivers, and the words that the documentation is generated from.
Must not be here: joins, reading of the event log, labels, or models.

Every expression speaks of one stage. ``orders``, ``intervals``, ``complaints`` and ``customers`` are aggregated per
customer from prepared rows (``age_days`` = days from the event to the as-of day): together they are the customer's
summary, which stays true while days go by and nothing happens. ``day``, ``own_interval`` and ``derived`` make the
features of a day from it, without a look at events. Sums over the past fade as 0.5^(age / half-life); a summary keeps
them as they weigh on the anchor of the half-life (``evidence.anchor``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import polars as pl

from trust_models.evidence import UNITS

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

AMOUNT_UNITS = 2.0**30
"""Amounts are summed in whole units of 2⁻³⁰, as weights are: fractions would add up to other last digits in another
order. A power of two, by which columns and single rows are divided alike."""

RECOVERED = ("resolved", "compensated", "replaced", "refunded")
"""Resolutions of a complaint that count as recovery."""


SUMMARY_STAGES = ("orders", "intervals", "complaints", "customers")
STAGES = (*SUMMARY_STAGES, "day", "own_interval", "derived")
"""In the order in which they are computed."""

RECENT_DAYS = 90
"""Half-life of lateness and of faults."""


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

    @property
    def all_half_lives_days(self) -> tuple[int, ...]:
        """Every half-life that any feature fades with, each once."""
        return tuple(dict.fromkeys((*self.half_lives_days, self.complaint_half_life_days, RECENT_DAYS)))


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


@dataclass(frozen=True)
class Statistic:
    """A column of a customer's summary that is no feature by itself: features of any later day are made of it."""

    name: str
    expression: pl.Expr = field(repr=False, compare=False)
    stage: str = "orders"


def expressions(columns: Sequence[Feature | Statistic], stage: str) -> list[pl.Expr]:
    """The named expressions of one stage, in catalogue order."""
    return [column.expression.alias(column.name) for column in columns if column.stage == stage]


def statistics(settings: FeatureSettings) -> tuple[Statistic, ...]:
    """What a customer's summary holds beside the features that no passing day changes."""
    date, amount = pl.col("ordered_date"), pl.col("amount")
    return (
        Statistic("first_order_date", date.min()),
        Statistic("last_order_date", date.max()),
        Statistic("last_order_at", pl.col("ordered_at").max()),
        *(
            statistic
            for days in settings.half_lives_days
            for statistic in (
                Statistic(f"orders_at_anchor_{days}d", summed(_weight(days))),
                Statistic(f"amount_at_anchor_{days}d", _summed_amount(amount * _weight(days))),
            )
        ),
        Statistic("amounts_known", amount.count().cast(pl.Int64)),
        Statistic("late_seconds", pl.col("late_seconds").sum()),
        Statistic("overdue", pl.col("overdue_since").count().cast(pl.Int64)),
        Statistic("overdue_since_seconds", pl.col("overdue_since").sum()),
        Statistic("faults_at_anchor", summed(pl.col("fault_at").is_not_null() * _weight(RECENT_DAYS))),
        *(
            Statistic(f"{name}_at_anchor", summed(weight), "complaints")
            for name, weight in _voices(settings.complaint_half_life_days).items()
        ),
        Statistic("joined_date", pl.col("joined_date"), "customers"),
    )


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


def _weight(half_life_days: int) -> pl.Expr:
    """What a prepared row weighs on the anchor of a half-life."""
    return pl.col(f"weight_{half_life_days}d")


def _fade(half_life_days: int) -> pl.Expr:
    """What a weight on the anchor of a half-life is on the day."""
    return pl.col(f"fade_{half_life_days}d")


def summed(weight: pl.Expr) -> pl.Expr:
    """The sum of weights, the same in whatever order and on however many threads it is made."""
    return (weight * UNITS).round().cast(pl.Int64).sum() / UNITS


def _summed_amount(amount: pl.Expr) -> pl.Expr:
    """The sum of amounts, likewise."""
    return (amount * AMOUNT_UNITS).round().cast(pl.Int128).sum().cast(pl.Float64) / AMOUNT_UNITS


def _rhythm() -> tuple[Feature, ...]:
    return (
        Feature("orders", "frequency", "Orders by the as-of day, cancelled ones included.", pl.len().cast(pl.Int64)),
        Feature("recency_days", "silence", "Days from the last order to the as-of day.",
                _days_since("last_order_date"), "", "day"),
        Feature("tenure_days", "tenure", "Days from the first order to the as-of day.",
                _days_since("first_order_date"), "", "day"),
    )  # fmt: skip


def _days_since(date: str) -> pl.Expr:
    return (pl.col("today") - pl.col(date)).dt.total_days()


def _decays(settings: FeatureSettings) -> tuple[Feature, ...]:
    is_known = pl.col("amounts_known") > 0
    return tuple(
        feature
        for days in settings.half_lives_days
        for feature in (
            Feature(
                f"orders_decayed_{days}d",
                "frequency",
                f"Orders, each fading with a half-life of {days} days.",
                pl.col(f"orders_at_anchor_{days}d") * _fade(days),
                stage="day",
            ),
            Feature(
                f"amount_decayed_{days}d",
                "spending",
                f"Amount ordered, each order fading with a half-life of {days} days.",
                pl.when(is_known).then(pl.col(f"amount_at_anchor_{days}d") * _fade(days)),
                "no order has a known amount",
                "day",
            ),
        )
    )


def _baskets() -> tuple[Feature, ...]:
    amount, unknown = pl.col("amount"), "no order has a known amount"
    return (
        Feature(
            "order_amount_mean",
            "spending",
            "Mean amount of an order.",
            pl.when(amount.count() > 0).then(_summed_amount(amount) / amount.count()),
            unknown,
        ),
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
    late, due, weight = pl.col("is_late"), "no promised date has passed", _weight(RECENT_DAYS)
    promises, weights = pl.col("promises_due"), summed(late.is_not_null() * weight)
    days_late = pl.col("late_seconds") + pl.col("overdue") * pl.col("now_seconds") - pl.col("overdue_since_seconds")
    return (
        Feature("promises_due", "delivery", "Orders with a promised date now past.", late.count()),
        Feature("orders_late", "delivery", "Of these, not delivered by the promised date.", late.sum()),
        Feature("late_share", "delivery", "Share of the promises due that were not kept.", late.mean(), due),
        Feature("late_share_decayed_90d", "delivery", "The same, recent ones weighing more (half-life 90 days).",
                pl.when(weights > 0).then(summed(late * weight) / weights).otherwise(late.mean()), due),
        Feature("days_late_mean", "delivery", "Mean days late over the promises due, early ones as 0.",
                pl.when(promises > 0).then(days_late / (promises * 86_400)), due, "day"),
        Feature("is_last_late", "delivery", "Whether the last promise due was broken.", late.drop_nulls().last(), due),
    )  # fmt: skip


def _returns() -> tuple[Feature, ...]:
    returned, fault = pl.col("returned_at").is_not_null(), pl.col("fault_at").is_not_null()
    return (
        Feature("orders_returned", "returns", "Orders returned or cancelled in part or whole by the as-of day.",
                returned.sum()),
        Feature("returned_share_mean", "returns", "Mean share of an order returned or cancelled.",
                summed(pl.col("returned_share").fill_null(0.0)) / pl.len()),
        Feature("orders_cancelled", "returns", "Orders cancelled as a whole.",
                pl.col("cancelled_at").is_not_null().sum()),
        Feature("orders_faulty", "returns", "Orders returned or cancelled for a fault.", fault.sum()),
        Feature("faults_decayed_90d", "returns", "Orders with a fault, fading with a half-life of 90 days.",
                pl.col("faults_at_anchor") * _fade(RECENT_DAYS), "", "day"),
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
                _deviation(gap), "fewer than three purchase days", "intervals"),
        Feature("interval_last_days", "trend", "Time between the last two purchase days.", gap.last(), once,
                "intervals"),
    )  # fmt: skip


def _deviation(whole: pl.Expr) -> pl.Expr:
    """Standard deviation of whole numbers, from sums that are the same in any order."""
    n, total, squares = whole.count(), whole.sum(), (whole * whole).sum()
    return pl.when(n > 1).then(((n * squares - total * total) / (n * (n - 1))).sqrt())


def _voices(half_life_days: int) -> dict[str, pl.Expr]:
    """What a complaint weighs: by its severity, and the parts of that which were made good and which are still open."""
    voice = pl.col("severity").fill_null(3) * _weight(half_life_days)
    recovered = pl.col("resolution").is_in(RECOVERED) & ~pl.col("is_open")
    return {
        "complaint_voice": voice,
        "complaint_recovery": voice * recovered.fill_null(value=False),
        "complaint_unresolved": voice * pl.col("is_open"),
    }


def _complaints(settings: FeatureSettings) -> tuple[Feature, ...]:
    days = settings.complaint_half_life_days
    counted = {
        "complaints": ("Complaints by the as-of day.", pl.len().cast(pl.Int64)),
        "complaints_open": ("Complaints not resolved, or opened again.", pl.col("is_open").sum()),
    }
    faded = {
        "complaint_voice": f"Σ severity, fading with a half-life of {days} days.",
        "complaint_recovery": "The part of the voice that was made good.",
        "complaint_unresolved": "The part of the voice still open.",
    }
    late = "Complaints without a response in 48 hours."
    return (
        *(Feature(name, "complaints", text, made_of, "", "complaints") for name, (text, made_of) in counted.items()),
        *(
            Feature(f"{name}_{days}d", "complaints", text, pl.col(f"{name}_at_anchor") * _fade(days), "", "day")
            for name, text in faded.items()
        ),
        Feature("complaints_answered_late", "complaints", late, pl.col("is_unanswered").sum(), "", "complaints"),
    )


def _customers() -> tuple[Feature, ...]:
    return (
        Feature("segment", "segment", "Segment.", pl.col("segment"), "not given", "customers", True),
        Feature("customer_class", "segment", "Class (A, B, C).", pl.col("customer_class"), "not given", "customers",
                True),
        Feature("is_channel_partner", "segment", "Whether the customer is a channel partner.",
                pl.col("is_channel_partner"), "not given", "customers"),
        Feature("membership_days", "tenure", "Days from joining to the as-of day.", _days_since("joined_date"),
                "joining day not known", "day"),
    )  # fmt: skip


def _spans() -> tuple[Feature, ...]:
    """Spans between the days of a summary."""
    return (
        Feature("repeat_purchase_days", "frequency", "Purchase days after the first (x of a buy-till-you-die model).",
                pl.col("purchase_days") - 1, "", "day"),
        Feature("active_span_days", "tenure", "Days from first to last purchase (its tx; tenure_days is its T).",
                (pl.col("last_order_date") - pl.col("first_order_date")).dt.total_days(), "", "day"),
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
