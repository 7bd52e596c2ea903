-- Grain: one row per feedback and version of it.
-- A version is known on the days known_from <= D < known_until;
-- the first delivery is history and counts from its event on.
with version as (
    select
        *,
        known_from(business_date(given_at), load_date, getvariable('first_delivery')['feedback']) as known_from
    from raw.feedback
    where load_date <= getvariable('until')
)

select
    feedback_id,
    customer_id,
    given_at,
    business_date(given_at) as given_date,
    method,
    rating,
    scale_min,
    scale_max,
    dimension,
    order_id,
    known_from,
    lead(known_from) over (partition by feedback_id order by load_date) as known_until
from version
order by customer_id, given_at, feedback_id, known_from
