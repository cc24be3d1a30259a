"""What the contacts of a robot are made of in fields: geoms, spots, and what presses there."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from diffsim.engine.fields import Fields
from diffsim.engine.runtime import REAL
from diffsim.physics.articulated import pairs
from diffsim.physics.articulated.scene import Articulated

__all__ = ["CORNER", "Touch", "touch_of"]

SHAPES = ("plane", "sphere", "capsule", "cylinder", "ellipsoid", "box", "mesh", "hfield")

NEAREST = ((1.0e-3, 1.0e-7, 0.0), (1.0e-9, 1.0e-14, 1.0e-9), (1.0e-5, 1.0e-9, 1.0e-6))
"""`Touch.parallel`, `Touch.short` and `Touch.upright`: of the compliant law, whose force turns smoothly with what it
pushes; of MuJoCo's in double and in single precision. The square of the second times the first is still a number."""

CORNER = 2**20
"""Parts of a half size in which it is said where a corner is: whole numbers, which no kernel is compiled for."""


@dataclass(frozen=True)
class Touch:
    """Spots: those over planes, then those of pairs. Fields (spot,) of whole numbers, (env, geom) of numbers."""

    first: Any  # (spot,) geom
    second: Any  # (spot,) geom
    second_link: Any  # (spot,) link of the second geom
    body: Any  # (geom,) its link, or if that has no mass the next one before it that has; 0 for the world
    frame: Any  # (geom,) its link, or the world behind the frames
    carrier: Any  # (geom,) the velocity that moves it last, or the world behind the velocities
    root: Any  # (geom,) first link of its tree, or the world behind the frames
    slippery: Any  # (spot,) 1 without friction
    pair: Any  # (spot,) which of the scene's pairs it is, or -1
    pair_friction: Any  # (env, pair); None without pairs, as all below
    pair_margin: Any  # [m]
    pair_torsion: Any  # [m]
    pair_rolling: Any  # [m]
    prior: Any  # (spot,) 1 or 2 if the first or second geom says what the friction is
    turning: Any  # (spot,) 1 with friction against turning about the normal
    rolling: Any  # (spot,) 1 with friction against rolling
    torsion: Any  # [m]; None without friction against turning or rolling
    rolling_friction: Any  # [m]
    twist_grip: Any  # (env, spot) both coefficients [m]
    lightest: Any  # (env, spot) the smallest moment of inertia of what turns [kg m^2]
    twist: Any  # (env, row, spot) torque of both [N m], held in other evaluations of Runge and Kutta's
    corner: Any  # (3 spot + axis,) from -1 to 1, in parts of `CORNER`
    felt_geom: Any  # (spot,) which geom of those that a controller feels
    round: Any  # (geom,) 1 for what has a radius
    long: Any  # (geom,) 1 for a capsule; what else is round has no length, whatever stands there
    tube: Any  # (geom,) 1 for a cylinder
    oval: Any  # (geom,) 1 for an ellipsoid
    sharp: Any  # (geom,) 1 for a box, whose faces have corners
    moving: Any  # (spot,) 1 if both geoms move
    flat: Any  # (geom,) 1 for a plane or what does not move: it takes the stiffness of what touches it
    geom_position: Any  # [m]
    geom_orientation: Any
    geom_size: Any  # [m]
    geom_margin: Any  # [m]
    friction: Any
    restitution: Any
    stiffness: Any  # [N/m]
    damping: Any  # [N s/m]
    slip_speed: Any  # (env, 0) [m/s]
    depth: Any  # (env, 0) touch depth [m]
    turn: Any  # (env, geom) rotation of its orientation
    normal: Any  # (env, spot) of the plane
    height: Any  # (env, spot) of the plane, less the margin [m]
    place: Any  # (env, spot) on the link [m]
    reach: Any  # (env, spot) radius [m]
    grip: Any  # (env, spot) coefficient of friction
    margin: Any  # (env, spot) [m]
    pointed: Any  # (spot,) 1 if the first geom is a sphere
    gain: Any  # (env, spot) stiffness and damping
    heft: Any  # (env, spot) mass that is pushed along the normal, if it were free [kg]
    stiff: Any  # (env, spot) how much of it is Euler's implicit step, between links
    lively: Any  # (env, spot) 1 with a restitution, 0 without one, from half to all of that of critical damping between
    borne: Any  # (env, row, velocity) what all spots of a link count, in all [m]; None without restitution
    grasp: Any  # (env, spot) mass that slip is taken from: of the lighter link, or that which moves [kg]
    centre: Any  # (env, row, geom) of something round [m], substep after substep
    axis: Any  # (env, row, geom) from there to an end of a capsule [m]
    press: Any  # (env, row, spot) force without its implicit part [N], substep after substep
    yields: Any  # (env, row, spot) K along the normal and across [N s/m]
    arm: Any  # (env, row, spot) of the spot, from the point that everything is taken at [m]
    overlap: Any  # (env, row, pair) depth [m] and strength, from 0 to 1
    toward: Any  # (env, row, pair) normal, from the first geom to the second
    place_of: Any  # (env, row, pair) of the contact [m]
    found: Any  # (3 pair + axis) direction of two shapes of `touching_convex`, a decision; None without any
    heights: Any  # (env, k) of all height fields, one after the other [m]; None without any, as all below
    field_start: Any  # (geom,) where the heights of a field begin
    field_rows: Any  # (geom,) along y
    field_columns: Any  # (geom,) along x
    further: Any  # (spot over fields,) 1 for the second spot of a ball
    near_corners: Any  # (env, row, substep spot) between how many corners lies what is nearest; 0: nothing is near
    near_corner: Any  # (env, row, 3 * substep spot + k) corners of its triangle, those first
    bend: Any  # (env, row, pair) how the normal turns: see `turning_normals.carry_over`; None if all pairs move
    settled: Any  # (env, row, spot) what the force of a step was in the end [N]; None but with Runge and Kutta's
    contact_force: Any  # (env, row, spot) on the second geom [N], a mean; only recorded: `engine/staged.py`
    contact_point: Any  # (env, row, spot) in the first substep [m]
    contact: Any  # (env, row, substep spot) events of `diffsim.events`; None unless everything is recorded
    real: Any  # the type of numbers
    spots: int
    planes: int  # spots over planes
    rounds: int  # spots of two round geoms
    boxes: int  # spots of something round and a box
    points: int  # spots of a corner and a box
    flats: int  # spots of a cylinder or ellipsoid and a plane
    tubes: int  # spots of something round and a cylinder
    cans: int  # spots of a cylinder and a box or mesh
    bulges: int  # spots of an ellipsoid and anything but a plane, and of two cylinders
    lands: int  # of a corner or a ball and a height field
    couples: int  # of these eight
    paired: bool  # whether there are pairs
    held: bool  # whether one of a pair does not move
    bounces: bool  # whether any has a restitution
    twists: bool  # whether there is friction against turning or rolling
    parallel: (
        float  # added to the squared sine between two capsules: the nearest points of parallel ones are not unique
    )
    short: float  # added to the squared half length of a capsule [m^2]: spheres are capsules without length
    upright: float  # sine of the tilt of a cylinder below which it stands, with MuJoCo's law
    soft: bool  # whether the law is MuJoCo's
    keeps_twist: bool  # whether its torque is held in other evaluations
    geoms: int
    felt: int  # geoms that a controller feels


