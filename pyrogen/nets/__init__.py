"""Networks, as plain modules from tensors to tensors."""

from pyrogen.nets.batch_dims import BatchDims
from pyrogen.nets.beside import Beside
from pyrogen.nets.conv import ConvDecoder, ConvEncoder
from pyrogen.nets.linear import Dictionary, Transposed
from pyrogen.nets.masked import MaskedMLP
from pyrogen.nets.mlp import mlp
from pyrogen.nets.noisy import Noisy

__all__ = [
    "BatchDims",
    "Beside",
    "ConvDecoder",
    "ConvEncoder",
    "Dictionary",
    "MaskedMLP",
    "Noisy",
    "Transposed",
    "mlp",
]
