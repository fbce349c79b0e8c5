"""One thread: the tests share the machine's few cores with whatever else runs there."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
