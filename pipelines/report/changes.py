"""What changed since the day before: how many customers' trust moved by more than the noise, and what moved it.

Belongs here: counts and means over many customers. Must not be here: single customers, or trust over longer times
(see ``scores``).
"""

from typing import Any

from data_contracts import contract
from pipelines.report.blocks import Block, Note, Paragraph, Section, Table
from pipelines.report.facts import Row, minimum_customers
from pipelines.report.names import NAMES
from pipelines.report.numbers import NOT_KNOWN, change, count, decimal, shown
from pipelines.report.story import Story

MOVED = """
    select min(compared_with) as compared_with, count(*) filter (trust_change > 0) as up,
        count(*) filter (trust_change < 0) as down
    from published.trust_changes where rank = 1
"""
DRIVERS = """
    select driver, count(*) filter (contribution > 0) as raised, count(*) filter (contribution < 0) as lowered,
        avg(contribution) filter (contribution > 0) as raised_mean,
        avg(contribution) filter (contribution < 0) as lowered_mean
    from published.trust_changes group by driver order by sum(abs(contribution)) desc, driver
"""


def changes(story: Story) -> Section:
    """How many moved, up and down, and what moved them, the weightiest first."""
    title = story.say("changes")
    if note := story.missing("trust_changes"):
        return Section("changes", title, (note,))
    moved, limit = story.facts.row(MOVED), story.facts.run["trust_change_limit"]
    assert moved, "an aggregate has a row"
    text = story.say(
        "changes_text",
        day=moved["compared_with"],
        up=count(moved["up"]),
        down=count(moved["down"]),
        limit=decimal(limit),
    )
    blocks: list[Block] = [
        Paragraph(text),
        _table(story, story.facts.rows(DRIVERS)),
        Paragraph(story.say("changes_how")),
    ]
    least: Any = contract("trust_changes").settings["least_change"]
    if limit > least:
        blocks.append(Note(story.say("changes_noise", limit=decimal(limit), least=decimal(least))))
    return Section("changes", title, tuple(blocks))


def _table(story: Story, rows: list[Row]) -> Table:
    headers = tuple(story.say(key) for key in ("moved_by", "raised", "raised_mean", "lowered", "lowered_mean"))
    cells = tuple(
        (_name(story, row["driver"]), *_side(story, row, "raised"), *_side(story, row, "lowered")) for row in rows
    )
    return Table(story.say("changes_caption"), headers, cells)


def _name(story: Story, driver: str) -> str:
    return story.name("mover" if driver in NAMES["mover"] else "stream", driver)


def _side(story: Story, row: Row, side: str) -> tuple[str, str]:
    """How many customers a driver moved one way, and by how much; of few customers only that they are few."""
    customers, mean = row[side], row[f"{side}_mean"]
    if 0 < customers < minimum_customers():
        return story.say("fewer_than", minimum=count(minimum_customers())), NOT_KNOWN
    return count(customers), shown(mean, change)
