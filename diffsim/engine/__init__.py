"""The engine: how stages become kernels, and kernels gradients."""
