"""MLPs in safetensors files, run by numpy. The entry point is `inference_example.plugin`."""
