-- Grain: one row per customer of the newest night: the groups that the customer belongs to, by segment, region, class,
-- channel of most orders, and joining cohort (quarter of the first order). place orders the customers by their ids.
with orders_by_channel as (
    select
        customer_id,
        channel,
        count(*) as orders
    from known_orders
    where channel is not null
    group by customer_id, channel
),

channel_of_most as (
    select
        customer_id,
        arg_min(channel, (-orders, channel)) as channel
    from orders_by_channel
    group by customer_id
),

joined as (
    select
        customer_id,
        year(ordered_date) || '-Q' || quarter(ordered_date) as cohort
    from purchase_days
    where previous_date is null
)

select
    night.as_of,
    night.customer_id,
    row_number() over (order by night.customer_id) as place,
    night.segment,
    night.region,
    night.customer_class,
    channel_of_most.channel,
    joined.cohort
from scores.customer_days as night
left join channel_of_most on night.customer_id = channel_of_most.customer_id
left join joined on night.customer_id = joined.customer_id
where night.as_of = getvariable('as_of') and not night.is_reconstructed
