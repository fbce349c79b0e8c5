"""The `native` arm's EfficientNet: `transformers`'. Mirror: `tf_impl/families/efficientnet/native.py`.

As shipped: its own initial weights, batch-norm momenta and elementwise drop-connect. It promises nothing about equality
with the other wing; it shows what a user of the library gets.
"""

from __future__ import annotations

from importlib.metadata import version

import torch
from torch import Tensor, nn

from pt_impl.families.efficientnet.inputs import Drops, Inputs
from shared.families.efficientnet.architecture import HEAD_CHANNELS, SCALING, round_channels
from shared.families.efficientnet.settings import of_family
from shared.protocol import Cell

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

        workload = of_family(cell.workload)
        model = workload.model
        width, depth, _, _ = SCALING[model.variant]
        config = EfficientNetConfig(
            image_size=workload.input.image_size,
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

    def canonical_parameters(self) -> dict[str, nn.Parameter]:
        """The library's parameters, by its own names."""
        return dict(self.named_parameters())

    def features(self, inputs: Inputs, drops: Drops | None, training: bool) -> Tensor:
        """Images to features (N, F); the library draws its own drops."""
        self.train(training)
        return self.body(inputs.images.float()).pooler_output

    def classify(self, features: Tensor, drops: Drops | None) -> Tensor:
        """Features (N, F) to logits (N, K)."""
        self.dropout.train(drops is not None)
        return self.classifier(self.dropout(features))

    def forward(self, inputs: Inputs, drops: Drops | None = None, training: bool = False) -> Tensor:
        """Images to logits (N, K), under autocast where the images are not float32."""
        dtype, device = inputs.images.dtype, inputs.images.device.type
        reduced = dtype in (torch.bfloat16, torch.float16)
        with torch.autocast(device, dtype=dtype if reduced else torch.bfloat16, enabled=reduced):
            return self.classify(self.features(inputs, drops, training), drops)