def touch_of(scene: Articulated, fields: Fields, world: tuple[int, int], carriers: tuple[int, ...]) -> Touch:
    """Declare the fields of contacts.

    Args:
        scene: the robot.
        fields: where to declare.
        world: the frame of the world, and its velocity.
        carriers: of each link, the velocity that moves it last, -1 none.
    """
    spots, geoms = pairs.spots(scene), scene.all_geoms
    count, touched = len(spots), len(geoms) if spots else 0
    felt = pairs.touch_geoms(scene)
    owners = np.array([owner for owner, _ in geoms], dtype=int)
    firsts, seconds = (np.array([spot.geoms[side] for spot in spots], dtype=int) for side in range(2))
    shapes = np.array([SHAPES.index(geom.shape) for _, geom in geoms], dtype=int)
    # What is fixed to the world counts as the world.
    still = np.array([owner < 0 or carriers[owner] < 0 for owner in owners], dtype=bool)
    roots = [lineage[-1] for lineage in scene.lineages]
    dimensions = np.array([pairs.dimensions(scene, spot) for spot in spots], dtype=int)
    slippery = dimensions == 1
    twists = bool((dimensions > 3).any())
    kinds = [spot.kind for spot in spots]
    couples = count - kinds.count("plane")
    moving = ~(still[firsts] | still[seconds]) if count else np.zeros(0, dtype=bool)
    chosen = pairs.chosen_pairs(scene)
    held = not moving[kinds.count("plane") :].all() and scene.contact_law != "mujoco"

    tuned = any(name.partition("[")[0] == "scene.restitution" for name in fields.tuned)
    bounces = scene.contact_law != "mujoco" and bool(spots) and (tuned or any(geom.restitution for _, geom in geoms))

    def number(name: str, width: int = 0, elements: int = touched) -> Any:
        return fields.number(f"scene.{name}", elements, width) if spots else None

    def of_pairs(name: str) -> Any:
        return fields.number(f"scene.pair_{name}", len(scene.pairs)) if chosen and spots else None

    def derived(width: int, *of: str) -> Any:
        return fields.derived(count, width, of=[f"scene.{name}" for name in of])

    def rows(name: str, elements: int, width: int, **options: Any) -> Any:
        return fields.trajectory(name, elements, width, **options) if spots else None

    slots, soft = scene.evaluations, scene.contact_law == "mujoco"
    nearest = NEAREST[0 if not soft else 1 if fields.real == REAL["f64"] else 2]
    springs = ("contact_stiffness", "contact_damping", "restitution")
    weights = ("mass", "inertia", "centre", "geom_position", "geom_size")
    return Touch(
        first=fields.integers(firsts),
        second=fields.integers(seconds),
        second_link=fields.integers(owners[seconds] if count else seconds),
        body=fields.integers(np.array([_heavy(scene, owner) for owner in owners.tolist()], dtype=int)),
        frame=fields.integers(np.where(owners < 0, world[0], owners)),
        carrier=fields.integers(np.where(still, world[1], np.array(carriers)[owners])),
        root=fields.integers(np.where(still, world[0], np.array(roots)[owners])),
        slippery=fields.integers(slippery.astype(int)),
        pair=fields.integers(np.array([chosen.get(frozenset(spot.geoms), -1) for spot in spots], dtype=int)),
        pair_friction=of_pairs("friction"),
        pair_margin=of_pairs("margin"),
        pair_torsion=of_pairs("torsion") if twists else None,
        pair_rolling=of_pairs("rolling") if twists else None,
        prior=fields.integers(np.array([pairs.prior(scene, spot) for spot in spots], dtype=int)),
        turning=fields.integers((dimensions > 3).astype(int)),
        rolling=fields.integers((dimensions > 4).astype(int)),
        torsion=number("torsion") if twists else None,
        rolling_friction=number("rolling") if twists else None,
        twist_grip=derived(2, "torsion", "rolling", "pair_torsion", "pair_rolling") if twists else None,
        lightest=derived(0, "inertia") if twists and not soft else None,
        twist=rows("contact_twist", slots * count, 3, recorded=False)
        if twists and scene.integrator == "rk4" and not soft
        else None,
        corner=fields.integers(np.rint(CORNER * np.array([spot.corner for spot in spots])).astype(int)),
        felt_geom=fields.integers(np.array([felt.index(s.geoms[1]) if s.geoms[1] in felt else 0 for s in spots], int)),
        round=fields.integers(np.isin(shapes, (SHAPES.index("sphere"), SHAPES.index("capsule"))).astype(int)),
        long=fields.integers((shapes == SHAPES.index("capsule")).astype(int)),
        tube=fields.integers((shapes == SHAPES.index("cylinder")).astype(int)),
        oval=fields.integers((shapes == SHAPES.index("ellipsoid")).astype(int)),
        sharp=fields.integers((shapes == SHAPES.index("box")).astype(int)),
        moving=fields.integers(moving.astype(int)),
        flat=fields.integers(still.astype(int)),
        geom_position=number("geom_position", 3),
        geom_orientation=number("geom_orientation", 4),
        geom_size=number("geom_size", 3),
        geom_margin=number("geom_margin"),
        friction=number("friction"),
        restitution=None if soft else number("restitution"),
        stiffness=None if soft else number("contact_stiffness"),
        damping=None if soft else number("contact_damping"),
        slip_speed=None if soft else number("slip_speed", elements=1),
        depth=number("touch_depth", elements=1),
        turn=fields.derived(touched, 9, of=["scene.geom_orientation"]),
        normal=derived(3, "geom_orientation"),
        height=derived(0, "geom_orientation", "geom_position", "geom_margin", "pair_margin"),
        place=derived(3, "geom_orientation", "geom_position", "geom_size"),
        reach=derived(0, "geom_size"),
        grip=derived(0, "friction", "pair_friction"),
        margin=derived(0, "geom_margin", "pair_margin"),
        pointed=fields.integers((shapes[firsts] == SHAPES.index("sphere")).astype(int) if count else firsts),
        gain=None if soft else derived(2, *springs, *weights),
        heft=None if soft else derived(0, *weights),
        stiff=None if soft else derived(0, *springs, *weights),
        lively=None if soft else derived(0, "restitution"),
        borne=rows("contact_borne", slots * (scene.freedoms + 1), 6, accumulates=True, recorded=False)
        if bounces
        else None,
        grasp=None if soft else derived(0, *weights),
        centre=rows("contact_centre", slots * len(geoms), 3, recorded=False),
        axis=rows("contact_axis", slots * len(geoms), 3, recorded=False),
        press=None if soft else rows("contact_press", slots * count, 3, recorded=False),
        yields=None if soft else rows("contact_yield", slots * count, 2, recorded=False),
        arm=None if soft else rows("contact_arm", slots * count, 3, recorded=False),
        overlap=rows("pair_overlap", slots * couples, 2, recorded=False),
        toward=rows("pair_normal", slots * couples, 3, recorded=False),
        place_of=rows("pair_point", slots * couples, 3, recorded=False),
        **_lands(scene, fields, spots),
        found=fields.decision_numbers(3 * slots * kinds.count("convex")) if "convex" in kinds else None,
        bend=rows("pair_bend", slots * couples, 5, recorded=False) if held else None,
        settled=rows("contact_settled", slots * count, 3, recorded=False)
        if scene.integrator == "rk4" and not soft
        else None,
        contact_force=rows("contact_force", count, 3, accumulates=True, per_step=True),
        contact_point=rows("contact_point", count, 3, per_step=True),
        contact=rows("contact", slots * count, 0, accumulates=True, per_step=True) if fields.record_all else None,
        real=fields.real,
        spots=count,
        planes=kinds.count("plane"),
        rounds=kinds.count("round"),
        boxes=kinds.count("box"),
        points=kinds.count("point"),
        flats=kinds.count("flat"),
        tubes=kinds.count("tube"),
        cans=kinds.count("can"),
        bulges=kinds.count("convex"),
        lands=kinds.count("field"),
        couples=couples,
        paired=bool(chosen),
        held=held,
        bounces=bounces,
        twists=twists,
        soft=soft,
        parallel=nearest[0],
        short=nearest[1],
        upright=nearest[2],
        keeps_twist=twists and scene.integrator == "rk4" and not soft,
        geoms=touched,
        felt=len(felt),
    )


def _lands(scene: Articulated, fields: Fields, spots: tuple[pairs.Spot, ...]) -> dict[str, Any]:
    """Height fields, and what spots over them are near to."""
    further = [int(spot.further) for spot in spots if spot.kind == "field"]
    names = ("field_start", "field_rows", "field_columns")
    if not further:
        return dict.fromkeys(("heights", *names, "further", "near_corners", "near_corner"))
    grids = pairs.grids(scene)
    slots = scene.evaluations * len(further)
    return {
        "heights": fields.number("scene.heights", int(grids[:, 1:].prod(axis=1).sum())),
        **{name: fields.integers(each) for name, each in zip(names, grids.T, strict=True)},
        "further": fields.integers(np.array(further, dtype=int)),
        "near_corners": fields.decision(slots),
        "near_corner": fields.decision(3 * slots),
    }


def _heavy(scene: Articulated, owner: int) -> int:
    """The link itself, or the next one towards the world that has a mass."""
    lineage = scene.lineages[owner] if owner >= 0 else (0,)
    return next((link for link in lineage if scene.links[link].mass > 0.0), lineage[0])
