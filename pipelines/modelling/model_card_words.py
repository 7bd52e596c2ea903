"""The words of model cards: every text as (English, Chinese).

Belongs here: what a card says of every model of its kind. Must not be here: numbers, or the layout of the page.
"""

from collections.abc import Mapping
from types import MappingProxyType

Texts = tuple[str, str]


def _frozen(words: dict[str, Texts]) -> Mapping[str, Texts]:
    return MappingProxyType(words)


TITLE: Texts = ("Model card: ", "模型卡：")
COLON: Texts = (": ", "：")
NOT_KNOWN: Texts = ("not known", "未知")
YES: Texts = ("yes", "是")
NO: Texts = ("no", "否")

HEADINGS = _frozen(
    {
        "summary": ("In short", "概要"),
        "details": ("Model details", "模型详情"),
        "use": ("Intended use", "预期用途"),
        "out_of_scope": ("Not for", "禁止用途"),
        "factors": ("Factors and groups", "影响因素与群体"),
        "metrics": ("Metrics", "评价指标"),
        "evaluation_data": ("Evaluation data", "评估数据"),
        "training_data": ("Training data", "训练数据"),
        "analyses": ("Quantitative analyses", "定量分析"),
        "ethics": ("Ethical considerations", "伦理考量"),
        "caveats": ("Caveats and recommendations", "注意事项与建议"),
    }
)

TITLES = _frozen(
    {
        "trust": ("Trust score, from all evidence", "信任评分（全部证据）"),
        "experience": ("Trust from experience alone", "仅凭经历的信任评分"),
        "churn": ("Churn risk", "流失风险"),
    }
)

SUMMARY = _frozen(
    {
        "trust": (
            "Says how far a customer trusts the company, from 0 to 100, from what was recorded of orders, deliveries,"
            " complaints and coming back. It describes the customer's trust in the company. It is no rating of the"
            " customer. 50 is the customer of median trust in this company.",
            "根据订单、配送、投诉与再次购买的记录，以 0 到 100 表示客户对企业的信任程度。"
            "它描述客户对企业的信任，不是对客户的评级。50 表示本企业中信任居中的客户。",
        ),
        "experience": (
            "Says how far a customer trusts the company, from 0 to 100, from what the company did alone: whether the"
            " customer came back does not enter. So it is the only trust score that may be held against later churn.",
            "仅根据企业的所作所为，以 0 到 100 表示客户对企业的信任程度；客户是否再次购买不计入。"
            "因此只有该评分可以与之后的流失相对照。",
        ),
        "churn": (
            "Says how probable it is, from 0 to 1, that a customer is lost within the {horizon_days} days after the"
            " day of the score.",
            "以 0 到 1 表示客户在评分日之后 {horizon_days} 天内流失的概率。",
        ),
    }
)

LOST = _frozen(
    {
        "silent": (
            "silence, no purchase within these days; the customer may come back later",
            "沉默，即在此期间没有购买；客户之后仍可能回来",
        ),
        "declared": (
            "a record, within these days, that the customer left by own choice",
            "在此期间有客户主动离开的记录",
        ),
    }
)
WHAT_LOST_MEANS: Texts = ("What lost means", "“流失”的含义")

PROMOTED: Texts = ("Promoted", "已采用")
FROM: Texts = ("The risk comes from", "风险取自")
BEST: Texts = (
    "Log loss {model} (lower is better); the best baseline, {baseline}, has {loss}.",
    "对数损失 {model}（越低越好）；最佳基线 {baseline} 为 {loss}。",
)
NOT_COMPARED: Texts = (
    "Log loss beside the baselines: not known.",
    "与基线相比的对数损失：未知。",
)

DETAILS = _frozen(
    {
        "kind": ("Kind", "类型"),
        "version": ("Version", "版本"),
        "trained_as_of": ("Trained with what was known by", "训练所用信息截至"),
        "form": ("Form", "形式"),
        "chosen": ("Chosen", "入选者"),
        "software_version": ("Version of the software", "软件版本"),
        "library_versions": ("Libraries", "依赖库"),
        "sha256": ("SHA-256 of the file", "文件的 SHA-256"),
    }
)

