-- Grain: one row per customer moved by more than the noise and rank of what moved them, on the newest night.
select
    customer_id,
    as_of,
    compared_with,
    trust_score_before,
    trust_score,
    trust_change,
    trust_status_before,
    trust_status,
    rank,
    driver,
    contribution,
    text_en,
    text_zh
from scores.changes
order by customer_id, rank
