import pytest

from pipelines.errors import UserError
from pipelines.modelling import actions as module
from pipelines.modelling.actions import actions


def test_every_action_is_told_once_in_both_languages():
    catalogue = actions()
    assert catalogue.columns == ["score", "driver", "text_en", "text_zh"]
    assert not catalogue.select("score", "driver").is_duplicated().any()
    assert set(catalogue["score"]) == {"complaint", "trust", "churn"}
    assert catalogue["text_en"].str.contains(r"^[ -~]+$").all()
    assert catalogue["text_zh"].str.contains(r"\p{Han}").all()


@pytest.mark.parametrize("text", ["trust: {d: {en: call}}", "trust: [1]", "- 1", "trust: {d: call}", "a: b: c"])
def test_a_catalogue_that_is_not_complete_is_named_with_what_to_do(tmp_path, monkeypatch, text):
    path = tmp_path / "actions.yaml"
    path.write_text(text)
    monkeypatch.setattr(module, "CATALOGUE", path)
    with pytest.raises(UserError, match=r"^actions\.yaml: every driver needs an action in 'en' and 'zh' \(") as caught:
        actions()
    assert "\n" not in str(caught.value)
