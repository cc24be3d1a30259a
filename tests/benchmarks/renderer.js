// A trial of three.js for `renderer.py`: bodies and balls of a still (diffsim/viewing/player.py), drawn with WebGL.
import * as THREE from "three";

function geometryOf({ shape, size: [a, b, c] }) {
  if (shape === "sphere") return new THREE.SphereGeometry(a, 32, 20);
  if (shape === "ellipsoid") return new THREE.SphereGeometry(1, 32, 20).scale(a, b, c);
  if (shape === "box") return new THREE.BoxGeometry(2 * a, 2 * b, 2 * c);
  const along = shape === "cylinder" ? new THREE.CylinderGeometry(a, a, 2 * b, 32) : new THREE.CapsuleGeometry(a, 2 * b, 12, 24);
  return along.rotateX(Math.PI / 2);
}

class Space {
  constructor(canvas, still) {
    this.renderer = new THREE.WebGLRenderer({ canvas, antialias: true, preserveDrawingBuffer: true });
    this.renderer.shadowMap.enabled = true;
    this.scene = new THREE.Scene();
    this.scene.background = new THREE.Color("#fbfaf7");
    this.scene.add(new THREE.HemisphereLight("#ffffff", "#d8d0c0", 2.2));
    const sun = new THREE.DirectionalLight("#ffffff", 1.6);
    sun.position.set(-2.5, -1.2, 10);
    sun.castShadow = true;
    sun.shadow.mapSize.set(2048, 2048);
    const ground = new THREE.Mesh(new THREE.PlaneGeometry(60, 60), new THREE.MeshStandardMaterial({ color: "#ebe6db" }));
    ground.receiveShadow = true;
    this.scene.add(sun, ground);
    this.camera = new THREE.PerspectiveCamera(25, 1, 0.01, 200);
    this.camera.up.set(0, 0, 1);
    this.bodies = still.elements.filter((each) => each.kind === "bodies").flatMap((each) => each.parts.map((parts) => this.body(parts)));
    const balls = still.elements.find((each) => each.kind === "points" && each.radius);
    if (!balls) return;
    this.balls = new THREE.InstancedMesh(new THREE.SphereGeometry(balls.radius, 12, 8), new THREE.MeshStandardMaterial(), balls.count);
    this.scene.add(this.balls);
  }

  body(parts) {
    const body = new THREE.Object3D();
    for (const part of parts) {
      const mesh = new THREE.Mesh(geometryOf(part), new THREE.MeshStandardMaterial({ color: part.fill, roughness: 0.7 }));
      const [w, x, y, z] = part.turn;
      mesh.position.fromArray(part.at);
      mesh.quaternion.set(x, y, z, w);
      mesh.castShadow = mesh.receiveShadow = true;
      body.add(mesh);
    }
    this.scene.add(body);
    return body;
  }

  // Until its pixels are there.
  draw([width, height], { bodies, balls }, eye, at) {
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    this.camera.position.fromArray(eye);
    this.camera.lookAt(new THREE.Vector3(...at));
    bodies.forEach(([place, [w, x, y, z]], k) => {
      this.bodies[k].position.fromArray(place);
      this.bodies[k].quaternion.set(x, y, z, w);
    });
    const matrix = new THREE.Matrix4();
    balls.forEach((place, k) => this.balls.setMatrixAt(k, matrix.makeTranslation(...place)));
    if (this.balls) this.balls.instanceMatrix.needsUpdate = true;
    this.renderer.render(this.scene, this.camera);
    const gl = this.renderer.getContext();
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
  }
}

window.timesOf = (still, frames, eye, at) => {
  const canvas = document.createElement("canvas");
  document.body.replaceChildren(canvas);
  const began = performance.now();
  const space = new Space(canvas, still);
  space.draw([760, 520], frames[0], eye, at);
  const first = performance.now();
  for (const frame of frames) space.draw([760, 520], frame, eye, at);
  return [first - began, (performance.now() - first) / frames.length];
};
