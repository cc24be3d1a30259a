"""The MJCF robots that gymnasium ships, as this package loads them and as MuJoCo does."""

import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import diffsim as ds

__all__ = [
    "IGNORED",
    "ROBOTS",
    "energy",
    "load",
    "mass_matrix",
    "path",
    "peer",
    "poses",
    "quiet",
    "random_state",
    "touching",
    "without_contacts",
]

ROBOTS = (
    "hopper",
    "walker2d",
    "half_cheetah",
    "ant",
    "humanoid",
    "inverted_pendulum",
    "inverted_double_pendulum",
    "reacher",
)

IGNORED = {"humanoid": ("tendon",), "reacher": ("contact",)}
"""What is not simulated: two tendons without stiffness or damping; cylinders that could touch."""


def path(name):
    import gymnasium

    return Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets" / f"{name}.xml"


@contextmanager
def quiet():
    """Without the warning of what is left out, which test_mjcf.py tests, and without MuJoCo's own.

    MuJoCo 4 calls an attribute of half_cheetah.xml deprecated: as a warning, and in a file MUJOCO_LOG.TXT.
    """
    import mujoco

    mujoco.set_mju_user_warning(lambda text: None)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        mujoco.set_mju_user_warning(None)


def load(name, **changes):
    with quiet():
        return ds.load_mjcf(path(name), ignore=IGNORED.get(name, ()), **{"integrator": "euler", **changes})


def peer(name):
    """MuJoCo's model of the same file; with Euler's integrator, which some of the files do not ask for."""
    import mujoco

    with quiet():
        model = mujoco.MjModel.from_xml_path(str(path(name)))
    model.opt.integrator = int(mujoco.mjtIntegrator.mjINT_EULER)
    return model


def without_contacts(model):
    """The same model, changed: without contacts and limits, for which MuJoCo has another law; and no new start.

    MuJoCo begins anew where a trajectory diverges.
    """
    import mujoco

    for flag in ("CONTACT", "LIMIT", "AUTORESET"):
        model.opt.disableflags |= int(getattr(mujoco.mjtDisableBit, f"mjDSBL_{flag}"))
    return model


def random_state(model, rng, spread=0.5, speed=2.0):
    """A position with quaternions of length 1, and a velocity."""
    import mujoco

    position = model.qpos0 + spread * rng.normal(size=model.nq)
    mujoco.mj_normalizeQuat(model, position)
    return position, speed * rng.normal(size=model.nv)


def energy(model, position, velocity):
    """Of motion, weight and springs [J]."""
    import mujoco

    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = position, velocity
    mujoco.mj_forward(model, data)
    mujoco.mj_energyPos(model, data)
    mujoco.mj_energyVel(model, data)
    return data.energy.sum()


def poses(model, position):
    """(bodies, 3) origins and (bodies, 3, 3) rotations of all bodies but the world."""
    import mujoco

    data = mujoco.MjData(model)
    data.qpos[:] = position
    mujoco.mj_kinematics(model, data)
    return np.array(data.xpos[1:]), np.array(data.xmat[1:]).reshape(-1, 3, 3)


def mass_matrix(model, position):
    """(nv, nv) of all joints."""
    import mujoco

    data, found = mujoco.MjData(model), np.zeros((model.nv, model.nv))
    data.qpos[:] = position
    mujoco.mj_forward(model, data)
    mujoco.mj_fullM(model, data, found)
    return found


def touching(model, scene):
    """Pairs of geoms that may touch, as indices of the scene's: MuJoCo makes contacts of them if they are huge."""
    import mujoco

    model.geom_margin[:] = 1e3
    if hasattr(model, "body_margin"):  # since MuJoCo 3.4
        model.body_margin[:] = 1e3
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    names = [geom.name for _, geom in scene.all_geoms]
    own = [mujoco.mj_id2name(model, mujoco.mjtObj.mjOBJ_GEOM, k) or f"geom_{k}" for k in range(model.ngeom)]
    apart = (int(mujoco.mjtGeom.mjGEOM_CYLINDER), int(mujoco.mjtGeom.mjGEOM_ELLIPSOID))  # not simulated
    pairs = [pair for pair in data.contact.geom if not np.isin(model.geom_type[pair], apart).any()]
    return {frozenset(names.index(own[k]) for k in pair) for pair in pairs}
