"""Churn: who is expected to be lost, month by month, by tenure and cohort, and what came before.

Belongs here: what was lost and what is expected. Must not be here: what to do about it (see ``measures``).
"""

from data_contracts import contract
from pipelines.report.blocks import Block, Figure, Note, Paragraph, Section, Table
from pipelines.report.charts import cells, drawn, lines
from pipelines.report.facts import Row, minimum_customers
from pipelines.report.numbers import NOT_KNOWN, count, decimal, interval, month, share, shown
from pipelines.report.story import Story

LATEST_MONTHS, LATEST_COHORTS, LATEST_TENURE = 36, 24, 24
STATUS = "select churn_status, count(*) as customers from published.customer_scores group by churn_status"
BANDS = """
    select churn_band, count(*) as customers, avg(churn_risk) as mean
    from published.customer_scores where churn_status = 'active' group by churn_band
"""
MONTHLY = f"""
    select * from published.churn_monthly where is_complete order by month desc limit {LATEST_MONTHS}
"""
SURVIVAL = "select * from published.churn_survival order by churn desc, tenure_months"
COHORTS = f"""
    with latest as (
        select cohort_month from published.churn_cohorts
        group by cohort_month order by cohort_month desc limit {LATEST_COHORTS}
    )
    select * from published.churn_cohorts join latest using (cohort_month)
    where months_since <= {LATEST_TENURE} order by cohort_month, months_since
"""
PRECURSORS = "select * from published.churn_precursors order by ratio desc nulls last, precursor"


def risk(story: Story) -> Section:
    """Customers by status, and active customers by risk."""
    counted = {row["churn_status"]: row["customers"] for row in story.facts.rows(STATUS)}
    everybody = sum(counted.values())
    states = ("active", "lapsed", "churned")
    text = story.say(
        "risk_text", customers=count(everybody), **{state: count(counted.get(state, 0)) for state in states}
    )
    status = Table(
        story.say("status_caption"),
        (story.say("status"), story.say("customers"), story.say("share")),
        tuple(
            (
                story.name("churn_status", state),
                count(counted.get(state, 0)),
                share(counted.get(state, 0) / everybody) if everybody else NOT_KNOWN,
            )
            for state in states
        ),
    )
    active = counted.get("active", 0)
    if active < minimum_customers():
        return Section("risk", story.say("risk"), (Paragraph(text), status, Note(_too_few(story))))
    return Section("risk", story.say("risk"), (Paragraph(text), status, _bands(story, active)))


def _bands(story: Story, active: int) -> Table:
    told = {row["churn_band"]: row for row in story.facts.rows(BANDS)}
    rows = []
    for band in ("very_high", "high", "medium", "low"):
        row = told.get(band, {"customers": 0, "mean": None})
        is_few = 0 < row["customers"] < minimum_customers()
        mean = None if is_few else row["mean"]
        rows.append(
            (
                story.name("churn_band", band),
                count(row["customers"]),
                share(row["customers"] / active),
                shown(mean, share),
            )
        )
    headers = tuple(story.say(key) for key in ("churn_band", "active_customers", "share", "mean_risk"))
    return Table(story.say("risk_caption"), headers, tuple(rows))


def monthly(story: Story) -> Section:
    """How many were lost in each month that is over."""
    title = story.say("monthly")
    if note := story.missing("churn_monthly"):
        return Section("monthly", title, (note,))
    rows = story.facts.rows(MONTHLY)[::-1]
    told = [row for row in rows if row["silent_rate"] is not None]
    if not told:
        return Section("monthly", title, (Note(story.say("monthly_short")),))
    last = told[-1]
    text = story.say(
        "monthly_text",
        month=month(last["month"]),
        active=count(last["active_customers"]),
        silent=count(last["silent_customers"]),
        silent_rate=share(last["silent_rate"]),
        new=count(last["new_customers"]),
        returned=count(last["returned_customers"]),
    )
    if last["declared_rate"] is not None:
        declared = {"declared": count(last["declared_customers"]), "rate": share(last["declared_rate"])}
        text += story.say("monthly_declared", **declared)
    has_losses = any(row["silent_customers"] or row["declared_customers"] for row in told)
    drawn_or_not = _monthly_figure(story, told, text) if has_losses else Note(story.say("nobody_lost"))
    blocks: list[Block] = [Paragraph(text), drawn_or_not, _silence(story)]
    if all(row["declared_rate"] is None for row in told):
        blocks.append(Note(story.say("no_declared")))
    return Section("monthly", title, tuple(blocks))


def _silence(story: Story) -> Paragraph:
    """Why no line of silence moves at its beginning."""
    return Paragraph(story.say("silence_takes", days=contract("purchases").settings["activity_window_days"]))


def _monthly_figure(story: Story, rows: list[Row], text: str) -> Figure:
    points = [
        {
            "x": row["month"],
            "value": row[f"{churn}_rate"],
            "low": None,
            "high": None,
            "series": story.name("churn", churn),
        }
        for churn in ("silent", "declared")
        for row in rows
        if row[f"{churn}_rate"] is not None
    ]
    wide, narrow = drawn(lines(points, story.say("month"), story.say("monthly_share"), ".1%"))
    keys = ("month", "active_start", "silent", "share", "declared", "share", "involuntary", "new", "returned")
    table = Table(
        story.say("monthly_caption"),
        tuple(story.say(key) for key in keys),
        tuple(
            (
                month(row["month"]),
                count(row["active_customers"]),
                count(row["silent_customers"]),
                shown(row["silent_rate"], share),
                shown(row["declared_customers"], count),
                shown(row["declared_rate"], share),
                shown(row["involuntary_customers"], count),
                count(row["new_customers"]),
                count(row["returned_customers"]),
            )
            for row in reversed(rows)
        ),
    )
    return Figure("monthly-chart", story.say("monthly_chart"), text, wide, narrow, table)


