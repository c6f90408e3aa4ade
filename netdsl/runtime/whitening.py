"""Filters that whiten the patches of images."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor


def whitening(
    batches: Iterable[Tensor], filters: int, kernel: tuple[int, int], dilation: int = 1, eps: float = 5e-4
) -> Tensor:
    """The weights (filters, C, *kernel) of a convolution that whitens patches of images (N, C, H, W).

    With the eigenvectors v of the patches' covariance, they are v / sqrt(e + eps), those of the largest
    eigenvalues e first, and then the negatives of these (Jordan 2024, arXiv 2404.00498, section 3.2). The
    images are normalised: their mean is taken as 0.
    """
    covariance, count = torch.zeros(()), 0
    for images in batches:
        patches = F.unfold(images.float(), kernel, dilation)  # (N, C * h * w, positions)
        columns = patches.transpose(0, 1).flatten(1)
        covariance, count = covariance.to(columns.device) + columns @ columns.T, count + columns.shape[1]
    values, vectors = torch.linalg.eigh(covariance / count)
    scaled = (vectors / (values + eps).sqrt()).flip(1)[:, : filters // 2].T
    return torch.cat((scaled, -scaled)).view(filters, -1, *kernel)
