-- Grain: one row per period (week or month) and group of customers: the last day scored in the period, a night where
-- there was one, else a day that was scored afterwards (is_reconstructed).
with scored as (
    select distinct
        as_of,
        is_reconstructed
    from scores.customer_days
    where as_of <= getvariable('as_of')
),

period as (
    select
        unnest([
            { 'period': 'week', 'period_start': date_trunc('week', as_of)::date },
            { 'period': 'month', 'period_start': date_trunc('month', as_of)::date }
        ], max_depth := 2),
        as_of,
        is_reconstructed
    from scored
),

chosen as (
    select * from period
    qualify row_number() over (partition by period, period_start order by is_reconstructed asc, as_of desc) = 1
),

-- Who belongs to just the same groups is summed up first: groups are many times fewer than customers.
alike as (
    select
        day.as_of,
        day.is_reconstructed,
        day.segment,
        day.region,
        day.customer_class,
        count(*) as customers,
        count(*) filter (day.trust_status = 'scored') as customers_with_evidence,
        count(day.trust_score) filter (day.trust_status = 'scored') as scores,
        sum(day.trust_score) filter (day.trust_status = 'scored') as score,
        sum(day.trust_score * day.trust_score) filter (day.trust_status = 'scored') as score_squared,
        count(*) filter (day.trust_status = 'scored' and day.trust_score < getvariable('trust_bands')['medium'])
            as low_trust_customers,
        count(day.churn_risk) filter (day.churn_status <> 'churned') as risks,
        sum(day.churn_risk) filter (day.churn_status <> 'churned') as risk,
        max(day.trust_model_version) as trust_model_version
    from scores.customer_days as day
    semi join chosen on day.as_of = chosen.as_of and day.is_reconstructed = chosen.is_reconstructed
    group by all
),

grouped as (
    select
        *,
        unnest(groups_of(segment, region, customer_class, null, null), max_depth := 2)
    from alike
),

totals as (
    select
        as_of,
        is_reconstructed,
        segment_by,
        segment_value,
        sum(customers)::bigint as customers,
        sum(customers_with_evidence)::bigint as customers_with_evidence,
        sum(scores) as scores,
        sum(score) as score,
        sum(score_squared) as score_squared,
        sum(low_trust_customers) as low_trust_customers,
        sum(risks) as risks,
        sum(risk) as risk,
        max(trust_model_version) as trust_model_version
    from grouped
    where segment_value is not null
    group by as_of, is_reconstructed, segment_by, segment_value
),

summary as (
    select
        * exclude (score, score_squared, risk),
        score / nullif(scores, 0) as trust_score_mean,
        -- none of a single customer; greatest() passes over what is null
        case when scores > 1 then greatest(score_squared - score * trust_score_mean, 0) / (scores - 1) end as variance,
        1.645 * sqrt(variance) / sqrt(customers_with_evidence) as margin,
        low_trust_customers / nullif(scores, 0) as low_trust_share,
        risk / nullif(risks, 0) as churn_risk_mean,
        customers < getvariable('minimum_customers')
        or customers_with_evidence < getvariable('minimum_customers') as is_suppressed
    from totals
)

select
    chosen.period,
    chosen.period_start,
    summary.segment_by,
    summary.segment_value,
    summary.as_of,
    summary.customers,
    case when summary.customers >= getvariable('minimum_customers') then summary.customers_with_evidence end
        as customers_with_evidence,
    case when not summary.is_suppressed then round(summary.trust_score_mean, 2) end as trust_score_mean,
    case
        when not summary.is_suppressed and summary.margin is not null
            then round(greatest(summary.trust_score_mean - summary.margin, 0), 2)
    end as trust_score_low,
    case
        when not summary.is_suppressed and summary.margin is not null
            then round(least(summary.trust_score_mean + summary.margin, 100), 2)
    end as trust_score_high,
    case when not summary.is_suppressed then round(summary.low_trust_share, 4) end as low_trust_share,
    case when summary.customers >= getvariable('minimum_customers') then round(summary.churn_risk_mean, 4) end
        as churn_risk_mean,
    summary.is_reconstructed,
    summary.trust_model_version,
    summary.is_suppressed
from chosen
inner join summary on chosen.as_of = summary.as_of and chosen.is_reconstructed = summary.is_reconstructed
order by
    chosen.period = 'month',
    chosen.period_start,
    summary.segment_by <> 'all',
    summary.segment_by,
    summary.segment_value
