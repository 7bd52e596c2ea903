"""The appendix: data quality, definitions, models beside their baselines, and the run.

Belongs here: what lets a reader check the rest. Must not be here: conclusions.
"""

from data_contracts import contract
from pipelines.report.agreements import contracts, model_card
from pipelines.report.blocks import Block, Note, Paragraph, Section, Table, Terms
from pipelines.report.facts import Row
from pipelines.report.numbers import NOT_KNOWN, count, fine, shown
from pipelines.report.story import Story
from pipelines.report.words import WORDS

MOST_CHECKS = 50
CHECKS = """
    select count(*) as rules, count(*) filter (not is_passed) as failed,
        count(*) filter (not is_passed and severity = 'error') as errors
    from published.data_quality
"""
FAILED = f"""
    select table_name, rule, severity, failed_rows, text_en, text_zh
    from published.data_quality where not is_passed
    order by severity, table_name, check_name, rule limit {MOST_CHECKS}
"""
NEWEST = """
    select * from published.model_quality
    where model = ? and evaluation = ?
        and as_of = (select max(as_of) from published.model_quality where model = ? and evaluation = ?)
    order by is_baseline, estimator, metric
"""
METRICS = ("log_loss", "brier", "auc", "average_precision")
DEFINED = (
    "trust_score", "trust_low", "trust_reliability", "trust_status", "trust_experience", "trust_band", "churn_risk",
    "churn_band", "churn_status", "churn_basis", "trust_product_quality",
)  # fmt: skip
DEFINED_OF_WORKLIST = ("expected_loss", "value_at_stake", "contact_priority", "is_holdout")


def appendix(story: Story) -> Section:
    """Quality, contracts, models and their card, definitions, run."""
    parts = (
        Section("quality", story.say("quality"), _quality(story)),
        contracts(story),
        Section("models", story.say("models"), _models(story)),
        model_card(story),
        Section("definitions", story.say("definitions"), (Terms(_definitions(story)),)),
        Section("run", story.say("run"), (_run(story),)),
    )
    return Section("appendix", story.say("appendix"), (), parts)


def _quality(story: Story) -> tuple[Block, ...]:
    run = story.facts.run
    text = story.say(
        "quality_text",
        **{key: count(run[key]) for key in ("deliveries", "rows_read", "rows_accepted", "rows_quarantined")},
    )
    if note := story.missing("data_quality"):
        return (Paragraph(text), note)
    counted = story.facts.row(CHECKS)
    assert counted, "an aggregate has a row"
    numbers = {key: count(counted[key]) for key in ("rules", "failed", "errors")}
    told: list[Block] = [Paragraph(text), Paragraph(story.say("checks_text", **numbers))]
    if counted["failed"]:
        column = "text_zh" if story.language == "zh" else "text_en"
        rows = tuple(
            (
                row["table_name"],
                row["rule"],
                story.name("severity", row["severity"]),
                row[column],
                shown(row["failed_rows"], count),
            )
            for row in story.facts.rows(FAILED)
        )
        headers = tuple(story.say(key) for key in ("table", "rule", "severity", "asked", "failed_rows"))
        told.append(Table(story.say("failed_caption", most=MOST_CHECKS), headers, rows, texts=4))
    return tuple(told)


def _models(story: Story) -> tuple[Block, ...]:
    if note := story.missing("model_quality"):
        return (note,)
    told: list[Block] = []
    for evaluation in ("training", "backtest"):
        rows = story.facts.rows(NEWEST, ("churn", evaluation, "churn", evaluation))
        if rows:
            told.append(_churn_table(story, evaluation, rows))
    if not told:
        told.append(Note(story.say("no_churn_measures")))
    else:
        told.insert(0, Paragraph(story.say("models_how")))
    trust = story.facts.rows(NEWEST, ("trust", "training", "trust", "training"))
    if trust:
        cells = tuple((_measure(story, row["metric"]), shown(row["value"], fine)) for row in trust)
        headers = (story.say("metric"), story.say("value"))
        told.append(Table(story.say("trust_model_caption", day=trust[0]["as_of"]), headers, cells))
    return tuple(told)


def _measure(story: Story, name: str) -> str:
    """The measure in words; of a later version of the program, its plain name."""
    key = f"measure_{name}"
    return story.say(key) if key in WORDS else name


def _churn_table(story: Story, evaluation: str, rows: list[Row]) -> Table:
    told = {(row["estimator"], row["metric"]): row["value"] for row in rows}
    kinds = {row["estimator"]: row["is_baseline"] for row in rows}
    cells = tuple(
        (
            story.name("estimator", estimator),
            story.say("yes" if is_baseline else "no"),
            *(shown(told.get((estimator, metric)), fine) for metric in METRICS),
        )
        for estimator, is_baseline in kinds.items()
    )
    headers = (story.say("estimator"), story.say("is_baseline"), *(story.say(metric) for metric in METRICS))
    return Table(story.say(f"{evaluation}_caption", day=rows[0]["as_of"]), headers, cells, texts=2)


def _definitions(story: Story) -> tuple[tuple[str, str], ...]:
    chosen = (("customer_scores", DEFINED), ("retention_worklist", DEFINED_OF_WORKLIST))
    return tuple(
        (name, (column.description_en, column.description_zh)[story.position])
        for table, names in chosen
        for name in names
        for column in (contract(table).column(name),)
    )


def _run(story: Story) -> Table:
    run = story.facts.run
    told = []
    for column in contract("run_info").columns:
        if column.name.startswith("notes_"):
            continue
        value = run.get(column.name)
        form = count(value) if isinstance(value, int) else NOT_KNOWN if value is None else str(value)
        told.append((column.name, (column.description_en, column.description_zh)[story.position], form))
    headers = (story.say("property"), story.say("meaning"), story.say("value"))
    return Table(story.say("run_caption"), headers, tuple(told), texts=3)
