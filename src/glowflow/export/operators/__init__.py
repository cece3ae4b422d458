"""Functions of torch as operators of ONNX.

Sizes and types follow from torch itself (`Call.result`), so most functions need only the name of an operator.
"""

from glowflow.export.operators import elementwise, loops, shapes, sums

__all__ = ["elementwise", "loops", "shapes", "sums"]
