"""Look at it: pictures, videos, loss curves and reports. Never imports Taichi."""

from diffsim.viewing.curves import plot_comparison, plot_loss
from diffsim.viewing.frames import View, frames, save_png, snapshot
from diffsim.viewing.health import plot_health
from diffsim.viewing.report import write_report
from diffsim.viewing.video import VideoError, find_encoder, render_beside, render_optimisation, render_video

__all__ = [
    "VideoError",
    "View",
    "find_encoder",
    "frames",
    "plot_comparison",
    "plot_health",
    "plot_loss",
    "render_beside",
    "render_optimisation",
    "render_video",
    "save_png",
    "snapshot",
    "write_report",
]
