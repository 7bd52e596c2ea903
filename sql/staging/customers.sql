-- Grain: one row per customer and version of the customer's master data.
-- A version is known on the days known_from <= D < known_until; the first delivery counts from the day of joining on,
-- and from ever where that day is not given.
with version as (
    select
        *,
        known_from(
            coalesce(business_date(joined_at), date '1900-01-01'), load_date, getvariable('first_delivery')['customers']
        ) as known_from
    from raw.customers
    where load_date <= getvariable('until')
)

select
    customer_id,
    joined_at,
    business_date(joined_at) as joined_date,
    segment,
    region,
    customer_class,
    is_channel_partner,
    known_from,
    lead(known_from) over (partition by customer_id order by load_date) as known_until
from version
order by customer_id, known_from
