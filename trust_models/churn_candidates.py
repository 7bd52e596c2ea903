"""The learners of the churn model: each gives log-odds of being lost, and splits them over drivers exactly.

Belongs here: estimators over a numeric matrix (nan = missing), with ``decision_function`` and ``contributions``.
Must not be here: features, snapshots, calibration, promotion.

Every prediction is a sum taken row by row in a fixed order, so that it never depends on the other rows of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.linear_model import LogisticRegression
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

Floats = NDArray[np.float64]

_ROWS_AT_ONCE = 4096
"""Rows that walk down the trees together: few enough to stay in the cache of a core."""


class LogOdds(ClassifierMixin, BaseEstimator):
    """A binary classifier that is made of additive contributions: ``base_`` + Σ over groups of features."""

    base_: float

    def contributions(self, X: Floats, groups: NDArray[np.intp], n_groups: int) -> Floats:
        """Log-odds beyond ``base_``, shape (n_samples, n_groups); ``groups`` maps each feature to its group."""
        raise NotImplementedError

    def decision_function(self, X: Floats) -> Floats:
        """Log-odds of the second class, shape (n_samples,)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, ensure_all_finite="allow-nan", dtype=np.float64)
        everything = np.zeros(X.shape[1], dtype=np.intp)
        return self.base_ + self.contributions(X, everything, 1)[:, 0]

    def predict_proba(self, X: Floats) -> Floats:
        """Probabilities of the two classes, shape (n_samples, 2)."""
        risk = expit(self.decision_function(X))
        return np.column_stack([1 - risk, risk])

    def predict(self, X: Floats) -> NDArray[Any]:
        """The likelier class of each row."""
        is_second = self.decision_function(X) > 0
        return np.asarray(self.classes_[is_second.astype(np.intp)])

    def _encode(self, y: NDArray[Any]) -> NDArray[np.intp]:
        """Remember the two classes and give y as 0 and 1."""
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y")
        if kind != "binary":
            raise ValueError(f"Only binary classification is supported. The type of the target is {kind}.")
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) != 2:
            raise ValueError(f"two classes are needed; y holds {len(self.classes_)} class")
        return codes

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.classifier_tags.multi_class = False
        return tags


class AdditiveLogistic(LogOdds):
    """Regularised logistic regression on one piecewise linear function (a spline of degree 1) a feature.

    A feature x enters as s = sign(x)·ln(1 + |x|): its standardised value, hat functions over its quantiles, and an
    indicator where it is missing. After the fit a feature is one function, evaluated by interpolation.

    Parameters
    ----------
    C : float
        Inverse strength of the L2 penalty.
    n_knots : int
        Quantiles that carry a hat function.
    max_rows : int
        Rows used at most (the first ones); more hardly move a few hundred coefficients.

    Attributes
    ----------
    knots_, values_ : list of ndarray
        The functions: values at the knots, centred on the training rows. Beyond the knots they are constant.
    missing_ : ndarray of shape (n_features,)
        What a missing value contributes.
    base_ : float
        Mean log-odds of the training rows.

    References
    ----------
    Hastie, Tibshirani (1990), Generalized Additive Models.
    """

    def __init__(self, C: float = 0.03, n_knots: int = 6, max_rows: int = 100_000) -> None:
        self.C = C
        self.n_knots = n_knots
        self.max_rows = max_rows

    def fit(self, X: Floats, y: NDArray[Any], sample_weight: Floats | None = None) -> Self:
        """Fit on X of shape (n_samples, n_features), nan where missing, and a y of two classes."""
        X, y = validate_data(self, X, y, ensure_all_finite="allow-nan", dtype=np.float64)
        codes = self._encode(y)[: self.max_rows]
        scaled = symlog(X[: self.max_rows])
        weight = np.ones(len(codes)) if sample_weight is None else np.asarray(sample_weight)[: self.max_rows]
        self.knots_ = [_knots(column, weight, self.n_knots) for column in scaled.T]
        self.moments_ = [(float(k.mean()), float(k.std()) or 1.0) for k in self.knots_]
        blocks = [
            _basis(column, knots, *moments) * _varies(column)
            for column, knots, moments in zip(scaled.T, self.knots_, self.moments_, strict=True)
        ]
        design = np.hstack([np.zeros((len(codes), 1), np.float32), *blocks])
        with threadpool_limits(1):  # so that the last digits do not depend on how busy the machine is
            logistic = LogisticRegression(C=self.C, max_iter=500).fit(design, codes, weight)
        parts = np.split(logistic.coef_[0, 1:].astype(np.float64), np.cumsum([b.shape[1] for b in blocks])[:-1])
        means = [float(np.average(b @ part, weights=weight)) for b, part in zip(blocks, parts, strict=True)]
        self.base_ = float(logistic.intercept_[0]) + sum(means)
        self.values_ = [
            _basis(knots, knots, *moments)[:, :-1] @ part[:-1] - mean
            for knots, moments, part, mean in zip(self.knots_, self.moments_, parts, means, strict=True)
        ]
        self.missing_ = np.array([part[-1] - mean for part, mean in zip(parts, means, strict=True)])
        return self

    def contributions(self, X: Floats, groups: NDArray[np.intp], n_groups: int) -> Floats:
        """Sum of the functions of each group's features, shape (n_samples, n_groups)."""
        out = np.zeros((n_groups, len(X)))
        for j, (knots, values) in enumerate(zip(self.knots_, self.values_, strict=True)):
            if values.any() or self.missing_[j]:
                column = symlog(X[:, j])
                out[groups[j]] += np.where(np.isnan(column), self.missing_[j], np.interp(column, knots, values))
        return out.T


