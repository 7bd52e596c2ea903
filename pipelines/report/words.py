"""The words of the report: every text as (English, Chinese), with the same gaps for the same numbers.

Belongs here: headings, sentences, labels. Must not be here: numbers that come from data, or names of values (see
``names``).
"""

from collections.abc import Mapping
from types import MappingProxyType

from pipelines.report.words_agreements import AGREEMENTS
from pipelines.report.words_analysis import ANALYSIS

LANGUAGES = ("en", "zh")

_FRAME = {
    "title": ("Customer trust report", "客户信任报告"),
    "subtitle": (
        "How far customers trust the company, and whom it may lose, from what they do",
        "从客户行为看客户对企业的信任程度，以及可能流失的客户",
    ),
    "as_of_label": ("As of the end of", "评分日（当日结束时）"),
    "made_label": ("Report made", "报告生成时间"),
    "published_label": ("Scores published", "评分发布时间"),
    "skip": ("Skip to the report", "跳到正文"),
    "contents": ("Contents", "目录"),
    "table_behind": ("The table behind it", "查看数据表"),
    "footer": (
        "Scores describe the customers' trust in the company; they are no rating of customers. Which customers to"
        " contact is in the table retention_worklist of the BI database, not in this report.",
        "评分描述客户对企业的信任，不是对客户的评级。"
        "需要联系的具体客户见 BI 数据库的 retention_worklist 表，本报告不含客户编号。",
    ),
    "summary": ("Summary", "摘要"),
    "method": ("Background and method", "背景与方法"),
    "analysis": ("Analysis", "分析"),
    "measures": ("Conclusions and recommended measures", "结论与建议措施"),
    "appendix": ("Appendix", "附录"),
    "none": ("none", "无"),
    "yes": ("yes", "是"),
    "no": ("no", "否"),
    "separator": (", ", "、"),
    "withheld": ("withheld: too few", "数量过少，不显示"),
    "fewer_than": ("fewer than {minimum}", "少于 {minimum}"),
    "too_few": (
        "Not shown: figures of fewer than {minimum} customers would give single customers away.",
        "不显示：少于 {minimum} 名客户的数字会暴露个人。",
    ),
    "table_absent": (
        "Not known: the published database has no table “{title}”. It was published by an earlier version; run the"
        " night again.",
        "未知：已发布的数据库中没有“{title}”表，它由较早的版本发布；请重新运行夜间任务。",
    ),
    "table_older": (
        "Not known: the table “{title}” was published by an earlier version and lacks columns; run the night again.",
        "未知：“{title}”表由较早的版本发布，缺少部分列；请重新运行夜间任务。",
    ),
    "table_empty": (
        "Not known: the table “{title}” is empty; nothing was published in it this night.",
        "未知：“{title}”表为空，本次没有发布任何内容。",
    ),
    "empty_complaint_summary": (
        "Not known: no complaint was delivered, or the company has no complaints feed. That nothing is recorded does"
        " not mean that nobody was dissatisfied.",
        "未知：没有交付投诉，或企业没有投诉数据。没有记录并不表示没有人不满。",
    ),
    "empty_churn_precursors": (
        "Not known: no churn window is over yet, so that nothing can be compared with what followed.",
        "未知：尚无已结束的流失窗口，无法与之后的结果比较。",
    ),
    "empty_churn_survival": (
        "Not known: no month of tenure has been reached by at least {minimum} customers.",
        "未知：尚无至少 {minimum} 名客户达到的客户时长月份。",
    ),
    "empty_churn_cohorts": (
        "Not known: no month since a first order is over yet.",
        "未知：首次下单后尚无已结束的月份。",
    ),
    "empty_retention_worklist": (
        "Nobody is on the worklist: no active customer is likelier to be lost than others.",
        "工作清单为空：没有流失可能性高于其他人的活跃客户。",
    ),
    "empty_trust_losses": (
        "Not known: no experience is old enough to be judged yet.",
        "未知：尚无可判断的体验。",
    ),
    "empty_repurchase_summary": (
        "Not known: no orders of a product category are old enough to say whether customers bought"
        " again within 90 days.",
        "未知：尚无任何商品类别的订单足够早，无法判断客户是否在 90 天内再次购买。",
    ),
    "empty_model_quality": (
        "Not known: no model has been judged yet; that needs customers of whom it is known what followed.",
        "未知：尚未评估任何模型；评估需要已知后续结果的客户。",
    ),
}

