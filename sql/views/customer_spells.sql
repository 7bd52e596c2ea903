-- Grain: one row per customer and spell of activity, as known on the as-of day: from a purchase until the activity
-- window after the last one is over, with no day of longer silence between. spell 1 is the customer's first.
with purchase_day as (
    select
        customer_id,
        ordered_date,
        lag(ordered_date) over (partition by customer_id order by ordered_date) as previous_date
    from known_orders
    group by customer_id, ordered_date
),

numbered as (
    select
        customer_id,
        ordered_date,
        count(*) filter (
            previous_date is null or ordered_date > previous_date + getvariable('activity_window_days')::integer + 1
        ) over (partition by customer_id order by ordered_date) as spell
    from purchase_day
)

select
    customer_id,
    spell,
    min(ordered_date) as active_from,
    max(ordered_date) + getvariable('activity_window_days')::integer as active_until
from numbered
group by customer_id, spell