def survival(story: Story) -> Section:
    """How many customers are still there after so many months."""
    title = story.say("survival")
    if note := story.missing("churn_survival"):
        return Section("survival", title, (note,))
    rows = story.facts.rows(SURVIVAL)
    if not any(row["events"] for row in rows):
        return Section("survival", title, (Note(story.say("nobody_lost")), _silence(story)))
    text = " ".join(
        _survivors(story, churn, told[-1])
        for churn in ("silent", "declared")
        if (told := [row for row in rows if row["churn"] == churn])
    )
    how = Paragraph(story.say("survival_how"))
    return Section("survival", title, (Paragraph(text), _survival_figure(story, rows, text), _silence(story), how))


def _survivors(story: Story, churn: str, last: Row) -> str:
    """How many are still there at the end of what has been watched."""
    return story.say(
        f"survival_{churn}",
        interval=interval(last["survival_low"], last["survival_high"], share),
        months=last["tenure_months"] + 1,
        share=share(last["survival"]),
        n=count(last["at_risk"]),
    )


def _survival_figure(story: Story, rows: list[Row], text: str) -> Figure:
    points = [
        {
            "x": row["tenure_months"] + 1,
            "value": row["survival"],
            "low": row["survival_low"],
            "high": row["survival_high"],
            "series": story.name("churn", row["churn"]),
        }
        for row in rows
    ]
    wide, narrow = drawn(lines(points, story.say("tenure"), story.say("survival_share"), ".0%", is_time=False))
    keys = ("churn", "tenure", "survival_share", "interval_90", "lost", "watched")
    table = Table(
        story.say("survival_caption"),
        tuple(story.say(key) for key in keys),
        tuple(
            (
                story.name("churn", row["churn"]),
                count(row["tenure_months"] + 1),
                share(row["survival"]),
                interval(row["survival_low"], row["survival_high"], share),
                count(row["events"]),
                count(row["at_risk"]),
            )
            for row in rows
        ),
    )
    return Figure("survival-chart", story.say("survival_chart"), text, wide, narrow, table)


def cohorts(story: Story) -> Section:
    """Customers by the month of their first order: how many are still active."""
    title = story.say("cohorts")
    if note := story.missing("churn_cohorts"):
        return Section("cohorts", title, (note,))
    rows = story.facts.rows(COHORTS)
    told = [row for row in rows if row["active_share"] is not None]
    if not told:
        return Section("cohorts", title, (Note(_too_few(story)),))
    oldest = [row for row in told if row["cohort_month"] == told[0]["cohort_month"]][-1]
    text = story.say(
        "cohorts_text",
        cohort=month(oldest["cohort_month"]),
        n=count(oldest["customers"]),
        share=share(oldest["active_share"]),
        months=oldest["months_since"],
    )
    points = [{"x": row["months_since"], "y": month(row["cohort_month"]), "value": row["active_share"]} for row in told]
    wide, narrow = drawn(cells(points, story.say("months_since"), story.say("first_order"), story.say("still_active")))
    figure = Figure("cohorts-chart", story.say("cohorts_chart"), text, wide, narrow, _cohort_table(story, rows))
    return Section("cohorts", title, (Paragraph(text), figure))


def _cohort_table(story: Story, rows: list[Row]) -> Table:
    ages = sorted({row["months_since"] for row in rows})
    told = {(row["cohort_month"], row["months_since"]): row["active_share"] for row in rows}
    sizes = {row["cohort_month"]: None if row["is_suppressed"] else row["customers"] for row in rows}
    cells = tuple(
        (month(first), shown(size, count), *(shown(told.get((first, age)), share) for age in ages))
        for first, size in sizes.items()
    )
    headers = (story.say("first_order"), story.say("customers"), *(story.say("month_n", n=age) for age in ages))
    return Table(story.say("cohorts_caption"), headers, cells)


def precursors(story: Story) -> Section:
    """What happened before customers were lost, and before they were kept."""
    title = story.say("precursors")
    if note := story.missing("churn_precursors"):
        return Section("precursors", title, (note,))
    rows = story.facts.rows(PRECURSORS)
    clear = [row for row in rows if row["ratio_low"] is not None and row["ratio_low"] > 1]
    if clear:
        names = [
            story.say(
                "precursor_ratio", precursor=story.name("precursor", row["precursor"]), ratio=decimal(row["ratio"])
            )
            for row in clear
        ]
        text = story.say("precursors_clear", precursors=story.listed(names))
    else:
        text = story.say("precursors_unclear")
    keys = ("precursor", "before_lost", "before_kept", "ratio", "interval_90", "n_lost", "n_kept")
    table = Table(
        story.say("precursors_caption", start=rows[0]["window_start"], end=rows[0]["window_end"]),
        tuple(story.say(key) for key in keys),
        tuple(_precursor(story, row) for row in rows),
    )
    return Section("precursors", title, (Paragraph(text), table, Paragraph(story.say("precursors_how"))))


def _precursor(story: Story, row: Row) -> tuple[str, ...]:
    why = "not_informed" if not row["is_informed"] else "withheld" if row["is_suppressed"] else None
    is_told = why is None
    return (
        story.name("precursor", row["precursor"]),
        story.say(why) if why else shown(row["lost_share"], share),
        shown(row["kept_share"], share),
        shown(row["ratio"], decimal),
        interval(row["ratio_low"], row["ratio_high"], decimal),
        shown(row["lost_customers"] if is_told else None, count),
        shown(row["kept_customers"] if is_told else None, count),
    )


def _too_few(story: Story) -> str:
    return story.say("too_few", minimum=count(minimum_customers()))
