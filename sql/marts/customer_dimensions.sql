-- Grain: one row per customer and trust dimension that the data speak of, on the newest night.
select
    customer_id,
    as_of,
    dimension,
    round(score, 1) as score,
    belief,
    disbelief,
    uncertainty,
    base_rate
from scores.dimensions
order by customer_id, dimension