class BoostedTrees(LogOdds):
    """Histogram gradient boosting whose log-odds are split over drivers along the path of each row.

    A step down a tree changes the mean of the node a row is in; the change belongs to the feature that was asked.
    Summed over the trees that is exactly the distance from the mean of the training rows.

    Parameters
    ----------
    learning_rate, max_iter, max_leaf_nodes, min_samples_leaf, l2_regularization, max_features, random_state
        As in :class:`sklearn.ensemble.HistGradientBoostingClassifier`.

    Attributes
    ----------
    trees_ : HistGradientBoostingClassifier
        The fitted trees.
    base_ : float
        Mean log-odds of the training rows.

    References
    ----------
    Saabas (2014), "Interpreting random forests": the decomposition along the path.
    """

    def __init__(
        self,
        learning_rate: float = 0.05,
        max_iter: int = 120,
        max_leaf_nodes: int = 8,
        min_samples_leaf: int = 40,
        l2_regularization: float = 5.0,
        max_features: float = 0.5,
        random_state: int | None = 0,
    ) -> None:
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.l2_regularization = l2_regularization
        self.max_features = max_features
        self.random_state = random_state

    def fit(self, X: Floats, y: NDArray[Any], sample_weight: Floats | None = None) -> Self:
        """Fit on X of shape (n_samples, n_features), nan where missing, and a y of two classes."""
        X, y = validate_data(self, X, y, ensure_all_finite="allow-nan", dtype=np.float64)
        codes = self._encode(y)
        self.trees_ = HistGradientBoostingClassifier(early_stopping=False, **self.get_params())
        is_never_known = np.isnan(X).all(axis=0)  # binning cannot take these; no tree will ask for them
        first, everything = np.ascontiguousarray(X[:1]), np.zeros(X.shape[1], dtype=np.intp)
        with threadpool_limits(1):  # threads that wait for each other at every node cost more than they give
            self.trees_.fit(np.where(is_never_known, 0.0, X), codes, sample_weight)
            log_odds = float(self.trees_.decision_function(first)[0])
        self.base_ = log_odds - float(self.contributions(first, everything, 1)[0, 0])
        self.n_iter_ = self.trees_.n_iter_
        return self

    def contributions(self, X: Floats, groups: NDArray[np.intp], n_groups: int) -> Floats:
        """Changes of the node means along each row's paths, by group, shape (n_samples, n_groups)."""
        out = np.zeros((len(X), n_groups))
        trees = [tree for (tree,) in self.trees_._predictors]  # the only way to a row's leaf that scikit-learn offers
        prepared = [(_numbered(tree), _steps(tree.nodes, groups, n_groups)) for tree in trees]
        for start in range(0, len(X), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            block = np.ascontiguousarray(X[rows])
            for tree, steps in prepared:
                out[rows] += steps[_leaves(tree, block)]
        return out


class Average(LogOdds):
    """The mean of the log-odds of several learners.

    Parameters
    ----------
    members : sequence of LogOdds, optional
        The learners; by default an :class:`AdditiveLogistic` and :class:`BoostedTrees`.

    Attributes
    ----------
    members_ : list
        The learners fitted.
    """

    def __init__(self, members: Sequence[LogOdds] | None = None) -> None:
        self.members = members

    def fit(self, X: Floats, y: NDArray[Any], sample_weight: Floats | None = None) -> Self:
        """Fit every learner on X of shape (n_samples, n_features), nan where missing, and a y of two classes."""
        X, y = validate_data(self, X, y, ensure_all_finite="allow-nan", dtype=np.float64)
        self._encode(y)
        members = self.members if self.members is not None else (AdditiveLogistic(), BoostedTrees())
        fit = Parallel(n_jobs=-1, require="sharedmem")
        self.members_ = list(fit(delayed(clone(member).fit)(X, y, sample_weight) for member in members))
        self.base_ = sum(member.base_ for member in self.members_) / len(self.members_)
        return self

    def contributions(self, X: Floats, groups: NDArray[np.intp], n_groups: int) -> Floats:
        """Mean of the learners' contributions, shape (n_samples, n_groups)."""
        total = np.zeros((len(X), n_groups))
        for member in self.members_:
            total += member.contributions(X, groups, n_groups)
        return total / len(self.members_)


def symlog(X: Floats) -> Floats:
    """sign(x)·ln(1 + |x|), after which amounts and counts of any size are of like scale."""
    return np.asarray(np.copysign(np.log1p(np.abs(X)), X))


def _knots(column: Floats, weight: Floats, n_knots: int) -> Floats:
    """Distinct weighted quantiles of the known values; 0 where none is known."""
    is_known = ~np.isnan(column) & (weight > 0)
    if not is_known.any():
        return np.zeros(1)
    shares = np.linspace(0, 1, n_knots)
    return np.unique(np.quantile(column[is_known], shares, weights=weight[is_known], method="inverted_cdf"))


def _basis(column: Floats, knots: Floats, centre: float, scale: float) -> NDArray[np.float32]:
    """Columns: the standardised value, one hat function a knot, and whether the value is missing."""
    is_missing = np.isnan(column)
    inside = np.where(is_missing, centre, np.clip(column, knots[0], knots[-1]))
    hats = [np.where(is_missing, 0.0, np.interp(inside, knots, unit)) for unit in np.eye(len(knots))]
    return np.column_stack([(inside - centre) / scale, *hats, is_missing]).astype(np.float32)


def _varies(column: Floats) -> bool:
    return len(np.unique(column)) > 1


def _steps(nodes: NDArray[Any], groups: NDArray[np.intp], n_groups: int) -> Floats:
    """For each node of a tree, the change of the mean on the way from the root to it, by group."""
    mean, count, out = nodes["value"].tolist(), nodes["count"].tolist(), np.zeros((len(nodes), n_groups))
    inner = np.flatnonzero(nodes["is_leaf"] == 0)
    downwards = inner[np.argsort(nodes["depth"][inner], kind="stable")].tolist()
    children = {i: (int(nodes["left"][i]), int(nodes["right"][i])) for i in downwards}
    for i in reversed(downwards):
        left, right = children[i]
        mean[i] = (mean[left] * count[left] + mean[right] * count[right]) / (count[left] + count[right])
    for i in downwards:
        group = groups[nodes["feature_idx"][i]]
        for child in children[i]:
            out[child] = out[i]
            out[child, group] += mean[child] - mean[i]
    return out


def _numbered(tree: Any) -> Any:
    """The same tree with its node numbers as values."""
    nodes = tree.nodes.copy()
    nodes["value"] = np.arange(len(nodes))
    return TreePredictor(nodes, tree.binned_left_cat_bitsets, tree.raw_left_cat_bitsets)


def _leaves(numbered: Any, X: Floats) -> NDArray[np.intp]:
    """The index of the leaf that each row falls into."""
    no_categories, no_map = np.zeros((0, 8), dtype=np.uint32), np.zeros(X.shape[1], dtype=np.uint32)
    return np.asarray(numbered.predict(X, no_categories, no_map, 1), dtype=np.intp)
