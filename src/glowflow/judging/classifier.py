"""The network whose features judge samples."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glowflow.shapes import Shape

NUM_FEATURES = 64
LEAST_SPREAD = 0.05
"""The smallest divisor of a feature, relative to the largest spread. A feature that is nearly constant stays small."""
LARGEST_SIDE = 64


class Classifier(nn.Module):
    """Four batch-normalised convolutions and a hidden layer. The activations of the hidden layer are the features.

    Features are standardised over training images, so that all have the same weight in KID's kernel. Images of twice
    64 pixels or more are first reduced. If H or W is still above 32, the first convolution halves both.

    Args:
        image_shape: (C, H, W).
        num_outputs: The number of logits.
    """

    mean: Tensor
    std: Tensor
    accuracy: Tensor
    """The share of right answers on images that it wasn't trained on."""

    def __init__(self, image_shape: Shape, num_outputs: int) -> None:
        super().__init__()
        factor = max(1, min(image_shape[1:]) // LARGEST_SIDE)
        self.convolutions = nn.Sequential(
            nn.AvgPool2d(factor),
            *_convolution(image_shape[0], 32, stride=2 if max(image_shape[1:]) > 32 else 1),
            *_convolution(32, 64, stride=2),
            *_convolution(64, 64, stride=1),
            *_convolution(64, 128, stride=2),
            nn.AdaptiveAvgPool2d(8),
        )
        self.hidden = nn.Linear(128 * 8 * 8, NUM_FEATURES)
        self.head = nn.Linear(NUM_FEATURES, num_outputs)
        self.register_buffer("mean", torch.zeros(NUM_FEATURES))
        self.register_buffer("std", torch.ones(NUM_FEATURES))
        self.register_buffer("accuracy", torch.zeros(()))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, num_outputs) of images (B, C, H, W), uint8."""
        return self.head(self._activations(images))

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """Standardised features (B, d) of images (B, C, H, W), uint8."""
        return torch.cat([(self._activations(part) - self.mean) / self.std for part in images.split(100)])

    @torch.no_grad()
    def standardize(self, images: Tensor) -> None:
        """Give the features of these images mean 0 and standard deviation 1, or less if one is nearly constant."""
        values = self.features(images)
        std = values.std(0)
        if not std.max():  # the images are all equal
            std = torch.ones_like(std)
        self.mean, self.std = values.mean(0), std.clamp(min=LEAST_SPREAD * std.max())

    def _activations(self, images: Tensor) -> Tensor:
        return F.relu(self.hidden(self.convolutions(images.float() / 255 - 0.5).flatten(1)))


def _convolution(in_channels: int, out_channels: int, stride: int) -> list[nn.Module]:
    convolution = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(out_channels), nn.ReLU()]
