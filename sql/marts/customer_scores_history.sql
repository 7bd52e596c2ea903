-- Grain: one row per customer and as-of day; reconstructed rows speak of month ends before a model was trained.
-- It is run for the days that are new or have changed, and those days are put in order where they are kept.
select
    customer_id,
    as_of,
    round(trust_score, 1) as trust_score,
    round(trust_low, 1) as trust_low,
    round(trust_high, 1) as trust_high,
    trust_reliability,
    trust_status,
    round(trust_experience, 1) as trust_experience,
    round(trust_product_quality, 1) as trust_product_quality,
    round(trust_service_quality, 1) as trust_service_quality,
    round(trust_reputation, 1) as trust_reputation,
    round(trust_transparency, 1) as trust_transparency,
    round(trust_values, 1) as trust_values,
    churn_risk,
    churn_status,
    churn_basis,
    trust_model_version,
    churn_model_version,
    is_reconstructed
from scores.customer_days
qualify row_number() over (partition by customer_id, as_of order by is_reconstructed) = 1
