// A loss and its gradient of an elastic robot by material points, written by hand, in one thread.
//
// The physics is that of docs/material_points.md in the plane: fixed corotated solid, muscles along y, quadratic
// B-splines, APIC, walls with Coulomb friction. The loss is minus the mean x at the end; its gradient is by the actuation
// of each muscle in each step. Kept are the particles of every step, and the nodes of the box around them.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#ifndef REAL
#define REAL float
#endif

using real = REAL;

namespace {

constexpr int MARGIN = 2;

struct Particle {
  real x[2], v[2], c[4], f[4];
};

struct Node {
  real p[2], m;
};

struct Velocity {
  real v[2];
};

struct Box {
  int low[2], size[2];
  std::vector<Node> inertia;
  std::vector<Velocity> velocity;
};

struct Weights {
  int base[2];
  real apart[2], w[2][3], slope[2][3];
};

struct Robot {
  int n, steps, muscles, nodes;
  real dt, cell, low, gravity, friction, shear, bulk, strength, empty;
  std::vector<int> muscle;
  std::vector<real> volume, mass;
  std::vector<std::vector<Particle>> rows;
  std::vector<Box> boxes;
};

Weights weights_of(const Robot& r, const real* x) {
  Weights k;
  for (int a = 0; a < 2; ++a) {
    const real at = (x[a] - r.low) / r.cell;
    k.base[a] = static_cast<int>(at - real(0.5));
    const real f = at - k.base[a];
    k.apart[a] = f;
    k.w[a][0] = real(0.5) * (real(1.5) - f) * (real(1.5) - f);
    k.w[a][1] = real(0.75) - (f - 1) * (f - 1);
    k.w[a][2] = real(0.5) * (f - real(0.5)) * (f - real(0.5));
    k.slope[a][0] = f - real(1.5);
    k.slope[a][1] = -2 * (f - 1);
    k.slope[a][2] = f - real(0.5);
  }
  return k;
}

void lay_out(const Robot& r, const std::vector<Particle>& row, Box& box) {
  real low[2] = {row[0].x[0], row[0].x[1]}, high[2] = {low[0], low[1]};
  for (const Particle& p : row)
    for (int a = 0; a < 2; ++a) low[a] = std::min(low[a], p.x[a]), high[a] = std::max(high[a], p.x[a]);
  for (int a = 0; a < 2; ++a) {
    box.low[a] = static_cast<int>((low[a] - r.low) / r.cell - real(0.5));
    box.size[a] = static_cast<int>((high[a] - r.low) / r.cell - real(0.5)) + 3 - box.low[a];
  }
  box.inertia.assign(box.size[0] * box.size[1], Node{});
  box.velocity.resize(box.inertia.size());
}

// The deformation at the end of the step, and what is pushed with: cell * (m C - 4 h V tau / cell^2).
void push_of(const Robot& r, const Particle& p, int k, real act, real* f, real* push) {
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 2; ++j)
      f[2 * i + j] = p.f[2 * i + j] + r.dt * (p.c[2 * i] * p.f[j] + p.c[2 * i + 1] * p.f[2 + j]);
  const real c = f[0] + f[3], s = f[2] - f[1], size = std::sqrt(c * c + s * s);
  const real rot[4] = {c / size, -s / size, s / size, c / size};
  const real away[4] = {f[0] - rot[0], f[1] - rot[1], f[2] - rot[2], f[3] - rot[3]};
  const real j = f[0] * f[3] - f[1] * f[2], volumetric = r.bulk * (j - 1) * j;
  const real scale = -4 * r.dt * r.volume[k] / r.cell;
  for (int a = 0; a < 2; ++a)
    for (int b = 0; b < 2; ++b) {
      real tau = 2 * r.shear * (away[2 * a] * f[2 * b] + away[2 * a + 1] * f[2 * b + 1]) + (a == b ? volumetric : 0);
      tau += act * r.strength * f[2 * a + 1] * f[2 * b + 1];
      push[2 * a + b] = scale * tau + r.cell * r.mass[k] * p.c[2 * a + b];
    }
}

real act_of(const Robot& r, const real* actuation, int step, int k) {
  return r.muscle[k] < 0 ? real(0) : actuation[step * r.muscles + r.muscle[k]];
}

bool held(const Robot& r, int node, real v) {
  return (node <= MARGIN && v < 0) || (node >= r.nodes - 1 - MARGIN && v > 0);
}

