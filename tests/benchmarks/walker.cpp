// The mass-spring walker and its gradient by hand, in one thread: the yardstick of tests/benchmarks.
//
// The model is diffsim's (see walker.py, which states the physics once for all competitors). Forward keeps
// every step's positions and velocities before contact; reverse walks them backwards and computes the
// springs again. Three ways to write the springs, of which -DSPRINGS picks one at compile time:
//
//   OneLoop    what one writes first: a loop over springs with a sine each, forces added to the ends at once.
//   OneClock   the same loop, but a step needs one sine and one cosine for all springs, as
//              sin(wt + phase) = sin(wt) cos(phase) + cos(wt) sin(phase). diffsim's `Sine` does the same.
//   Blockwise  what one writes when it must be fast: besides the clock, in blocks of springs that fit the first
//              cache, ends are gathered, then all the arithmetic is vectorised, then forces are scattered.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#ifndef REAL
#define REAL float
#endif
#ifndef SPRINGS
#define SPRINGS Blockwise
#endif

using Real = REAL;
using Pair = Real __attribute__((vector_size(2 * sizeof(Real))));  // x and y, in one register

namespace {

constexpr Real LENGTH_FLOOR = Real(1e-12);  // added to a squared length [m^2], for springs that collapsed
constexpr Real RESTING_GAP = Real(1e-6);    // a point nearer to the ground than this lands at once [m]
constexpr Real FALLING = Real(-1e-9);       // slower approaches than this are none [m/s]
constexpr Real STILL = Real(-1e-6);         // what fell slower than this lay there [m/s]

struct Scene {
    int points, springs, steps;
    std::vector<int> first, second;                     // (spring,) points at the ends
    std::vector<Pair> start;                            // (point,) [m]
    std::vector<Real> inverse_mass;                     // (point,) [1/kg]
    std::vector<Real> stiffness, rest, stretch;         // (spring,) [N/m], [m], relative change of length
    Real dt, keep, gravity_x, gravity_y, ground, frequency;
};

struct Parameters {
    const Real *amplitude, *phase, *offset;  // (spring,)
};

struct Gradient {
    Real *amplitude, *phase, *offset;  // (spring,)
};

struct OneLoop {
    const Scene& scene;
    Parameters control{};
    Gradient slope{};

    explicit OneLoop(const Scene& scene) : scene(scene) {}

    void load(const Parameters& parameters) { control = parameters; }

    void begin_reverse(const Gradient& gradient) {
        slope = gradient;
        for (Real* array : {slope.amplitude, slope.phase, slope.offset})
            std::fill_n(array, scene.springs, Real(0));
    }

    void end_reverse() {}

    void forces(Real time, const Pair* __restrict position, Pair* __restrict force) {
        for (int s = 0; s < scene.springs; s++) {
            const int a = scene.first[s], b = scene.second[s];
            const Pair apart = position[a] - position[b];
            const Real length = std::sqrt(apart[0] * apart[0] + apart[1] * apart[1] + LENGTH_FLOOR);
            const Real angle = scene.frequency * time + control.phase[s];
            const Real actuation = control.amplitude[s] * std::sin(angle) + control.offset[s];
            const Real target = scene.rest[s] * (1 + scene.stretch[s] * actuation);
            const Pair pull = scene.stiffness[s] * (length - target) / length * apart;
            force[a] -= pull;
            force[b] += pull;
        }
    }

