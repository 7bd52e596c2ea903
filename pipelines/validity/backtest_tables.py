"""How a backtest looks in a terminal.

Belongs here: tables for a person. Must not be here: computing or keeping anything (see ``backtesting``).
"""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

Told = Mapping[str, Any]

WIDTH = 118
"""Columns where there is no terminal."""

SAID_OF_BASELINE = {"better": "beaten", "worse": "NOT BEATEN", "unclear": "level"}
"""What the model's verdict means for the baseline."""

MEASURES = {
    "auc": "AUC",
    "average_precision": "average precision",
    "brier": "Brier",
    "log_loss": "log loss",
    "calibration_slope": "calibration slope",
    "calibration_intercept": "calibration intercept",
    "ece": "calibration error",
    "lift_top_decile": "lift, riskiest tenth",
}
TRUST_OUTCOMES = {"later_failure": "failure", "later_complaint": "complaint", "later_loss": "lost"}
TRUST_ESTIMATORS = {
    "trust_experience": "trust_experience",
    "trust_score": "trust_score",
    "josang": "Jøsang",
    "complaint_free": "complaint-free",
}
SMALL_NAMED = 8


def show(told: Told) -> None:
    """Print a backtest: in plain text of fixed width where the output is no terminal."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, emoji=False, width=WIDTH, color_system=None)
    console.print(render(told))


def render(told: Told) -> RenderableType:
    """The tables: verdicts, measures, groups; then notes and where the pictures are."""
    newest, notes = told["cutoffs"][0], [note["en"] for note in told["notes"]]
    notes += _small_groups(newest, told["fewest"])
    notes += [f"{cutoff['day']}: {note['en']}" for cutoff in told["cutoffs"] for note in cutoff["notes"]]
    has_models = all(cutoff["has_model"] for cutoff in told["cutoffs"])
    return Group(
        _heading(
            f"Does {'the model' if has_models else 'what is in use'} beat the baselines? Log loss: lower is better."
        ),
        "beaten or NOT BEATEN: the 95% interval of the difference on the same customers is clear; level: it is not.",
        _verdicts(told),
        _heading("How good was what would have been in use? 95% intervals in brackets."),
        _measures(told),
        _heading("Does low trust foretell what follows? AUC: 0.5 is chance. 95% intervals in brackets."),
        "Who met a failure, of customers with any experience in the window; who complained, of those who ordered; who",
        "was lost. Jøsang: beta reputation with W = 2; complaint-free: 1 less complaints by orders. A score that rises",
        "with the number of orders foretells loss by that alone: what trust adds to RFM is the gain.",
        _trust(told),
        _heading(f"Is every group served alike? What would have been in use on {newest['day']}."),
        "missed: share of the lost whose risk was below the high band; who were not in the riskiest tenth of all.",
        _groups(newest),
        *(Text(f"note: {note}") for note in notes),
        *(Text(f"picture  {file}", overflow="ignore", no_wrap=True) for file in told["pictures"]),
    )


def _verdicts(told: Told) -> Table:
    """Log loss of the model and of each baseline at each cut-off, and whether the model beats it."""
    cutoffs = told["cutoffs"]
    table = _table("", *(cutoff["day"] for cutoff in cutoffs), "mean", "beaten")
    means = {row["basis"]: row["value"] for row in told["pooled"] if row["metric"] == "log_loss"}
    for basis, mean in means.items():
        said = [_verdict(cutoff, basis) for cutoff in cutoffs]
        losses = [_number(_measure(cutoff, basis, "log_loss").get("value")) for cutoff in cutoffs]
        cells = (f"{loss}  {word}".rstrip() for loss, word in zip(losses, said, strict=True))
        count = f"{said.count('beaten')} of {len(cutoffs)}" if any(said) else ""
        table.add_row(basis, *cells, _number(mean), count, end_section=basis == "in_use")
    return table


def _verdict(cutoff: Told, basis: str) -> str:
    found = [row["verdict"] for row in cutoff["comparisons"] if row["baseline"] == basis]
    return SAID_OF_BASELINE[found[0]] if found else ""


def _measures(told: Told) -> Table:
    """Every measure of what is in use at each cut-off, with its interval where it has one."""
    cutoffs = told["cutoffs"]
    table = _table("", *(cutoff["day"] for cutoff in cutoffs), "mean")
    means = {row["metric"]: row["value"] for row in told["pooled"] if row["basis"] == "in_use"}
    table.add_row("in use", *(cutoff["in_use"].removeprefix("baseline:") for cutoff in cutoffs))
    table.add_row("customers", *(f"{cutoff['customers']:,}" for cutoff in cutoffs))
    table.add_row("lost", *(f"{cutoff['lost'] / cutoff['customers']:.1%}" for cutoff in cutoffs))
    for metric, title in MEASURES.items():
        cells = (_with_interval(_measure(cutoff, "in_use", metric)) for cutoff in cutoffs)
        table.add_row(title, *cells, _number(means.get(metric)))
    return table


def _trust(told: Told) -> Table:
    """How well each trust score foretold each outcome at each cut-off."""
    cutoffs = told["cutoffs"]
    table = _table("", "", *(cutoff["day"] for cutoff in cutoffs))
    seen = dict.fromkeys((row["outcome"], row["estimator"], row["metric"]) for row in cutoffs[0]["trust"])
    for outcome, estimator, metric in seen:
        rows = [
            next(row for row in cutoff["trust"] if (row["outcome"], row["estimator"], row["metric"]) == key)
            for cutoff in cutoffs
            for key in [(outcome, estimator, metric)]
        ]
        title = TRUST_ESTIMATORS[estimator] if metric == "auc" else "gain over RFM"
        is_last = metric != "auc"
        table.add_row(TRUST_OUTCOMES[outcome], title, *(_with_interval(row) for row in rows), end_section=is_last)
    asked = {(row["estimator"], row["metric"]): row for row in told["asked_trust"]}
    for estimator in ("trust_score", "trust_experience"):
        row = asked[estimator, "spearman_weighted"]
        said = _with_interval(row) if row["value"] is not None else f"too few answers ({row['n']})"
        table.add_row("asked trust (rank corr.)", TRUST_ESTIMATORS[estimator], said)
    return table


def _groups(cutoff: Told) -> Table:
    """Whether every group is served alike at a cut-off."""
    table = _table("", "", "customers", "predicted", "realised", "AUC", "Brier", "missed: band", "missed: tenth")
    for row in _in_use(cutoff):
        if row["is_judged"]:
            predicted = (f"{row[name]:.1%}" for name in ("mean_risk", "lost_share"))
            missed = (f"{row[name]:.1%}" for name in ("missed_by_band", "missed_by_top_decile"))
            measured = (_number(row["auc"]), _number(row["brier"]))
            table.add_row(row["group_by"], row["group"], f"{row['customers']:,}", *predicted, *measured, *missed)
    return table


def _small_groups(cutoff: Told, fewest: Told) -> list[str]:
    small = [
        f"{row['group_by']} {row['group']} ({row['customers']})" for row in _in_use(cutoff) if not row["is_judged"]
    ]
    if not small:
        return []
    named = ", ".join(small[:SMALL_NAMED]) + (", …" if len(small) > SMALL_NAMED else "")
    limits = f"fewer than {fewest['customers']} customers or {fewest['lost']} lost"
    return [f"{len(small)} groups are not judged, having {limits}: {named}"]


def _in_use(cutoff: Told) -> list[Told]:
    return [row for row in cutoff["groups"] if row["basis"] == "in_use"]


def _measure(cutoff: Told, basis: str, metric: str) -> Told:
    """The row of a measure; empty where the basis was not there."""
    return next((row for row in cutoff["measures"] if (row["basis"], row["metric"]) == (basis, metric)), {})


def _with_interval(row: Told) -> str:
    interval = "" if row["low"] is None or row["value"] is None else f" [{row['low']:.2f}, {row['high']:.2f}]"
    return f"{_number(row['value'])}{interval}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _heading(text: str) -> Text:
    return Text(f"\n{text}", style="bold")


def _table(*titles: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in titles:
        table.add_column(title, min_width=min(len(title), 12))
    return table
