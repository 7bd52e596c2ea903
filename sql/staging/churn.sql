-- Grain: one row per churn record (customer and moment) and version of it.
-- A version is known on the days known_from <= D < known_until;
-- the first delivery is history and counts from its event on.
with version as (
    select
        *,
        known_from(business_date(churned_at), load_date, getvariable('first_delivery')['churn']) as known_from
    from raw.churn
    where load_date <= getvariable('until')
)

select
    customer_id,
    churned_at,
    business_date(churned_at) as churned_date,
    kind,
    reason,
    reactivated_at,
    known_from,
    lead(known_from) over (partition by customer_id, churned_at order by load_date) as known_until
from version
order by customer_id, churned_at, known_from
