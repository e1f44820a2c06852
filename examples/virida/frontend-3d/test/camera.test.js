import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OrbitCamera } from '../src/camera.js'

function assertNear(actual, expected) {
  assert.equal(actual.length, expected.length)
  expected.forEach((value, index) => assert.ok(Math.abs(actual[index] - value) < 1e-5, `${actual} is not ${expected}`))
}

test('the target is in the middle of the screen from everywhere', () => {
  const camera = new OrbitCamera({ target: [3, 1, -2] })
  for (let turn = 0; turn < 12; turn++) {
    camera.turn(0.7, 0.1)
    assertNear(camera.project([3, 1, -2]), [0, 0])
  }
})

test('what is above the target is above it on the screen', () => {
  const [, y] = new OrbitCamera().project([0, 1, 0])
  assert.ok(y > 0)
})

test('a point behind the camera has no place on the screen', () => {
  const camera = new OrbitCamera({ elevation: 0, distance: 5 })
  assert.equal(camera.project([0, 0, 20]), null)
})

test('the camera keeps its distance and never reaches the pole', () => {
  const camera = new OrbitCamera({ distance: 7 })
  camera.turn(1, 100)
  assert.ok(camera.elevation < Math.PI / 2)
  assert.ok(Math.abs(Math.hypot(...camera.position()) - 7) < 1e-5)
})
