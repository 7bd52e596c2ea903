import dagster as dg

from pipelines.operations.pace import WAREHOUSE_TAG, pace


@dg.asset(key=["raw", "churn"])
def churn():
    return None


def test_the_last_good_run_of_the_same_job_and_warehouse_sets_the_pace():
    job = dg.Definitions(assets=[churn], jobs=[dg.define_asset_job("nightly")]).resolve_job_def("nightly")
    with dg.DagsterInstance.ephemeral() as instance:
        job.execute_in_process(instance=instance, tags={WAREHOUSE_TAG: "/here"})
        found = pace(instance, "nightly", "/here", ("raw.churn",))
        assert found.seconds is not None
        assert list(found.seconds_left) == ["raw.churn"]
        assert 0 <= found.seconds_left["raw.churn"] <= found.seconds
        for job_name, warehouse in (("nightly", "/elsewhere"), ("training", "/here")):
            other = pace(instance, job_name, warehouse, ("raw.churn",))
            assert (other.seconds, other.seconds_left) == (None, {})
