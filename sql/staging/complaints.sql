-- Grain: one row per complaint and version of it, with the trust dimension that its category speaks of.
-- A version is known on the days known_from <= D < known_until;
-- the first delivery is history and counts from its event on.
with version as (
    select
        *,
        known_from(business_date(opened_at), load_date, getvariable('first_delivery')['complaints']) as known_from
    from raw.complaints
    where load_date <= getvariable('until')
)

select
    complaint_id,
    customer_id,
    order_id,
    opened_at,
    business_date(opened_at) as opened_date,
    category,
    getvariable('dimension_of_category')[category] as dimension,
    severity,
    channel,
    first_response_at,
    resolved_at,
    resolution,
    reopened_at,
    known_from,
    lead(known_from) over (partition by complaint_id order by load_date) as known_until
from version
order by customer_id, opened_at, complaint_id, known_from