    void reverse(Real time, const Pair* __restrict position, const Pair* __restrict force_bar,
                 Pair* __restrict position_bar) {
        for (int s = 0; s < scene.springs; s++) {
            const int a = scene.first[s], b = scene.second[s];
            const Pair apart = position[a] - position[b];
            const Pair weight = force_bar[a] - force_bar[b];
            const Real length = std::sqrt(apart[0] * apart[0] + apart[1] * apart[1] + LENGTH_FLOOR);
            const Real inverse = 1 / length;
            const Real angle = scene.frequency * time + control.phase[s];
            const Real sine = std::sin(angle), cosine = std::cos(angle);
            const Real actuation = control.amplitude[s] * sine + control.offset[s];
            const Real target = scene.rest[s] * (1 + scene.stretch[s] * actuation);
            const Real along = weight[0] * apart[0] + weight[1] * apart[1];
            const Real target_bar = along * scene.stiffness[s] * inverse;
            const Pair apart_bar = scene.stiffness[s] * (length - target) * inverse * weight +
                                   target_bar * target * inverse * inverse * apart;
            position_bar[a] -= apart_bar;
            position_bar[b] += apart_bar;
            const Real actuation_bar = target_bar * scene.rest[s] * scene.stretch[s];
            slope.amplitude[s] += actuation_bar * sine;
            slope.phase[s] += actuation_bar * control.amplitude[s] * cosine;
            slope.offset[s] += actuation_bar;
        }
    }
};

// target = constant + with_sine * sin(wt) + with_cosine * cos(wt) [m], per spring; the loss's slopes by these three.
struct Clockwork {
    const Scene& scene;
    Parameters control{};
    Gradient slope{};
    std::vector<Real> constant, with_sine, with_cosine;
    std::vector<Real> constant_bar, with_sine_bar, with_cosine_bar;

    explicit Clockwork(const Scene& scene) : scene(scene) {
        for (auto* array : {&constant, &with_sine, &with_cosine}) array->resize(scene.springs);
        for (auto* array : {&constant_bar, &with_sine_bar, &with_cosine_bar}) array->resize(scene.springs);
    }

    void load(const Parameters& parameters) {
        control = parameters;
        for (int s = 0; s < scene.springs; s++) {
            const Real swing = scene.rest[s] * scene.stretch[s] * control.amplitude[s];
            constant[s] = scene.rest[s] * (1 + scene.stretch[s] * control.offset[s]);
            with_sine[s] = swing * std::cos(control.phase[s]);
            with_cosine[s] = swing * std::sin(control.phase[s]);
        }
    }

    void begin_reverse(const Gradient& gradient) {
        slope = gradient;
        for (auto* array : {&constant_bar, &with_sine_bar, &with_cosine_bar})
            std::fill(array->begin(), array->end(), Real(0));
    }

    void end_reverse() {
        for (int s = 0; s < scene.springs; s++) {
            const Real scale = scene.rest[s] * scene.stretch[s];
            const Real cosine = std::cos(control.phase[s]), sine = std::sin(control.phase[s]);
            slope.offset[s] = scale * constant_bar[s];
            slope.amplitude[s] = scale * (with_sine_bar[s] * cosine + with_cosine_bar[s] * sine);
            const Real angle_bar = with_cosine_bar[s] * cosine - with_sine_bar[s] * sine;
            slope.phase[s] = scale * control.amplitude[s] * angle_bar;
        }
    }
};

struct OneClock : Clockwork {
    using Clockwork::Clockwork;

    void forces(Real time, const Pair* __restrict position, Pair* __restrict force) {
        const Real sine = std::sin(scene.frequency * time), cosine = std::cos(scene.frequency * time);
        for (int s = 0; s < scene.springs; s++) {
            const int a = scene.first[s], b = scene.second[s];
            const Pair apart = position[a] - position[b];
            const Real length = std::sqrt(apart[0] * apart[0] + apart[1] * apart[1] + LENGTH_FLOOR);
            const Real target = constant[s] + with_sine[s] * sine + with_cosine[s] * cosine;
            const Pair pull = scene.stiffness[s] * (length - target) / length * apart;
            force[a] -= pull;
            force[b] += pull;
        }
    }

