-- Grain: one row per customer with a purchase by the newest night's as-of day.
with night as (
    select * from scores.customer_days
    where as_of = getvariable('as_of')
),

trust_reason as (
    select * from scores.reasons
    where score = 'trust' and rank = 1
),

churn_reason as (
    select * from scores.reasons
    where score = 'churn' and rank = 1
),

-- Low trust is met where it was lost; else a high risk is met where it comes from; else nothing need be done.
advised as (
    select
        night.customer_id,
        case when night.is_distrusting then 'trust' else 'churn' end as score,
        case
            when night.is_distrusting then case when trust_reason.contribution < 0 then trust_reason.driver end
            when churn_reason.contribution > 0 then churn_reason.driver
        end as driver
    from (
        select
            *,
            trust_status = 'scored' and trust_score < getvariable('trust_bands')['medium'] as is_distrusting
        from night
    ) as night
    left join trust_reason on night.customer_id = trust_reason.customer_id
    left join churn_reason on night.customer_id = churn_reason.customer_id
    where night.churn_status <> 'churned' and (night.is_distrusting or night.churn_band in ('high', 'very_high'))
),

-- Who has complained and still waits is answered before anything else, also after leaving. Where a company never
-- records how complaints ended, all of them look open, and nobody can be said to wait.
waiting as (
    select night.customer_id
    from night
    where
        night.open_complaints > 0
        and (select count(resolved_at) > 0 from known_complaints)
)

select
    night.customer_id,
    night.as_of,
    round(night.trust_score, 1) as trust_score,
    round(night.trust_low, 1) as trust_low,
    round(night.trust_high, 1) as trust_high,
    night.trust_reliability,
    night.trust_status,
    round(night.trust_experience, 1) as trust_experience,
    case
        when night.trust_status = 'insufficient_evidence' then null
        when night.trust_score < getvariable('trust_bands')['low'] then 'very_low'
        when night.trust_score < getvariable('trust_bands')['medium'] then 'low'
        when night.trust_score < getvariable('trust_bands')['high'] then 'medium'
        when night.trust_score < getvariable('trust_bands')['very_high'] then 'high'
        else 'very_high'
    end as trust_band,
    round(night.trust_change_30d, 1) as trust_change_30d,
    round(night.trust_product_quality, 1) as trust_product_quality,
    round(night.trust_service_quality, 1) as trust_service_quality,
    round(night.trust_reputation, 1) as trust_reputation,
    round(night.trust_transparency, 1) as trust_transparency,
    round(night.trust_values, 1) as trust_values,
    night.churn_risk,
    100 * percent_rank() over (order by night.churn_risk) as churn_risk_percentile,
    night.churn_band,
    night.churn_status,
    night.churn_basis,
    trust_reason.text_en as top_trust_reason,
    churn_reason.text_en as top_churn_reason,
    coalesce(answer.text_en, action.text_en) as recommended_action,
    night.orders,
    night.last_order_at,
    night.open_complaints,
    night.trust_model_version,
    night.churn_model_version,
    trust_reason.text_zh as top_trust_reason_zh,
    churn_reason.text_zh as top_churn_reason_zh,
    coalesce(answer.text_zh, action.text_zh) as recommended_action_zh
from night
left join trust_reason on night.customer_id = trust_reason.customer_id
left join churn_reason on night.customer_id = churn_reason.customer_id
left join advised on night.customer_id = advised.customer_id
left join meta.actions as action on advised.score = action.score and advised.driver = action.driver
left join waiting on night.customer_id = waiting.customer_id
left join meta.actions as answer
    on waiting.customer_id is not null and answer.score = 'complaint' and answer.driver = 'open'
order by night.customer_id