_SUMMARY = {
    "mean_trust": ("Mean trust", "平均信任"),
    "of_100": ("of 100; 90% interval {interval}; n = {n}", "满分 100；90% 区间 {interval}；n = {n}"),
    "known": ("Customers with evidence", "有证据的客户"),
    "of_customers": ("of {n} customers", "共 {n} 名客户"),
    "expected_lost": ("Expected to be lost", "预计流失"),
    "of_active": ("of {n} active customers, within {days} days", "{n} 名活跃客户中，{days} 天内"),
    "to_contact": ("To contact", "待联系"),
    "of_worklist": ("of {n} on the worklist", "工作清单共 {n} 名"),
    "summary_trust": (
        "As of {day}, trust averages {mean} of 100 (90% interval {interval}, n = {n}). Of {customers} customers,"
        " {unknown} have too little evidence: they are unknown, not distrusting.",
        "截至 {day}，平均信任为 {mean}（满分 100，90% 区间 {interval}，n = {n}）。{customers} 名客户中有 {unknown}"
        " 名证据不足：属于未知，而非不信任。",
    ),
    "summary_no_trust": (
        "As of {day}, no mean of trust can be given: {n} of {customers} customers have enough evidence, {unknown} do"
        " not. They are unknown, not distrusting.",
        "截至 {day}，无法给出平均信任：{customers} 名客户中 {n} 名有足够证据，{unknown} 名证据不足，"
        "属于未知，而非不信任。",
    ),
    "summary_rose": (
        "Since {since}, mean trust has risen by {points} points, from {before} to {now}.",
        "自 {since} 以来，平均信任上升 {points} 分，由 {before} 升至 {now}。",
    ),
    "summary_fell": (
        "Since {since}, mean trust has fallen by {points} points, from {before} to {now}: look below at where it is"
        " lost.",
        "自 {since} 以来，平均信任下降 {points} 分，由 {before} 降至 {now}：请查看下文失去信任的环节。",
    ),
    "summary_steady": (
        "Since {since}, mean trust has not clearly changed: {before} then, {now} now, a difference of {points} points"
        " that may be chance.",
        "自 {since} 以来，平均信任没有明确变化：当时 {before}，现在 {now}，相差 {points} 分，可能出于偶然。",
    ),
    "summary_refitted": (
        " The trust model was refitted in between, so that part of the difference may come from it.",
        "期间信任模型重新拟合，部分差异可能来自模型。",
    ),
    "summary_no_course": (
        "Whether trust rises or falls is not known yet: that needs two months with enough evidence.",
        "信任是升是降尚不可知：需要至少两个有足够证据的月份。",
    ),
    "summary_loss": (
        "Most trust is lost here: {stream}. It went badly in {share} of {n} cases, weighed by how closely it goes with"
        " trust. Mend this first.",
        "失去信任最多的环节：{stream}。{n} 次中有 {share} 不良（按与信任的关联程度加权）。请首先改进这里。",
    ),
    "summary_no_loss": (
        "Where trust is lost cannot be said: no failures that go with trust are recorded.",
        "无法说明信任在何处失去：没有记录到与信任相关的失误。",
    ),
    "summary_churn": (
        "About {expected} of {active} active customers are expected to be lost within {days} days (mean risk {mean};"
        " lost means: {label}). {basis}",
        "{active} 名活跃客户中，预计约 {expected} 名将在 {days} 天内流失（平均风险 {mean}；流失指：{label}）。{basis}",
    ),
    "summary_nobody_active": (
        "No customer is active, so that nobody's churn risk can be told.",
        "没有活跃客户，因此无法给出流失风险。",
    ),
    "basis_model": ("The risk comes from the trained model.", "风险由训练后的模型给出。"),
    "basis_baseline": (
        "The risk comes from a simple rule ({name}): no trained model has beaten it yet, so take it as"
        " a rough ranking.",
        "风险由简单规则（{name}）给出：尚无模型优于它，请仅作粗略排序。",
    ),
    "basis_none": ("No risk was computed.", "没有计算风险。"),
    "summary_group": (
        "Trust is clearly lower than the whole in {by}: {group}, mean {mean} (90% interval {interval}, n = {n}).",
        "明显低于全体的群体：{by} {group}，平均信任 {mean}（90% 区间 {interval}，n = {n}）。",
    ),
    "summary_no_group": (
        "No segment, region, class or channel has clearly lower trust than the whole.",
        "没有任何客群、地区、等级或渠道的信任明显低于全体。",
    ),
    "summary_action": (
        "To do: contact the {contacts} customers of the worklist who are free for it, the {first} of priority A first,"
        " and leave the {held} of the comparison group alone.",
        "待办：联系工作清单中可联系的 {contacts} 名客户，先联系 A 级 {first} 名；对照组 {held} 名请勿联系。",
    ),
    "summary_no_action": (
        "Nobody has to be contacted today: there is no customer on the worklist, or it was not published.",
        "今天无需联系客户：工作清单上没有客户，或未发布。",
    ),
    "summary_failed": (
        "Checks of the data that did not hold: {failed}. The appendix says which; read the numbers with that in mind.",
        "未通过的数据检查：{failed} 项，详见附录；阅读数字时请考虑这一点。",
    ),
}

