"""How long the models take and how much memory, on simulated inputs: trust, churn, buy-till-you-die.

    .venv/bin/python benchmarks/models.py
    .venv/bin/python benchmarks/models.py churn --customers 100000 --snapshot-rows 60000

Times are of the calls alone, first by the clock, then of the processor on all cores: on a machine that does other
work, only the second can be compared. The peak memory of a part, each of which runs in a process of its own, holds its
inputs too. The targets, by the clock, are those for the default sizes on two free cores.

Belongs here: counts, feature frames and purchase histories as the models take them, and clocks around the calls.
Must not be here: the warehouse and the night (``bench.py``), assertions on time (a benchmark tells, it does not judge).
"""

import argparse
import contextlib
import multiprocessing
import resource
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import expit

from trust_models.bg_nbd import BGNBD
from trust_models.btyd import MBGNBD, distinct_rows
from trust_models.churn import ChurnSnapshot, train_churn
from trust_models.feature_catalogue import FeatureSettings, catalogue
from trust_models.pareto_nbd import ParetoNBD
from trust_models.streams import STREAMS
from trust_models.trust import TrustEstimator
from trust_models.trust_reasons import reasons

Floats = NDArray[np.float64]

SIX_STREAMS = (*STREAMS[:5], "came_back")
HORIZON_DAYS = 90
DAYS = 730
SNAPSHOTS = 6


def main() -> None:
    """Run the chosen parts, one process after the other."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; all by default")
    arguments.add_argument("--customers", type=int, default=1_000_000, help="scored, and fitted on by btyd")
    arguments.add_argument("--trust-customers", type=int, default=100_000, help="that the trust model is fitted on")
    arguments.add_argument("--snapshot-rows", type=int, default=300_000, help="that the churn model is trained on")
    arguments.add_argument("--seed", type=int, default=1)
    chosen = arguments.parse_args()
    if unknown := set(chosen.parts) - set(PARTS):
        arguments.error(f"no such part: {', '.join(sorted(unknown))}")
    spawned = multiprocessing.get_context("spawn")
    for part in chosen.parts or PARTS:
        print(f"\n{part}", flush=True)
        with ProcessPoolExecutor(1, mp_context=spawned) as process:
            peak = process.submit(_run, part, chosen).result()
        print(f"  peak memory {peak:.2f} GiB", flush=True)


def _run(part: str, chosen: argparse.Namespace) -> float:
    """Run a part in this process; its peak memory in GiB."""
    PARTS[part](chosen)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


@contextlib.contextmanager
def _timed(what: str, target: float | None = None) -> Iterator[None]:
    started, computed = time.perf_counter(), time.process_time()
    yield
    spent = f"{time.perf_counter() - started:>8.1f} s {time.process_time() - computed:>8.1f} s"
    print(f"  {what:<62}{spent}{f'   target {target:g} s' if target else ''}", flush=True)


def trust(chosen: argparse.Namespace) -> None:
    """Fit, scores and reasons of the trust model on six streams."""
    rng = np.random.default_rng(chosen.seed)
    estimator = TrustEstimator(streams=SIX_STREAMS, n_jobs=-1)
    with _timed(f"fit {chosen.trust_customers:,} customers, {len(SIX_STREAMS)} streams", 15):
        estimator.fit(_evidence(rng, chosen.trust_customers)[0])
    faded, counts = _evidence(rng, chosen.customers)
    with _timed(f"score {chosen.customers:,} customers", 10):
        estimator.transform(faded)
    with _timed(f"reasons of {chosen.customers:,} customers", 60):
        reasons(faded, counts, estimator)


def churn(chosen: argparse.Namespace) -> None:
    """Training, risks and reasons of the churn model."""
    rng, size = np.random.default_rng(chosen.seed), chosen.snapshot_rows // SNAPSHOTS
    snapshots = [ChurnSnapshot(date(2024, month, 28), *_customers(rng, size)) for month in range(1, SNAPSHOTS + 1)]
    columns = snapshots[0].features.width - 1
    with _timed(f"train on {SNAPSHOTS} snapshots of {size:,} customers, {columns} features", 60):
        training = train_churn(snapshots)
    model = training.candidate or training.model
    scored, _ = _customers(rng, chosen.customers)
    with _timed(f"score and explain {chosen.customers:,} customers ({training.chosen})", 30):
        model.explained(scored)


def btyd(chosen: argparse.Namespace) -> None:
    """Fit and P(active) of the buy-till-you-die models, and the BG/NBD of the package lifetimes beside them."""
    X, _ = _histories(np.random.default_rng(chosen.seed), chosen.customers)
    print(f"  {len(X):,} customers, {len(distinct_rows(X)[0]):,} distinct histories in days")
    for kind in (BGNBD, MBGNBD, ParetoNBD):
        started = time.perf_counter()
        with _timed(f"fit {kind.__name__}"):
            model = kind().fit(X)
        if kind is BGNBD:
            _peer(X, time.perf_counter() - started)
        with _timed(f"P(active) {kind.__name__}"):
            model.probability_active(X, HORIZON_DAYS)


def _peer(X: Floats, ours: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package is older than the pandas and numpy that it runs on
        try:
            import pandas as pd
            from lifetimes import BetaGeoFitter
        except ImportError:
            print("  the package lifetimes is not installed: no comparison")
            return
        started = time.perf_counter()
        with _timed("fit BG/NBD by lifetimes"):
            BetaGeoFitter().fit(*(pd.Series(column) for column in X.T))
    print(f"  lifetimes takes {(time.perf_counter() - started) / ours:.0f} times as long")


def _histories(rng: np.random.Generator, size: int) -> tuple[Floats, NDArray[np.bool_]]:
    """(x, tx, T) in whole days of Pareto/NBD customers, and whether each buys nothing in the horizon after."""
    rate, life = rng.gamma(0.55, 1 / 74, size), rng.exponential(1 / rng.gamma(0.6, 1 / 82, size))
    observed = rng.integers(1, DAYS, size).astype(float)
    alive = np.minimum(life, observed)
    x = rng.poisson(rate * alive).astype(float)
    last = np.ceil(alive * rng.random(size) ** (1 / np.maximum(x, 1)))
    later = rng.poisson(rate * np.clip(life - observed, 0, HORIZON_DAYS))
    return np.column_stack([x, np.where(x > 0, np.minimum(last, observed), 0.0), observed]), later == 0


def _evidence(rng: np.random.Generator, size: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Faded evidence of six streams, and the unfaded counts of each customer and stream with trials."""
    level, fade = rng.standard_normal(size), rng.uniform(0.3, 1.0, size)
    names = pl.Series("customer_id", np.arange(size)).cast(pl.String)
    faded, counts = {"customer_id": names}, []
    for stream, mean in zip(SIX_STREAMS, (6.0, 5.0, 0.5, 0.5, 6.0, 5.0), strict=True):
        trials = rng.poisson(mean * rng.gamma(1.0, 1.0, size))
        rate = expit(1.5 + 0.8 * level)
        good = rng.binomial(trials, rng.beta(10 * rate, 10 * (1 - rate)))
        faded |= {f"r_{stream}": good * fade, f"s_{stream}": (trials - good) * fade}
        counted = pl.DataFrame({"customer_id": names, "trials": trials, "failures": trials - good})
        counts.append(counted.filter(pl.col("trials") > 0).with_columns(stream=pl.lit(stream)))
    return pl.DataFrame(faded), pl.concat(counts)


