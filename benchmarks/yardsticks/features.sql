-- One row per customer: the same plain features for the floor and for Spark. `DAY` is replaced by the as-of day.
select
    customer_id,
    count(distinct order_id) as orders,
    count(*) as order_lines,
    sum(amount) as amount,
    avg(amount) as amount_mean,
    datediff(date 'DAY', cast(max(ordered_at) as date)) as recency_days,
    datediff(date 'DAY', cast(min(ordered_at) as date)) as tenure_days,
    sum(amount * power(0.5, datediff(date 'DAY', cast(ordered_at as date)) / 90.0)) as amount_decayed_90d,
    sum(power(0.5, datediff(date 'DAY', cast(ordered_at as date)) / 30.0)) as lines_decayed_30d,
    sum(power(0.5, datediff(date 'DAY', cast(ordered_at as date)) / 365.0)) as lines_decayed_365d,
    sum(case when delivered_at > promised_at then 1 else 0 end) as late,
    sum(case when promised_at is not null then 1 else 0 end) as promised,
    sum(case when returned_at is not null then 1 else 0 end) as returned
from purchases
group by customer_id
