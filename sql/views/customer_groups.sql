-- Grain: one row per customer of the newest night and group that the customer belongs to: all, segment, region, class,
-- channel of most orders, and joining cohort (quarter of the first order).
with night as (
    select * from scores.customer_days
    where as_of = getvariable('as_of') and not is_reconstructed
),

orders_by_channel as (
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
        year(min(ordered_date)) || '-Q' || quarter(min(ordered_date)) as cohort
    from known_orders
    group by customer_id
),

grouped as (
    select
        night.*,
        unnest([
            { 'segment_by': 'all', 'segment_value': 'all' },
            { 'segment_by': 'segment', 'segment_value': night.segment },
            { 'segment_by': 'region', 'segment_value': night.region },
            { 'segment_by': 'customer_class', 'segment_value': night.customer_class },
            { 'segment_by': 'channel', 'segment_value': channel_of_most.channel },
            { 'segment_by': 'cohort', 'segment_value': joined.cohort }
        ], max_depth := 2)
    from night
    left join channel_of_most on night.customer_id = channel_of_most.customer_id
    left join joined on night.customer_id = joined.customer_id
)

select * from grouped
where segment_value is not null
