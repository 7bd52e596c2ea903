"""Complaints: how many for each 100 orders, of what, how they were handled, and who came back.

Belongs here: what customers said of their own accord. Must not be here: other failures (see ``losses``).
"""

from pipelines.report.blocks import Block, Figure, Note, Paragraph, Section, Table
from pipelines.report.charts import drawn, lines
from pipelines.report.facts import Row, minimum_customers
from pipelines.report.numbers import count, decimal, month, share, shown
from pipelines.report.story import Story

LATEST_MONTHS = 36
QUIET = 10
"""A month with less than such a part of the orders of the busiest one has too few."""

MONTHLY = f"""
    select * from published.complaint_summary
    where dimension = 'all' and is_complete order by month desc limit {LATEST_MONTHS}
"""
YEAR = """
    with months as (
        select * from published.complaint_summary
        where is_complete and month >= (select max(month) from published.complaint_summary) - interval 12 month
    )
    select dimension, sum(complaints)::bigint as complaints from months where dimension <> 'all'
    group by dimension having sum(complaints) >= ? order by complaints desc, dimension
"""
HANDLED = """
    select
        sum(answered_in_time_share * answer_due_complaints)
            / nullif(sum(answer_due_complaints) filter (answered_in_time_share is not null), 0) as answered,
        sum(answer_due_complaints) filter (answered_in_time_share is not null)::bigint as answer_due,
        sum(resolved_in_time_share * resolution_due_complaints)
            / nullif(sum(resolution_due_complaints) filter (resolved_in_time_share is not null), 0) as resolved,
        sum(resolution_due_complaints) filter (resolved_in_time_share is not null)::bigint as resolution_due,
        sum(repurchased_after_resolved_share * followed_resolved_complaints)
            / nullif(sum(followed_resolved_complaints) filter (repurchased_after_resolved_share is not null), 0)
            as after_resolved,
        sum(followed_resolved_complaints) filter (repurchased_after_resolved_share is not null)::bigint as n_resolved,
        sum(repurchased_after_unresolved_share * followed_unresolved_complaints)
            / nullif(sum(followed_unresolved_complaints) filter (repurchased_after_unresolved_share is not null), 0)
            as after_unresolved,
        sum(followed_unresolved_complaints) filter (repurchased_after_unresolved_share is not null)::bigint
            as n_unresolved
    from published.complaint_summary where dimension = 'all' and not is_suppressed
"""


def complaints(story: Story) -> Section:
    """The section; where there is no complaints feed, it says so."""
    title = story.say("complaints")
    if note := story.missing("complaint_summary"):
        return Section("complaints", title, (note,))
    rows = story.facts.rows(MONTHLY)[::-1]
    enough = _enough(rows)
    told = [row for row in rows if row["matured_orders"] >= enough]
    blocks: list[Block] = [*_monthly(story, rows, told, enough)] if told else [Note(story.say("complaints_short"))]
    return Section("complaints", title, (*blocks, *_of_what(story), *_handled(story)))


def _enough(rows: list[Row]) -> int:
    """Orders that a month must have for its rate to say something: the first ones often have a handful."""
    busiest = max((row["matured_orders"] for row in rows), default=0)
    return max(minimum_customers(), busiest // QUIET)


def _monthly(story: Story, rows: list[Row], told: list[Row], enough: int) -> list[Block]:
    last, most = told[-1], max(told, key=lambda row: row["complaints_per_100_orders"])
    text = story.say(
        "complaints_text",
        month=month(last["month"]),
        rate=decimal(last["complaints_per_100_orders"]),
        n=count(last["complaints"]),
        orders=count(last["matured_orders"]),
        most=decimal(most["complaints_per_100_orders"]),
        most_month=month(most["month"]),
        most_orders=count(most["matured_orders"]),
    )
    points = [
        {
            "x": row["month"],
            "value": row["complaints_per_100_orders"],
            "low": None,
            "high": None,
            "series": story.say("complaints"),
        }
        for row in told
    ]
    wide, narrow = drawn(lines(points, story.say("month"), story.say("per_100"), ".1f"))
    keys = ("month", "per_100", "complaints", "orders", "answer_hours", "resolution_days", "reopened")
    table = Table(
        story.say("complaints_caption", minimum=count(enough)),
        tuple(story.say(key) for key in keys),
        tuple(
            (
                month(row["month"]),
                shown(row["complaints_per_100_orders"], decimal),
                count(row["complaints"]),
                count(row["matured_orders"]),
                shown(row["answer_hours_median"], decimal),
                shown(row["resolution_days_median"], decimal),
                shown(row["reopened_share"], share),
            )
            for row in reversed(rows)
        ),
    )
    return [
        Paragraph(text),
        Figure("complaints-chart", story.say("complaints_chart"), text, wide, narrow, table),
    ]


def _of_what(story: Story) -> list[Block]:
    rows = story.facts.rows(YEAR, (minimum_customers(),))
    if not rows:
        return []
    cells = tuple((story.name("dimension", row["dimension"]), count(row["complaints"])) for row in rows)
    headers = (story.say("complained_of"), story.say("complaints"))
    return [Table(story.say("of_what_caption", minimum=count(minimum_customers())), headers, cells)]


def _handled(story: Story) -> list[Block]:
    row = story.facts.row(HANDLED)
    measures = (
        ("answered_in_time", "answered", "answer_due"),
        ("resolved_in_time", "resolved", "resolution_due"),
        ("back_after_resolved", "after_resolved", "n_resolved"),
        ("back_after_unresolved", "after_unresolved", "n_unresolved"),
    )
    told = [] if row is None else [(key, row[value], row[n]) for key, value, n in measures if row[value] is not None]
    if not told:
        return [Note(story.say("not_handled"))]
    cells = tuple((story.say(key), share(value), count(n)) for key, value, n in told)
    headers = (story.say("handling"), story.say("share"), story.say("n_complaints"))
    return [Table(story.say("handled_caption"), headers, cells), Paragraph(story.say("handled_how"))]
