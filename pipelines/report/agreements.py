"""What was agreed with the data, and what the models are for: contracts and model card in the appendix.

Belongs here: the contracts with what became of them, and the card of the models in use. Must not be here: the measures
of the models (see ``appendix``), or the words of their cards (see ``model_card_words``).
"""

from data_contracts import landing_contracts, published_contracts
from pipelines.modelling import model_card_words as card
from pipelines.report.blocks import Block, Paragraph, Points, Section, Table
from pipelines.report.numbers import NOT_KNOWN, count, shown
from pipelines.report.overview import churn_basis
from pipelines.report.story import Story

KEPT = """
    select table_name, count(*) as rules, count(*) filter (not is_passed) as failed
    from published.data_quality group by table_name
"""


def contracts(story: Story) -> Section:
    """Every contract, who answers for it, and how many of its rules held."""
    title, told = story.say("contracts"), [Paragraph(story.say("contracts_text"))]
    if note := story.missing("data_quality"):
        return Section("contracts", title, (*told, note))
    kept = {row["table_name"]: row for row in story.facts.rows(KEPT)}
    rows = tuple(
        (
            (contract.title_en, contract.title_zh)[story.position],
            contract.name,
            story.say(contract.kind),
            contract.owner,
            shown(kept.get(contract.name, {}).get("rules"), count),
            shown(kept.get(contract.name, {}).get("failed"), count),
        )
        for contract in (*landing_contracts(), *published_contracts())
    )
    headers = tuple(story.say(key) for key in ("contract", "table", "contract_of", "owner", "rules", "not_held"))
    return Section("contracts", title, (*told, Table(story.say("contracts_caption"), headers, rows, texts=4)))


def model_card(story: Story) -> Section:
    """What both models in use are, what for and what not, and what to keep in mind."""
    run, at = story.facts.run, story.position
    models = tuple(
        (
            card.TITLES[kind][at],
            run.get(f"{kind}_model_version") or NOT_KNOWN,
            (run.get(f"{kind}_model_version") or NOT_KNOWN).partition(".")[0],
            card.FORMS[kind][at],
        )
        for kind in ("trust", "churn")
    )
    headers = tuple(story.say(key) for key in ("model", "version", "trained_as_of", "form"))
    summaries = [
        card.TITLES[kind][at] + card.COLON[at] + card.SUMMARY[kind][at].format(horizon_days=run["horizon_days"])
        for kind in ("trust", "churn")
    ]
    blocks: tuple[Block, ...] = (
        Table(story.say("model_card_caption"), headers, models, texts=4),
        *map(Paragraph, (*summaries, churn_basis(story).strip())),
    )
    parts = (
        Section("card-use", card.HEADINGS["use"][at], (_points(story, [card.USES["trust"], card.USES["churn"]]),)),
        Section("card-not-for", card.HEADINGS["out_of_scope"][at], (_points(story, card.OUT_OF_SCOPE),)),
        Section("card-ethics", card.HEADINGS["ethics"][at], (_points(story, card.ETHICS),)),
        Section(
            "card-caveats",
            card.HEADINGS["caveats"][at],
            (_points(story, [card.CAVEATS["trust"], card.CAVEATS["churn"]]), Paragraph(story.say("model_card_more"))),
        ),
    )
    return Section("model-card", story.say("model_card"), blocks, parts)


def _points(story: Story, texts: list[card.Texts] | tuple[card.Texts, ...]) -> Points:
    return Points(tuple(pair[story.position].replace("`", "") for pair in texts))
