-- Grain: one row per table and check of the newest night: the results of the contract checks and of loading.
select
    as_of,
    table_name,
    check_name,
    column_name,
    rule,
    severity,
    is_passed,
    checked_rows,
    failed_rows,
    observed,
    text_en,
    text_zh
from meta.findings
where as_of = (select max(as_of) from scores.nights)
order by table_name, check_name