_METHOD = {
    "purpose": (
        "This report says how far customers trust the company and how many it may lose within {days} days. Nobody was"
        " asked: both are inferred every night from what customers did, to show where trust is lost and what to do.",
        "本报告说明客户对企业的信任程度，以及 {days} 天内可能流失的客户数量。没有询问任何人："
        "两者均由每夜从客户行为推断得出，"
        "用以说明信任在何处失去以及应采取的措施。",
    ),
    "how": ("How the scores come about", "评分的来历"),
    "how_trust": (
        "Trust, 0 to 100, rests on experiences old enough to be judged: orders with and without fault, delivery"
        " promises kept and broken, complaints answered and resolved in time or not, and whether customers came back."
        " Newer experiences count more. 50 is the average customer of this company, so that the level cannot be"
        " compared with other companies; differences between groups and over time can.",
        "信任评分（0 到 100）依据已可判断的体验：订单有无质量问题、送达承诺是否兑现、"
        "投诉是否及时答复与办结，以及客户是否再次购买。"
        "越新的体验权重越大。50 为本企业的平均客户，因此水平不能与其他企业比较；群体之间与时间上的差异可以比较。",
    ),
    "how_churn": (
        "Churn risk is the probability that a customer is lost within {days} days. Lost means: {label}. {basis}",
        "流失风险为客户在 {days} 天内流失的概率。流失指：{label}。{basis}",
    ),
    "how_read": (
        "A 90% interval says within what bounds a number lies as far as the data tell; n is the number of customers or"
        " cases it rests on. A dash means: not known. It never means nothing.",
        "90% 区间表示数据所能确定的范围；n 为所依据的客户数或次数。短横线表示未知，不表示零。",
    ),
    "sources": ("Sources and coverage", "数据来源与覆盖范围"),
    "sources_text": (
        "Everything known by the end of {day} (time zone {zone}) and nothing later.",
        "仅使用截至 {day} 结束时（时区 {zone}）已知的信息。",
    ),
    "sources_caption": ("What was delivered, and what it tells of", "已交付的数据及其含义"),
    "source": ("Source", "来源"),
    "source_tells": ("What it tells", "说明什么"),
    "since": ("Since", "起始月份"),
    "rows_read": ("Rows read", "读取行数"),
    "nothing_delivered": ("nothing delivered", "没有交付"),
    "source_purchases": ("orders, faults, delivery promises", "订单、质量问题与送达承诺"),
    "source_repurchases": ("who bought again", "再次购买"),
    "source_complaints": ("what customers said of their own accord", "客户主动提出的不满"),
    "source_churn": ("who left on record", "有记录的流失"),
    "source_customers": ("groups of customers", "客户分组"),
    "source_surveys": ("answers, only to check the scores", "问卷回答，仅用于核对评分"),
    "source_feedback": ("ratings, only to check the scores", "评价反馈，仅用于核对评分"),
    "source_fx_rates": ("amounts in other currencies", "其他币种金额的换算"),
    "run_notes": ("To know of this night: {notes}", "本次运行须知：{notes}"),
    "informed": ("What behaviour tells, and what not", "行为能说明什么，不能说明什么"),
    "informed_all": (
        "Behaviour tells something of every trust dimension here.",
        "在这里，行为数据对每个信任维度都有所说明。",
    ),
    "informed_silent": (
        "Behaviour tells nothing of: {dimensions}. There no score is given, rather than a made-up one.",
        "行为数据无法说明：{dimensions}。这些维度不给出评分，而不是编造。",
    ),
    "informed_caption": ("Trust dimensions and what is known of them", "各信任维度的已知程度"),
    "dimension": ("Dimension", "维度"),
    "is_informed": ("Data tell of it", "数据能否说明"),
    "with_evidence": ("Customers with evidence (n)", "有证据客户数（n）"),
    "uncertainty": ("Part not known", "未知部分"),
    "informed_how": (
        "“Part not known” is the share of the customers' mean opinion that their own experiences do not settle.",
        "“未知部分”为客户平均意见中，自身体验尚未能确定的份额。",
    ),
    "limits": ("Limits", "局限"),
    "limit_1": (
        "Unknown is not distrust: customers with little evidence are counted apart and never rated low.",
        "未知不等于不信任：证据不足的客户单独计数，绝不判为低信任。",
    ),
    "limit_2": (
        "Few customers complain. That no complaint is recorded does not prove that all was well.",
        "多数不满的客户不会投诉；没有投诉记录并不证明一切良好。",
    ),
    "limit_3": (
        "Differences and signs before churn show what goes together, not what causes what.",
        "群体差异与流失前迹象只表明同时出现，并不说明因果。",
    ),
    "limit_4": (
        "Scores of dimensions cannot be compared with each other in level: complaints of values are rarer than late"
        " deliveries whatever customers think.",
        "不同维度的评分水平不能相互比较：无论客户如何看待，价值观投诉总比延迟送达少见。",
    ),
    "limit_5": (
        "Decide nothing about a single person from this report; ask what happened first.",
        "不要仅凭本报告对任何个人作出决定，应先了解实际情况。",
    ),
}

