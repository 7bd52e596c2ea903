-- Grain: one row per survey response, dimension and version of it.
-- A version is known on the days known_from <= D < known_until;
-- the first delivery is history and counts from its event on.
with version as (
    select
        *,
        known_from(business_date(answered_at), load_date, getvariable('first_delivery')['surveys']) as known_from
    from raw.surveys
    where load_date <= getvariable('until')
)

select
    response_id,
    dimension,
    customer_id,
    answered_at,
    business_date(answered_at) as answered_date,
    instrument,
    score,
    scale_min,
    scale_max,
    method,
    weight,
    known_from,
    lead(known_from) over (partition by response_id, dimension order by load_date) as known_until
from version
order by customer_id, answered_at, response_id, dimension, known_from
