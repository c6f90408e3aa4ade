"""Projections of feature vectors to the plane."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from netdsl.runtime.errors import RunError
from netdsl.runtime.extras import require_extra

# The number of principal components before t-SNE (van der Maaten and Hinton 2008, section 4.2), and
# scikit-learn's default perplexity.
_BEFORE_TSNE, _PERPLEXITY = 30, 30
# The fewest images for t-SNE.
_LEAST = 4


class Projection(NamedTuple):
    """`points` (N, count), float64, and each column's `shares` of the variance, (count,)."""

    points: Tensor
    shares: Tensor


def pca(vectors: Tensor, count: int = 2) -> Projection:
    """The first `count` principal components of vectors, (N, D), computed in float64.

    The sign of a direction is chosen so that its largest component is positive. If there are fewer
    directions, the remaining columns are zero. Raises RunError if a number is not finite.
    """
    if not vectors.isfinite().all():
        raise RunError("the head's input for these images is not finite, as after a diverged training")
    centred = vectors.detach().cpu().double()
    centred = centred - centred.mean(0)
    # The eigenvectors of the smaller of the two products give those of the other.
    wide = centred.shape[1] > centred.shape[0]
    product = centred @ centred.T if wide else centred.T @ centred
    values, directions = torch.linalg.eigh(product)  # ascending
    axes = directions[:, -count:].flip(1)
    axes = F.normalize(centred.T @ axes, dim=0) if wide else axes
    axes = axes * axes.gather(0, axes.abs().argmax(0, keepdim=True)).sign()
    missing = count - axes.shape[1]
    shares = values[-count:].flip(0).clamp_min(0) / values.sum().clamp_min(1e-300)
    return Projection(F.pad(centred @ axes, (0, missing)), F.pad(shares, (0, missing)))


def require_tsne() -> None:
    """Raises RunError if the extra `tsne` is not installed."""
    require_extra("tsne", "sklearn", "scikit-learn", "`--method tsne`")


def tsne(vectors: Tensor, seed: int = 0) -> Tensor:
    """The t-SNE projection of vectors (N, D) to the plane, (N, 2) float32 (van der Maaten and Hinton 2008),
    by scikit-learn, from the first 30 principal components, with perplexity 30.

    It preserves neighbours; distances between groups, and their sizes, have no meaning. Raises RunError if
    scikit-learn is not installed, or for fewer than four vectors.
    """
    require_tsne()
    from sklearn.manifold import TSNE

    if len(vectors) < _LEAST:
        raise RunError(f"t-SNE needs at least {_LEAST} images", "use `--method pca`")
    reduced = pca(vectors, _BEFORE_TSNE).points
    # Like scikit-learn's `init="pca"`, except for the sign.
    start = reduced[:, :2] / reduced[:, 0].std(correction=0).clamp_min(1e-30) * 1e-4
    neighbours = min(_PERPLEXITY, (len(vectors) - 1) / 3)
    method = TSNE(perplexity=neighbours, init=start.float().numpy(), random_state=seed)
    return torch.from_numpy(method.fit_transform(reduced.float().numpy()))
