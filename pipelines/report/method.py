"""Background and method: what the numbers are made of, from when to when, and what they cannot tell.

Belongs here: sources and coverage, the method in plain words. Must not be here: results.
"""

from datetime import date

from data_contracts import landing_contracts
from pipelines.report.blocks import Block, Note, Paragraph, Points, Section, Table
from pipelines.report.numbers import count, month, share, shown
from pipelines.report.overview import churn_basis
from pipelines.report.story import Story

ACCOUNTS = """
    select table_name, max(checked_rows) as read_rows from published.data_quality
    where check_name = 'account' group by table_name
"""
STARTS = {
    "purchases": ("churn_monthly", "select min(month) as first from published.churn_monthly"),
    "complaints": ("complaint_summary", "select min(month) as first from published.complaint_summary"),
    "churn": (
        "churn_monthly",
        "select min(month) filter (declared_customers is not null) as first from published.churn_monthly",
    ),
}
"""Where the published tables tell from when on a source speaks."""

INFORMED = "select * from published.dimension_summary where segment_by = 'all' order by dimension"


def method(story: Story) -> Section:
    """Purpose, way, sources, dimensions, limits."""
    run = story.facts.run
    parts = (
        Section("how", story.say("how"), _how(story)),
        Section("sources", story.say("sources"), _sources(story)),
        Section("informed", story.say("informed"), _informed(story)),
        Section("limits", story.say("limits"), (Points(tuple(story.say(f"limit_{n}") for n in range(1, 6))),)),
    )
    return Section("method", story.say("method"), (Paragraph(story.say("purpose", days=run["horizon_days"])),), parts)


def _how(story: Story) -> tuple[Block, ...]:
    run = story.facts.run
    risk = story.say(
        "how_churn",
        days=run["horizon_days"],
        label=story.name("label", run["label_definition"]),
        basis=churn_basis(story),
    )
    return (Paragraph(story.say("how_trust")), Paragraph(risk), Paragraph(story.say("how_read")))


def _sources(story: Story) -> tuple[Block, ...]:
    run = story.facts.run
    told: list[Block] = [Paragraph(story.say("sources_text", day=run["as_of"], zone=run["time_zone"]))]
    if note := story.missing("data_quality"):
        return (*told, note)
    read = {row["table_name"]: row["read_rows"] for row in story.facts.rows(ACCOUNTS)}
    rows = []
    for source in landing_contracts():
        number = read.get(source.name) or 0
        title = (source.title_en, source.title_zh)[story.position]
        first = _first(story, source.name) if number else None
        told_rows = count(number) if number else story.say("nothing_delivered")
        rows.append((title, story.say(f"source_{source.name}"), shown(first, month), told_rows))
    headers = tuple(story.say(key) for key in ("source", "source_tells", "since", "rows_read"))
    told.append(Table(story.say("sources_caption"), headers, tuple(rows), texts=2))
    notes = run["notes_zh" if story.language == "zh" else "notes_en"]
    return (*told, Note(story.say("run_notes", notes=notes))) if notes else tuple(told)


def _first(story: Story, source: str) -> date | None:
    table, query = STARTS.get(source, ("", ""))
    if not table or story.facts.why_not(table):
        return None
    row = story.facts.row(query)
    return row["first"] if row else None


def _informed(story: Story) -> tuple[Block, ...]:
    if note := story.missing("dimension_summary"):
        return (note,)
    rows = story.facts.rows(INFORMED)
    silent = [story.name("dimension", row["dimension"]) for row in rows if not row["is_informed"]]
    key = "informed_silent" if silent else "informed_all"
    table = Table(
        story.say("informed_caption"),
        tuple(story.say(key) for key in ("dimension", "is_informed", "with_evidence", "uncertainty")),
        tuple(
            (
                story.name("dimension", row["dimension"]),
                story.say("yes" if row["is_informed"] else "no"),
                shown(row["customers_with_evidence"], count),
                shown(row["uncertainty_mean"], share),
            )
            for row in rows
        ),
        texts=2,
    )
    return (Paragraph(story.say(key, dimensions=story.listed(silent))), table, Paragraph(story.say("informed_how")))
