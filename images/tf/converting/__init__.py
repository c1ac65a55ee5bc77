"""TensorFlow models made elsewhere: opened, looked at, cut before their NMS, and written as ONNX.

Every kind but TFLite becomes a frozen graph first (`original.Original`); from then on they are treated alike.
"""
