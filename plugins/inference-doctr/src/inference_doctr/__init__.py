"""Document OCR with docTR's models on ONNX Runtime, as a backend of inference-core."""
