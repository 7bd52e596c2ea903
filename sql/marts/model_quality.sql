-- Grain: one row per evaluation (the training of each model in use on the newest night, and the newest backtest known
-- by then), day judged, estimator (the model, what was in use, or a baseline) and metric.
with newest as (
    select
        as_of,
        trust_model_version,
        churn_model_version
    from scores.nights
    qualify row_number() over (order by as_of desc) = 1
),

evaluations as (
    select
        *,
        case when starts_with(model_version, 'backtest.') then 'backtest' else 'training' end as evaluation,
        try_cast(split_part(model_version, '.', 2) as date) as known_at -- of a backtest, as in backtest.2024-06-30
    from meta.model_evaluations
),

newest_backtest as (
    select max(evaluations.known_at) as known_at
    from evaluations
    inner join newest on evaluations.known_at <= newest.as_of
    where evaluations.evaluation = 'backtest'
)

select
    evaluations.as_of,
    evaluations.model,
    evaluations.model_version,
    evaluations.estimator,
    evaluations.is_baseline,
    evaluations.metric,
    evaluations.value,
    evaluations.evaluation
from evaluations
cross join newest
cross join newest_backtest
where
    (evaluations.model = 'trust' and evaluations.model_version = newest.trust_model_version)
    or (evaluations.model = 'churn' and evaluations.model_version = newest.churn_model_version)
    or (evaluations.evaluation = 'backtest' and evaluations.known_at = newest_backtest.known_at)
order by
    evaluations.evaluation, evaluations.as_of, evaluations.model, evaluations.is_baseline, evaluations.estimator,
    evaluations.metric
