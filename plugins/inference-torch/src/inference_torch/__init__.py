"""PyTorch as a backend of inference-core: `.pt2` archives of torch.export, and TorchScript."""
