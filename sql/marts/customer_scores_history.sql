-- Grain: one row per customer and as-of day; reconstructed rows speak of month ends before a model was trained.
select
    customer_id,
    as_of,
    trust_score,
    trust_low,
    trust_high,
    trust_reliability,
    trust_status,
    trust_experience,
    trust_product_quality,
    trust_service_quality,
    trust_reputation,
    trust_transparency,
    trust_values,
    churn_risk,
    churn_status,
    churn_basis,
    trust_model_version,
    churn_model_version,
    is_reconstructed
from scores.customer_days
qualify row_number() over (partition by customer_id, as_of order by is_reconstructed) = 1
order by customer_id, as_of
