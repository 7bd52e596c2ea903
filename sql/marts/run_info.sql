-- Grain: one row: the newest night, what it read and which models gave its scores.
with account as (
    select
        source,
        load_date,
        sum(rows_read) as rows_read,
        sum(rows_accepted) as rows_accepted,
        sum(rows_quarantined) as rows_quarantined,
        sum(rows_erased) as rows_erased
    from meta.loads
    where load_date <= (select max(as_of) from scores.nights)
    group by source, load_date
),

total as (
    select
        count(*) as deliveries,
        coalesce(sum(rows_read), 0)::bigint as rows_read,
        coalesce(sum(rows_accepted), 0)::bigint as rows_accepted,
        coalesce(sum(rows_quarantined), 0)::bigint as rows_quarantined,
        coalesce(sum(rows_erased), 0)::bigint as rows_erased
    from account
)

select
    night.as_of,
    night.run_id,
    (current_timestamp at time zone 'UTC')::timestamp as published_at,
    night.software_version,
    night.duckdb_version,
    night.time_zone,
    night.currency,
    night.horizon_days,
    night.label_definition,
    night.customers,
    night.customers_with_evidence,
    night.customers_moved_up,
    night.customers_moved_down,
    night.trust_change_limit,
    total.deliveries,
    total.rows_read,
    total.rows_accepted,
    total.rows_quarantined,
    total.rows_erased,
    night.trust_model_version,
    night.churn_model_version,
    night.notes_en,
    night.notes_zh
from scores.nights as night
cross join total
where night.as_of = (select max(as_of) from scores.nights)
