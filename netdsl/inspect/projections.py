"""Many features in two dimensions, for a picture."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from netdsl.runtime.errors import RunError
from netdsl.runtime.extras import require_extra

# What van der Maaten and Hinton reduce features to before t-SNE (2008, section 4.2), and how many
# neighbours a point has: scikit-learn's number.
_BEFORE_TSNE, _PERPLEXITY = 30, 30
# Images; fewer have no neighbourhoods.
_LEAST = 4


class Projection(NamedTuple):
    """`points` (N, count), float64, and for PCA the share of the variance that each column has, (count,)."""

    points: Tensor
    shares: Tensor


def pca(vectors: Tensor, count: int = 2) -> Projection:
    """The principal components of vectors, (N, D): their coordinates along the `count` directions, at right
    angles to each other, in which they vary most. Computed in float64.

    The sign of a direction means nothing; it is chosen so that its largest number is above zero. Where
    there are fewer directions, the rest of the columns is zero. Raises RunError where a number isn't finite.
    """
    if not vectors.isfinite().all():
        raise RunError("what the head gets of these images is not finite, as after a diverged training")
    centred = vectors.detach().cpu().double()
    centred = centred - centred.mean(0)
    # The eigenvectors of the smaller of the two products give the other's.
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
    """Points in the plane, (N, 2) float32, that have the neighbours that the vectors (N, D) have: t-SNE (van
    der Maaten and Hinton 2008), by scikit-learn, from the first 30 principal components, with perplexity 30.

    Distances between groups, and their sizes, mean nothing. Raises RunError where scikit-learn isn't
    installed, or for fewer than four vectors.
    """
    require_tsne()
    from sklearn.manifold import TSNE

    if len(vectors) < _LEAST:
        raise RunError(f"t-SNE needs {_LEAST} images at least", "use `--method pca`")
    reduced = pca(vectors, _BEFORE_TSNE).points
    # As scikit-learn's own `init="pca"`, but for the sign.
    start = reduced[:, :2] / reduced[:, 0].std(correction=0).clamp_min(1e-30) * 1e-4
    neighbours = min(_PERPLEXITY, (len(vectors) - 1) / 3)
    method = TSNE(perplexity=neighbours, init=start.float().numpy(), random_state=seed)
    return torch.from_numpy(method.fit_transform(reduced.float().numpy()))
