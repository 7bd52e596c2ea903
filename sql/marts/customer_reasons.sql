-- Grain: one row per customer, score (trust or churn) and rank of the reason, on the newest night.
select
    customer_id,
    as_of,
    score,
    rank,
    driver,
    contribution,
    text_en,
    text_zh
from scores.reasons
order by customer_id, score, rank