def _customers(rng: np.random.Generator, size: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Every feature of the catalogue and the evidence, and labels; what does not follow from purchases is noise."""
    X, is_lost = _histories(rng, size)
    x, tx, observed = X.T.astype(np.int64)
    columns = {"customer_id": pl.Series(np.arange(size)).cast(pl.String)}
    columns |= {"repeat_purchase_days": x, "active_span_days": tx, "tenure_days": observed}
    columns |= {"purchase_days": x + 1, "orders": x + 1 + rng.poisson(0.2, size), "recency_days": observed - tx}
    known = {name: pl.Series(values) for name, values in columns.items()}
    made = {
        feature.name: _noise(rng, size, is_category=feature.is_category, has_nulls=bool(feature.null_means))
        for feature in catalogue(FeatureSettings())
        if feature.name not in known
    }
    evidence = {f"{side}_{stream}": rng.poisson(2.0, size) * rng.random(size) for side in "rs" for stream in STREAMS}
    frame = pl.DataFrame(known | made | evidence)
    return frame, frame.select("customer_id", is_lost=pl.Series(is_lost))


def _noise(rng: np.random.Generator, size: int, *, is_category: bool, has_nulls: bool) -> pl.Series:
    values = (
        pl.Series(rng.integers(0, 8, size)).cast(pl.String) if is_category else pl.Series(rng.lognormal(1, 1, size))
    )
    return values.set(pl.Series(rng.random(size) < 0.2), None) if has_nulls else values


PARTS: dict[str, Callable[[argparse.Namespace], None]] = {"trust": trust, "churn": churn, "btyd": btyd}


if __name__ == "__main__":
    main()
