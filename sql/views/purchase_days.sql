-- Grain: one row per customer and day with an order, as known on the as-of day, and that customer's days around it.
with purchase_day as (
    select distinct
        customer_id,
        ordered_date
    from known_orders
)

select
    customer_id,
    ordered_date,
    lag(ordered_date) over days as previous_date,
    lead(ordered_date) over days as next_date
from purchase_day
window days as (partition by customer_id order by ordered_date)