    void reverse(Real time, const Pair* __restrict position, const Pair* __restrict force_bar,
                 Pair* __restrict position_bar) {
        const Real sine = std::sin(scene.frequency * time), cosine = std::cos(scene.frequency * time);
        for (int s = 0; s < scene.springs; s++) {
            const int a = scene.first[s], b = scene.second[s];
            const Pair apart = position[a] - position[b];
            const Pair weight = force_bar[a] - force_bar[b];
            const Real length = std::sqrt(apart[0] * apart[0] + apart[1] * apart[1] + LENGTH_FLOOR);
            const Real inverse = 1 / length;
            const Real target = constant[s] + with_sine[s] * sine + with_cosine[s] * cosine;
            const Real along = weight[0] * apart[0] + weight[1] * apart[1];
            const Real target_bar = along * scene.stiffness[s] * inverse;
            const Pair apart_bar = scene.stiffness[s] * (length - target) * inverse * weight +
                                   target_bar * target * inverse * inverse * apart;
            position_bar[a] -= apart_bar;
            position_bar[b] += apart_bar;
            constant_bar[s] += target_bar;
            with_sine_bar[s] += target_bar * sine;
            with_cosine_bar[s] += target_bar * cosine;
        }
    }
};

struct Blockwise : Clockwork {
    static constexpr int BLOCK = 512;  // springs: 8 KiB of pairs in float32, well inside the first cache

    alignas(64) Pair apart[BLOCK], weight[BLOCK];

    using Clockwork::Clockwork;

    void gather(int begin, int count, const Pair* __restrict points, Pair* __restrict difference) {
        const int* __restrict a = &scene.first[begin];
        const int* __restrict b = &scene.second[begin];
        for (int i = 0; i < count; i++) difference[i] = points[a[i]] - points[b[i]];
    }

    void scatter(int begin, int count, const Pair* __restrict pull, Pair* __restrict points) {
        const int* __restrict a = &scene.first[begin];
        const int* __restrict b = &scene.second[begin];
        for (int i = 0; i < count; i++) {
            points[a[i]] -= pull[i];
            points[b[i]] += pull[i];
        }
    }

    // Pulls of a block's springs [N], in place of the ends' differences.
    void pulls(int begin, int count, Real sine, Real cosine, Real* __restrict d) {
        const Real* __restrict stiffness = &scene.stiffness[begin];
        const Real* __restrict c0 = &constant[begin];
        const Real* __restrict c1 = &with_sine[begin];
        const Real* __restrict c2 = &with_cosine[begin];
#pragma GCC ivdep  // arrays of this loop do not overlap: inlined, __restrict is forgotten
        for (int i = 0; i < count; i++) {
            const Real x = d[2 * i], y = d[2 * i + 1];
            const Real length = std::sqrt(x * x + y * y + LENGTH_FLOOR);
            const Real target = c0[i] + c1[i] * sine + c2[i] * cosine;
            const Real pull = stiffness[i] * (length - target) / length;
            d[2 * i] = pull * x;
            d[2 * i + 1] = pull * y;
        }
    }

    // The loss's slopes by the ends' differences d, in their place, given the slopes w by the pulls.
    void reverse_pulls(int begin, int count, Real sine, Real cosine, const Real* __restrict w,
                       Real* __restrict d) {
        const Real* __restrict stiffness = &scene.stiffness[begin];
        const Real* __restrict c0 = &constant[begin];
        const Real* __restrict c1 = &with_sine[begin];
        const Real* __restrict c2 = &with_cosine[begin];
        Real* __restrict c0_bar = &constant_bar[begin];
        Real* __restrict c1_bar = &with_sine_bar[begin];
        Real* __restrict c2_bar = &with_cosine_bar[begin];
#pragma GCC ivdep  // arrays of this loop do not overlap: inlined, __restrict is forgotten
        for (int i = 0; i < count; i++) {
            const Real x = d[2 * i], y = d[2 * i + 1], u = w[2 * i], v = w[2 * i + 1];
            const Real length = std::sqrt(x * x + y * y + LENGTH_FLOOR);
            const Real inverse = 1 / length;
            const Real target = c0[i] + c1[i] * sine + c2[i] * cosine;
            const Real per_length = stiffness[i] * inverse;
            const Real target_bar = (u * x + v * y) * per_length;
            const Real across = per_length * (length - target);
            const Real along = target_bar * target * inverse * inverse;
            d[2 * i] = across * u + along * x;
            d[2 * i + 1] = across * v + along * y;
            c0_bar[i] += target_bar;
            c1_bar[i] += target_bar * sine;
            c2_bar[i] += target_bar * cosine;
        }
    }

