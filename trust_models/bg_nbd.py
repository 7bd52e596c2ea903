"""The BG/NBD model, the standard that other buy-till-you-die models are held against.

Belongs here: the estimator, its paper and its known weakness.
Must not be here: formulas shared with the MBG/NBD (``btyd``).
"""

from __future__ import annotations

from trust_models.btyd import BetaGeometric


class BGNBD(BetaGeometric):
    """BG/NBD: Poisson purchases; after each repeat purchase a customer may be gone for good.

    Purchase rates are Gamma(r, alpha), the chances to leave after a repeat purchase Beta(a, b) over customers. With
    δ = 1 where x > 0 and else 0, the likelihood of (x, tx, T) is (eq. 6)

        B(a, b + x) / B(a, b) · Γ(r + x) alpha^r / (Γ(r) (alpha + T)^(r + x))
        + δ · B(a + 1, b + x - 1) / B(a, b) · Γ(r + x) alpha^r / (Γ(r) (alpha + tx)^(r + x)).

    Nobody can leave before a repeat purchase: one-time buyers count as alive with certainty, however long ago they
    bought. Where that matters, use :class:`trust_models.btyd.MBGNBD`.

    Parameters
    ----------
    max_iter : int
        Most iterations of L-BFGS-B.

    Attributes
    ----------
    r_, alpha_, a_, b_ : float
        Parameters; ``alpha_`` in the time unit of X.
    log_likelihood_ : float
        Sum over customers at the maximum.
    n_iter_ : int
        Iterations used.
    n_features_in_ : int
        3.

    References
    ----------
    Fader, Hardie, Lee (2005), "Counting your customers the easy way: an alternative to the Pareto/NBD model",
    Marketing Science 24, 275-284: the likelihood is eq. 6, with n = x chances to leave.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[0, 0.0, 30.0], [2, 20.0, 30.0], [5, 28.0, 30.0], [1, 4.0, 25.0]])
    >>> model = BGNBD().fit(X)
    >>> float(model.probability_alive(X)[0])
    1.0
    """

    _chances_at_first = 0
