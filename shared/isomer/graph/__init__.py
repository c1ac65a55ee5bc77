"""The ONNX graphs around a core: the head (resize, normalise), the tail (NMS) and what is done with whole models."""
