"""LiteRT as a backend of inference-core. The entry point is `inference_tflite.plugin`."""
