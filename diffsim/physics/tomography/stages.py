"""Pictures of a volume that absorbs, by marching along rays.

Of a ray from the camera o in the direction e, with s the way along it, of which the part from s0 to s1 lies in the box:

    tau = integral from s0 to s1 of mu(o + s e) ds, by the middle of each of S pieces of length (s1 - s0) / S
    transmittance = exp(-tau)

mu is interpolated linearly along the three axes between the middles of cells; outside of these, in the outer half of
the cells at the rim, it is that of the cell. A volume of one attenuation has the exact optical depth.
"""

from typing import Any

import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Rows, Stage
from diffsim.physics.tomography.scene import Volume

__all__ = ["build"]

FLAT = 1e-9
"""A direction's component that is smaller counts as this: the ray meets the box's sides across it far away."""


@ti.func
def fill(volume: ti.template(), env, row, step, cell):
    volume.density[env, 0, cell] = volume.attenuation[env, cell]


@ti.func
def stay(volume: ti.template(), env, row, step, cell):
    volume.density[env, row + 1, cell] = volume.density[env, row, cell]


@ti.func
def aim(volume: ti.template(), env, row, step, pixel):
    """Where the ray of a pixel comes into the box, and how far apart its samples are."""
    side = volume.pixels
    view = pixel // (side * side)
    across = (pixel // side - view * side + 0.5) / side - 0.5
    up = (pixel % side + 0.5) / side - 0.5
    width = volume.picture_width[env, view]
    eye = volume.camera_position[env, view]
    target = volume.camera_target[env, view]
    way = target - eye
    ahead = way / ti.sqrt(way.dot(way))
    flat = ti.sqrt(ahead[0] * ahead[0] + ahead[1] * ahead[1])
    right = ti.Vector([ahead[1] / flat, -ahead[0] / flat, 0.0])
    shift = (width * across) * right + (width * up) * right.cross(ahead)
    if ti.static(volume.parallel):
        enter(volume, env, pixel, eye + shift, ahead)
    else:
        ray = way + shift
        enter(volume, env, pixel, eye, ray / ti.sqrt(ray.dot(ray)))


@ti.func
def enter(volume: ti.template(), env, pixel, eye, direction):
    steep = ti.select(abs(direction) < FLAT, FLAT, direction)
    one = (ti.Vector(ti.static(volume.corner)) - eye) / steep
    other = (ti.Vector(ti.static(volume.corner)) + ti.Vector(ti.static(volume.size)) - eye) / steep
    nearer, farther = ti.min(one, other), ti.max(one, other)
    begins = ti.max(ti.max(nearer[0], nearer[1]), ti.max(nearer[2], 0.0))
    ends = ti.min(ti.min(farther[0], farther[1]), farther[2])
    stride = ti.max(ends - begins, 0.0) / volume.samples
    volume.stride[env, pixel] = stride
    volume.direction[env, pixel] = direction
    volume.begin[env, pixel] = eye + begins * direction


@ti.func
def march(volume: ti.template(), env, row, step, sample):
    pixel = sample // volume.samples
    turn = sample - pixel * volume.samples
    stride = volume.stride[env, pixel]
    place = volume.begin[env, pixel] + ((turn + 0.5) * stride) * volume.direction[env, pixel]
    cell = (place - ti.Vector(ti.static(volume.corner))) / ti.Vector(ti.static(volume.spacing)) - 0.5
    x = ti.min(ti.max(cell[0], 0.0), volume.n - 1.0)
    y = ti.min(ti.max(cell[1], 0.0), volume.m - 1.0)
    z = ti.min(ti.max(cell[2], 0.0), volume.l - 1.0)
    i, j, k = ti.cast(x, ti.i32), ti.cast(y, ti.i32), ti.cast(z, ti.i32)
    p, q, r = x - i, y - j, z - k
    # Of the eight cells around, counted in one row; at the rim the next cell is the same.
    here = (i * volume.m + j) * volume.l + k
    right = ti.min(volume.n - 1 - i, 1) * volume.m * volume.l
    behind = ti.min(volume.m - 1 - j, 1) * volume.l
    above = ti.min(volume.l - 1 - k, 1)
    low = (1.0 - p) * along(volume, env, row, here, behind, q) + p * along(volume, env, row, here + right, behind, q)
    top = here + above
    high = (1.0 - p) * along(volume, env, row, top, behind, q) + p * along(volume, env, row, top + right, behind, q)
    volume.optical_depth[env, row, pixel] += stride * ((1.0 - r) * low + r * high)


@ti.func
def along(volume: ti.template(), env, row, cell, behind, share):
    return (1.0 - share) * volume.density[env, row, cell] + share * volume.density[env, row, cell + behind]


@ti.func
def transmit(volume: ti.template(), env, row, step, pixel):
    volume.transmittance[env, row, pixel] += ti.exp(-volume.optical_depth[env, row, pixel])


def build(scene: Volume, fields: Fields, steps: int, reads: frozenset[str]) -> Model:
    """Declare the fields of a scene and list its stages.

    Args:
        scene: what to simulate.
        fields: where fields are declared; not allocated yet.
        steps: length of the rollout.
        reads: what controller and objective want to read: "optical_depth", "transmittance".
    """
    side, cells, samples = scene.pixels, scene.attenuation.size, int(scene.samples)
    rays = len(scene.camera_position) * side * side
    seen = bool(reads & {"optical_depth", "transmittance"})
    numbers = [f"scene.{name}" for name in ("camera_position", "camera_target", "picture_width")]
    more: dict[str, Any] = {"density": Rows(("n", "m", "l"), state=True, recorded=False)}  # the attenuation [1/m]
    if seen:
        shape = (len(scene.camera_position) * side, side)
        # Only the last row is sensed: what accumulates is zero in all others.
        more["optical_depth"] = Rows(shape, accumulates=True)
        more |= {name: fields.derived(rays, width, of=numbers) for name, width in _RAY.items()}
    if "transmittance" in reads:
        more["transmittance"] = Rows(shape, accumulates=True)
    volume = fields.record(
        scene,
        corner=tuple(scene.low.tolist()),
        size=tuple((scene.high - scene.low).tolist()),
        spacing=tuple(scene.spacing.tolist()),
        **more,
    )
    sense = [Stage(march, volume, rays * samples)] if seen else []
    sense += [Stage(transmit, volume, rays)] if "transmittance" in reads else []
    return Model(
        volume,
        prepare=(Stage(fill, volume, cells), *([Stage(aim, volume, rays)] if seen else [])),
        sense=sense,
        step=Stage(stay, volume, cells),
    )


_RAY = {"begin": 3, "direction": 3, "stride": 0}
"""What is known of each ray, with its components: where it comes into the box [m], where it goes, how far its samples
are apart [m]."""
