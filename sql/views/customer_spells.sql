-- Grain: one row per customer and spell of activity, as known on the as-of day: from a purchase until the activity
-- window after the last one is over, with no day of longer silence between. spell 1 is the customer's first.
with edge as (
    select
        customer_id,
        ordered_date,
        coalesce(ordered_date - previous_date > getvariable('activity_window_days')::integer + 1, true) as is_first,
        coalesce(next_date - ordered_date > getvariable('activity_window_days')::integer + 1, true) as is_last
    from purchase_days
    where is_first or is_last
),

-- Between the first and the last day of a spell there is no other edge.
ended as (
    select
        customer_id,
        ordered_date,
        is_first,
        case when is_last then ordered_date else lead(ordered_date) over days end as last_date
    from edge
    window days as (partition by customer_id order by ordered_date)
)

select
    customer_id,
    row_number() over (partition by customer_id order by ordered_date) as spell,
    ordered_date as active_from,
    last_date + getvariable('activity_window_days')::integer as active_until
from ended
where is_first
