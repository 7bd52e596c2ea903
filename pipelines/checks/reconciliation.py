"""Reconciliation: what the company's feed of repurchases says beside what its purchases say.

Belongs here: the comparison of two sources that tell of the same thing. It warns, it never stops a night.
Must not be here: promises of one table (see ``contract_checks``) or of deliveries (see ``delivery_checks``).
"""

from datetime import date

from pipelines.checks.findings import Finding
from pipelines.warehouse import Warehouse

_DELIVERED = """
select order_id, previous_order_id from raw.repurchases
where load_date <= $as_of
qualify row_number() over (partition by order_id order by load_date desc) = 1
"""
_STAGED = "select order_id, previous_order_id from staging.repurchases where not is_derived"
_COMPARED = """
with feed as ($feed),
derived as (
    select
        order_id,
        lag(order_id) over (partition by customer_id order by ordered_at, order_id) as previous_order_id
    from staging.orders
    where known_from <= $as_of and (known_until is null or known_until > $as_of)
    qualify previous_order_id is not null
)
select
    count(*) as orders,
    count(*) filter (derived.order_id is null) as only_in_feed,
    count(*) filter (feed.order_id is null) as only_derived,
    count(*) filter (feed.previous_order_id <> derived.previous_order_id) as other_previous
from feed full join derived on feed.order_id = derived.order_id
"""


def repurchase_findings(warehouse: Warehouse, as_of: date) -> list[Finding]:
    """Whether the feed of repurchases and the purchases agree as of a day; nothing where there is no such feed.

    Reads ``raw.repurchases`` and the staging tables of orders and repurchases, so they must have been made before.
    Staging as of another day holds other versions: then the newest rows of the feed are sought among all delivered.
    """
    fed = warehouse.value("select count(*) from raw.repurchases where load_date <= ?", (as_of,))
    if not fed:
        return []
    feed = _STAGED if _is_staged_for(warehouse, as_of) else _DELIVERED
    compared = warehouse.run(_COMPARED.replace("$feed", feed).replace("$as_of", f"date '{as_of}'"))
    orders, only_in_feed, only_derived, other_previous = compared[0]
    differing = only_in_feed + only_derived + other_previous
    if differing:
        text = (
            f"repurchases and purchases tell of different orders: {only_in_feed} only in the repurchases feed,"
            f" {only_derived} only among purchases, {other_previous} with another previous order;"
            " the feed is used, so check which of the two is incomplete"
        )
        zh = (
            f"复购数据与购买数据不一致：仅在复购数据中的订单 {only_in_feed} 个，仅由购买数据推导的 {only_derived} 个，"
            f"前一订单不同的 {other_previous} 个；现以复购数据为准，请检查哪一方不完整"
        )
    else:
        text = "repurchases and purchases tell of the same orders, each with the same previous order"
        zh = "复购数据与购买数据的订单及其前一订单完全一致"
    return [
        Finding(
            table_name="repurchases",
            check_name="reconciled",
            column_name=None,
            rule="reconciled",
            severity="warning",
            is_passed=not differing,
            checked_rows=orders,
            failed_rows=differing,
            observed=f"only in feed {only_in_feed}, only derived {only_derived}, other previous order {other_previous}",
            text_en=text,
            text_zh=zh,
        )
    ]


def _is_staged_for(warehouse: Warehouse, as_of: date) -> bool:
    if not warehouse.has_table("meta.staged"):
        return False
    return bool(warehouse.run("select 1 from meta.staged where table_name = 'repurchases' and until = ?", (as_of,)))