FORMS = _frozen(
    {
        "trust": (
            "A latent trait with beta-binomial streams of evidence, fitted by marginal maximum likelihood",
            "潜在特质模型，证据流服从贝塔二项分布，以边际最大似然估计",
        ),
        "experience": (
            "A latent trait with beta-binomial streams of evidence, without the streams of coming back, fitted by"
            " marginal maximum likelihood",
            "潜在特质模型，证据流服从贝塔二项分布，不含再次购买的证据流，以边际最大似然估计",
        ),
        "churn": (
            "A probability, calibrated on the newest matured snapshot; reasons are parts of its log-odds",
            "在最新的成熟快照上校准的概率；原因是其对数几率的组成部分",
        ),
    }
)

BASES = _frozen(
    {
        "model": ("trained model", "训练的模型"),
        "average": ("average of logistic regression, boosted trees and RFM", "逻辑回归、提升树与 RFM 的平均"),
        "logistic": ("logistic regression", "逻辑回归"),
        "trees": ("boosted trees", "提升树"),
        "constant": ("constant: the same share for everybody", "固定比例：人人相同"),
        "hiatus": ("hiatus rule: silent for long or not", "停购规则：是否长期沉默"),
        "recency": ("recency: time since the last order", "最近购买时间"),
        "rfm": ("RFM: recency, frequency and amount", "RFM：最近购买、频率与金额"),
        "mbg_nbd": ("MBG/NBD: a buy-till-you-die model", "MBG/NBD：购买直至流失模型"),
    }
)
BASELINE: Texts = ("baseline", "基线")

USES = _frozen(
    {
        "trust": (
            "To see where and in whom trust is lost, to mend what caused it, and to follow it over time and between"
            " groups. For service, retention and quality managers, and for analysts.",
            "了解在何处、哪些客户的信任正在流失，改正其原因，并跨时间、跨群体跟踪。供服务、客户维系和质量管理人员及分析人员使用。",
        ),
        "experience": (
            "To study what experience with the company does to later behaviour, and as a check on the trust score. For"
            " analysts.",
            "研究客户经历对之后行为的影响，并用于核对信任评分。供分析人员使用。",
        ),
        "churn": (
            "To decide whom to care for first, to estimate how many customers will be lost, and to see why. For"
            " retention and service managers, and for analysts.",
            "决定优先关怀哪些客户，估计将流失的客户数，并了解原因。供客户维系和服务管理人员及分析人员使用。",
        ),
    }
)

OUT_OF_SCOPE: tuple[Texts, ...] = (
    ("Prices, discounts, fees or conditions of a single customer.", "决定单个客户的价格、折扣、费用或条件。"),
    (
        "Refusing or limiting service, returns, orders or contracts.",
        "拒绝或限制服务、退货、订单或合同。",
    ),
    ("Credit, insurance, employment, or any judgement of a person.", "信贷、保险、雇用或对个人的任何评判。"),
    (
        "Ranking people by worth: the scores speak of the company's relation to them.",
        "按价值给人排名：评分说的是企业与客户的关系。",
    ),
    (
        "Punishing complaints: who complains gives the company a chance. A complaint that was settled well speaks for"
        " trust.",
        "惩罚投诉：投诉的客户给了企业机会。妥善解决的投诉有利于信任。",
    ),
    (
        "Decisions about a person without a human being who looks at the case.",
        "没有人工查看就对个人作出决定。",
    ),
    ("Customers of another company, or data of another kind.", "其他企业的客户或其他类型的数据。"),
)

