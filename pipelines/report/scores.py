"""Trust now, over time, and by dimension.

Belongs here: how the scores of all customers lie. Must not be here: groups (see ``groups``) or churn.
"""

from typing import Any

from data_contracts import contract
from pipelines.report.blocks import Block, Figure, Note, Paragraph, Section, Table
from pipelines.report.charts import dots, drawn, histogram, lines
from pipelines.report.facts import Row, minimum_customers
from pipelines.report.numbers import count, decimal, interval, share, shown
from pipelines.report.story import Story

WIDTH = 5
"""Points of trust in one class of the distribution."""

CLASSES = f"""
    with edges as (select unnest(range(0, 100, {WIDTH})) as low),
    scored as (
        select least(floor(trust_score / {WIDTH}) * {WIDTH}, 100 - {WIDTH}) as low, count(*) as customers
        from published.customer_scores where trust_status = 'scored' group by 1
    )
    select edges.low, edges.low + {WIDTH} as high, coalesce(scored.customers, 0) as customers
    from edges left join scored using (low) order by edges.low
"""
MIDDLE = """
    select count(*) as n, median(trust_score) as middle, quantile_cont(trust_score, 0.25) as lower,
        quantile_cont(trust_score, 0.75) as upper
    from published.customer_scores where trust_status = 'scored'
"""
BANDS = """
    select trust_band, count(*) as customers from published.customer_scores
    where trust_status = 'scored' group by trust_band
"""
MONTHS = """
    select * from published.trust_trend
    where period = 'month' and segment_by = 'all' and trust_score_mean is not null order by period_start
"""
DIMENSIONS = """
    select * from published.dimension_summary where segment_by = 'all' order by score_mean desc nulls last, dimension
"""


def distribution(story: Story) -> Section:
    """How the scores of the customers with evidence lie, in classes and in bands."""
    middle = story.facts.row(MIDDLE)
    assert middle, "an aggregate has a row"
    title = story.say("distribution")
    if middle["n"] < minimum_customers():
        return Section("distribution", title, (Note(story.say("too_few", minimum=count(minimum_customers()))),))
    rows = story.facts.rows(CLASSES)
    peak = max(rows, key=lambda row: row["customers"])
    text = story.say(
        "distribution_text",
        n=count(middle["n"]),
        middle=decimal(middle["middle"]),
        lower=decimal(middle["lower"]),
        upper=decimal(middle["upper"]),
    )
    wide, narrow = drawn(histogram(rows, story.say("trust_score"), story.say("customers"), "d"))
    table = Table(
        story.say("distribution_caption"),
        (story.say("trust_score"), story.say("customers"), story.say("share")),
        tuple(
            (interval(row["low"], row["high"], count), count(row["customers"]), share(row["customers"] / middle["n"]))
            for row in rows
        ),
    )
    most = story.say("distribution_peak", peak=interval(peak["low"], peak["high"], count), n=count(peak["customers"]))
    figure = Figure("distribution-chart", story.say("distribution_chart"), f"{text} {most}", wide, narrow, table)
    return Section("distribution", title, (Paragraph(text), figure, _bands(story, middle["n"])))


def _bands(story: Story, known: int) -> Table:
    counted = {row["trust_band"]: row["customers"] for row in story.facts.rows(BANDS)}
    limits: Any = contract("customer_scores").settings["trust_bands"]
    rows = [
        (
            story.name("trust_band", band),
            story.say("from_points", points=count(start)),
            count(counted.get(band, 0)),
            share(counted.get(band, 0) / known),
        )
        for band, start in sorted(limits.items(), key=lambda entry: -entry[1])
    ]
    headers = (story.say("band"), story.say("limit"), story.say("customers"), story.say("share"))
    return Table(story.say("bands_caption"), headers, tuple(rows), texts=2)


def trend(story: Story) -> Section:
    """The mean of all customers with evidence, month by month."""
    title = story.say("trend")
    if note := story.missing("trust_trend"):
        return Section("trend", title, (note,))
    rows = story.facts.rows(MONTHS)
    if len(rows) < 2:
        return Section("trend", title, (Note(story.say("trend_short")),))
    return Section("trend", title, _trend(story, rows))