    void forces(Real time, const Pair* position, Pair* force) {
        const Real sine = std::sin(scene.frequency * time), cosine = std::cos(scene.frequency * time);
        for (int begin = 0; begin < scene.springs; begin += BLOCK) {
            const int count = std::min(BLOCK, scene.springs - begin);
            gather(begin, count, position, apart);
            pulls(begin, count, sine, cosine, reinterpret_cast<Real*>(apart));
            scatter(begin, count, apart, force);
        }
    }

    void reverse(Real time, const Pair* position, const Pair* force_bar, Pair* position_bar) {
        const Real sine = std::sin(scene.frequency * time), cosine = std::cos(scene.frequency * time);
        for (int begin = 0; begin < scene.springs; begin += BLOCK) {
            const int count = std::min(BLOCK, scene.springs - begin);
            gather(begin, count, position, apart);
            gather(begin, count, force_bar, weight);
            reverse_pulls(begin, count, sine, cosine, reinterpret_cast<Real*>(weight),
                          reinterpret_cast<Real*>(apart));
            scatter(begin, count, apart, position_bar);
        }
    }
};

template <typename Springs>
struct Walker {
    Scene scene;
    Springs springs;
    std::vector<Pair> position;   // (step, point), one more than steps [m]
    std::vector<Pair> proposed;   // (step, point) velocity before contact [m/s]
    std::vector<Pair> velocity;   // (step, point) after contact, one more than steps [m/s]
    std::vector<Real> load;       // (step, point) what pressed it onto the ground in the step before, times dt [m/s]
    std::vector<Pair> force;      // (point,) [N]
    std::vector<Pair> position_bar, velocity_bar, force_bar;  // (point,) the loss's slopes
    std::vector<Real> load_bar;

    explicit Walker(Scene given) : scene(std::move(given)), springs(scene) {
        for (auto* array : {&force, &position_bar, &velocity_bar, &force_bar}) array->resize(scene.points);
        load_bar.resize(scene.points);
    }
    Walker(const Walker&) = delete;

    // Without `keep_rows` two rows take turns and nothing is kept for the reverse pass.
    double forward(const Parameters& parameters, bool keep_rows) {
        const size_t n = scene.points, rows = keep_rows ? scene.steps : 1;
        if (position.size() < (rows + 1) * n) {
            for (auto* array : {&position, &velocity}) array->resize((rows + 1) * n);
            load.resize((rows + 1) * n), proposed.resize(rows * n);
        }
        std::copy(scene.start.begin(), scene.start.end(), position.begin());
        std::memset(velocity.data(), 0, n * sizeof(Pair));
        std::memset(load.data(), 0, n * sizeof(Real));
        springs.load(parameters);
        Pair* now = position.data();
        for (int step = 0; step < scene.steps; step++) {
            std::memset(force.data(), 0, n * sizeof(Pair));
            springs.forces(step * scene.dt, now, force.data());
            const size_t row = keep_rows ? step * n : step % 2 * n;
            const size_t after = keep_rows ? row + n : n - row;
            advance(row, &proposed[keep_rows ? row : 0], after);
            now = &position[after];
        }
        double travelled = 0;
        for (size_t i = 0; i < n; i++) travelled += now[i][0] - scene.start[i][0];
        return -travelled / n;
    }

    void reverse(const Gradient& gradient) {
        const size_t n = scene.points;
        springs.begin_reverse(gradient);
        std::fill(position_bar.begin(), position_bar.end(), Pair{Real(-1) / n, 0});
        std::fill(velocity_bar.begin(), velocity_bar.end(), Pair{0, 0});
        std::fill(load_bar.begin(), load_bar.end(), Real(0));
        for (int step = scene.steps - 1; step >= 0; step--) {
            reverse_advance(step * n, &proposed[step * n]);
            springs.reverse(step * scene.dt, &position[step * n], force_bar.data(), position_bar.data());
        }
        springs.end_reverse();
    }

