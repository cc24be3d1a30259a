"""The engine: how stages become kernels, and kernels gradients."""

from diffsim.engine import frontend

frontend.install()  # before the first @ti.func
