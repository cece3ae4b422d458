"""Functions of float64 arrays whose results are the same on every machine, bit for bit.

They consist of additions, multiplications, divisions and comparisons of single numbers, in a fixed order. IEEE 754
prescribes the result of each of these. The functions of libraries differ in the last bit from version to version.
"""

from decimal import Context, Decimal
from math import factorial
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from glowflow.errors import InputError

Floats: TypeAlias = NDArray[np.float64]

LN2_HIGH, LN2_LOW = 2977044471 / 2**32, 1.9082149292705877e-10
"""Their sum is ln 2. The first has so few bits that its product with a small whole number is exact."""
TERMS = 16
LARGEST_EXPONENT = 80.0


def exp(x: Floats) -> Floats:
    """e^x, for x limited to the range from -80 to 80, to within some units of the last place.

    >>> exp(np.array([0.0, 1.0]))
    array([1.        , 2.71828183])
    """
    x = np.clip(x, -LARGEST_EXPONENT, LARGEST_EXPONENT)
    n = np.rint(x / (LN2_HIGH + LN2_LOW))
    rest = (x - n * LN2_HIGH) - n * LN2_LOW
    total = np.full_like(x, 1 / factorial(TERMS))
    for k in reversed(range(TERMS)):
        total = total * rest + 1 / factorial(k)
    return np.ldexp(total, n.astype(np.int32))


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + e^-x).

    >>> float(sigmoid(np.array([0.0]))[0])
    0.5
    """
    return 1 / (1 + exp(-x))


def tanh(x: Floats) -> Floats:
    """The hyperbolic tangent.

    >>> float(tanh(np.array([0.0]))[0])
    0.0
    """
    return 2 * sigmoid(2 * x) - 1


def log(x: Floats) -> Floats:
    """The natural logarithm of positive numbers, correctly rounded in all likelihood.

    >>> float(log(np.array([1.0]))[0])
    0.0
    """
    context = Context(prec=30)
    return np.array([float(context.ln(Decimal(value))) for value in x.ravel().tolist()]).reshape(x.shape)


def sums(x: Floats) -> Floats:
    """The sums over the last dimension, added from first to last. NumPy's own `sum` has an order of its own.

    >>> sums(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([3., 7.])
    """
    total: Floats = np.cumsum(x, axis=-1)[..., -1]
    return total


def matmul(a: Floats, b: Floats) -> Floats:
    """The product of two matrices.

    >>> matmul(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    array([[11.]])
    """
    total = np.zeros((a.shape[0], b.shape[1]))
    for column, row in zip(a.T, b, strict=True):
        total = total + column[:, None] * row
    return total


class Triangular(NamedTuple):
    """A matrix M as row exchanges and triangular factors: M[order] = L U D."""

    order: NDArray[np.int64]
    lower: Floats
    """L without the ones on its diagonal."""
    upper: Floats
    """U without the ones on its diagonal."""
    diagonal: Floats
    """D's diagonal."""


def triangular(matrix: Floats) -> Triangular:
    """Decompose a matrix, with row exchanges that keep the numbers in L from growing above 1.

    Raises:
        InputError: If the matrix is singular.

    >>> m = np.array([[0.0, 2.0], [4.0, 1.0]])
    >>> order, lower, upper, diagonal = triangular(m)
    >>> one = np.eye(2)
    >>> ((lower + one) @ (upper + one) @ np.diag(diagonal) == m[order]).all()
    np.True_
    """
    m, order = matrix.copy(), np.arange(len(matrix), dtype=np.int64)
    for k in range(len(m)):
        best = k + int(np.argmax(np.abs(m[k:, k])))
        if not np.isfinite(m).all() or m[best, k] == 0:
            raise InputError("A 1x1 convolution of the model can't be inverted, so the model can't code images.")
        m[[k, best]], order[[k, best]] = m[[best, k]], order[[best, k]]
        m[k + 1 :, k] = m[k + 1 :, k] / m[k, k]
        m[k + 1 :, k + 1 :] = m[k + 1 :, k + 1 :] - m[k + 1 :, k, None] * m[k, None, k + 1 :]
    diagonal = m.diagonal().copy()
    return Triangular(order, np.tril(m, -1), np.triu(m / diagonal, 1), diagonal)
