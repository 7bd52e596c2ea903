"""One customer, explained: scores, evidence, reasons and history, for a person who asks.

Belongs here: reading what is known of one customer, and saying it. Must not be here: computing any of it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.bi.explaining_words import DIMENSIONS, STREAMS, WORDS
from pipelines.errors import UserError
from pipelines.modelling.actions import actions
from pipelines.privacy.pseudonyms import offer_pseudonym, stored_ids
from pipelines.privacy.tombstones import has_tombstone
from pipelines.settings import Settings
from pipelines.warehouse import Warehouse

WEAK_POINTS = 2.0
"""A dimension is called weak from so far below the mean of all customers on."""

MIDDLE = 50.0
"""The score of a customer of whom nothing is known."""

MOST_BARS = 24

Words = Mapping[str, str]

_BARS = "▁▂▃▄▅▆▇█"


def explanation(settings: Settings, customer_id: str) -> dict[str, Any]:
    """Everything that the newest night says of a customer, whose id is the plain one or, with a key, the pseudonym.

    Raises
    ------
    UserError
        If there was no night yet, or it did not score that customer; the text says why, as far as it is known.
    """
    if not (settings.warehouse / "warehouse.duckdb").is_file():
        raise UserError(f"{settings.warehouse}: there is no warehouse; run 'trust run' first")
    with Warehouse(settings) as warehouse:
        if not warehouse.has_table("marts.customer_scores"):
            raise UserError(f"{settings.warehouse}: no night has been completed; run 'trust run' first")
        offer_pseudonym(warehouse)
        known_as = stored_ids(settings, customer_id)
        scores = warehouse.records(
            "select * from marts.customer_scores where customer_id in (select unnest(?))", (known_as,)
        )
        if not scores:
            raise _not_scored(warehouse, customer_id, known_as)
        customer_id = scores[0]["customer_id"]
        reasons = "select * from marts.customer_reasons where customer_id = ? order by score desc, rank"
        changes = "select * from marts.trust_changes where customer_id = ? order by rank"
        usual = ", ".join(f"avg({column}) as {column}" for column in DIMENSIONS)
        evidence = "select stream, trials, failures from scores.trial_counts where customer_id = ? order by stream"
        history = (
            "select as_of, trust_score, churn_risk, is_reconstructed from marts.customer_scores_history"
            " where customer_id = ? order by as_of"
        )
        return {
            "scores": scores[0],
            "horizon_days": warehouse.value("select horizon_days from marts.run_info"),
            "usual": warehouse.records(f"select {usual} from marts.customer_scores")[0],
            "reasons": warehouse.records(reasons, (customer_id,)),
            # a warehouse of an older version has the table from its next night on
            "changes": warehouse.records(changes, (customer_id,)) if warehouse.has_table("marts.trust_changes") else [],
            "evidence": warehouse.records(evidence, (customer_id,)),
            "history": warehouse.records(history, (customer_id,)),
        }


def render(told: dict[str, Any], lang: str) -> str:
    """The explanation as lines for a terminal, in English (``en``) or Chinese (``zh``)."""
    words, scores = WORDS[lang], told["scores"]
    blocks = [
        [words["title"].format(id=scores["customer_id"], day=scores["as_of"])],
        _headline(told, words, lang),
        _action(told, words, lang),
        *_trust_reasons(told, words, lang),
        _churn_reasons(told, words, lang),
        _changes(told["changes"], words, lang),
        _dimensions(scores, words, lang),
        [words["evidence"], *(_trials(row, lang) for row in told["evidence"])],
        [_trend(told["history"], words)] if scores["trust_status"] == "scored" else [],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _not_scored(warehouse: Warehouse, customer_id: str, known_as: Sequence[str]) -> UserError:
    """Why a customer has no score: erased, without a purchase, misspelt, or not known at all."""
    if any(has_tombstone(warehouse, stored) for stored in known_as):
        return UserError(f"customer {customer_id!r} was erased, and nothing is kept of this person")
    day = warehouse.value("select max(as_of) from marts.run_info")
    known = "select count(*) from raw.customers where customer_id in (select unnest(?))"
    if warehouse.has_table("raw.customers") and warehouse.value(known, (list(known_as),)):
        return UserError(
            f"customer {customer_id!r} is known and has no purchase by {day}, so there is nothing to score"
        )
    like = "select customer_id from marts.customer_scores where lower(customer_id) = lower(trim(?)) limit 1"
    if near := warehouse.value(like, (customer_id,)):
        return UserError(f"customer {customer_id!r} is not among the scored customers; is it {near!r}?")
    return UserError(
        f"customer {customer_id!r} is not among the customers scored as of {day}; write the id as the purchases do"
    )


def _headline(told: dict[str, Any], words: Words, lang: str) -> list[str]:
    """Trust, status, risk, complaints and the weakest dimension, a sentence each."""
    scores = told["scores"]
    lines = [_trust(scores, words)]
    if scores["trust_experience"] is not None and scores["trust_status"] == "scored":
        lines.append(words["experience"].format(score=scores["trust_experience"]))
    count = scores["orders"]
    orders = words["one_order"] if count == 1 else words["orders"].format(count=count)
    lines.append(words[scores["churn_status"]].format(orders=orders, last=f"{scores['last_order_at']:%Y-%m-%d}"))
    if scores["churn_status"] != "churned":
        basis = words["baseline"] if scores["churn_basis"].startswith("baseline") else ""
        lines.append(
            words["risk"].format(days=told["horizon_days"], risk=_share(scores["churn_risk"], words), basis=basis)
        )
    if scores["open_complaints"]:
        lines.append(words["open_complaints"].format(count=scores["open_complaints"]))
    return [*lines, *_weakest(scores, told["usual"], words, lang)]


def _trust(scores: dict[str, Any], words: Words) -> str:
    if scores["trust_status"] != "scored":
        return words["unknown"]
    low, high = scores["trust_low"], scores["trust_high"]
    place = "trust_high" if low > MIDDLE else "trust_low" if high < MIDDLE else "trust_middle"
    return words["trust"].format(score=scores["trust_score"], low=low, high=high, meaning=words[place])


def _share(risk: float, words: Words) -> str:
    """A probability in percent; one that is not known to be 0 or 1 is never told as 0% or 100%."""
    return words["least"] if risk < 0.01 else words["most"] if risk > 0.99 else f"{risk:.0%}"


def _weakest(scores: dict[str, Any], usual: dict[str, Any], words: Words, lang: str) -> list[str]:
    """The dimension furthest below what is usual in this company; nothing where none is clearly below."""
    below = {
        column: usual[column] - scores[column]
        for column in DIMENSIONS
        if scores[column] is not None and usual[column] is not None
    }
    column = max(below, key=lambda name: below[name], default=None)
    if column is None or below[column] < WEAK_POINTS:
        return []
    name = DIMENSIONS[column][lang == "zh"]
    return [words["weak"].format(name=name, score=scores[column], usual=usual[column])]


def _action(told: dict[str, Any], words: Words, lang: str) -> list[str]:
    """What to do, and the reason that it answers."""
    scores = told["scores"]
    action = scores["recommended_action" if lang == "en" else "recommended_action_zh"]
    if not action:
        return [words["no_action"]]
    answered = {
        (row["score"], row["driver"])
        for row in actions().iter_rows(named=True)
        if row["text_en"] == scores["recommended_action"]
    }
    why = [row[f"text_{lang}"] for row in told["reasons"] if (row["score"], row["driver"]) in answered]
    if ("complaint", "open") in answered:
        count = scores["open_complaints"]
        why = [words["one_waits"] if count == 1 else words["wait"].format(count=count)]
    return [words["action"].format(action=action), *(words["because"].format(reason=reason) for reason in why[:1])]


def _trust_reasons(told: dict[str, Any], words: Words, lang: str) -> list[list[str]]:
    """What speaks for trust, and what speaks against it."""
    parts = zip(("for", "against"), _raising_and_lowering(told, "trust", lang), strict=True)
    return [[words[name], *(texts or [f"  {words['none']}"])] for name, texts in parts]


def _churn_reasons(told: dict[str, Any], words: Words, lang: str) -> list[str]:
    """What moves the risk; nothing for a customer who has left, which is a record and no forecast."""
    if told["scores"]["churn_status"] == "churned":
        return []
    parts = zip(("raises", "lowers"), _raising_and_lowering(told, "churn", lang), strict=True)
    lines = [line for name, texts in parts if texts for line in (words[name], *texts)]
    return lines or [words["raises"], f"  {words['none']}"]


def _raising_and_lowering(told: dict[str, Any], score: str, lang: str) -> tuple[list[str], list[str]]:
    """The reasons of a score as lines: those that raise it, and those that lower it."""
    reasons = [row for row in told["reasons"] if row["score"] == score]
    raising, lowering = (
        [f"  {row[f'text_{lang}']}" for row in reasons if row["contribution"] * sign > 0] for sign in (1, -1)
    )
    return raising, lowering


def _changes(changes: list[dict[str, Any]], words: Words, lang: str) -> list[str]:
    """What moved trust since the day before; nothing where it moved by no more than the noise."""
    if not changes:
        return []
    first = changes[0]
    before, now = first["trust_score_before"], first["trust_score"]
    title = words["changed"].format(day=first["compared_with"], before=before, now=now)
    return [title, *(f"  {change[f'text_{lang}']}" for change in changes)]


def _dimensions(scores: dict[str, Any], words: Words, lang: str) -> list[str]:
    shown = {names[lang == "zh"]: scores[column] for column, names in DIMENSIONS.items()}
    return [
        words["dimensions"],
        *(
            f"  {words['not_known'] if value is None else format(value, '.1f'):>5}  {name}"
            for name, value in shown.items()
        ),
    ]


def _trials(row: dict[str, Any], lang: str) -> str:
    name = STREAMS.get(row["stream"], (row["stream"], row["stream"]))[lang == "zh"]
    return f"  {row['trials']:>4}{row['failures']:>5}  {name}"


def _trend(history: list[dict[str, Any]], words: Words) -> str:
    """A bar each of the last scores, on the scale of 0 to 100, with the first and the last in words."""
    scored = [row for row in history if row["trust_score"] is not None][-MOST_BARS:]
    if not scored[1:]:
        return words["history_one"]
    line = "".join(_BARS[min(7, int(row["trust_score"] / 12.5))] for row in scored)
    first, last = scored[0], scored[-1]
    return words["history"].format(
        line=line, first=first["trust_score"], since=first["as_of"], last=last["trust_score"], until=last["as_of"]
    )
