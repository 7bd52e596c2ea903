"""The values of the published tables as people call them: (English, Chinese).

Belongs here: names of values that the contracts close. Must not be here: sentences (see ``words``), or values of the
company's own, which are their own names.
"""

from collections.abc import Mapping
from types import MappingProxyType

Texts = tuple[str, str]


def _frozen(names: dict[str, Texts]) -> Mapping[str, Texts]:
    return MappingProxyType(names)


_DIMENSIONS: dict[str, Texts] = {
    "product_quality": ("Product quality", "产品质量"),
    "service_quality": ("Service quality", "服务质量"),
    "reputation": ("Company reputation", "企业声誉"),
    "transparency": ("Communication transparency", "沟通透明度"),
    "values": ("Value alignment", "价值观一致"),
}

NAMES: Mapping[str, Mapping[str, Texts]] = MappingProxyType(
    {
        "dimension": _frozen(_DIMENSIONS | {"other": ("Other", "其他"), "all": ("All", "全部")}),
        "segment_by": _frozen(
            {
                "all": ("All", "全体"),
                "segment": ("Segment", "客群"),
                "region": ("Region", "地区"),
                "customer_class": ("Class", "客户等级"),
                "channel": ("Channel", "渠道"),
                "cohort": ("Quarter of first order", "首次下单季度"),
                "category": ("Product category", "商品类别"),
            }
        ),
        "group": _frozen({"all": ("All customers", "全体客户"), "unknown": ("not recorded", "未记录")}),
        "trust_band": _frozen(
            {
                "very_high": ("Very high", "很高"),
                "high": ("High", "高"),
                "medium": ("Medium", "中等"),
                "low": ("Low", "低"),
                "very_low": ("Very low", "很低"),
            }
        ),
        "churn_band": _frozen(
            {
                "very_high": ("Very high", "很高"),
                "high": ("High", "高"),
                "medium": ("Medium", "中等"),
                "low": ("Low", "低"),
            }
        ),
        "churn_status": _frozen(
            {
                "active": ("Active", "活跃"),
                "lapsed": ("Lapsed: silent for longer than the activity window", "沉睡：超过活跃窗口未购买"),
                "churned": ("Left on record", "有流失记录"),
            }
        ),
        "churn": _frozen({"declared": ("Left on record", "有流失记录"), "silent": ("Fell silent", "陷入沉默")}),
        "mover": _frozen(
            {
                "groups": ("Another group of the customer", "客户所属群体改变"),
                "refit": ("Refit of the trust model", "信任模型重新拟合"),
                "fading": ("Older experiences count less", "较早的经历分量减轻"),
            }
        ),
        "stream": _frozen(
            {
                "order_sound": ("Orders without fault", "订单无质量问题"),
                "promise_kept": ("Deliveries by the promised time", "按承诺时间送达"),
                "complaint_answered": ("Complaints answered in time", "投诉及时答复"),
                "complaint_resolved": ("Complaints resolved in time", "投诉及时办结"),
                "order_unquestioned_reputation": ("Orders without doubts about reputation", "订单未引发声誉质疑"),
                "order_unquestioned_transparency": (
                    "Orders without complaints of transparency",
                    "订单未引发透明度投诉",
                ),
                "order_unquestioned_values": ("Orders without doubts about values", "订单未引发价值观质疑"),
                "came_back": ("Came back in the usual time", "在往常间隔内再次购买"),
                "came_back_after_failure": ("Came back after a bad experience", "不良体验后再次购买"),
            }
        ),
        "precursor": _frozen(
            {
                "late_delivery": ("Late delivery", "延迟送达"),
                "fault": ("Return or cancellation for a fault", "因质量问题退货或取消"),
                "complaint": ("Complaint", "投诉"),
                "unresolved_complaint": ("Complaint still open", "投诉仍未办结"),
                "falling_trust": ("Falling trust", "信任下降"),
            }
        ),
        "estimator": _frozen(
            {
                "model": ("Model", "模型"),
                "in_use": ("In use", "现用"),
                "constant": ("Constant share", "固定比例"),
                "hiatus": ("Hiatus rule", "停购规则"),
                "recency": ("Recency", "最近购买时间"),
                "rfm": ("RFM logistic", "RFM 逻辑回归"),
                "mbg_nbd": ("MBG/NBD", "MBG/NBD"),
                "bg_nbd": ("BG/NBD", "BG/NBD"),
                "pareto_nbd": ("Pareto/NBD", "Pareto/NBD"),
            }
        ),
        "severity": _frozen({"error": ("error", "错误"), "warning": ("warning", "警告")}),
        "label": _frozen(
            {
                "declared": ("a record that the customer left by own choice", "有客户主动离开的记录"),
                "silent": ("no purchase in these days", "期间没有购买"),
            }
        ),
        "measure": _frozen(
            {
                "order_sound": (
                    "Find the cause of faults in the categories with the highest share, before anything is offered to"
                    " those who complained",
                    "先查明不良比例最高类别的质量原因，再对投诉者作出补偿",
                ),
                "promise_kept": (
                    "Promise only dates that are kept: compare promised with actual delivery times by category and"
                    " channel, and tell customers of a delay before the date has passed",
                    "只承诺能兑现的日期：按类别与渠道比较承诺与实际送达时间，延迟时在日期到来之前告知客户",
                ),
                "complaint_answered": (
                    "Give every complaint a first answer in time, by a named person, also where the solution is not"
                    " known yet",
                    "由专人及时首次答复每一件投诉，即使尚无解决办法",
                ),
                "complaint_resolved": (
                    "Bring complaints to an end in time: look at those that were rejected or reopened first",
                    "及时办结投诉：先查看被驳回或重新打开的投诉",
                ),
                "order_unquestioned_reputation": (
                    "Collect what customers have heard about the company, and answer it with facts",
                    "收集客户听到的说法，并以事实回应",
                ),
                "order_unquestioned_transparency": (
                    "Put prices, terms and invoices into plain words where complaints of them cluster",
                    "在投诉集中的环节，用通俗语言说明价格、条款与账单",
                ),
                "order_unquestioned_values": (
                    "Say what the company stands for in the matters that were raised, and what it does about them",
                    "就客户提出的事项说明企业的立场与行动",
                ),
            }
        ),
    }
)
