-- Grain: one row per kind of experience (stream) and product category or channel, and one for all: how often it failed
-- among the trials that the trust scores of the newest night rest on, and its weight in trust.
with card as (
    select models.card
    from meta.models as models
    inner join scores.nights as nights on models.version = nights.trust_model_version
    where models.kind = 'trust' and nights.as_of = getvariable('as_of')
),

loading as (
    select unnest(from_json(card -> 'streams', '[{"stream": "VARCHAR", "loading": "DOUBLE"}]'), max_depth := 2)
    from card
),

outcome as (
    select
        stream,
        'all' as told_by,
        'all' as told_of,
        trials,
        failures
    from scores.trial_counts
    union all
    select
        stream,
        unnest(['category', 'channel']) as told_by,
        unnest([coalesce(category, 'unknown'), coalesce(channel, 'unknown')]) as told_of,
        trials,
        failures
    from scores.trial_outcomes
),

counted as (
    select
        stream,
        told_by,
        told_of,
        sum(trials)::bigint as trials,
        sum(failures)::bigint as failures
    from outcome
    group by stream, told_by, told_of
),

-- Wilson (1927): the interval of a share, for few trials and shares near 0 as well.
measured as (
    select
        *,
        failures / trials as share,
        (share + 1.645 * 1.645 / (2 * trials)) / (1 + 1.645 * 1.645 / trials) as middle,
        1.645 * sqrt(share * (1 - share) / trials + 1.645 * 1.645 / (4 * trials * trials))
        / (1 + 1.645 * 1.645 / trials) as margin,
        trials < getvariable('minimum_customers') as is_suppressed
    from counted
)

select
    measured.stream,
    measured.told_by,
    measured.told_of,
    getvariable('as_of') as as_of,
    measured.trials,
    case when not measured.is_suppressed then measured.failures end as failures,
    case when not measured.is_suppressed then round(measured.share, 5) end as failure_share,
    case when not measured.is_suppressed then round(greatest(measured.middle - measured.margin, 0), 5) end
        as failure_share_low,
    case when not measured.is_suppressed then round(least(measured.middle + measured.margin, 1), 5) end
        as failure_share_high,
    round(loading.loading, 3) as weight,
    starts_with(measured.stream, 'came_back') as is_consequence,
    measured.is_suppressed
from measured
left join loading on measured.stream = loading.stream
order by measured.told_by <> 'all', measured.told_by, measured.stream, measured.told_of
