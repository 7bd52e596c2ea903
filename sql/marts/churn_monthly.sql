-- Grain: one row per month since the first order: who was active at its start, and who of them left on record or fell
-- silent in it. Fallen silent: the activity window passed without a purchase, and no record had said so before.
with beginning as (
    select date_trunc('month', min(ordered_date)) as first_month
    from known_orders
),

calendar as (
    select unnest(range(first_month, getvariable('as_of') + 1, interval 1 month))::date as month
    from beginning
),

feed as (
    select date_trunc('month', min(churned_date))::date as first_month
    from known_churn
),

-- Month by month those who have ever been on record; the others are alike where their spells begin and end alike.
spell_on_record as materialized (
    select
        customer_spells.customer_id,
        customer_spells.active_from,
        customer_spells.active_until
    from customer_spells
    semi join known_churn on customer_spells.customer_id = known_churn.customer_id
),

active_on_record as (
    select
        calendar.month,
        spell.customer_id,
        spell.active_until + 1 as silent_date
    from calendar
    inner join spell_on_record as spell
        on calendar.month > spell.active_from and calendar.month - 1 <= spell.active_until
    anti join departures
        on
            spell.customer_id = departures.customer_id
            and calendar.month > departures.churned_date
            and coalesce(calendar.month <= departures.back_date, true)
),

left_on_record as (
    select
        customer_id,
        date_trunc('month', churned_date)::date as month,
        bool_or(kind = 'voluntary') as is_voluntary
    from known_churn
    group by customer_id, date_trunc('month', churned_date)::date
),

lost_on_record as (
    select
        active.month,
        count(*) as active_customers,
        count(*) filter (left_on_record.is_voluntary) as declared_customers,
        count(*) filter (not left_on_record.is_voluntary) as involuntary_customers,
        count(*) filter (
            left_on_record.customer_id is null
            and active.silent_date <= least(last_day(active.month), getvariable('as_of'))
        ) as silent_customers
    from active_on_record as active
    left join left_on_record
        on active.customer_id = left_on_record.customer_id and active.month = left_on_record.month
    group by active.month
),

unrecorded_alike as (
    select
        (date_trunc('month', spell.active_from) + interval 1 month)::date as first_month,
        date_trunc('month', spell.active_until + 1)::date as last_month,
        spell.active_until < getvariable('as_of') as is_silent,
        count(*) as customers
    from customer_spells as spell
    anti join known_churn on spell.customer_id = known_churn.customer_id
    group by all
),

lost_unrecorded as (
    select
        calendar.month,
        sum(alike.customers) as active_customers,
        0 as declared_customers,
        0 as involuntary_customers,
        coalesce(sum(alike.customers) filter (alike.is_silent and calendar.month = alike.last_month), 0)
            as silent_customers
    from calendar
    inner join unrecorded_alike as alike on calendar.month between alike.first_month and alike.last_month
    group by calendar.month
),

lost_of_both as (
    select * from lost_on_record
    union all
    select * from lost_unrecorded
),

lost as (
    select
        month,
        sum(active_customers)::bigint as active_customers,
        sum(declared_customers)::bigint as declared_customers,
        sum(involuntary_customers)::bigint as involuntary_customers,
        sum(silent_customers)::bigint as silent_customers
    from lost_of_both
    group by month
),

came as (
    select
        date_trunc('month', active_from)::date as month,
        count(*) filter (spell = 1) as new_customers
    from customer_spells
    group by date_trunc('month', active_from)::date
),

returned as (
    select
        date_trunc('month', back.back_date)::date as month,
        count(distinct back.customer_id) as returned_customers
    from (
        select
            customer_id,
            active_from as back_date
        from customer_spells
        where spell > 1
        union all
        select
            customer_id,
            reactivated_date as back_date
        from departures
        where reactivated_date is not null
    ) as back
    group by date_trunc('month', back.back_date)::date
),

counted as (
    select
        calendar.month,
        last_day(calendar.month) <= getvariable('as_of') as is_complete,
        coalesce(lost.active_customers, 0) as active_customers,
        coalesce(came.new_customers, 0) as new_customers,
        case when calendar.month >= feed.first_month then coalesce(lost.declared_customers, 0) end
            as declared_customers,
        case when calendar.month >= feed.first_month then coalesce(lost.involuntary_customers, 0) end
            as involuntary_customers,
        coalesce(lost.silent_customers, 0) as silent_customers,
        coalesce(returned.returned_customers, 0) as returned_customers
    from calendar
    cross join feed
    left join lost on calendar.month = lost.month
    left join came on calendar.month = came.month
    left join returned on calendar.month = returned.month
)

select
    month,
    getvariable('as_of') as as_of,
    is_complete,
    active_customers,
    new_customers,
    declared_customers,
    involuntary_customers,
    silent_customers,
    returned_customers,
    case when is_complete then round(declared_customers / nullif(active_customers, 0), 5) end as declared_rate,
    case when is_complete then round(silent_customers / nullif(active_customers, 0), 5) end as silent_rate
from counted
order by month
