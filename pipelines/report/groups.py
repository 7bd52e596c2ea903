"""How trust differs between groups of customers, and experience between products.

Belongs here: comparisons. Must not be here: figures of groups that are too small: they stay withheld, as published.
"""

from pipelines.report.blocks import Block, Figure, Note, Paragraph, Section, Table
from pipelines.report.charts import dots, drawn
from pipelines.report.facts import Row, minimum_customers
from pipelines.report.numbers import NOT_KNOWN, count, decimal, interval, share, shown
from pipelines.report.overview import costliest, everybody
from pipelines.report.story import Story

MOST = 12
"""Groups of a kind in a chart, the greatest first; the table holds more."""

MOST_ROWS = 60
GROUPS = """
    select *, row_number() over (partition by segment_by order by customers desc, segment_value) as place
    from published.segment_summary where segment_by <> 'all'
    order by case segment_by when 'segment' then 1 when 'region' then 2 when 'customer_class' then 3
        when 'channel' then 4 else 5 end, case when segment_by = 'cohort' then segment_value end, place
"""
STREAM = """
    select * from published.trust_losses where stream = ? and told_by = ?
    order by failure_share desc nulls last, told_of
"""
CATEGORIES = """
    select category,
        sum(repurchased_90d_share * old_enough_90d) / nullif(sum(old_enough_90d), 0) as again,
        sum(old_enough_90d) as judged
    from published.repurchase_summary
    where not is_suppressed and old_enough_90d > 0 and category <> 'all'
    group by category order by again, category
"""


def groups(story: Story) -> Section:
    """Segments, regions, classes, channels, cohorts."""
    title = story.say("groups")
    if note := story.missing("segment_summary"):
        return Section("groups", title, (note,))
    rows = story.facts.rows(GROUPS)
    if not rows:
        return Section("groups", title, (Note(story.say("no_groups")),))
    told = [row for row in rows if row["trust_score_mean"] is not None]
    blocks: list[Block] = [Paragraph(story.say("groups_how"))]
    if told:
        blocks.append(_figure(story, told, rows))
    else:
        blocks.append(_table(story, rows))
    if withheld := sum(row["is_suppressed"] for row in rows):
        blocks.append(Note(story.say("groups_withheld", groups=count(withheld), minimum=count(minimum_customers()))))
    return Section("groups", title, tuple(blocks))


def _figure(story: Story, told: list[Row], rows: list[Row]) -> Figure:
    everyone = everybody(story)
    lowest, highest = (pick(told, key=lambda row: row["trust_score_mean"]) for pick in (min, max))
    text = story.say(
        "groups_text",
        low_by=story.name("segment_by", lowest["segment_by"]),
        low=story.name("group", lowest["segment_value"]),
        low_mean=_mean(lowest),
        high_by=story.name("segment_by", highest["segment_by"]),
        high=story.name("group", highest["segment_value"]),
        high_mean=_mean(highest),
        all=_mean(everyone) if everyone else NOT_KNOWN,
    )
    points = [
        {
            "label": story.name("group", row["segment_value"]),
            "value": row["trust_score_mean"],
            "low": row["trust_score_low"],
            "high": row["trust_score_high"],
            "panel": story.name("segment_by", row["segment_by"]),
        }
        for row in told
        if row["place"] <= MOST
    ]
    reference = everyone["trust_score_mean"] if everyone else None
    wide, narrow = drawn(dots(points, story.say("mean_trust"), ".0f", reference=reference))
    return Figure("groups-chart", story.say("groups_chart"), text, wide, narrow, _table(story, rows))


def _mean(row: Row) -> str:
    spread = interval(row["trust_score_low"], row["trust_score_high"], decimal)
    return (
        f"{decimal(row['trust_score_mean'])} ({spread}, n\u00a0=\u00a0{shown(row['customers_with_evidence'], count)})"
    )


def _table(story: Story, rows: list[Row]) -> Table:
    keys = (
        "group_by",
        "group",
        "mean_trust",
        "interval_90",
        "with_evidence",
        "mean_risk",
        "expected_lost",
        "customers",
    )
    cells = tuple(
        (
            story.name("segment_by", row["segment_by"]),
            story.name("group", row["segment_value"]),
            story.say("withheld") if row["is_suppressed"] else shown(row["trust_score_mean"], decimal),
            interval(row["trust_score_low"], row["trust_score_high"], decimal),
            shown(row["customers_with_evidence"], count),
            shown(row["churn_risk_mean"], share),
            shown(row["expected_lost_customers"], decimal),
            NOT_KNOWN if row["is_suppressed"] else count(row["customers"]),
        )
        for row in rows
        if row["place"] <= MOST_ROWS
    )
    return Table(story.say("groups_caption", most=MOST_ROWS), tuple(story.say(key) for key in keys), cells, texts=2)


def products(story: Story) -> Section:
    """Product categories: how often things go badly, and how often customers buy again."""
    title = story.say("products")
    blocks = [*_failures(story), *_again(story)]
    return Section("products", title, tuple(blocks))


def _failures(story: Story) -> list[Block]:
    if note := story.missing("trust_losses"):
        return [note]
    worst = costliest(story)
    rows = story.facts.rows(STREAM, (worst["stream"], "category")) if worst else []
    told = [row for row in rows if row["failure_share"] is not None]
    if not worst or not told:
        return [Note(story.say("no_categories"))]
    stream = story.name("stream", worst["stream"])
    first = told[0]
    text = story.say(
        "products_text",
        stream=stream,
        category=story.name("group", first["told_of"]),
        share=share(first["failure_share"]),
        interval=interval(first["failure_share_low"], first["failure_share_high"], share),
        n=count(first["trials"]),
        all=share(worst["failure_share"]),
    )
    points = [
        {
            "label": story.name("group", row["told_of"]),
            "value": row["failure_share"],
            "low": row["failure_share_low"],
            "high": row["failure_share_high"],
            "panel": stream,
        }
        for row in told[: MOST * 2]
    ]
    wide, narrow = drawn(dots(points, story.say("failure_share"), ".0%", reference=worst["failure_share"]))
    keys = ("category", "failure_share", "interval_90", "experiences_n")
    cells = tuple(
        (
            story.name("group", row["told_of"]),
            shown(row["failure_share"], share) if not row["is_suppressed"] else story.say("withheld"),
            interval(row["failure_share_low"], row["failure_share_high"], share),
            NOT_KNOWN if row["is_suppressed"] else count(row["trials"]),
        )
        for row in rows[:MOST_ROWS]
    )
    table = Table(story.say("products_caption", stream=stream), tuple(story.say(key) for key in keys), cells)
    return [Paragraph(text), Figure("products-chart", story.say("products_chart"), text, wide, narrow, table)]


def _again(story: Story) -> list[Block]:
    if note := story.missing("repurchase_summary"):
        return [note]
    rows = story.facts.rows(CATEGORIES)
    if not rows:
        return [Note(story.say("empty_repurchase_summary"))]
    keys = ("category", "again_90d", "orders_judged")
    cells = tuple(
        (story.name("group", row["category"]), share(row["again"]), count(row["judged"])) for row in rows[:MOST_ROWS]
    )
    return [Table(story.say("again_caption"), tuple(story.say(key) for key in keys), cells)]
