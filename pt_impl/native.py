"""The off-the-shelf networks of the `native` arm; for pages `transformers`' EfficientNet. Mirror: `tf_impl/native.py`.

As shipped: its own initial weights, batch-norm momenta and elementwise drop-connect. It promises nothing about equality
with the other wing; it shows what a user of the library gets.
"""

from __future__ import annotations

from importlib.metadata import version

import torch
from torch import Tensor, nn

from pt_impl.native_text import NativeTextNetwork
from shared.efficientnet import HEAD_CHANNELS, SCALING, round_channels
from shared.protocol import Cell
from shared.spec import TextWorkload

SETTINGS = {
    "version.transformers": version("transformers"),
    "norm_rule": "transformers', as shipped",
    "padding": "transformers', as shipped",
}


class NativeNetwork(nn.Module):
    """`transformers.EfficientNetModel` and a linear classifier with the interface of the matched network."""

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        from transformers import EfficientNetConfig, EfficientNetForImageClassification

        model = cell.workload.model
        width, depth, _, _ = SCALING[model.variant]
        config = EfficientNetConfig(
            image_size=cell.workload.input.image_size,
            width_coefficient=width,
            depth_coefficient=depth,
            hidden_dim=round_channels(HEAD_CHANNELS, width),
            dropout_rate=model.dropout,
            drop_connect_rate=model.drop_connect,
            depthwise_padding=[],
            num_labels=model.num_classes,
        )
        torch.manual_seed(cell.seed)
        whole = EfficientNetForImageClassification(config)
        self.body = whole.efficientnet.to(memory_format=torch.channels_last)
        self.dropout = whole.dropout
        self.classifier = whole.classifier

    def features(self, images: Tensor, keep_block: Tensor | None, training: bool) -> Tensor:
        """Images (N, 3, H, W) to features (N, F); the library draws its own drops."""
        self.train(training)
        return self.body(images).pooler_output

    def classify(self, features: Tensor, keep_unit: Tensor | None) -> Tensor:
        """Features (N, F) to logits (N, K)."""
        return self.classifier(self.dropout(features))

    def forward(
        self, images: Tensor, keep_block: Tensor | None = None, keep_unit: Tensor | None = None, training: bool = False
    ) -> Tensor:
        """Images (N, 3, H, W) to logits (N, K), under autocast where the images are not float32."""
        reduced = images.dtype in (torch.bfloat16, torch.float16)
        with torch.autocast(images.device.type, dtype=images.dtype if reduced else torch.bfloat16, enabled=reduced):
            return self.classify(self.features(images.float(), keep_block, training), keep_unit)


def network(cell: Cell) -> NativeNetwork | NativeTextNetwork:
    """The library's network for a cell."""
    return NativeTextNetwork(cell) if isinstance(cell.workload, TextWorkload) else NativeNetwork(cell)
