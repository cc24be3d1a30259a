// What is shown: an iteration, at a time; and whether it plays.

const HOLD = 0.7; // for so long the last frame stays [s]

class Player {
  constructor(data) {
    this.library = new Library(data);
    this.entries = data.iterations;
    this.canvas = document.getElementById("canvas");
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.index = -1;
    this.time = 0;
    this.speed = 1;
    this.playing = false;
    this.through = false;
    this.held = 0;
    this.ghost = null; // another iteration, shown pale at the same time
    this.sheet = document.createElement("canvas");
    this.changed = () => {};
    this.asked = 0;
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    handle(this.canvas, () => this.camera, () => this.draw());
  }

  // The time stays what it is, as far as the iteration lasts.
  async load(index) {
    index = Math.max(0, Math.min(index, this.entries.length - 1));
    this.asked = index;
    const clip = await this.library.clip(index);
    if (this.asked !== index) return; // another one was asked for meanwhile
    this.index = index;
    this.clip = clip;
    const camera = new Camera(clip.still);
    if (this.camera) camera.take(this.camera);
    this.camera = camera;
    this.time = Math.max(clip.start, Math.min(this.time, clip.end));
    this.changed("clip");
    this.draw();
    for (const next of [index + 1, index - 1]) {
      if (next >= 0 && next < this.entries.length) this.library.clip(next).catch(() => {});
    }
  }

  seek(time) {
    this.time = Math.max(this.clip.start, Math.min(time, this.clip.end));
    this.held = 0;
    this.draw();
  }

  // To the next frame, or the one before.
  step(by) {
    this.pause();
    const row = this.clip.rowAt(this.time);
    const next = by > 0 ? Math.floor(row + 1e-3) + by : Math.ceil(row - 1e-3) + by;
    this.seek(this.clip.timeOf(Math.max(0, Math.min(next, this.clip.rows - 1))));
  }

  play() {
    if (this.playing) return;
    this.playing = true;
    if (this.time >= this.clip.end) this.time = this.clip.start;
    this.held = 0;
    this.last = null;
    this.changed("playing");
    requestAnimationFrame((now) => this.tick(now));
  }

  pause() {
    this.playing = false;
    this.changed("playing");
    this.draw();
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  tick(now) {
    if (!this.playing) return;
    const passed = this.last === null ? 0 : Math.min((now - this.last) / 1000, 0.2);
    this.last = now;
    if (this.time < this.clip.end) this.time = Math.min(this.time + passed * this.speed, this.clip.end);
    else this.held += passed;
    if (this.held > HOLD) this.again();
    this.draw();
    requestAnimationFrame((next) => this.tick(next));
  }

  // From the start; of the next iteration, if one is to watch it learn.
  again() {
    this.held = 0;
    this.time = this.clip.start;
    if (!this.through || this.asked !== this.index) return;
    if (this.index + 1 < this.entries.length) this.load(this.index + 1);
    else {
      this.through = false;
      this.changed("through");
    }
  }

  // Keep the shown iteration as a ghost beside others; the same again lets it go.
  haunt() {
    this.ghost = this.ghost ? null : this.clip;
    this.changed("clip");
    this.draw();
  }

  // The ghost, on a sheet of its own: what overlaps in it must not be darker.
  paintGhost(width, height, ratio, drawn) {
    const { ghost, camera, sheet } = this;
    if (!ghost || ghost === this.clip) return;
    [sheet.width, sheet.height] = [this.canvas.width, this.canvas.height];
    const context = sheet.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const canvas = new Canvas(context, width, height);
    const poses = posesOf(ghost, ghost.rowAt(this.time));
    if (camera.flat) paintMoving(canvas, camera, ghost.still, poses);
    else {
      paintTrails(canvas, camera, poses);
      paintBodiesInSpace(canvas, camera, ghost.still, { poses, moving: this.playing }, solidsOf(poses), ratio);
    }
    drawn.save();
    drawn.setTransform(1, 0, 0, 1, 0, 0);
    drawn.globalAlpha = 0.35;
    drawn.drawImage(sheet, 0, 0);
    drawn.restore();
  }

  // Everything that moves, at the time shown.
  pose() {
    const { clip } = this;
    const row = clip.rowAt(this.time);
    const pose = { poses: posesOf(clip, row), moving: this.playing };
    if (clip.has("track")) {
      pose.track = Array.from(clip.at("track", row));
      pose.way = plus(Array.from(clip.at("track", clip.rows - 1)), Array.from(clip.at("track", 0)), -1);
    }
    return pose;
  }

  draw() {
    if (!this.clip) return;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    if (!width || !height) return;
    const pixels = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.canvas.width !== pixels[0] || this.canvas.height !== pixels[1]) [this.canvas.width, this.canvas.height] = pixels;
    const { context, camera } = this;
    const { still } = this.clip;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = named("sky");
    context.fillRect(0, 0, width, height);
    const pose = this.pose();
    camera.fit(width, height, pose.track);
    const canvas = new Canvas(context, width, height);
    const ghost = () => this.paintGhost(width, height, ratio, context);
    if (camera.flat) paintFlat(canvas, camera, still, pose, ghost);
    else paintSpace(canvas, camera, still, pose, ratio, ghost);
    this.changed("time");
  }
}
