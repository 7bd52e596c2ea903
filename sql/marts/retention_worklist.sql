-- Grain: one row per active customer who is likelier than others to be lost, the dearest expected loss first.
-- Value at stake: what the customer spends a year at the present pace, net of returns, newer orders counting more and
-- the pace drawn towards that of all customers, as if one of them had been watched for prior_days besides.
with faded as (
    select
        customer_id,
        amount * (1 - coalesce(returned_share, 0)) as kept_amount,
        ordered_date,
        exp(-ln(2) * (getvariable('as_of') - ordered_date) / getvariable('half_life_days')) as weight
    from known_orders
),

-- An order without a known amount counts as the mean of the customer's others; where no amount is known, nothing is.
spending as (
    select
        customer_id,
        sum(weight) * sum(weight * kept_amount) / sum(weight) filter (kept_amount is not null) as spent,
        (1 - exp(-ln(2) * (getvariable('as_of') - min(ordered_date)) / getvariable('half_life_days')))
        * getvariable('half_life_days') / ln(2) as days
    from faded
    group by customer_id
    having count(kept_amount) > 0
),

company as (
    select coalesce(sum(spent) / nullif(sum(days), 0), 0) as spent_a_day
    from spending
),

stake as (
    select
        spending.customer_id,
        round(
            365 * (spending.spent + company.spent_a_day * getvariable('prior_days'))
            / (spending.days + getvariable('prior_days')), 2
        ) as value_at_stake
    from spending
    cross join company
),

typical as (
    select
        dimension,
        avg(score) as score
    from scores.dimensions
    group by dimension
),

weak as (
    select
        own.customer_id,
        arg_max(own.dimension, (typical.score - own.score, own.dimension)) as dimension
    from scores.dimensions as own
    inner join typical on own.dimension = typical.dimension and own.score < typical.score
    where own.uncertainty < 1
    group by own.customer_id
),

risky as (
    select
        customer_id,
        driver
    from scores.reasons
    where score = 'churn' and rank = 1 and contribution > 0
),

active as (
    select
        *,
        avg(churn_risk) over () as typical_risk
    from marts.customer_scores
    where churn_status = 'active'
),

listed as (
    select
        active.*,
        stake.value_at_stake,
        round(active.churn_risk * stake.value_at_stake, 2) as expected_loss,
        weak.dimension as weak_dimension,
        coalesce(active.recommended_action, action.text_en) as action_en,
        coalesce(active.recommended_action_zh, action.text_zh) as action_zh,
        -- A hash, not a draw: the same customer stays in or out for the whole quarter, whatever the risk and the day.
        md5_number_lower(active.customer_id || '/' || year(active.as_of) || '-Q' || quarter(active.as_of)) % 1000000
        < getvariable('holdout_share') * 1000000 as is_holdout
    from active
    left join stake on active.customer_id = stake.customer_id
    left join weak on active.customer_id = weak.customer_id
    left join risky on active.customer_id = risky.customer_id
    left join meta.actions as action on risky.driver = action.driver and action.score = 'churn'
    where
        active.churn_risk >= getvariable('minimum_risk_ratio') * active.typical_risk
        and coalesce(active.churn_risk * stake.value_at_stake >= getvariable('minimum_expected_loss'), true)
),

ranked as (
    select
        *,
        row_number() over (order by expected_loss desc nulls last, churn_risk desc, customer_id asc) as rank,
        count(*) over () as customers
    from listed
)

select
    rank,
    customer_id,
    as_of,
    case
        when expected_loss is null then 'C'
        when rank <= ceil(getvariable('priority_shares')['A'] * customers) then 'A'
        when rank <= ceil(getvariable('priority_shares')['B'] * customers) then 'B'
        else 'C'
    end as contact_priority,
    is_holdout,
    expected_loss,
    churn_risk,
    churn_band,
    value_at_stake,
    trust_score,
    trust_band,
    weak_dimension,
    top_churn_reason,
    top_churn_reason_zh,
    top_trust_reason,
    top_trust_reason_zh,
    action_en as recommended_action,
    action_zh as recommended_action_zh,
    orders,
    last_order_at,
    open_complaints
from ranked
order by rank
