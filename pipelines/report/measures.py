"""Conclusions and recommended measures: for the company, and for the customers of the worklist, counted.

Belongs here: what to do, from the numbers. Must not be here: who the customers are: that is in the worklist.
"""

from pipelines.report.blocks import Block, Note, Paragraph, Points, Section, Table
from pipelines.report.facts import minimum_customers
from pipelines.report.names import NAMES
from pipelines.report.numbers import NOT_KNOWN, count, money, share
from pipelines.report.story import Story

PRIORITIES = """
    select contact_priority, count(*) filter (not is_holdout) as contacts, count(*) filter (is_holdout) as held,
        count(*) as customers, sum(expected_loss) filter (not is_holdout) as loss
    from published.retention_worklist group by contact_priority order by contact_priority
"""
ACTIONS = """
    select {column} as action, count(*) as contacts, sum(expected_loss) as loss
    from published.retention_worklist where not is_holdout
    group by recommended_action, recommended_action_zh order by contacts desc, recommended_action
"""
COSTLY = """
    select * from published.trust_losses
    where told_by = 'all' and not is_consequence and not is_suppressed and weight > 0 and failures > 0
    order by failures * weight desc, stream limit 3
"""


def measures(story: Story) -> Section:
    """First the company's own part, then the customers to contact, then why some are left alone."""
    parts = (
        Section("company", story.say("company"), _company(story)),
        Section("worklist", story.say("worklist"), _worklist(story)),
        Section("holdout", story.say("holdout"), _holdout(story)),
    )
    return Section("measures", story.say("measures"), (), parts)


def _company(story: Story) -> tuple[Block, ...]:
    if note := story.missing("trust_losses"):
        return (note,)
    rows = story.facts.rows(COSTLY)
    if not rows:
        return (Note(story.say("no_company_measure")),)
    items = tuple(
        story.say(
            "company_measure",
            measure=story.name("measure", row["stream"]),
            stream=story.name("stream", row["stream"]),
            share=share(row["failure_share"]),
            failures=count(row["failures"]),
            n=count(row["trials"]),
        )
        for row in rows
        if row["stream"] in NAMES["measure"]
    )
    return (Paragraph(story.say("company_how")), Points(items, is_ordered=True))


def _worklist(story: Story) -> tuple[Block, ...]:
    if note := story.missing("retention_worklist"):
        return (note,)
    currency = story.facts.run["currency"]
    priorities = Table(
        story.say("priorities_caption"),
        tuple(story.say(key) for key in ("priority", "to_contact", "held_out", "expected_loss")),
        tuple(
            (
                row["contact_priority"],
                count(row["contacts"]),
                count(row["held"]),
                _amount(row["contacts"], row["loss"], currency),
            )
            for row in story.facts.rows(PRIORITIES)
        ),
    )
    column = "recommended_action_zh" if story.language == "zh" else "recommended_action"
    actions = Table(
        story.say("actions_caption"),
        tuple(story.say(key) for key in ("action", "to_contact", "expected_loss")),
        tuple(
            (
                row["action"] or story.say("no_reason"),
                _number(story, row["contacts"]),
                _amount(row["contacts"], row["loss"], currency),
            )
            for row in story.facts.rows(ACTIONS.format(column=column))
        ),
    )
    return (Paragraph(story.say("worklist_how")), priorities, actions)


def _number(story: Story, customers: int) -> str:
    if 0 < customers < minimum_customers():
        return story.say("fewer_than", minimum=count(minimum_customers()))
    return count(customers)


def _amount(customers: int, amount: float | None, currency: str | None) -> str:
    return NOT_KNOWN if customers < minimum_customers() else money(amount, currency)


def _holdout(story: Story) -> tuple[Block, ...]:
    if story.facts.why_not("retention_worklist"):
        return (Paragraph(story.say("holdout_how")),)
    held = sum(row["held"] for row in story.facts.rows(PRIORITIES))
    listed = sum(row["customers"] for row in story.facts.rows(PRIORITIES))
    counted = story.say("holdout_counts", held=count(held), listed=count(listed))
    return (Paragraph(counted), Paragraph(story.say("holdout_how")))
