-- Grain: one row per group of customers and trust dimension on the newest night, also where the data say nothing of the
-- dimension. Means are those of the customers with evidence of their own; measures of few customers are suppressed.
with dimension as (
    select unnest(['product_quality', 'service_quality', 'reputation', 'transparency', 'values']) as dimension
),

membership as (
    select
        as_of,
        segment_by,
        segment_value,
        customer_id
    from customer_groups
),

informed as (
    select distinct dimension from scores.dimensions
),

own as (
    select * from scores.dimensions
    where uncertainty < 1
),

summary as (
    select
        membership.as_of,
        membership.segment_by,
        membership.segment_value,
        dimension.dimension,
        dimension.dimension in (select informed.dimension from informed) as is_informed,
        count(*) as customers,
        count(own.customer_id) as customers_with_evidence,
        avg(own.score) as score_mean,
        1.645 * stddev_samp(own.score) / sqrt(count(own.score)) as margin,
        avg(own.belief) as belief_mean,
        avg(own.disbelief) as disbelief_mean,
        avg(own.uncertainty) as uncertainty_mean
    from membership
    cross join dimension
    left join own on membership.customer_id = own.customer_id and dimension.dimension = own.dimension
    group by all
),

judged as (
    select
        *,
        customers < getvariable('minimum_customers')
        or (is_informed and customers_with_evidence < getvariable('minimum_customers')) as is_suppressed
    from summary
)

select
    as_of,
    segment_by,
    segment_value,
    dimension,
    is_informed,
    customers,
    case when is_informed and customers >= getvariable('minimum_customers') then customers_with_evidence end
        as customers_with_evidence,
    case when not is_suppressed then round(score_mean, 2) end as score_mean,
    case when not is_suppressed and margin is not null then round(greatest(score_mean - margin, 0), 2) end as score_low,
    case when not is_suppressed and margin is not null then round(least(score_mean + margin, 100), 2) end as score_high,
    case when not is_suppressed then round(belief_mean, 4) end as belief_mean,
    case when not is_suppressed then round(disbelief_mean, 4) end as disbelief_mean,
    case when not is_suppressed then round(uncertainty_mean, 4) end as uncertainty_mean,
    is_suppressed
from judged
order by
    segment_by <> 'all',
    segment_by,
    segment_value,
    list_position(['product_quality', 'service_quality', 'reputation', 'transparency', 'values'], dimension)
