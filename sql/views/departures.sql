-- Grain: one row per churn record known on the as-of day: the customer is away from churned_date until the day before
-- back_date (null: still away). The latest record decides, so a later one ends an earlier one.
select
    customer_id,
    kind,
    churned_date,
    business_date(reactivated_at) as reactivated_date,
    least(
        business_date(reactivated_at),
        lead(churned_date) over (partition by customer_id order by churned_at)
    ) as back_date
from known_churn