FACTORS_TRUST: Texts = (
    "What enters is what happened to a customer's orders and complaints. Neither name, age, sex, origin nor address"
    " does.",
    "计入的是客户的订单与投诉的经过。不计入姓名、年龄、性别、出身和地址。",
)
FUNCTIONING: Texts = (
    "It was tested whether each stream of evidence means the same in all groups of customers, at equal trust:"
    " {tested} pairs of a stream and a group. Where a group differs, the table says by how much its odds of going well"
    " do. Where it is adjusted for, the group is compared with what is usual in it; only there does a group enter.",
    "已检验在信任相同时，各证据流在各客户群体中含义是否一致：共 {tested} 对证据流与群体。"
    "有差异的群体，下表给出其顺利几率的倍数。标明已调整者，按该群体的惯常水平比较；只有在这些地方群体才会计入。",
)
NO_DIFFERENCE: Texts = ("No group differs by enough to matter.", "没有群体存在值得注意的差异。")
FUNCTIONING_HEAD: tuple[Texts, ...] = (
    ("Stream of evidence", "证据流"),
    ("Group", "群体"),
    ("Customers", "客户数"),
    ("Odds of going well", "顺利的几率"),
    ("Adjusted for", "已调整"),
)
FACTORS_CHURN: Texts = (
    "What enters is listed below. Neither name, age, sex, origin nor address does. Where the company delivers them,"
    " the customer's segment, class and channel do.",
    "计入的内容列于下表。不计入姓名、年龄、性别、出身和地址。企业若提供，则计入客户群、等级和渠道。",
)
GROUPS: Texts = (
    "How well the model does in single groups (segment, region, channel): {not_known} from this card.",
    "模型在各群体（客户群、地区、渠道）中的表现：本卡{not_known}。",
)
FEATURES_HEAD: tuple[Texts, ...] = (("What is looked at", "考察内容"), ("Columns", "列"))

METRICS = _frozen(
    {
        "log_loss": (
            "Log loss: how far the probabilities are from what happened. It decides what is used. Lower is better.",
            "对数损失：概率与实际结果的差距，决定采用哪个模型。越低越好。",
        ),
        "brier": (
            "Brier score: mean squared distance of probability and outcome. Lower is better.",
            "布里尔分数：概率与结果之差的均方。越低越好。",
        ),
        "auc": (
            "AUC: how often a lost customer had a higher risk than one who stayed. 0.5 is guessing, 1 is perfect.",
            "AUC：流失客户的风险高于留存客户的频率。0.5 为猜测，1 为完美。",
        ),
        "average_precision": (
            "Average precision: share of lost customers at the top of the list, over all lengths of it. Higher is"
            " better; the share lost is guessing.",
            "平均精确率：名单前列中流失客户的占比，对各种长度取平均。越高越好；等于流失占比即为猜测。",
        ),
        "calibration_slope": (
            "Calibration slope: whether risks are spread as they should be. 1 is right, below 1 too extreme.",
            "校准斜率：风险的分散程度是否恰当。1 为恰当，小于 1 为过于极端。",
        ),
        "calibration_intercept": (
            "Calibration intercept: whether the mean risk is right. 0 is right, above 0 the risks are too low.",
            "校准截距：平均风险是否正确。0 为正确，大于 0 表示风险偏低。",
        ),
        "ece": (
            "Calibration error: mean gap between the risk told and the share lost, over ten groups. Lower is better.",
            "校准误差：十个分组中所述风险与流失占比之差的平均。越低越好。",
        ),
        "lift_top_decile": (
            "Lift of the top tenth: how many times more are lost among the tenth at highest risk than among all.",
            "最高十分之一的提升：风险最高的十分之一客户的流失占比是全体的多少倍。",
        ),
        "mean_risk": ("Mean risk that was told.", "所述风险的平均。"),
        "lost_share": ("Share that was lost.", "实际流失占比。"),
        "customers": ("Customers that were looked at.", "评估的客户数。"),
    }
)
CALIBRATION: Texts = (
    "Calibration of the risk that is used, by groups of customers of rising risk:",
    "所用风险的校准情况，按风险由低到高分组：",
)
CALIBRATION_HEAD: tuple[Texts, ...] = (
    ("Customers", "客户数"),
    ("Mean risk predicted", "预测的平均风险"),
    ("Share that was lost", "实际流失比例"),
    ("95% interval", "95% 区间"),
)
METRIC_HEAD: tuple[Texts, ...] = (("Metric", "指标"), ("Meaning", "含义"))
UNEXPLAINED: Texts = ("no description", "无说明")
METRICS_TRUST: Texts = (
    "Every customer's score carries a 90% interval and a reliability from 0 to 1; below the least reliability no"
    " score is told (`insufficient_evidence`).",
    "每位客户的评分都附有 90% 区间和 0 到 1 的可靠度；低于最低可靠度时不给出评分（`insufficient_evidence`）。",
)

