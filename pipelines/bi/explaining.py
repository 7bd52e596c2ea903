"""One customer, explained: scores, evidence, reasons and history, for a person who asks.

Belongs here: reading what is known of one customer, and saying it. Must not be here: computing any of it.
"""

from typing import Any

from pipelines.errors import UserError
from pipelines.privacy.pseudonyms import offer_pseudonym, stored_ids
from pipelines.settings import Settings
from pipelines.warehouse import Warehouse

_WORDS = {
    "en": {
        "trust": "Trust",
        "of_100": "of 100, likely between",
        "and": "and",
        "unknown": "not enough evidence yet to speak of trust",
        "experience": "Trust from experience alone",
        "dimensions": "Dimensions",
        "not_known": "not known: nothing recorded speaks of it",
        "risk": "Risk of being lost within {days} days",
        "status": "Status",
        "why_trust": "Why this trust",
        "why_churn": "Why this risk",
        "evidence": "Evidence (trials, of which went badly)",
        "history": "History (day, trust, risk)",
        "action": "Recommended action",
        "none": "none",
    },
    "zh": {
        "trust": "信任",
        "of_100": "（满分 100），可能介于",
        "and": "与",
        "unknown": "证据尚不足以评价信任",
        "experience": "仅凭经历的信任",
        "dimensions": "信任维度",
        "not_known": "未知：没有记录涉及该维度",
        "risk": "{days} 天内流失的风险",
        "status": "状态",
        "why_trust": "信任评分的原因",
        "why_churn": "流失风险的原因",
        "evidence": "证据（次数，其中不顺利的次数）",
        "history": "历史（日期、信任、风险）",
        "action": "建议措施",
        "none": "无",
    },
}
_DIMENSIONS = {
    "trust_product_quality": ("product quality", "产品质量"),
    "trust_service_quality": ("service quality", "服务质量"),
    "trust_reputation": ("company reputation", "企业声誉"),
    "trust_transparency": ("communication transparency", "沟通透明度"),
    "trust_values": ("value alignment", "价值观契合"),
}


def explanation(settings: Settings, customer_id: str) -> dict[str, Any]:
    """Everything that the newest night says of a customer, whose id is the plain one or, with a key, the pseudonym.

    Raises
    ------
    UserError
        If there was no night yet, or it did not score that customer.
    """
    if not (settings.warehouse / "warehouse.duckdb").is_file():
        raise UserError(f"{settings.warehouse}: there is no warehouse; run 'trust run' first")
    with Warehouse(settings) as warehouse:
        if not warehouse.has_table("marts.customer_scores"):
            raise UserError(f"{settings.warehouse}: no night has been completed; run 'trust run' first")
        offer_pseudonym(warehouse)
        scores = warehouse.records(
            "select * from marts.customer_scores where customer_id in (select unnest(?))",
            (stored_ids(settings, customer_id),),
        )
        if not scores:
            raise UserError(f"customer {customer_id!r} is not among the scored customers; check the id")
        customer_id = scores[0]["customer_id"]
        reasons = "select * from marts.customer_reasons where customer_id = ? order by score desc, rank"
        evidence = "select stream, trials, failures from scores.trial_counts where customer_id = ? order by stream"
        history = (
            "select as_of, trust_score, churn_risk, is_reconstructed from marts.customer_scores_history"
            " where customer_id = ? order by as_of"
        )
        return {
            "scores": scores[0],
            "horizon_days": warehouse.value("select horizon_days from marts.run_info"),
            "reasons": warehouse.records(reasons, (customer_id,)),
            "evidence": warehouse.records(evidence, (customer_id,)),
            "history": warehouse.records(history, (customer_id,)),
        }


def render(told: dict[str, Any], lang: str) -> str:
    """The explanation as lines for a terminal, in English (``en``) or Chinese (``zh``)."""
    words, scores = _WORDS[lang], told["scores"]
    lines = [f"{scores['customer_id']}  {scores['as_of']}", ""]
    lines.append(f"{words['trust']}: {_trust(scores, words)}")
    if scores["trust_experience"] is not None:
        lines.append(f"{words['experience']}: {scores['trust_experience']:.1f}")
    risk = words["risk"].format(days=told["horizon_days"])
    lines.append(f"{risk}: {scores['churn_risk']:.3f} ({scores['churn_basis']})")
    lines.append(f"{words['status']}: {scores['churn_status']}")
    action = scores["recommended_action" if lang == "en" else "recommended_action_zh"]
    lines.append(f"{words['action']}: {action or words['none']}")
    lines += ["", f"{words['dimensions']}:"]
    for column, names in _DIMENSIONS.items():
        value = scores[column]
        name = names[lang == "zh"]
        lines.append(f"  {name}: {words['not_known'] if value is None else format(value, '.1f')}")
    for score in ("trust", "churn"):
        texts = [reason[f"text_{lang}"] for reason in told["reasons"] if reason["score"] == score]
        lines += ["", f"{words[f'why_{score}']}:", *(f"  {text}" for text in texts or [words["none"]])]
    lines += ["", f"{words['evidence']}:"]
    lines += [f"  {row['stream']:<34}{row['trials']:>6}{row['failures']:>6}" for row in told["evidence"]]
    lines += ["", f"{words['history']}:"]
    for row in told["history"][-12:]:
        risk = "" if row["churn_risk"] is None else f"{row['churn_risk']:8.3f}"
        lines.append(f"  {row['as_of']}{row['trust_score']:8.1f}{risk}")
    return "\n".join(lines)


def _trust(scores: dict[str, Any], words: dict[str, str]) -> str:
    if scores["trust_status"] != "scored":
        return words["unknown"]
    low, high = scores["trust_low"], scores["trust_high"]
    return f"{scores['trust_score']:.1f} {words['of_100']} {low:.1f} {words['and']} {high:.1f}"
