import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OrbitCamera } from '../src/camera.js'
import { humidityColour, visibleSensors } from '../src/sensors.js'

test('dry is red, wet is green, and nothing lies beyond', () => {
  assert.equal(humidityColour(0), 'hsl(0, 80%, 45%)')
  assert.equal(humidityColour(1), 'hsl(120, 80%, 45%)')
  assert.equal(humidityColour(7), humidityColour(1))
})

test('the nearest sensor is drawn last', () => {
  const camera = new OrbitCamera({ elevation: 0, distance: 10 })
  const sensors = [
    { name: 'near', position: [0, 0, 5], humidity: 0.5 },
    { name: 'far', position: [0, 0, -5], humidity: 0.5 },
    { name: 'behind', position: [0, 0, 50], humidity: 0.5 },
  ]
  assert.deepEqual(visibleSensors(sensors, camera).map(({ name }) => name), ['far', 'near'])
})