void slide(const Robot& r, const int* node, real* v) {
  for (int a = 0; a < 2; ++a)
    if (held(r, node[a], v[a])) {
      const int b = 1 - a;
      const real size = std::sqrt(v[b] * v[b] + real(1e-24));
      v[b] *= std::max(real(0), 1 - r.friction * std::abs(v[a]) / size);
      v[a] = 0;
    }
}

void forward(const Robot& r, const real* actuation, int step, const std::vector<Particle>& row,
             std::vector<Particle>& next, Box& box) {
  lay_out(r, row, box);
  const int width = box.size[1];
  for (int k = 0; k < r.n; ++k) {
    const Particle& p = row[k];
    real push[4];
    push_of(r, p, k, act_of(r, actuation, step, k), next[k].f, push);
    const Weights w = weights_of(r, p.x);
    const real m = r.mass[k];
    const real there[2] = {m * p.v[0] - push[0] * w.apart[0] - push[1] * w.apart[1],
                           m * p.v[1] - push[2] * w.apart[0] - push[3] * w.apart[1]};
    Node* first = &box.inertia[(w.base[0] - box.low[0]) * width + w.base[1] - box.low[1]];
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 3; ++j) {
        const real weight = w.w[0][i] * w.w[1][j];
        Node& node = first[i * width + j];
        node.p[0] += weight * (there[0] + push[0] * i + push[1] * j);
        node.p[1] += weight * (there[1] + push[2] * i + push[3] * j);
        node.m += weight * m;
      }
  }
  for (int i = 0; i < box.size[0]; ++i)
    for (int j = 0; j < width; ++j) {
      const Node& node = box.inertia[i * width + j];
      real* v = box.velocity[i * width + j].v;
      v[0] = v[1] = 0;
      if (node.m > r.empty) {
        v[0] = node.p[0] / node.m;
        v[1] = node.p[1] / node.m + r.dt * r.gravity;
        const int at[2] = {i + box.low[0], j + box.low[1]};
        slide(r, at, v);
      }
    }
  for (int k = 0; k < r.n; ++k) {
    const Weights w = weights_of(r, row[k].x);
    const Velocity* first = &box.velocity[(w.base[0] - box.low[0]) * width + w.base[1] - box.low[1]];
    real v[2] = {0, 0}, c[4] = {0, 0, 0, 0};
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 3; ++j) {
        const real weight = w.w[0][i] * w.w[1][j], away[2] = {i - w.apart[0], j - w.apart[1]};
        for (int a = 0; a < 2; ++a) {
          const real part = weight * first[i * width + j].v[a];
          v[a] += part;
          c[2 * a] += part * away[0];
          c[2 * a + 1] += part * away[1];
        }
      }
    for (int a = 0; a < 2; ++a) {
      next[k].v[a] = v[a];
      next[k].x[a] = row[k].x[a] + r.dt * v[a];
    }
    for (int a = 0; a < 4; ++a) next[k].c[a] = 4 / r.cell * c[a];
  }
}

// The adjoint of `push_of`: g holds those of next.f on entry, and gets those of c and f.
void pull_of(const Robot& r, const Particle& p, const real* f, int k, real act, const real* gf, const real* gpush,
             Particle& g, real& gact) {
  const real scale = -4 * r.dt * r.volume[k] / r.cell;
  real t[4], gn[4];
  for (int a = 0; a < 4; ++a) t[a] = scale * gpush[a], gn[a] = gf[a];
  const real c = f[0] + f[3], s = f[2] - f[1], size = std::sqrt(c * c + s * s), rc = c / size, rs = s / size;
  const real away[4] = {f[0] - rc, f[1] + rs, f[2] - rs, f[3] - rc};
  real gaway[4];
  for (int a = 0; a < 2; ++a)
    for (int b = 0; b < 2; ++b) {
      gaway[2 * a + b] = 2 * r.shear * (t[2 * a] * f[b] + t[2 * a + 1] * f[2 + b]);
      gn[2 * a + b] += gaway[2 * a + b] + 2 * r.shear * (t[a] * away[b] + t[2 + a] * away[2 + b]);
    }
  const real gc = -(gaway[0] + gaway[3]), gs = -(gaway[2] - gaway[1]), along = gc * rc + gs * rs;
  const real hc = (gc - along * rc) / size, hs = (gs - along * rs) / size;
  const real j = f[0] * f[3] - f[1] * f[2], gj = r.bulk * (2 * j - 1) * (t[0] + t[3]);
  gn[0] += hc + gj * f[3];
  gn[3] += hc + gj * f[0];
  gn[2] += hs - gj * f[1];
  gn[1] += -hs - gj * f[2];
  if (r.muscle[k] >= 0) {
    const real m[2] = {f[1], f[3]};
    gact += r.strength * (t[0] * m[0] * m[0] + (t[1] + t[2]) * m[0] * m[1] + t[3] * m[1] * m[1]);
    gn[1] += act * r.strength * (2 * t[0] * m[0] + (t[1] + t[2]) * m[1]);
    gn[3] += act * r.strength * (2 * t[3] * m[1] + (t[1] + t[2]) * m[0]);
  }
  for (int a = 0; a < 2; ++a)
    for (int b = 0; b < 2; ++b) {
      g.f[2 * a + b] = gn[2 * a + b] + r.dt * (p.c[a] * gn[b] + p.c[2 + a] * gn[2 + b]);
      g.c[2 * a + b] =
          r.cell * r.mass[k] * gpush[2 * a + b] + r.dt * (gn[2 * a] * p.f[2 * b] + gn[2 * a + 1] * p.f[2 * b + 1]);
    }
}

