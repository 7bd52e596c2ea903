-- Grain: one row per month of the first order and completed month since: what has become of those customers.
with joined as (
    select
        customer_id,
        date_trunc('month', active_from)::date as cohort_month
    from customer_spells
    where spell = 1
),

feed as (
    select date_trunc('month', min(churned_date))::date as first_month
    from known_churn
),

cohort as (
    select
        cohort_month,
        count(*) as customers
    from joined
    where last_day(cohort_month) <= getvariable('as_of')
    group by cohort_month
),

calendar as (
    select
        cohort_month,
        customers,
        unnest(range(cohort_month, date_trunc('month', getvariable('as_of') + 1), interval 1 month))::date as month
    from cohort
),

-- Each customer once a month: on the first of the days with a purchase in it.
purchased as (
    select
        joined.cohort_month,
        date_trunc('month', purchase_days.ordered_date)::date as month,
        count(*) as customers
    from purchase_days
    inner join joined on purchase_days.customer_id = joined.customer_id
    where coalesce(purchase_days.previous_date < date_trunc('month', purchase_days.ordered_date), true)
    group by joined.cohort_month, date_trunc('month', purchase_days.ordered_date)::date
),

away as (
    select
        calendar.cohort_month,
        calendar.month,
        count(distinct departures.customer_id) as customers
    from departures
    inner join joined on departures.customer_id = joined.customer_id
    inner join calendar
        on
            joined.cohort_month = calendar.cohort_month
            and departures.churned_date <= last_day(calendar.month)
            and coalesce(departures.back_date > last_day(calendar.month), true)
    group by calendar.cohort_month, calendar.month
),

-- From the first to the last month at whose end the spell was under way.
covered as (
    select
        joined.cohort_month,
        customer_spells.customer_id,
        date_trunc('month', customer_spells.active_from)::date as first_month,
        (date_trunc('month', customer_spells.active_until + 1) - interval 1 month)::date as last_month
    from customer_spells
    inner join joined on customer_spells.customer_id = joined.customer_id
),

covered_alike as (
    select
        cohort_month,
        first_month,
        last_month,
        count(*) as customers
    from covered
    group by cohort_month, first_month, last_month
),

covering as (
    select
        calendar.cohort_month,
        calendar.month,
        sum(covered_alike.customers) as customers
    from calendar
    inner join covered_alike
        on
            calendar.cohort_month = covered_alike.cohort_month
            and calendar.month between covered_alike.first_month and covered_alike.last_month
    group by calendar.cohort_month, calendar.month
),

covering_while_away as (
    select
        calendar.cohort_month,
        calendar.month,
        count(distinct departures.customer_id) as customers
    from departures
    inner join covered on departures.customer_id = covered.customer_id
    inner join calendar
        on
            covered.cohort_month = calendar.cohort_month
            and calendar.month between covered.first_month and covered.last_month
            and departures.churned_date <= last_day(calendar.month)
            and coalesce(departures.back_date > last_day(calendar.month), true)
    group by calendar.cohort_month, calendar.month
),

active as (
    select
        covering.cohort_month,
        covering.month,
        (covering.customers - coalesce(covering_while_away.customers, 0))::bigint as customers
    from covering
    left join covering_while_away
        on covering.cohort_month = covering_while_away.cohort_month and covering.month = covering_while_away.month
),

counted as (
    select
        calendar.cohort_month,
        calendar.month,
        calendar.customers,
        calendar.customers < getvariable('minimum_customers') as is_suppressed,
        coalesce(purchased.customers, 0) as purchased_customers,
        coalesce(active.customers, 0) as active_customers,
        case when calendar.month >= feed.first_month then coalesce(away.customers, 0) end as away_customers
    from calendar
    cross join feed
    left join purchased on calendar.cohort_month = purchased.cohort_month and calendar.month = purchased.month
    left join active on calendar.cohort_month = active.cohort_month and calendar.month = active.month
    left join away on calendar.cohort_month = away.cohort_month and calendar.month = away.month
)

select
    cohort_month,
    datediff('month', cohort_month, month) as months_since,
    getvariable('as_of') as as_of,
    customers,
    case when not is_suppressed then purchased_customers end as purchased_customers,
    case when not is_suppressed then round(purchased_customers / customers, 4) end as purchased_share,
    case when not is_suppressed then round(active_customers / customers, 4) end as active_share,
    case when not is_suppressed then round(away_customers / customers, 4) end as declared_lost_share,
    is_suppressed
from counted
order by cohort_month, month