    // A point lands at the time of impact and stays, or is lifted from there. What stayed and flies now was let go when
    // forces along the normal turned round: forces along the ground act from then.
    void advance(size_t row, Pair* before_contact, size_t after) {
        const Real dt = scene.dt, keep = scene.keep, gx = scene.gravity_x, gy = scene.gravity_y;
        const Real ground = scene.ground;
        const int n = scene.points;
        const Real* __restrict inverse_mass = scene.inverse_mass.data();
        const Real* __restrict f = reinterpret_cast<const Real*>(force.data());
        const Real* __restrict p = reinterpret_cast<const Real*>(&position[row]);
        const Real* __restrict v = reinterpret_cast<const Real*>(&velocity[row]);
        const Real* __restrict l = &load[row];
        Real* __restrict w = reinterpret_cast<Real*>(before_contact);
        Real* __restrict q = reinterpret_cast<Real*>(&position[after]);
        Real* __restrict u = reinterpret_cast<Real*>(&velocity[after]);
        Real* __restrict m = &load[after];
#pragma GCC ivdep  // arrays of this loop do not overlap: inlined, __restrict is forgotten
        for (int i = 0; i < n; i++) {
            const Real push_x = dt * (f[2 * i] * inverse_mass[i] + gx);
            const Real push_y = dt * (f[2 * i + 1] * inverse_mass[i] + gy);
            const Real x = keep * v[2 * i] + push_x, y = keep * v[2 * i + 1] + push_y;
            const Real gap = p[2 * i + 1] - ground;
            const bool lands = (y < FALLING) & (gap + dt * y < 0);
            const bool rests = (gap <= RESTING_GAP) & (v[2 * i + 1] >= STILL);
            const bool lifted = lands & !rests & (push_y > 0);
            const Real time = lands ? (rests ? Real(0) : gap) / -y : Real(0);
            const Real left = Real(0.5) - time / dt;
            const bool let_go = !lands & (l[i] > 0) & (push_y > 0);
            const Real late = let_go ? push_y / (push_y + l[i]) - Real(0.5) : Real(0);
            const Real along = lands ? (lifted ? left * push_x : Real(0)) : x + late * push_x;
            const Real up = lands ? (lifted ? std::max(y, left * push_y) : Real(0)) : y;
            w[2 * i] = x;
            w[2 * i + 1] = y;
            q[2 * i] = p[2 * i] + time * x + (dt - time) * along;
            q[2 * i + 1] = p[2 * i + 1] + time * y + (dt - time) * (lands ? std::max(Real(0), up) : up);
            u[2 * i] = along;
            u[2 * i + 1] = up;
            m[i] = lands & !lifted ? std::max(Real(0), -push_y) : Real(0);
        }
    }