EVALUATED: Texts = (
    "Customers with a purchase by {as_of} who had not left by then, and what followed. No customer's outcome"
    " judges a model that it has shaped. Model and baselines are judged on the same customers.",
    "截至 {as_of} 有过购买且尚未离开的客户，以及之后的结果。任何客户的结果都不用于评判由其参与训练的模型。"
    "模型与基线在相同的客户上评判。",
)
EVALUATED_TOGETHER: Texts = (
    "History was too short for a model. The baselines were compared on the customers of all snapshots listed below, and"
    " what followed. No customer's outcome judges a baseline that it has shaped.",
    "历史太短，无法训练模型。基线在下列全部快照的客户及其之后的结果上比较。任何客户的结果都不用于评判由其参与拟合的基线。",
)
NOT_EVALUATED: Texts = (
    "There was not enough history to evaluate anything: how good the risk is, is {not_known}.",
    "历史不足，无法评估：风险的优劣{not_known}。",
)
NOT_VALIDATED: Texts = (
    "This card holds no comparison with trust that customers were asked for: how well the score agrees with it is"
    " {not_known} from this card.",
    "本卡不含与调查所得信任的对照：评分与其一致程度，本卡{not_known}。",
)

DATA = _frozen(
    {
        "data_window": ("Records used, from the first order on", "使用的记录（自首个订单起）"),
        "customers": ("Customers with a purchase by then", "截至该日有过购买的客户"),
        "half_life": ("Days after which a record weighs half", "记录权重减半所需天数"),
        "rhythm": ("Usual days from one purchase day to the next", "两个购买日之间的惯常天数"),
        "features": ("Columns that the model reads", "模型读取的列数"),
        "reference": ("Distributions kept for the nightly drift check", "为每晚漂移检查保存的分布数"),
    }
)
SNAPSHOT_HEAD: tuple[Texts, ...] = (
    ("Snapshot", "快照"),
    ("Customers", "客户数"),
    ("Lost afterwards", "之后流失"),
    ("Share lost", "流失占比"),
    ("Used", "使用"),
)
SNAPSHOTS: Texts = (
    "Learnt from what was known on these days and what followed. Where rows are many, a sample of customers stands for"
    " all.",
    "从这些日期当时已知的信息及之后的结果中学习。行数过多时以客户样本代表全体。",
)
NO_SNAPSHOTS: Texts = (
    "No past day is old enough for its outcome to be known.",
    "尚无足够久远、结果已知的过去日期。",
)

STREAM_HEAD: tuple[Texts, ...] = (
    ("Stream of evidence", "证据流"),
    ("Goes well for a customer of median trust", "信任居中的客户顺利的概率"),
    ("Odds of going well at higher trust", "信任较高时顺利的几率"),
    ("Own trials that weigh as much as what is usual", "与惯常情况同等分量的自身次数"),
)
STREAMS: Texts = (
    "The first number says what is usual. The second says how telling the stream is: the factor on the odds for a"
    " customer who trusts more than 84% of the others, compared with one of median trust; 1 tells nothing, below 1 the"
    " stream speaks the other way. The third says how fast a customer's own record outweighs what is usual.",
    "第一列是惯常水平。第二列说明该证据流的说服力：信任高于 84% 客户者与信任居中者相比的几率倍数；"
    "1 表示没有说服力，小于 1 表示方向相反。第三列说明客户自身的记录多快超过惯常水平。",
)
NO_TRIALS: Texts = ("no trials in the data: does not count", "数据中没有次数：不计入")