_SCORES = {
    "distribution": ("How trust is distributed", "信任的分布"),
    "distribution_text": (
        "Half of the {n} customers with evidence lie above {middle}, and the middle half between {lower} and {upper}.",
        "{n} 名有证据的客户中，一半高于 {middle}，中间一半介于 {lower} 与 {upper} 之间。",
    ),
    "distribution_peak": ("Most, {n}, lie in {peak}.", "人数最多的一档为 {peak}，共 {n} 名。"),
    "distribution_chart": ("Customers with evidence by trust score", "有证据客户的信任评分分布"),
    "distribution_caption": ("Customers with evidence by class of trust score", "按信任评分分档的有证据客户"),
    "trust_score": ("Trust score", "信任评分"),
    "customers": ("Customers", "客户数"),
    "share": ("Share", "比例"),
    "bands_caption": ("Customers with evidence by band of trust", "按信任等级的有证据客户"),
    "band": ("Band", "等级"),
    "limit": ("From (points)", "起始分数"),
    "from_points": ("{points}", "{points}"),
    "trend": ("Trust over time", "信任趋势"),
    "trend_short": (
        "Not known: a trend needs at least two months in which enough customers had evidence.",
        "未知：趋势需要至少两个有足够证据客户的月份。",
    ),
    "trend_text": (
        "Mean trust was {begin} on {first} and is {end} on {last}. It was lowest on {low_day} ({low}) and highest on"
        " {high_day} ({high}).",
        "平均信任在 {first} 为 {begin}，在 {last} 为 {end}；最低为 {low_day}（{low}），最高为 {high_day}（{high}）。",
    ),
    "trend_how": (
        "The band is the 90% interval. Days before the first night were scored afterwards, from what was known on"
        " them, by a model that was trained later.",
        "色带为 90% 区间。首次运行之前的日子为事后评分：依据当日已知信息，由之后训练的模型给出。",
    ),
    "trend_refitted": (
        "The trust model was refitted within this time: part of a step may come from the model.",
        "期间信任模型重新拟合：部分变动可能来自模型。",
    ),
    "trend_chart": ("Mean trust of customers with evidence, by month", "有证据客户的平均信任（按月）"),
    "trend_caption": (
        "Trust at the last scored day of each month, the newest first",
        "每月最后一个评分日的信任（由新到旧）",
    ),
    "as_of": ("Day", "日期"),
    "month": ("Month", "月份"),
    "made_how": ("Scored", "评分方式"),
    "reconstructed": ("afterwards", "事后评分"),
    "of_the_night": ("in the night itself", "当夜评分"),
    "interval_90": ("90% interval", "90% 区间"),
    "low_trust": ("Share with low trust", "低信任比例"),
    "mean_risk": ("Mean churn risk", "平均流失风险"),
    "dimensions": ("Dimensions of trust", "信任维度"),
    "dimensions_text": (
        "The lowest score is that of {dimension}: {mean} (90% interval {interval}, n = {n}).",
        "评分最低的维度为{dimension}：{mean}（90% 区间 {interval}，n = {n}）。",
    ),
    "dimensions_how": (
        "A dimension's score is the expected share, in percent, of such experiences that go well. Levels differ because"
        " some failures are rarer by nature: compare a dimension with itself, over time and between groups.",
        "维度评分为此类体验中预期良好的百分比。不同失误本就有多有少，因此水平不同：应与自身在不同时间、"
        "不同群体之间比较。",
    ),
    "dimensions_silent": (
        "Not known: {dimensions}. No record here could show a failure in it, and absence of records is no success.",
        "未知：{dimensions}。现有数据无法体现其中的失误；没有记录不等于良好。",
    ),
    "dimensions_withheld": (
        "Withheld: {dimensions}. Fewer than {minimum} customers have evidence.",
        "不显示：{dimensions}。有证据的客户少于 {minimum} 名。",
    ),
    "dimensions_chart": ("Score by dimension, with its 90% interval", "各维度评分及其 90% 区间"),
    "dimensions_caption": ("Dimensions of trust, all customers with evidence", "各信任维度（全体有证据客户）"),
    "dimension_score": ("Score of the dimension", "维度评分"),
    "belief": ("Part good", "良好部分"),
    "disbelief": ("Part bad", "不良部分"),
}

WORDS: Mapping[str, tuple[str, str]] = MappingProxyType(ANALYSIS | AGREEMENTS | _FRAME | _SUMMARY | _METHOD | _SCORES)
