"""Keras is told its backend before anything imports it: torch, which every test run has, unless TensorFlow is there."""

import os
from importlib.util import find_spec

os.environ.setdefault("KERAS_BACKEND", "tensorflow" if find_spec("tensorflow") else "torch")
