"""Import this before tensorflow: without it, TensorFlow and absl write pages that say nothing to the user.

Errors still come through. The Model Garden needs Keras 2, which TensorFlow takes from `tf_keras` when asked to.
"""

import contextlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator

import absl.logging

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # errors, but neither warnings nor news
absl.logging.set_verbosity(absl.logging.ERROR)
logging.getLogger("tensorflow").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", message=r"\s*The structure of `inputs` doesn't match the expected structure")


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Hold back what is written to stderr, by C++ too; it is shown after all if the block fails."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(stderr, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
