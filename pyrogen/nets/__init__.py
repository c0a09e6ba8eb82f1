"""Networks, as plain modules from tensors to tensors."""

from pyrogen.nets.conv import ConvDecoder, ConvEncoder
from pyrogen.nets.leading import Leading
from pyrogen.nets.masked import MaskedMLP
from pyrogen.nets.mlp import mlp

__all__ = ["ConvDecoder", "ConvEncoder", "Leading", "MaskedMLP", "mlp"]