def _trend(story: Story, rows: list[Row]) -> tuple[Block, ...]:
    lowest, highest = (pick(rows, key=lambda row: row["trust_score_mean"]) for pick in (min, max))
    text = story.say(
        "trend_text",
        first=rows[0]["as_of"],
        begin=decimal(rows[0]["trust_score_mean"]),
        last=rows[-1]["as_of"],
        end=decimal(rows[-1]["trust_score_mean"]),
        low=decimal(lowest["trust_score_mean"]),
        low_day=lowest["as_of"],
        high=decimal(highest["trust_score_mean"]),
        high_day=highest["as_of"],
    )
    points = [
        {
            "x": row["period_start"],
            "value": row["trust_score_mean"],
            "low": row["trust_score_low"],
            "high": row["trust_score_high"],
            "series": story.say("reconstructed" if row["is_reconstructed"] else "of_the_night"),
        }
        for row in rows
    ]
    wide, narrow = drawn(lines(points, story.say("month"), story.say("mean_trust"), ".0f"))
    figure = Figure("trend-chart", story.say("trend_chart"), text, wide, narrow, _trend_table(story, rows))
    blocks: list[Block] = [Paragraph(text), figure, Paragraph(story.say("trend_how"))]
    if len({row["trust_model_version"] for row in rows}) > 1:
        blocks.append(Note(story.say("trend_refitted")))
    return tuple(blocks)


def _trend_table(story: Story, rows: list[Row]) -> Table:
    keys = ("as_of", "made_how", "mean_trust", "interval_90", "low_trust", "mean_risk", "with_evidence")
    cells = tuple(
        (
            str(row["as_of"]),
            story.say("reconstructed" if row["is_reconstructed"] else "of_the_night"),
            decimal(row["trust_score_mean"]),
            interval(row["trust_score_low"], row["trust_score_high"], decimal),
            shown(row["low_trust_share"], share),
            shown(row["churn_risk_mean"], share),
            shown(row["customers_with_evidence"], count),
        )
        for row in reversed(rows)
    )
    return Table(story.say("trend_caption"), tuple(story.say(key) for key in keys), cells, texts=2)


def dimensions(story: Story) -> Section:
    """The classical dimensions of trust, where behaviour tells of them."""
    title = story.say("dimensions")
    if note := story.missing("dimension_summary"):
        return Section("dimensions", title, (note,))
    rows = story.facts.rows(DIMENSIONS)
    told = [row for row in rows if row["score_mean"] is not None]
    blocks: list[Block] = []
    if told:
        worst = told[-1]
        text = story.say(
            "dimensions_text",
            dimension=story.name("dimension", worst["dimension"]),
            mean=decimal(worst["score_mean"]),
            interval=interval(worst["score_low"], worst["score_high"], decimal),
            n=count(worst["customers_with_evidence"]),
        )
        blocks += [Paragraph(text), _dimension_figure(story, told, text), Paragraph(story.say("dimensions_how"))]
    for key, silent in (
        ("dimensions_silent", [row["dimension"] for row in rows if not row["is_informed"]]),
        ("dimensions_withheld", [row["dimension"] for row in rows if row["is_informed"] and row not in told]),
    ):
        if silent:
            names = story.listed([story.name("dimension", name) for name in silent])
            blocks.append(Note(story.say(key, dimensions=names, minimum=count(minimum_customers()))))
    return Section("dimensions", title, tuple(blocks))


def _dimension_figure(story: Story, rows: list[Row], text: str) -> Figure:
    points = [
        {
            "label": story.name("dimension", row["dimension"]),
            "value": row["score_mean"],
            "low": row["score_low"],
            "high": row["score_high"],
            "panel": story.name("group", "all"),
        }
        for row in rows
    ]
    wide, narrow = drawn(dots(points, story.say("dimension_score"), ".1f"))
    keys = ("dimension", "dimension_score", "interval_90", "belief", "disbelief", "uncertainty", "with_evidence")
    cells = tuple(
        (
            story.name("dimension", row["dimension"]),
            decimal(row["score_mean"]),
            interval(row["score_low"], row["score_high"], decimal),
            share(row["belief_mean"]),
            share(row["disbelief_mean"]),
            share(row["uncertainty_mean"]),
            count(row["customers_with_evidence"]),
        )
        for row in rows
    )
    table = Table(story.say("dimensions_caption"), tuple(story.say(key) for key in keys), cells)
    return Figure("dimensions-chart", story.say("dimensions_chart"), text, wide, narrow, table)
