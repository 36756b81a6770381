"""MediaPipe Tasks as a backend of inference-core; the entry point is `inference_mediapipe.plugin`."""
