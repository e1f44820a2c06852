/** The colour of a soil humidity from 0 (dry, red) to 1 (wet, green), as CSS. */
export function humidityColour(humidity) {
  const clamped = Math.min(1, Math.max(0, humidity))
  return `hsl(${Math.round(clamped * 120)}, 80%, 45%)`
}

/** Sensors with their place on the screen, nearest last so that they are drawn over the others. */
export function visibleSensors(sensors, camera) {
  const eye = camera.position()
  return sensors
    .map((sensor) => ({ ...sensor, screen: camera.project(sensor.position), depth: distance(eye, sensor.position) }))
    .filter((sensor) => sensor.screen !== null)
    .sort((a, b) => b.depth - a.depth)
}

function distance(a, b) {
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2])
}