void reverse(const Robot& r, const real* actuation, int step, const std::vector<Particle>& row,
             const std::vector<Particle>& next, const Box& box, std::vector<Particle>& g, real* grad,
             std::vector<Node>& gnode) {
  const int width = box.size[1];
  gnode.assign(box.inertia.size(), Node{});
  for (int k = 0; k < r.n; ++k) {
    const Weights w = weights_of(r, row[k].x);
    const int at = (w.base[0] - box.low[0]) * width + w.base[1] - box.low[1];
    const real gv[2] = {g[k].v[0] + r.dt * g[k].x[0], g[k].v[1] + r.dt * g[k].x[1]};
    real gc[4], gapart[2] = {0, 0};
    for (int a = 0; a < 4; ++a) gc[a] = 4 / r.cell * g[k].c[a];
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 3; ++j) {
        const real weight = w.w[0][i] * w.w[1][j], away[2] = {i - w.apart[0], j - w.apart[1]};
        const real* v = box.velocity[at + i * width + j].v;
        const real p0 = gv[0] + gc[0] * away[0] + gc[1] * away[1], p1 = gv[1] + gc[2] * away[0] + gc[3] * away[1];
        gnode[at + i * width + j].p[0] += weight * p0;
        gnode[at + i * width + j].p[1] += weight * p1;
        const real gw = p0 * v[0] + p1 * v[1];
        gapart[0] += gw * w.slope[0][i] * w.w[1][j] - weight * (gc[0] * v[0] + gc[2] * v[1]);
        gapart[1] += gw * w.w[0][i] * w.slope[1][j] - weight * (gc[1] * v[0] + gc[3] * v[1]);
      }
    for (int a = 0; a < 2; ++a) g[k].x[a] += gapart[a] / r.cell;
  }
  for (int i = 0; i < box.size[0]; ++i)
    for (int j = 0; j < width; ++j) {
      const Node& node = box.inertia[i * width + j];
      Node& out = gnode[i * width + j];
      if (node.m <= r.empty) {
        out = Node{};
        continue;
      }
      const int at[2] = {i + box.low[0], j + box.low[1]};
      real before[2][2], v[2] = {node.p[0] / node.m, node.p[1] / node.m + r.dt * r.gravity};
      bool stops[2];
      for (int a = 0; a < 2; ++a) {
        before[a][0] = v[0], before[a][1] = v[1];
        stops[a] = held(r, at[a], v[a]);
        if (stops[a]) {
          const real size = std::sqrt(v[1 - a] * v[1 - a] + real(1e-24));
          v[1 - a] *= std::max(real(0), 1 - r.friction * std::abs(v[a]) / size);
          v[a] = 0;
        }
      }
      for (int a = 1; a >= 0; --a)
        if (stops[a]) {
          const int b = 1 - a;
          const real va = before[a][a], vb = before[a][b], square = vb * vb + real(1e-24), size = std::sqrt(square);
          const real left = 1 - r.friction * std::abs(va) / size;
          const real gb = out.p[b];
          if (left > 0) {
            out.p[b] = gb * (left + r.friction * std::abs(va) * vb * vb / (size * square));
            out.p[a] = -gb * vb * r.friction * (va < 0 ? -1 : 1) / size;
          } else {
            out.p[0] = out.p[1] = 0;
          }
        }
      out.m = -(out.p[0] * node.p[0] + out.p[1] * node.p[1]) / (node.m * node.m);
      out.p[0] /= node.m;
      out.p[1] /= node.m;
    }
  for (int k = 0; k < r.n; ++k) {
    const Particle& p = row[k];
    const Weights w = weights_of(r, p.x);
    const real m = r.mass[k], act = act_of(r, actuation, step, k);
    real f[4], push[4];
    push_of(r, p, k, act, f, push);
    const real there[2] = {m * p.v[0] - push[0] * w.apart[0] - push[1] * w.apart[1],
                           m * p.v[1] - push[2] * w.apart[0] - push[3] * w.apart[1]};
    const Node* first = &gnode[(w.base[0] - box.low[0]) * width + w.base[1] - box.low[1]];
    real gthere[2] = {0, 0}, gpush[4] = {0, 0, 0, 0}, gapart[2] = {0, 0};
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 3; ++j) {
        const real weight = w.w[0][i] * w.w[1][j];
        const Node& node = first[i * width + j];
        const real p0 = weight * node.p[0], p1 = weight * node.p[1];
        gthere[0] += p0, gthere[1] += p1;
        gpush[0] += p0 * i, gpush[1] += p0 * j, gpush[2] += p1 * i, gpush[3] += p1 * j;
        const real gw = node.p[0] * (there[0] + push[0] * i + push[1] * j) +
                        node.p[1] * (there[1] + push[2] * i + push[3] * j) + node.m * m;
        gapart[0] += gw * w.slope[0][i] * w.w[1][j];
        gapart[1] += gw * w.w[0][i] * w.slope[1][j];
      }
    for (int a = 0; a < 2; ++a)
      for (int b = 0; b < 2; ++b) {
        gpush[2 * a + b] -= gthere[a] * w.apart[b];
        gapart[b] -= push[2 * a + b] * gthere[a];
      }
    for (int a = 0; a < 2; ++a) {
      g[k].v[a] = m * gthere[a];
      g[k].x[a] += gapart[a] / r.cell;
    }
    real gf[4], gact = 0;
    std::memcpy(gf, g[k].f, sizeof gf);
    pull_of(r, p, f, k, act, gf, gpush, g[k], gact);
    if (r.muscle[k] >= 0) grad[step * r.muscles + r.muscle[k]] += gact;
  }
}