ETHICS: tuple[Texts, ...] = (
    (
        "The records are personal data. Whoever may not read them may not read the scores of single customers either.",
        "记录属于个人数据。无权查看记录者也无权查看单个客户的评分。",
    ),
    (
        "Customers were not asked. A score is an inference from behaviour and may be wrong for a person; tell a"
        " customer who asks what it rests on (`trust explain`).",
        "客户没有被询问。评分是由行为推断的，对个人可能有误；客户询问时应说明其依据（`trust explain`）。",
    ),
    (
        "Who complains little is not thereby content: complaining differs between channels, regions and people.",
        "很少投诉不等于满意：不同渠道、地区和人群投诉的习惯不同。",
    ),
)

CAVEATS = _frozen(
    {
        "trust": (
            "A customer without records has a score near 50 and a wide interval: unknown, not distrusting. A customer"
            " may distrust and stay for want of a choice.",
            "没有记录的客户评分接近 50 且区间很宽：这是未知，而不是不信任。客户也可能因别无选择而不信任却留下。",
        ),
        "experience": (
            "A customer without records has a score near 50 and a wide interval: unknown, not distrusting.",
            "没有记录的客户评分接近 50 且区间很宽：这是未知，而不是不信任。",
        ),
        "churn": (
            "A high risk is no cause: what a customer is offered because of it has not been tested here. Base rates"
            " move with the season. Each night compares past predictions with what came true and warns"
            " (`data_quality`); nothing is retrained because of a warning.",
            "高风险并不说明原因：据此提供的优惠是否有效未经检验。基准率随季节变动。"
            "每晚将过去的预测与实际结果对照并发出警告（`data_quality`）；不会因警告而重新训练。",
        ),
    }
)
NOTED: Texts = ("Noted at training", "训练时的说明")
NOTHING: Texts = ("nothing", "无")
ALSO_ON_CARD: Texts = ("Also on the card", "卡上的其他条目")
IN_JSON: Texts = ("see card.json", "见 card.json")
FOOT: Texts = (
    "Generated from `card.json`, which programs read; sections after Mitchell et al. (2019), Model Cards for Model"
    " Reporting, FAT* 2019.",
    "由供程序读取的 `card.json` 生成；章节依照 Mitchell 等（2019）《Model Cards for Model Reporting》，FAT* 2019。",
)

REFIT: Texts = (
    "Compared with the model before, {before}: the scores of the same customers on the same day moved by {mean} points"
    " on average, those of one customer in ten by {tenth} or more (rank correlation {correlation}).",
    "与上一个模型 {before} 相比：同一批客户在同一天的评分平均变动 {mean} 分，"
    "十分之一的客户变动 {tenth} 分以上（等级相关 {correlation}）。",
)
NO_REFIT: Texts = (
    "There was no model before that it could be compared with.",
    "此前没有可供比较的模型。",
)
REFIT_HEAD: tuple[Texts, ...] = (("What moved them", "变动原因"), ("Points, mean size", "平均变动（分）"))
CAUSES = _frozen(
    {
        "evidence": ("how evidence is counted and fades", "证据的统计与衰减方式"),
        "groups": ("adjustment for groups", "群体校正"),
        "order_sound": ("sound orders", "完好订单"),
        "promise_kept": ("promised dates", "承诺日期"),
        "complaint_answered": ("answers to complaints", "投诉答复"),
        "complaint_resolved": ("settled complaints", "投诉解决"),
        "order_unquestioned_reputation": ("complaints about reputation", "声誉投诉"),
        "order_unquestioned_transparency": ("complaints about transparency", "沟通透明度投诉"),
        "order_unquestioned_values": ("complaints about values", "价值观投诉"),
        "came_back": ("coming back", "再次购买"),
        "came_back_after_failure": ("coming back after a failure", "失误后再次购买"),
    }
)
