-- Grain: one row per kind of churn and completed month of tenure: the Kaplan-Meier estimate of the share of customers
-- still there, with Greenwood's variance and a 90% interval on the log-log scale (Kaplan, Meier 1958; Greenwood 1926).
-- Each kind by itself: a customer who is lost in the other way, or not at all, is watched until then and no longer.
with first_spell as (
    select
        customer_id,
        active_from as joined_date,
        active_until + 1 as silent_date
    from customer_spells
    where spell = 1
),

recorded as (
    select
        first_spell.customer_id,
        min(known_churn.churned_date) as churned_date,
        arg_min(known_churn.kind, known_churn.churned_at) as kind
    from first_spell
    inner join known_churn
        on first_spell.customer_id = known_churn.customer_id and first_spell.joined_date <= known_churn.churned_date
    group by first_spell.customer_id
),

watched as (
    select
        'declared' as churn,
        first_spell.joined_date,
        coalesce(recorded.churned_date, getvariable('as_of')) as until_date,
        coalesce(recorded.kind = 'voluntary', false) as is_lost
    from first_spell
    left join recorded on first_spell.customer_id = recorded.customer_id
    where exists (select 1 from known_churn)
    union all
    select
        'silent' as churn,
        first_spell.joined_date,
        least(first_spell.silent_date, recorded.churned_date, getvariable('as_of')) as until_date,
        first_spell.silent_date <= getvariable('as_of')
        and coalesce(first_spell.silent_date < recorded.churned_date, true) as is_lost
    from first_spell
    left join recorded on first_spell.customer_id = recorded.customer_id
),

tenure as (
    select
        churn,
        datesub('month', joined_date, until_date) as tenure_months,
        count(*) as watched,
        count(*) filter (is_lost) as events
    from watched
    group by churn, datesub('month', joined_date, until_date)
),

calendar as (
    select
        churn,
        unnest(range(max(tenure_months) + 1)) as tenure_months
    from tenure
    group by churn
),

at_risk as (
    select
        calendar.churn,
        calendar.tenure_months,
        coalesce(tenure.events, 0) as events,
        sum(coalesce(tenure.watched, 0)) over (
            partition by calendar.churn order by calendar.tenure_months
            rows between current row and unbounded following
        ) as at_risk
    from calendar
    left join tenure on calendar.churn = tenure.churn and calendar.tenure_months = tenure.tenure_months
),

estimate as (
    select
        churn,
        tenure_months,
        at_risk::bigint as at_risk,
        events,
        product(1 - events / at_risk) over months as survival,
        sum(events / nullif(at_risk * (at_risk - events), 0)) over months as variance
    from at_risk
    window months as (partition by churn order by tenure_months)
)

select
    churn,
    tenure_months,
    getvariable('as_of') as as_of,
    at_risk,
    events,
    round(survival, 5) as survival,
    case
        when survival > 0 and survival < 1 then round(pow(survival, exp(1.645 * sqrt(variance) / -ln(survival))), 5)
    end as survival_low,
    case
        when survival > 0 and survival < 1 then round(pow(survival, exp(1.645 * sqrt(variance) / ln(survival))), 5)
    end as survival_high
from estimate
where at_risk >= getvariable('minimum_customers')
order by churn, tenure_months