real run(Robot& r, const real* actuation) {
  for (int step = 0; step < r.steps; ++step)
    forward(r, actuation, step, r.rows[step], r.rows[step + 1], r.boxes[step]);
  real sum = 0;
  for (const Particle& p : r.rows[r.steps]) sum += p.x[0];
  return -sum / r.n;
}

}  // namespace

extern "C" {

// numbers: dt, cell, place of node 0, gravity, friction, mu, lambda, strength, empty.
void* robot_create(int n, int steps, int muscles, int nodes, const int* muscle, const real* points, const real* volume,
                   const real* mass, const real* numbers) {
  Robot* r = new Robot{n, steps, muscles, nodes, numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5],
                       numbers[6], numbers[7], numbers[8], {}, {}, {}, {}, {}};
  r->muscle.assign(muscle, muscle + n);
  r->volume.assign(volume, volume + n);
  r->mass.assign(mass, mass + n);
  r->rows.assign(steps + 1, std::vector<Particle>(n));
  r->boxes.resize(steps);
  for (int k = 0; k < n; ++k) {
    Particle& p = r->rows[0][k];
    p = Particle{{points[2 * k], points[2 * k + 1]}, {0, 0}, {0, 0, 0, 0}, {1, 0, 0, 1}};
  }
  return r;
}

double robot_value(void* handle, const real* actuation) { return run(*static_cast<Robot*>(handle), actuation); }

double robot_value_and_grad(void* handle, const real* actuation, real* grad) {
  Robot& r = *static_cast<Robot*>(handle);
  const double loss = run(r, actuation);
  std::vector<Particle> g(r.n, Particle{});
  for (Particle& p : g) p.x[0] = real(-1) / r.n;
  std::fill(grad, grad + r.steps * r.muscles, real(0));
  std::vector<Node> gnode;
  for (int step = r.steps - 1; step >= 0; --step)
    reverse(r, actuation, step, r.rows[step], r.rows[step + 1], r.boxes[step], g, grad, gnode);
  return loss;
}

void robot_destroy(void* handle) { delete static_cast<Robot*>(handle); }
}
