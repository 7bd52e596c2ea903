-- Grain: one row per customer with a purchase by the newest night's as-of day.
with night as (
    select * from scores.customer_days
    where as_of = (select max(as_of) from scores.nights)
),

reason as (
    select
        customer_id,
        max(text_en) filter (score = 'trust' and rank = 1) as top_trust_reason,
        max(text_en) filter (score = 'churn' and rank = 1) as top_churn_reason,
        max(driver) filter (score = 'trust' and rank = 1 and contribution < 0) as trust_driver,
        max(driver) filter (score = 'churn' and rank = 1 and contribution > 0) as churn_driver
    from scores.reasons
    where rank = 1
    group by customer_id
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
    reason.top_trust_reason,
    reason.top_churn_reason,
    case
        when night.churn_status = 'churned' then null
        when
            night.trust_status = 'scored'
            and night.trust_score < getvariable('trust_bands')['medium']
            and trust_action.text_en is not null
            then trust_action.text_en
        when night.churn_band in ('high', 'very_high') then churn_action.text_en
    end as recommended_action,
    night.orders,
    night.last_order_at,
    night.open_complaints,
    night.trust_model_version,
    night.churn_model_version
from night
left join reason on night.customer_id = reason.customer_id
left join meta.actions as trust_action
    on trust_action.score = 'trust' and reason.trust_driver = trust_action.driver
left join meta.actions as churn_action
    on churn_action.score = 'churn' and reason.churn_driver = churn_action.driver
order by night.customer_id
