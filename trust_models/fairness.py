"""Whether streams mean the same in all groups of customers: differential functioning, tested and sized.

Belongs here: the test of each stream by group at equal trust, how large a difference is, and which are to be adjusted.
Must not be here: scores, the fit of the trust model itself, words for people.

A stream functions differently where customers of equal trust fail in it at different rates (differential item
functioning: Holland and Wainer 1993). Groups may differ in mean trust (impact), which is no bias: for every stream and
group, a shift of the stream's log-odds is fitted beside a mean of trust that the *other* streams determine (Thissen,
Steinberg and Wainer 1993), and the shifts of a factor's groups are tested for being the same (Cochran 1954). All tests
of a company share one false discovery rate (Benjamini and Hochberg 1995).

Where a stream fails only if the customer speaks up, such a difference is one of complaining, and scores are adjusted
for it. Where the stream records what the company did, the difference is one of treatment: it is reported and stays.

References
----------
Benjamini, Y., Hochberg, Y. (1995). Controlling the false discovery rate. JRSS B 57, 289–300.
Cochran, W. G. (1954). The combination of estimates from different experiments. Biometrics 10, 101–129.
Holland, P. W., Wainer, H. (eds.) (1993). Differential Item Functioning. Erlbaum.
Lord, F. M. (1980). Applications of Item Response Theory to Practical Testing Problems. Erlbaum, chapter 14.
Louis, T. A. (1982). Finding the observed information matrix when using the EM algorithm. JRSS B 44, 226–233.
Thissen, D., Steinberg, L., Wainer, H. (1993). Detection of differential item functioning using the parameters of item
response models. In Holland and Wainer (1993), 67–113.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.special import expit, psi, zeta
from scipy.stats import chi2, false_discovery_control

from trust_models.as_of import EventLog
from trust_models.streams import EXPERIENCE_STREAMS, QUESTIONED_DIMENSIONS
from trust_models.trust import TrustEstimator
from trust_models.trust_likelihood import TrustParameters, quadrature, stream_log_likelihood

Floats = npt.NDArray[np.float64]

FACTORS = ("segment", "region", "customer_class", "channel")
"""What customers are grouped by."""

VOICE_STREAMS = ("order_sound", *(f"order_unquestioned_{name}" for name in QUESTIONED_DIMENSIONS))
"""Streams in which a failure shows only, or mostly, if the customer complains."""

FALSE_DISCOVERY_RATE = 0.01
SMALLEST_SHIFT = 0.2
"""Shift of the log-odds from which a difference matters: failures a fifth more or less likely at equal trust."""

SHIFT_SD = 0.5
"""Normal prior of a shift: small groups stay near the rest."""

NEWTON_STEPS = 3

FEWEST_CUSTOMERS, FEWEST_FAILURES = 50, 10
"""Smaller groups are not judged."""

NODES = 15

SCHEMA = pl.Schema(
    {
        "stream": pl.String,
        "factor": pl.String,
        "group": pl.String,
        "customers": pl.Int64,
        "failures": pl.Float64,
        "shift": pl.Float64,
        "p_value": pl.Float64,
        "q_value": pl.Float64,
        "is_different": pl.Boolean,
        "is_adjusted": pl.Boolean,
    }
)


def customer_groups(known: EventLog) -> pl.LazyFrame:
    """The groups of every customer with an order: customer_id and :data:`FACTORS` (null where not known).

    The channel is that of most of the customer's orders (of equally many, the first by name).

    Parameters
    ----------
    known : EventLog
        Masked event log.
    """
    channels = (
        known.orders.filter(pl.col("channel").is_not_null())
        .group_by("customer_id", "channel")
        .len()
        .sort(pl.col("len"), "channel", descending=[True, False])
        .unique("customer_id", keep="first", maintain_order=True)
        .select("customer_id", "channel")
    )
    return (
        known.orders.select(pl.col("customer_id").unique())
        .join(known.customers.select("customer_id", *FACTORS[:3]), on="customer_id", how="left")
        .join(channels, on="customer_id", how="left")
        .sort("customer_id")
    )


def differential_functioning(
    counts: pl.DataFrame, groups: pl.DataFrame, estimator: TrustEstimator, *, factors: Sequence[str] = FACTORS
) -> pl.DataFrame:
    """Every stream of experience by every group: how far its log-odds of success are shifted at equal trust.

    Parameters
    ----------
    counts : DataFrame
        customer_id, r_<stream>…, s_<stream>…, not faded.
    groups : DataFrame
        customer_id and the factors, one row a customer.
    estimator : TrustEstimator
        Fitted on such counts.
    factors : sequence of str
        Columns of ``groups``, each tested given the clear differences of those before it.

    Returns
    -------
    DataFrame
        One row a stream, factor and judged group: :data:`SCHEMA`. ``shift`` is the difference in log-odds from the
        average customer, positive where the stream goes well more often than equal trust explains.
        ``is_different``: the factor's test passes the false discovery rate and the shift is of a size that matters.
        ``is_adjusted``: that, in a stream of complaining.
    """
    rows = counts.sort("customer_id")
    members = rows.select("customer_id").join(groups, on="customer_id", how="left", maintain_order="left")
    company = _Company.of(rows, estimator)
    tests: list[pl.DataFrame] = []
    for factor in factors:
        found, company = _purified(company, factor, members[factor])
        tests += found
    if not tests:
        return SCHEMA.to_frame()
    q_values = false_discovery_control([test["p_value"][0] for test in tests])
    judged = pl.concat(
        test.with_columns(q_value=pl.lit(float(q_value))) for test, q_value in zip(tests, q_values, strict=True)
    )
    is_different = (pl.col("q_value") <= FALSE_DISCOVERY_RATE) & (pl.col("shift").abs() >= SMALLEST_SHIFT)
    return (
        judged.with_columns(is_different=is_different)
        .with_columns(is_adjusted=pl.col("is_different") & pl.col("stream").is_in(VOICE_STREAMS))
        .select(SCHEMA.names())
        .cast(SCHEMA)
    )


def adjustments(functioning: pl.DataFrame) -> Mapping[str, Mapping[str, Mapping[str, float]]]:
    """The shifts that scores are adjusted for: stream → factor → group → shift of the log-odds.

    All groups of a factor are adjusted where any of them is: shifts are relative to each other.
    """
    found: dict[str, dict[str, dict[str, float]]] = {}
    adjusted = functioning.filter(pl.col("is_adjusted").any().over("stream", "factor"))
    for stream, factor, group, shift in adjusted.select("stream", "factor", "group", "shift").iter_rows():
        found.setdefault(stream, {}).setdefault(factor, {})[group] = shift
    return found


def _purified(company: _Company, factor: str, of: pl.Series) -> tuple[list[pl.DataFrame], _Company]:
    """A test of each stream by one factor: shift of each judged group, with the p value of the factor.

    Also the company with the shifts of the clear ones, given which the next factor is tested: what a channel seems to
    do is often done by the segment that uses it.

    A stream that functions differently distorts the trust by which the others are compared. So the most clearly
    different one is shifted first, and the rest are tested again, until none is clear (purification: Lord 1980).
    """
    settled: list[pl.DataFrame] = []
    waiting = list(company.streams)
    while waiting:
        tests = [test for stream in waiting if (test := company.test(stream, factor, of)) is not None]
        clearest = min(tests, key=lambda test: float(test["p_value"][0]), default=None)
        if clearest is None or clearest["p_value"][0] > FALSE_DISCOVERY_RATE / len(company.streams):
            return settled + tests, company
        settled.append(clearest)
        waiting.remove(clearest["stream"][0])
        company = company.shifted(clearest["stream"][0], of, dict(clearest.select("group", "shift").iter_rows()))
    return settled, company


@dataclass(frozen=True)
class _Stream:
    """Counts of one stream: distinct rows of (successes, failures, shift so far), and which one each customer has."""

    parameters: TrustParameters
    distinct: Floats
    row: npt.NDArray[np.intp]

    @classmethod
    def of(cls, counts: Floats, parameters: TrustParameters) -> _Stream:
        distinct, row = np.unique(counts, axis=0, return_inverse=True)
        return cls(parameters, distinct, row)

    def shifted(self, by: Floats) -> _Stream:
        """The same with the log-odds of each customer shifted further."""
        return _Stream.of(self.distinct[self.row] + np.column_stack([np.zeros((len(by), 2)), by]), self.parameters)

    def logits(self, shift: float) -> Floats:
        """Log-odds of success of the distinct rows at the nodes (distinct, nodes)."""
        loading: Floats = self.parameters.loadings[0] * quadrature(NODES)[0]
        return np.asarray(self.parameters.intercepts[0] + self.distinct[:, [2]] + shift + loading)

    def log_likelihood(self, shift: float = 0.0) -> Floats:
        """Log likelihood of the distinct rows at the nodes (distinct, nodes), shifted."""
        return stream_log_likelihood(self.logits(shift), float(self.parameters.concentrations[0]), self.distinct)

    def slopes(self, shift: float) -> tuple[Floats, Floats]:
        """Its first and second derivative by the shift."""
        kappa, rate = float(self.parameters.concentrations[0]), expit(self.logits(shift))
        r, s = self.distinct[:, [0]], self.distinct[:, [1]]
        alpha, beta, change = kappa * rate, kappa * (1 - rate), kappa * rate * (1 - rate)
        first = psi(alpha + r) - psi(alpha) - psi(beta + s) + psi(beta)
        bend = zeta(2, alpha + r) - zeta(2, alpha) + zeta(2, beta + s) - zeta(2, beta)  # trigamma is zeta(2, ·)
        return change * first, change * (1 - 2 * rate) * first + change**2 * bend


@dataclass(frozen=True)
class _Company:
    """The streams of experience that have trials, and the log likelihood of each at the nodes (customers, nodes)."""

    streams: Mapping[str, _Stream]
    likelihoods: Mapping[str, Floats]
    everything: Floats

    @classmethod
    def of(cls, rows: pl.DataFrame, estimator: TrustEstimator) -> _Company:
        streams = {
            name: _Stream.of(
                rows.select(f"r_{name}", f"s_{name}", shift=0.0).to_numpy(),
                estimator.restricted_to([name]).parameters(),
            )
            for name, has_trials in zip(estimator.streams_, estimator.has_trials_, strict=True)
            if has_trials and name in EXPERIENCE_STREAMS
        }
        likelihoods = {name: stream.log_likelihood()[stream.row] for name, stream in streams.items()}
        return cls(streams, likelihoods, np.sum([np.zeros((len(rows), NODES)), *likelihoods.values()], axis=0))

    def shifted(self, name: str, of: pl.Series, shifts: Mapping[str, float]) -> _Company:
        """The same customers, with the log-odds of a stream shifted by group."""
        stream = self.streams[name].shifted(of.replace_strict(shifts, default=0.0, return_dtype=pl.Float64).to_numpy())
        likelihood = stream.log_likelihood()[stream.row]
        return _Company(
            streams={**self.streams, name: stream},
            likelihoods={**self.likelihoods, name: likelihood},
            everything=self.everything - self.likelihoods[name] + likelihood,
        )

    def test(self, name: str, factor: str, of: pl.Series) -> pl.DataFrame | None:
        """Shift of each judged group of a factor, with the p value of the factor; None with fewer than two groups."""
        stream, others = self.streams[name], self.everything - self.likelihoods[name]
        has_trials, groups, found = stream.distinct[stream.row, :2].sum(axis=1) > 0, of.to_numpy(), []
        for group in sorted(of.drop_nulls().unique().to_list()):
            rows = np.flatnonzero(has_trials & (groups == group))
            failures = float(stream.distinct[stream.row[rows], 1].sum())
            if len(rows) >= FEWEST_CUSTOMERS and failures >= FEWEST_FAILURES:
                shift, variance = _shift(stream, rows, others[rows])
                found.append((name, factor, group, len(rows), failures, shift, variance))
        if len(found) < 2:
            return None
        shifts, variances, sizes = (np.array([row[place] for row in found]) for place in (5, 6, 3))
        spread = shifts - np.average(shifts, weights=1 / variances)
        shrunken = (shifts - np.average(shifts, weights=sizes)) * SHIFT_SD**2 / (SHIFT_SD**2 + variances)
        p_value = float(chi2.sf((spread**2 / variances).sum(), len(found) - 1))
        schema = {column: SCHEMA[column] for column in SCHEMA.names()[:5]}
        frame = pl.DataFrame([row[:5] for row in found], schema=schema, orient="row")
        return frame.with_columns(pl.Series("shift", shrunken), p_value=pl.lit(p_value))


def _shift(stream: _Stream, rows: npt.NDArray[np.intp], others: Floats) -> tuple[float, float]:
    """Shift of a group's log-odds of success and its variance; the group's mean trust is free beside it.

    Newton's method on the marginal likelihood, whose information is Louis's (1982): the expected curvature less the
    posterior variance of the slope.
    """
    nodes, log_weights = quadrature(NODES)
    mean, shift, row = 0.0, 0.0, stream.row[rows]
    for _ in range(NEWTON_STEPS):
        posterior = others + stream.log_likelihood(shift)[row] + (log_weights + mean * nodes)
        posterior -= posterior.max(axis=1, keepdims=True)
        np.exp(posterior, out=posterior)
        posterior /= posterior.sum(axis=1, keepdims=True)
        by_shift, bend = (values[row] for values in stream.slopes(shift))
        weighted = posterior * by_shift
        expected, mean_slope = np.vecdot(posterior, nodes), weighted.sum(axis=1)
        gradient = np.array([(expected - mean).sum(), mean_slope.sum()])
        of_mean = len(rows) - (np.vecdot(posterior, nodes**2) - expected**2).sum()
        of_both = -(np.vecdot(weighted, nodes) - expected * mean_slope).sum()
        of_shift = -np.vdot(posterior, bend) - (np.vdot(weighted, by_shift) - (mean_slope**2).sum())
        covariance = np.linalg.inv(np.array([[of_mean, of_both], [of_both, of_shift]]) + 1e-6 * np.eye(2))
        step = np.clip(covariance @ gradient, -1.0, 1.0)
        mean, shift = mean + float(step[0]), shift + float(step[1])
    return shift, max(float(covariance[1, 1]), 1e-9)
