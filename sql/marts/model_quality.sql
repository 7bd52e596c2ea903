-- Grain: one row per model in use on the newest night, estimator (the model or a baseline beside it) and metric.
select
    evaluation.as_of,
    evaluation.model,
    evaluation.model_version,
    evaluation.estimator,
    evaluation.is_baseline,
    evaluation.metric,
    evaluation.value
from meta.model_evaluations as evaluation
inner join scores.nights as night
    on
        night.as_of = (select max(as_of) from scores.nights)
        and (
            (evaluation.model = 'trust' and evaluation.model_version = night.trust_model_version)
            or (evaluation.model = 'churn' and evaluation.model_version = night.churn_model_version)
        )
order by evaluation.model, evaluation.is_baseline, evaluation.estimator, evaluation.metric
