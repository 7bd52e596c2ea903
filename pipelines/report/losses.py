"""Where trust is lost: the kinds of experience that the scores rest on, by how often they fail and how much they weigh.

Belongs here: experiences of the whole company. Must not be here: products (see ``groups``) or what to do.
"""

from pipelines.report.blocks import Block, Figure, Note, Paragraph, Section, Table
from pipelines.report.charts import dots, drawn
from pipelines.report.facts import Row
from pipelines.report.numbers import NOT_KNOWN, count, fine, interval, share, shown
from pipelines.report.overview import costliest
from pipelines.report.story import Story

STREAMS = """
    select * from published.trust_losses where told_by = 'all'
    order by is_consequence, failures * weight desc nulls last, stream
"""


def losses(story: Story) -> Section:
    """Streams of experience, the costliest first, and what customers did next."""
    title = story.say("losses")
    if note := story.missing("trust_losses"):
        return Section("losses", title, (note,))
    rows = story.facts.rows(STREAMS)
    told = [row for row in rows if row["failure_share"] is not None]
    if not told:
        return Section("losses", title, (Note(story.say("losses_withheld")), _table(story, rows)))
    worst = costliest(story)
    text = story.say("losses_none")
    if worst:
        spread = interval(worst["failure_share_low"], worst["failure_share_high"], share)
        numbers = {"share": share(worst["failure_share"]), "interval": spread, "n": count(worst["trials"])}
        text = story.say("losses_text", stream=story.name("stream", worst["stream"]), **numbers)
    blocks: tuple[Block, ...] = (Paragraph(text), _figure(story, told, rows, text), Paragraph(story.say("losses_how")))
    return Section("losses", title, blocks)


def _figure(story: Story, told: list[Row], rows: list[Row], text: str) -> Figure:
    points = [
        {
            "label": story.name("stream", row["stream"]),
            "value": row["failure_share"],
            "low": row["failure_share_low"],
            "high": row["failure_share_high"],
            "panel": story.say("consequences" if row["is_consequence"] else "experiences"),
        }
        for row in told
    ]
    wide, narrow = drawn(dots(points, story.say("failure_share"), ".0%"))
    return Figure("losses-chart", story.say("losses_chart"), text, wide, narrow, _table(story, rows))


def _table(story: Story, rows: list[Row]) -> Table:
    keys = ("experience", "failure_share", "interval_90", "failures", "experiences_n", "weight")
    cells = tuple(
        (
            story.name("stream", row["stream"]),
            story.say("withheld") if row["is_suppressed"] else shown(row["failure_share"], share),
            interval(row["failure_share_low"], row["failure_share_high"], share),
            shown(row["failures"], count),
            NOT_KNOWN if row["is_suppressed"] else count(row["trials"]),
            shown(row["weight"], fine),
        )
        for row in rows
    )
    return Table(story.say("losses_caption"), tuple(story.say(key) for key in keys), cells)
