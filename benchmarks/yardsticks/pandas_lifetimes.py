"""What a user would write instead: pandas and the package lifetimes, three columns a customer.

Read the purchases, summary of each customer, fit, predict: frequency-recency-age, then the expected number of purchases
in 90 days, the probability of being alive, and the expected amount. No trust, no reasons, no checks.

Belongs here: the four stages as the documentation of lifetimes writes them. Must not be here: anything of the project.
"""

import sys
import warnings
from datetime import date
from pathlib import Path

import pandas as pd
from lifetimes import BetaGeoFitter, GammaGammaFitter
from lifetimes.utils import summary_data_from_transaction_data
from stages import stage

HORIZON_DAYS = 90


def main(landing: Path, day: date, target: Path) -> None:
    """Read, summarise, fit, predict, write."""
    with stage("read"):
        purchases = pd.concat([_read(path) for path in sorted((landing / "purchases").iterdir())])
    with stage("summary"):
        summary = summary_data_from_transaction_data(
            purchases, "customer_id", "ordered_at", monetary_value_col="amount", observation_period_end=day
        )
    with stage("fit"):
        model = BetaGeoFitter(penalizer_coef=0.001).fit(summary["frequency"], summary["recency"], summary["T"])
        back = summary[(summary["frequency"] > 0) & (summary["monetary_value"] > 0)]
        spend = GammaGammaFitter(penalizer_coef=0.001).fit(back["frequency"], back["monetary_value"])
    with stage("predict"):
        history = summary["frequency"], summary["recency"], summary["T"]
        summary["purchases_90d"] = model.conditional_expected_number_of_purchases_up_to_time(HORIZON_DAYS, *history)
        summary["alive"] = model.conditional_probability_alive(*history)
        summary["amount"] = spend.conditional_expected_average_profit(summary["frequency"], summary["monetary_value"])
    with stage("write"):
        summary.to_parquet(target)


def _read(path: Path) -> pd.DataFrame:
    columns = ["customer_id", "ordered_at", "amount"]
    if path.suffix == ".parquet":
        return pd.read_parquet(path, columns=columns)
    text = pd.read_csv(path, usecols=columns, dtype={"customer_id": str})
    instants = pd.to_datetime(text["ordered_at"], format="ISO8601", utc=True)
    return text.assign(ordered_at=instants.dt.tz_localize(None))


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # the package is older than the pandas and numpy that it runs on
    main(Path(sys.argv[1]), date.fromisoformat(sys.argv[2]), Path(sys.argv[3]))
