"""Texts of the report on contracts, on the model card, and the names of the trust model's measures; English, Chinese.

Belongs here: words with gaps for numbers. Must not be here: numbers, or the model card's own words.
"""

AGREEMENTS = {
    "contracts": ("Data contracts", "数据契约"),
    "contracts_text": (
        "A contract says what a table holds, who answers for it and which rules every row keeps. Rows that break a rule"
        " of a source are put into quarantine; a published table that breaks one stops the night.",
        "契约规定每张表的内容、负责团队以及每行须遵守的规则。违反来源规则的行会被隔离；发布表若违反规则，当晚不会发布。",
    ),
    "contracts_caption": ("Contracts and how their rules were kept this night", "契约及其规则在本晚的遵守情况"),
    "contract": ("Contract", "契约"),
    "contract_of": ("Kind", "类型"),
    "landing": ("source", "来源"),
    "published": ("published", "发布"),
    "owner": ("Answers for it", "负责团队"),
    "rules": ("Rules checked", "检查规则数"),
    "not_held": ("Not held", "未通过"),
    "model_card": ("Model card", "模型卡"),
    "model_card_caption": ("The models behind the scores of this night", "本晚评分所用的模型"),
    "model": ("Model", "模型"),
    "version": ("Version", "版本"),
    "trained_as_of": ("Trained with what was known by", "训练所用信息截至"),
    "form": ("Form", "形式"),
    "model_card_more": (
        "The full cards, with what each model was trained on and what it looks at, lie beside the models in the"
        " warehouse folder and on Dagster's pages.",
        "完整的模型卡（训练数据与考察内容）与模型一起保存在数据仓库文件夹中，也可在 Dagster 页面上查看。",
    ),
    "silence_takes": (
        "Silence is a loss only after {days} days without a purchase. So nobody can fall silent sooner, neither after"
        " the first order nor after the records begin.",
        "连续 {days} 天没有购买才算沉默流失。因此无论是首次下单之后，还是数据记录开始之后，都不可能更早出现。",
    ),
    "nobody_lost": ("Nobody was lost in the time on record.", "在有记录的时间内没有客户流失。"),
    "measure_customers": ("Customers it was trained on", "训练所用客户数"),
    "measure_half_life_days": ("Days after which evidence counts half", "证据权重减半的天数"),
    "measure_score_shift_mean": (
        "Mean shift of the scores by the newest refit (points)",
        "最近一次重新拟合的平均评分变动（分）",
    ),
    "measure_score_shift_largest_tenth": (
        "Shift of the tenth that moved most, at least (points)",
        "变动最大的十分之一客户的最小变动（分）",
    ),
    "measure_score_shift_rank_correlation": (
        "Rank correlation of the scores before and after it",
        "重新拟合前后评分的秩相关",
    ),
}
