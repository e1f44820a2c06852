import { mat4, vec3, vec4 } from 'gl-matrix'

const UP = vec3.fromValues(0, 1, 0)

/** A camera on a sphere around `target`; angles in radians, distance in metres. */
export class OrbitCamera {
  constructor({ target = [0, 0, 0], distance = 10, azimuth = 0, elevation = 0.5, aspect = 16 / 9 } = {}) {
    this.target = vec3.clone(target)
    this.distance = distance
    this.azimuth = azimuth
    this.elevation = elevation
    this.aspect = aspect
  }

  /** Turns the camera; the elevation stops short of the poles, where "up" has no meaning. */
  turn(azimuth, elevation) {
    const limit = Math.PI / 2 - 0.01
    this.azimuth += azimuth
    this.elevation = Math.min(limit, Math.max(-limit, this.elevation + elevation))
  }

  position() {
    const flat = Math.cos(this.elevation) * this.distance
    const offset = [
      Math.sin(this.azimuth) * flat,
      Math.sin(this.elevation) * this.distance,
      Math.cos(this.azimuth) * flat,
    ]
    return vec3.add(vec3.create(), this.target, offset)
  }

  viewProjection() {
    const projection = mat4.perspective(mat4.create(), Math.PI / 4, this.aspect, 0.1, 1000)
    const view = mat4.lookAt(mat4.create(), this.position(), this.target, UP)
    return mat4.multiply(mat4.create(), projection, view)
  }

  /** Where a point of the world is on the screen: x and y from -1 to 1, or null behind the camera. */
  project(point) {
    const clip = vec4.transformMat4(vec4.create(), [...point, 1], this.viewProjection())
    return clip[3] <= 0 ? null : [clip[0] / clip[3], clip[1] / clip[3]]
  }
}