    void reverse_advance(size_t row, const Pair* before_contact) {
        const Real dt = scene.dt, keep = scene.keep, ground = scene.ground;
        const int n = scene.points;
        const Real* __restrict inverse_mass = scene.inverse_mass.data();
        const Real* __restrict p = reinterpret_cast<const Real*>(&position[row]);
        const Real* __restrict v = reinterpret_cast<const Real*>(&velocity[row]);
        const Real* __restrict l = &load[row];
        const Real* __restrict w = reinterpret_cast<const Real*>(before_contact);
        Real* __restrict f_bar = reinterpret_cast<Real*>(force_bar.data());
        Real* __restrict p_bar = reinterpret_cast<Real*>(position_bar.data());
        Real* __restrict v_bar = reinterpret_cast<Real*>(velocity_bar.data());
        Real* __restrict l_bar = load_bar.data();
#pragma GCC ivdep  // arrays of this loop do not overlap: inlined, __restrict is forgotten
        for (int i = 0; i < n; i++) {
            const Real x = w[2 * i], y = w[2 * i + 1], gap = p[2 * i + 1] - ground;
            const Real push_x = x - keep * v[2 * i], push_y = y - keep * v[2 * i + 1];
            const bool lands = (y < FALLING) & (gap + dt * y < 0);
            const bool rests = (gap <= RESTING_GAP) & (v[2 * i + 1] >= STILL);
            const bool lifted = lands & !rests & (push_y > 0);
            const Real time = lands ? (rests ? Real(0) : gap) / -y : Real(0);
            const Real left = Real(0.5) - time / dt;
            const bool let_go = !lands & (l[i] > 0) & (push_y > 0);
            const Real both = let_go ? push_y + l[i] : Real(1);
            const Real late = let_go ? push_y / both - Real(0.5) : Real(0);
            const bool turns = lifted & (left * push_y > y);
            const Real up = lands ? (lifted ? std::max(y, left * push_y) : Real(0)) : y;
            const Real along = lands ? (lifted ? left * push_x : Real(0)) : x;
            // Of what is after contact
            const Real along_bar = v_bar[2 * i] + (dt - time) * p_bar[2 * i];
            const Real up_bar = v_bar[2 * i + 1] + (lands & (up <= 0) ? Real(0) : (dt - time) * p_bar[2 * i + 1]);
            const Real late_bar = let_go ? along_bar * push_x / (both * both) : Real(0);
            const Real left_bar = (lifted ? along_bar * push_x : Real(0)) + (turns ? up_bar * push_y : Real(0));
            const Real time_bar = p_bar[2 * i] * (x - along) +
                                  p_bar[2 * i + 1] * (y - std::max(Real(0), up)) - left_bar / dt;
            const Real gap_bar = lands & !rests ? time_bar / -y : Real(0);
            const Real x_bar = time * p_bar[2 * i] + (lands ? Real(0) : along_bar);
            const Real y_bar = time * (p_bar[2 * i + 1] + gap_bar) + (lands & (turns | !lifted) ? Real(0) : up_bar);
            const Real push_x_bar = x_bar + (lifted ? left : late) * (lands & !lifted ? Real(0) : along_bar);
            const Real push_y_bar = y_bar + (turns ? left * up_bar : Real(0)) + late_bar * l[i] -
                                    (lands & !lifted & (push_y < 0) ? l_bar[i] : Real(0));
            l_bar[i] = -late_bar * push_y;
            p_bar[2 * i + 1] += gap_bar;
            v_bar[2 * i] = keep * x_bar;
            v_bar[2 * i + 1] = keep * y_bar;
            f_bar[2 * i] = dt * inverse_mass[i] * push_x_bar;
            f_bar[2 * i + 1] = dt * inverse_mass[i] * push_y_bar;
        }
    }
};

}  // namespace

extern "C" {

// `constants`: dt, share of a velocity that a step leaves, gravity's x and y, height of the ground, frequency.
void* walker_create(int points, int springs, int steps, const int* ends, const Real* position,
                    const Real* mass, const Real* stiffness, const Real* rest, const Real* stretch,
                    const Real* constants) {
    Scene scene{points, springs, steps, {}, {}, {}, {}, {}, {}, {}, constants[0], constants[1],
                constants[2], constants[3], constants[4], constants[5]};
    for (int s = 0; s < springs; s++) {
        scene.first.push_back(ends[2 * s]);
        scene.second.push_back(ends[2 * s + 1]);
    }
    for (int i = 0; i < points; i++) {
        scene.start.push_back(Pair{position[2 * i], position[2 * i + 1]});
        scene.inverse_mass.push_back(1 / mass[i]);
    }
    scene.stiffness.assign(stiffness, stiffness + springs);
    scene.rest.assign(rest, rest + springs);
    scene.stretch.assign(stretch, stretch + springs);
    return new Walker<SPRINGS>(std::move(scene));
}

double walker_value(void* walker, const Real* amplitude, const Real* phase, const Real* offset) {
    return static_cast<Walker<SPRINGS>*>(walker)->forward({amplitude, phase, offset}, false);
}

double walker_value_and_grad(void* walker, const Real* amplitude, const Real* phase, const Real* offset,
                             Real* amplitude_grad, Real* phase_grad, Real* offset_grad) {
    auto* it = static_cast<Walker<SPRINGS>*>(walker);
    const double loss = it->forward({amplitude, phase, offset}, true);
    it->reverse({amplitude_grad, phase_grad, offset_grad});
    return loss;
}

void walker_destroy(void* walker) { delete static_cast<Walker<SPRINGS>*>(walker); }
}
