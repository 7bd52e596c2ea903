"""The summary: what a person with one minute should know, every sentence made from the numbers.

Belongs here: choosing what matters most tonight. Must not be here: tables or charts.
"""

from math import hypot

from pipelines.report.blocks import Block, KeyFigures, Note, Points, Section
from pipelines.report.facts import Row, minimum_customers
from pipelines.report.numbers import NOT_KNOWN, count, decimal, interval, share, shown
from pipelines.report.story import Story

EVERYBODY = "select * from published.segment_summary where segment_by = 'all'"
CHURN = """
    select count(*) as active, sum(churn_risk) as expected, avg(churn_risk) as mean
    from published.customer_scores where churn_status = 'active'
"""
BASIS = """
    select churn_basis, count(*) as customers from published.customer_scores
    where churn_basis <> 'record' group by churn_basis order by customers desc, churn_basis
"""
COSTLIEST = """
    select * from published.trust_losses
    where told_by = 'all' and not is_consequence and not is_suppressed and weight > 0 and failures > 0
    order by failures * weight desc, stream limit 1
"""
MONTHS = """
    select * from published.trust_trend
    where period = 'month' and segment_by = 'all' and trust_score_mean is not null order by period_start desc limit 2
"""
BELOW = """
    select told.* from published.segment_summary as told
    join published.segment_summary as everybody on everybody.segment_by = 'all'
    where told.segment_by not in ('all', 'cohort') and told.trust_score_high < everybody.trust_score_low
        and told.customers_with_evidence >= ?
    order by told.trust_score_mean, told.segment_by, told.segment_value limit 1
"""
CONTACTS = """
    select count(*) as listed, count(*) filter (not is_holdout) as contacts, count(*) filter (is_holdout) as held,
        count(*) filter (not is_holdout and contact_priority = 'A') as first
    from published.retention_worklist
"""
FAILED = "select count(*) as failed from published.data_quality where not is_passed"


def summary(story: Story) -> Section:
    """Key figures, three to six sentences, and a warning where checks failed."""
    told = [_trust(story), _course(story), _loss(story), _churn(story), _group(story), _action(story)]
    blocks: list[Block] = [_figures(story), Points(tuple(text for text in told if text), is_ordered=True)]
    if (failed := _failed(story)) > 0:
        blocks.append(Note(story.say("summary_failed", failed=count(failed))))
    return Section("summary", story.say("summary"), tuple(blocks))


def everybody(story: Story) -> Row | None:
    """All customers together; None where that is not told."""
    row = None if story.facts.why_not("segment_summary") else story.facts.row(EVERYBODY)
    return row if row and row["trust_score_mean"] is not None else None


def costliest(story: Story) -> Row | None:
    """The kind of experience at which most trust is lost: how often it fails times how much it weighs."""
    return None if story.facts.why_not("trust_losses") else story.facts.row(COSTLIEST)


def contacts(story: Story) -> Row | None:
    """How many are on the worklist, may be contacted, are held out, come first."""
    return None if story.facts.why_not("retention_worklist") else story.facts.row(CONTACTS)


def churn_basis(story: Story) -> str:
    """Whether the model or a simple rule gave the risk of most customers."""
    row = story.facts.row(BASIS)
    kind, _, name = (row["churn_basis"] if row else "none").partition(":")
    return story.say(f"basis_{kind}", name=story.name("estimator", name))


def _failed(story: Story) -> int:
    row = None if story.facts.why_not("data_quality") else story.facts.row(FAILED)
    return row["failed"] if row else 0


def _figures(story: Story) -> KeyFigures:
    told, run, churn, work = everybody(story), story.facts.run, story.facts.row(CHURN), contacts(story)
    assert churn, "an aggregate has a row"
    spread = interval(told["trust_score_low"], told["trust_score_high"], decimal) if told else NOT_KNOWN
    known = run["customers_with_evidence"]
    return KeyFigures(
        (
            (
                story.say("mean_trust"),
                shown(told["trust_score_mean"] if told else None, decimal),
                story.say("of_100", interval=spread, n=count(known)),
            ),
            (story.say("known"), count(known), story.say("of_customers", n=count(run["customers"]))),
            (
                story.say("expected_lost"),
                shown(churn["expected"], count),
                story.say("of_active", n=count(churn["active"]), days=run["horizon_days"]),
            ),
            (
                story.say("to_contact"),
                shown(work["contacts"] if work else None, count),
                story.say("of_worklist", n=shown(work["listed"] if work else None, count)),
            ),
        )
    )


def _trust(story: Story) -> str:
    run, told = story.facts.run, everybody(story)
    known, all_of_them = run["customers_with_evidence"], run["customers"]
    numbers = {"n": count(known), "unknown": count(all_of_them - known), "customers": count(all_of_them)}
    if told is None:
        return story.say("summary_no_trust", day=run["as_of"], **numbers)
    spread = interval(told["trust_score_low"], told["trust_score_high"], decimal)
    return story.say(
        "summary_trust", day=run["as_of"], mean=decimal(told["trust_score_mean"]), interval=spread, **numbers
    )


def _course(story: Story) -> str:
    months = [] if story.facts.why_not("trust_trend") else story.facts.rows(MONTHS)
    if len(months) < 2:
        return story.say("summary_no_course")
    now, before = months
    step = round(now["trust_score_mean"], 1) - round(before["trust_score_mean"], 1)  # of the numbers as they are shown
    halves = [(row["trust_score_high"] - row["trust_score_low"]) / 2 for row in months]
    verdict = "steady" if abs(step) <= hypot(*halves) else "rose" if step > 0 else "fell"
    text = story.say(
        f"summary_{verdict}",
        points=decimal(abs(step)),
        before=decimal(before["trust_score_mean"]),
        now=decimal(now["trust_score_mean"]),
        since=before["as_of"],
    )
    changed = now["trust_model_version"] != before["trust_model_version"]
    return text + (story.say("summary_refitted") if changed else "")


def _loss(story: Story) -> str:
    worst = costliest(story)
    if worst is None:
        return story.say("summary_no_loss")
    return story.say(
        "summary_loss",
        stream=story.name("stream", worst["stream"]),
        share=share(worst["failure_share"]),
        n=count(worst["trials"]),
    )


def _churn(story: Story) -> str:
    run, churn = story.facts.run, story.facts.row(CHURN)
    if churn is None or not churn["active"]:
        return story.say("summary_nobody_active")
    return story.say(
        "summary_churn",
        expected=count(churn["expected"]),
        active=count(churn["active"]),
        mean=share(churn["mean"]),
        days=run["horizon_days"],
        label=story.name("label", run["label_definition"]),
        basis=churn_basis(story),
    )


def _group(story: Story) -> str:
    if story.facts.why_not("segment_summary"):
        return ""
    low = story.facts.row(BELOW, (minimum_customers(),))
    if low is None:
        return story.say("summary_no_group")
    return story.say(
        "summary_group",
        by=story.name("segment_by", low["segment_by"]),
        group=story.name("group", low["segment_value"]),
        mean=decimal(low["trust_score_mean"]),
        interval=interval(low["trust_score_low"], low["trust_score_high"], decimal),
        n=count(low["customers_with_evidence"]),
    )


def _action(story: Story) -> str:
    work = contacts(story)
    if work is None or not work["contacts"]:
        return story.say("summary_no_action")
    return story.say(
        "summary_action", contacts=count(work["contacts"]), first=count(work["first"]), held=count(work["held"])
    )
