-- Grain: one row per precursor: how often it came before customers were lost, and before they were kept, in the newest
-- churn window that is over. The precursor lies in the 90 days before that window. It is no proof of a cause.
with night as (
    select
        label_definition as churn,
        as_of - horizon_days::integer as cut
    from scores.nights
    where as_of = getvariable('as_of')
),

customer as (
    select
        spell.customer_id,
        night.churn,
        night.cut
    from night
    inner join customer_spells as spell on night.cut between spell.active_from and spell.active_until
    anti join departures
        on
            spell.customer_id = departures.customer_id
            and night.cut >= departures.churned_date
            and coalesce(night.cut < departures.back_date, true)
),

ordered_in_window as (
    select distinct known_orders.customer_id
    from known_orders
    inner join night on known_orders.ordered_date > night.cut
),

left_in_window as (
    select distinct known_churn.customer_id
    from known_churn
    inner join night on known_churn.churned_date > night.cut
    where known_churn.kind = 'voluntary'
),

failed_order as (
    select
        orders.customer_id,
        bool_or(
            business_date(orders.promised_at) between night.cut - 89 and night.cut
            and coalesce(orders.delivered_at > orders.promised_at, true)
            and coalesce(orders.cancelled_at > orders.promised_at, true)
        ) as is_late,
        bool_or(business_date(orders.fault_at) between night.cut - 89 and night.cut) as is_faulty
    from known_orders as orders
    cross join night
    group by orders.customer_id
),

complained as (
    select
        complaints.customer_id,
        bool_or(
            coalesce(business_date(complaints.resolved_at) > night.cut, true)
            or coalesce(business_date(complaints.reopened_at) <= night.cut, false)
        ) as is_unresolved
    from known_complaints as complaints
    inner join night on complaints.opened_date between night.cut - 89 and night.cut
    group by complaints.customer_id
),

scored as (
    select
        max(days.as_of) filter (days.as_of <= night.cut) as after_day,
        max(days.as_of) filter (days.as_of <= night.cut - 90) as before_day
    from (select distinct as_of from scores.customer_days) as days
    cross join night
),

trust as (
    select
        history.customer_id,
        max(history.trust_score) filter (history.as_of = scored.after_day)
        - max(history.trust_score) filter (history.as_of = scored.before_day) as change
    from scores.customer_days as history
    inner join scored on history.as_of in (scored.before_day, scored.after_day)
    where scored.after_day > scored.before_day
    group by history.customer_id
),

recorded as (
    select
        (select count(promised_at) > 0 and count(delivered_at) > 0 from known_orders) as late_delivery,
        (select count(fault_at) + count(return_reason) > 0 from known_orders) as fault,
        (select count(*) > 0 from known_complaints) as complaint,
        (select count(resolved_at) > 0 from known_complaints) as unresolved_complaint,
        (select count(change) > 0 from trust) as falling_trust
),

-- One column a precursor: whether the customer had it, null where that cannot be known.
flagged as (
    select
        case
            when customer.churn = 'declared' then left_in_window.customer_id is not null
            else ordered_in_window.customer_id is null
        end as is_lost,
        case when recorded.late_delivery then coalesce(failed_order.is_late, false) end as late_delivery,
        case when recorded.fault then coalesce(failed_order.is_faulty, false) end as fault,
        case when recorded.complaint then complained.customer_id is not null end as complaint,
        case when recorded.unresolved_complaint then coalesce(complained.is_unresolved, false) end
            as unresolved_complaint,
        case when recorded.falling_trust then trust.change <= -getvariable('falling_trust_points') end as falling_trust
    from customer
    cross join recorded
    left join ordered_in_window on customer.customer_id = ordered_in_window.customer_id
    left join left_in_window on customer.customer_id = left_in_window.customer_id
    left join failed_order on customer.customer_id = failed_order.customer_id
    left join complained on customer.customer_id = complained.customer_id
    left join trust on customer.customer_id = trust.customer_id
),

told as (
    select
        is_lost,
        unnest([
            { 'precursor': 'late_delivery', 'had_it': late_delivery },
            { 'precursor': 'fault', 'had_it': fault },
            { 'precursor': 'complaint', 'had_it': complaint },
            { 'precursor': 'unresolved_complaint', 'had_it': unresolved_complaint },
            { 'precursor': 'falling_trust', 'had_it': falling_trust }
        ], max_depth := 2)
    from flagged
),

counted as (
    select
        precursor,
        count(had_it) filter (is_lost) as lost,
        count(had_it) filter (not is_lost) as kept,
        count(*) filter (is_lost and had_it) as lost_with,
        count(*) filter (not is_lost and had_it) as kept_with
    from told
    group by precursor
),

informed as (
    unpivot recorded
    on late_delivery, fault, complaint, unresolved_complaint, falling_trust
    into name precursor value is_informed
),

measured as (
    select
        informed.precursor,
        informed.is_informed,
        coalesce(counted.lost, 0) as lost,
        coalesce(counted.kept, 0) as kept,
        counted.lost_with,
        counted.kept_with,
        counted.lost_with / nullif(counted.lost, 0) as lost_share,
        counted.kept_with / nullif(counted.kept, 0) as kept_share,
        lost_share / nullif(kept_share, 0) as ratio,
        -- of the logarithm of the ratio (Katz et al. 1978)
        1.645 * sqrt(1 / nullif(counted.lost_with, 0) - 1 / counted.lost + 1 / counted.kept_with - 1 / counted.kept)
            as margin,
        informed.is_informed
        and least(coalesce(counted.lost, 0), coalesce(counted.kept, 0)) < getvariable('minimum_customers')
            as is_suppressed,
        informed.is_informed and not is_suppressed as is_shown
    from informed
    left join counted on informed.precursor = counted.precursor
)

select
    measured.precursor,
    getvariable('as_of') as as_of,
    night.cut + 1 as window_start,
    getvariable('as_of') as window_end,
    night.churn,
    measured.is_informed,
    case when measured.is_informed then measured.lost end as lost_customers,
    case when measured.is_informed then measured.kept end as kept_customers,
    case when measured.is_shown then measured.lost_with end as lost_with_precursor,
    case when measured.is_shown then measured.kept_with end as kept_with_precursor,
    case when measured.is_shown then round(measured.lost_share, 4) end as lost_share,
    case when measured.is_shown then round(measured.kept_share, 4) end as kept_share,
    case when measured.is_shown and measured.lost_with > 0 then round(measured.ratio, 3) end as ratio,
    case when measured.is_shown then round(measured.ratio * exp(-measured.margin), 3) end as ratio_low,
    case when measured.is_shown then round(measured.ratio * exp(measured.margin), 3) end as ratio_high,
    measured.is_suppressed
from measured
cross join night
order by
    list_position(
        ['late_delivery', 'fault', 'complaint', 'unresolved_complaint', 'falling_trust'], measured.precursor
    )
