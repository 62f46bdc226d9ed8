"""Array types of embeddings."""

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]
"""Shape (dimensions,)."""

Matrix = npt.NDArray[np.float32]
"""Shape (texts, dimensions)."""
