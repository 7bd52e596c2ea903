-- Grain: one row per month and dimension complained of (and all together), from its first complaint on.
-- What followed a complaint counts from the day on which the time for its resolution was over, so that resolved and
-- unresolved complaints are looked at alike, and only where the 90 days after it are over.
with recorded as (
    select
        count(first_response_at) > 0 as has_responses,
        count(resolved_at) > 0 as has_resolutions,
        count(reopened_at) > 0 as has_reopenings
    from known_complaints
),

complaint as (
    select
        known_complaints.*,
        recorded.*,
        date_trunc('month', opened_date)::date as month,
        opened_at + to_seconds(getvariable('response_hours') * 3600) as answer_due_at,
        opened_at + to_seconds(getvariable('resolution_days') * 86400) as resolution_due_at
    from known_complaints
    cross join recorded
),

judged as (
    select
        *,
        business_date(resolution_due_at) as due_date,
        epoch(first_response_at - opened_at) / 3600 as answer_hours,
        epoch(resolved_at - opened_at) / 86400 as resolution_days,
        case
            when has_responses and answer_due_at < getvariable('as_of_end')
                then coalesce(first_response_at <= answer_due_at, false)
        end as is_answered_in_time,
        case
            when has_resolutions and resolution_due_at < getvariable('as_of_end')
                then
                    coalesce(resolved_at <= resolution_due_at, false)
                    and not coalesce(list_contains(getvariable('rejected_resolutions'), resolution), false)
                    and not coalesce(reopened_at <= resolution_due_at, false)
        end as is_resolved_in_time,
        case when has_reopenings and resolved_at is not null then reopened_at is not null end as is_reopened
    from complaint
),

next_order as (
    select
        judged.complaint_id,
        min(known_orders.ordered_date) as next_order_date
    from judged
    inner join known_orders
        on judged.customer_id = known_orders.customer_id and judged.due_date < known_orders.ordered_date
    group by judged.complaint_id
),

told as (
    select
        judged.*,
        unnest(['all', coalesce(judged.dimension, 'other')]) as told_of,
        case
            when judged.due_date + 90 <= getvariable('as_of')
                then coalesce(next_order.next_order_date <= judged.due_date + 90, false)
        end as is_followed
    from judged
    left join next_order on judged.complaint_id = next_order.complaint_id
),

counted as (
    select
        month,
        told_of,
        count(*) as complaints,
        count(distinct customer_id) as customers
    from told
    group by month, told_of
),

measured as (
    select
        month,
        told_of,
        case when bool_or(has_responses) then count(answer_hours) end as answered_complaints,
        round(median(answer_hours), 2) as answer_hours_median,
        round(quantile_cont(answer_hours, 0.9), 2) as answer_hours_p90,
        count(is_answered_in_time) as answer_due_complaints,
        round(avg(is_answered_in_time::bigint), 4) as answered_in_time_share,
        case when bool_or(has_resolutions) then count(resolution_days) end as resolved_complaints,
        round(median(resolution_days), 2) as resolution_days_median,
        round(avg(is_reopened::bigint), 4) as reopened_share,
        count(is_resolved_in_time) as resolution_due_complaints,
        round(avg(is_resolved_in_time::bigint), 4) as resolved_in_time_share,
        count(is_followed) filter (is_resolved_in_time) as followed_resolved_complaints,
        round(avg(is_followed::bigint) filter (is_resolved_in_time), 4) as repurchased_after_resolved_share,
        count(is_followed) filter (not is_resolved_in_time) as followed_unresolved_complaints,
        round(avg(is_followed::bigint) filter (not is_resolved_in_time), 4) as repurchased_after_unresolved_share
    from told
    group by month, told_of
    having count(distinct customer_id) >= getvariable('minimum_customers')
),

matured as (
    select
        date_trunc('month', ordered_date + getvariable('order_maturity_days')::integer)::date as month,
        count(*) as matured_orders
    from known_orders
    where ordered_date + getvariable('order_maturity_days')::integer <= getvariable('as_of')
    group by date_trunc('month', ordered_date + getvariable('order_maturity_days')::integer)::date
),

calendar as (
    select
        told_of,
        unnest(range(min(month), getvariable('as_of') + 1, interval 1 month))::date as month
    from told
    group by told_of
)

select
    calendar.month,
    calendar.told_of as dimension,
    getvariable('as_of') as as_of,
    last_day(calendar.month) <= getvariable('as_of') as is_complete,
    coalesce(counted.complaints, 0) as complaints,
    coalesce(matured.matured_orders, 0) as matured_orders,
    round(100 * coalesce(counted.complaints, 0) / nullif(matured.matured_orders, 0), 3) as complaints_per_100_orders,
    measured.* exclude (month, told_of),
    coalesce(counted.customers, 0) < getvariable('minimum_customers') as is_suppressed
from calendar
left join counted on calendar.month = counted.month and calendar.told_of = counted.told_of
left join measured on calendar.month = measured.month and calendar.told_of = measured.told_of
left join matured on calendar.month = matured.month
order by calendar.told_of <> 'all', calendar.told_of, calendar.month
