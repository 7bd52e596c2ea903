-- Grain: one row per group of customers and trust dimension on the newest night, also where the data say nothing of the
-- dimension. Means are those of the customers with evidence of their own; measures of few customers are suppressed.
with dimension as (
    select unnest(['product_quality', 'service_quality', 'reputation', 'transparency', 'values']) as dimension
),

informed as (
    select distinct dimension from scores.dimensions
),

-- Who belongs to just the same groups is summed up first: groups are many times fewer than customers.
alike as (
    select
        as_of,
        segment,
        region,
        customer_class,
        channel,
        cohort,
        count(*) as customers
    from customer_groups
    group by all
),

own as (
    select
        customer_groups.segment,
        customer_groups.region,
        customer_groups.customer_class,
        customer_groups.channel,
        customer_groups.cohort,
        dimensions.dimension,
        count(*) as customers,
        sum(dimensions.score) as score,
        sum(dimensions.score * dimensions.score) as score_squared,
        sum(dimensions.belief) as belief,
        sum(dimensions.disbelief) as disbelief,
        sum(dimensions.uncertainty) as uncertainty
    from scores.dimensions as dimensions
    inner join customer_groups on dimensions.customer_id = customer_groups.customer_id
    where dimensions.uncertainty < 1
    group by all
),

grouped as (
    select
        alike.as_of,
        dimension.dimension,
        alike.customers,
        own.* exclude (segment, region, customer_class, channel, cohort, dimension, customers),
        own.customers as customers_with_evidence,
        unnest(
            groups_of(alike.segment, alike.region, alike.customer_class, alike.channel, alike.cohort),
            max_depth := 2
        )
    from alike
    cross join dimension
    left join own
        on
            dimension.dimension = own.dimension
            and alike.segment is not distinct from own.segment
            and alike.region is not distinct from own.region
            and alike.customer_class is not distinct from own.customer_class
            and alike.channel is not distinct from own.channel
            and alike.cohort is not distinct from own.cohort
),

totals as (
    select
        as_of,
        segment_by,
        segment_value,
        dimension,
        dimension in (select informed.dimension from informed) as is_informed,
        sum(customers)::bigint as customers,
        coalesce(sum(customers_with_evidence), 0)::bigint as customers_with_evidence,
        sum(score) as score,
        sum(score_squared) as score_squared,
        sum(belief) as belief,
        sum(disbelief) as disbelief,
        sum(uncertainty) as uncertainty
    from grouped
    where segment_value is not null
    group by all
),

summary as (
    select
        *,
        score / nullif(customers_with_evidence, 0) as score_mean,
        -- none of a single customer; greatest() passes over what is null
        case
            when customers_with_evidence > 1
                then greatest(score_squared - score * score_mean, 0) / (customers_with_evidence - 1)
        end as score_variance,
        1.645 * sqrt(score_variance / customers_with_evidence) as margin,
        belief / nullif(customers_with_evidence, 0) as belief_mean,
        disbelief / nullif(customers_with_evidence, 0) as disbelief_mean,
        uncertainty / nullif(customers_with_evidence, 0) as uncertainty_mean
    from totals
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
