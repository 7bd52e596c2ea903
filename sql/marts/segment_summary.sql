-- Grain: one row per group of customers on the newest night; measures of small groups are suppressed.
with grouped as (
    select
        customer_groups.as_of,
        customer_groups.place,
        night.trust_status,
        night.trust_score,
        night.trust_experience,
        night.churn_status,
        night.churn_risk,
        unnest(
            groups_of(
                customer_groups.segment,
                customer_groups.region,
                customer_groups.customer_class,
                customer_groups.channel,
                customer_groups.cohort
            ),
            max_depth := 2
        )
    from customer_groups
    inner join scores.customer_days as night
        on
            customer_groups.customer_id = night.customer_id
            and customer_groups.as_of = night.as_of
            and not night.is_reconstructed
),

summary as (
    select
        as_of,
        segment_by,
        segment_value,
        count(*) as customers,
        count(*) < getvariable('minimum_customers') as is_suppressed,
        count(*) filter (trust_status = 'scored') as customers_with_evidence,
        avg(trust_score order by place) filter (trust_status = 'scored') as trust_score_mean,
        1.645 * stddev_samp(trust_score order by place) filter (trust_status = 'scored')
        / sqrt(count(*) filter (trust_status = 'scored')) as margin,
        avg(trust_experience order by place) filter (trust_status = 'scored') as trust_experience_mean,
        avg(churn_risk order by place) filter (churn_status <> 'churned') as churn_risk_mean,
        sum(churn_risk order by place) filter (churn_status = 'active') as expected_lost_customers,
        count(*) filter (churn_status = 'lapsed') as lapsed_customers,
        count(*) filter (churn_status = 'churned') as churned_customers
    from grouped
    where segment_value is not null
    group by all
)

select
    as_of,
    segment_by,
    segment_value,
    customers,
    case when not is_suppressed then customers_with_evidence end as customers_with_evidence,
    case when not is_suppressed then trust_score_mean end as trust_score_mean,
    case
        when not is_suppressed and margin is not null then greatest(trust_score_mean - margin, 0)
    end as trust_score_low,
    case
        when not is_suppressed and margin is not null then least(trust_score_mean + margin, 100)
    end as trust_score_high,
    case when not is_suppressed then trust_experience_mean end as trust_experience_mean,
    case when not is_suppressed then churn_risk_mean end as churn_risk_mean,
    case when not is_suppressed then coalesce(expected_lost_customers, 0) end as expected_lost_customers,
    case when not is_suppressed then lapsed_customers end as lapsed_customers,
    case when not is_suppressed then churned_customers end as churned_customers,
    is_suppressed
from summary
order by segment_by <> 'all', segment_by, segment_value
